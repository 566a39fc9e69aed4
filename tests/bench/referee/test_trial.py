"""What the referee says of readers that are right, wrong, refuse, crash, hang or are not there."""

import sys

import pytest

from vidformats.bench.referee import clips, results
from vidformats.bench.referee.child import SIDE, thumbnail
from vidformats.bench.referee.questions import ACCESSES, Truth, asked_of, requests, truth
from vidformats.bench.referee.roster import ADAPTERS, OURS, READERS, Home, Missing, Reader, home
from vidformats.bench.referee.trial import Cell, Process, trial

np = pytest.importorskip("numpy")
pytest.importorskip("av", reason="makes the clips")
pytest.importorskip("imageio_ffmpeg", reason="brings the judge")

AWKWARD = ["open_gop.mp4", "variable_rate.mkv", "cut_start.mp4", "h264.ts", "mpeg4_b.avi"]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return results.known(map(clips.named, AWKWARD), tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def plain(known):
    """One clip, as `trial` takes it."""
    clip, path, shown = known["open_gop.mp4"]
    return path, clip.name, shown


def process_of(source, folder):
    """Return the process of an adapter that is written here."""
    adapter = folder / "adapter.py"
    adapter.write_text(source)
    return Process(Reader("a", "A", "a", "a", "1"), home(READERS["vidformats-pyav"]), adapter)


@pytest.mark.parametrize("name", OURS)
def test_ours_is_never_wrong(known, name):
    """The short form: ``vidformats referee --reader vidformats-pyav --requests 2000`` asks 200,000 times."""
    found = results.measure([READERS[name]], known, list(ACCESSES), 64, 3)
    assert found["missing"] == {}
    rows = results.rows_of(found)
    assert sum(row["asked"] for row in rows) > 1000
    assert [row for row in rows if row["wrong"] or row["failed"] or row["hung"] or row["refused"]] == []
    assert [row["clip"] for row in rows if row["access"] == "length" and row["length"] != row["frames"]] == []


@pytest.mark.parametrize(
    ("right", "planted", "access"),
    [
        ("return self.video[i]", "return self.video[i - 1]", "frame"),
        ("return self.video[indices]", "return self.video[[i + (i > 60) for i in indices]]", "frames"),
        ("for i in range(len", "for i in range(1, len", "scan"),
        ("self.video.at([seconds])", "self.video.at([seconds + 1 / 25])", "at"),
        ("return len(self.video)", "return len(self.video) - 1", "length"),
    ],
)
def test_a_planted_mistake_is_found(right, planted, access, plain, tmp_path):
    source = (ADAPTERS / "ours.py").read_text()
    assert right in source
    process = process_of(source.replace(right, planted), tmp_path)
    cell = trial(process, *plain, access, 40, 0)
    process.close()
    if access == "length":
        assert (cell.length, cell.frames) == (119, 120)
    else:
        assert cell.wrong > 10
        place, due, shown = cell.mistakes[0]
        assert place == due != shown


ADAPTER = """
import os, time
import numpy as np
class Video:
    CLOCK = "player"
    def __init__(self, path, **options): {open}
    def length(self): return 120
    def frame(self, i): {frame}
open = Video
"""


@pytest.mark.parametrize(
    ("opening", "frame", "outcome"),
    [
        ("raise OSError('no')", "pass", "refused"),
        ("pass", "raise IndexError('no')", "refused"),
        ("pass", "return np.zeros((3, 3))", "failed"),
        ("pass", "return None", "failed"),
        ("pass", "return np.zeros((96, 128, 3), 'u1')", "wrong"),
        ("pass", "return None.pixels", "failed"),
        ("None.pixels", "pass", "failed"),
        ("pass", "raise KeyError(i)", "failed"),
        ("pass", "os.abort()", "failed"),
        ("os.abort()", "pass", "failed"),
        ("pass", "print('noise'); return np.zeros((96, 128, 3), 'u1') + 255", "wrong"),
    ],
)
def test_every_end_of_a_reader_is_told(opening, frame, outcome, plain, tmp_path):
    process = process_of(ADAPTER.format(open=opening, frame=frame), tmp_path)
    path, name, shown = plain
    cell = trial(process, path, name, shown, "frame", 9, 0)
    # Black is number 0, white is 65535: frame 0 is right if it was asked for.
    assert getattr(cell, outcome) + cell.right == cell.asked == 9
    assert trial(process, path, name, shown, "length", 9, 0).frames == 120, "the process is there for the next cell"
    process.close()


@pytest.mark.parametrize(("opening", "frame"), [("time.sleep(600)", "pass"), ("pass", "time.sleep(600)")])
def test_a_reader_that_hangs_is_stopped(opening, frame, plain, tmp_path, monkeypatch):
    monkeypatch.setattr("vidformats.bench.referee.trial.LIMIT", 1.0)
    process = process_of(ADAPTER.format(open=opening, frame=frame), tmp_path)
    cell = trial(process, *plain, "frame", 9, 0)
    assert (cell.hung, cell.asked) == (9, 9)
    process.close()


def test_a_reader_that_is_not_there_is_named_with_its_reason(known, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path))
    absent = Reader("none", "None", "decord", "no-such-package", "1")
    with pytest.raises(Missing, match="no-such-package is not installed; --install"):
        home(absent)
    found = results.measure([absent], known, ["frame"], 8, 0)
    assert "is not installed" in found["missing"]["none"]["why"]
    assert "Not there: None: no-such-package is not installed" in results.markdown(found)
    with pytest.raises(ImportError, match=r"a .* cannot be imported: ModuleNotFoundError: No module named 'nowhere'"):
        process_of("import nowhere", tmp_path)


def test_requests_are_the_same_every_time(plain):
    _, _, shown = plain
    for access in ACCESSES:
        assert requests(access, shown, "player", 40, [1, 2]) == requests(access, shown, "player", 40, [1, 2])
    calls, places = requests("frames", shown, "", 64, [0])
    assert calls == places
    assert {len(call) for call in calls} == {8}
    assert calls[0] == list(range(calls[0][0], calls[0][0] + 8)) or max(calls[0]) == 119
    times, places = requests("at", shown, "player", 40, [0])
    assert all(shown.player[i] < t < shown.player[i + 1] for t, (i,) in zip(times, places, strict=True))


def test_no_time_is_asked_for_that_two_frames_share():
    doubled = Truth([0, 1, 2, 3], [0.0, 1.0, 1.0, 2.0], [0.0] * 4, (8, 8))
    assert {place for (place,) in requests("at", doubled, "player", 50, [0])[1]} == {0, 2}
    assert requests("at", doubled, "stream", 50, [0]) == ([], [])


def test_fewer_are_asked_for_where_each_costs_much():
    assert asked_of(READERS["decord"], (96, 128), 200) == 200
    assert asked_of(READERS["moviepy"], (96, 128), 200) == 40
    assert asked_of(READERS["decord"], (1080, 1920), 200) == 20


def test_a_frame_that_was_not_turned_upright_is_the_right_frame(tmp_path):
    clip = clips.named("rotated.mp4")
    path = clips.make(clip, tmp_path)
    source = (
        (ADAPTERS / "ours.py").read_text().replace("return self.video[i]", "return self.video[i].swapaxes(0, 1)[::-1]")
    )
    process = process_of(source, tmp_path)
    cell = trial(process, path, clip.name, truth(path, clip.size), "frame", 20, 0)
    process.close()
    assert (cell.right, cell.turned) == (20, 20)


def test_disputed_clips_are_not_counted():
    cells = [Cell("r", "a.mp4", "frame", asked=8, wrong=8), Cell("r", "b.mp4", "frame", asked=8, right=8)]
    about = {"title": "R", "version": "1"}
    found = {"readers": {"r": about}, "clips": {"a.mp4": {"disputed": "so"}, "b.mp4": {}}, "cells": cells}
    (line,) = results.summary(found)
    assert (line["asked"], line["wrong"], line["clips"]) == (8, 0, 1)


def test_a_thumbnail_is_the_mean_of_each_part():
    frame = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None] * 4, 48, axis=1).repeat(3, axis=2)
    small = np.frombuffer(thumbnail(frame), np.uint8).reshape(SIDE, SIDE)
    assert (small[:, 0] == [6 + 16 * k for k in range(SIDE)]).all()
    assert (small == small[:, :1]).all()
    assert len(thumbnail(np.zeros((5, 7, 3), np.uint8))) == SIDE * SIDE


def test_another_python_does_not_see_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path))
    folder = tmp_path / "referee" / "no-such-package-1"
    folder.mkdir(parents=True)
    (folder / "complete").touch()
    found = home(Reader("none", "None", "decord", "no-such-package", "1"))
    assert isinstance(found, Home)
    assert found.python == str(folder / "bin" / "python")
    assert "PYTHONPATH" not in found.environment
    assert home(READERS["vidformats-pyav"]).python == sys.executable
