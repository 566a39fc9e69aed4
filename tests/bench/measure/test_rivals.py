"""Speed beside other readers: measured small, wrong frames found, and as a document shows it."""

import json

import numpy as np
import pytest

from vidformats.bench.measure import rivals
from vidformats.bench.report import rivals as report

av = pytest.importorskip("av", reason="of the extra codecs")


@pytest.fixture(scope="module")
def measured():
    return rivals.measure(gops=(4,), lines=(32,), n_frames=32, rounds=2, threads=2)


def test_every_reader_is_timed_in_every_access_and_fit_for_json(measured):
    assert json.loads(json.dumps(measured)) == measured
    (file,) = measured["files"]
    assert file["wrong"] == []
    assert set(file["seconds"]) == {*rivals.requests(32), "open"}
    for access, seconds in file["seconds"].items():
        assert {"vidformats", "PyAV, 1", "PyAV, 2"} <= set(seconds)
        assert ("OpenCV" in seconds) == (access != "open")
        assert len(seconds["vidformats"]) == 2
        assert all(min(rounds) > 0 for rounds in seconds.values())


def test_a_reader_of_other_frames_is_told_and_not_timed(monkeypatch):
    monkeypatch.setattr(rivals, "_opencv_frames", lambda capture, frames: np.zeros((len(frames), 32, 56, 3), np.uint8))
    found = rivals.measure(gops=(4,), lines=(32,), n_frames=32, rounds=1, threads=1)
    assert found["files"][0]["wrong"] == ["OpenCV"]
    assert all("OpenCV" not in seconds for seconds in found["files"][0]["seconds"].values())
    assert "OpenCV (32, 4)" in report.markdown(found)


@pytest.mark.parametrize("gop", [1, 3, 40])
def test_rivals_return_the_frames_asked_for(gop, tmp_path):
    path = rivals.write(tmp_path / "a.mp4", gop, 48, 40)
    ways = rivals.readers(1)
    frames = [0, 1, 7, 7, 20, 39]
    open_ours, read_ours = ways.pop("vidformats")
    with open_ours(path) as video:
        ours = read_ours(video, frames).transpose(0, 2, 3, 1)
    for name, (opener, read) in ways.items():
        assert np.abs(read(opener(path), frames).astype(int) - ours).mean() < rivals.SAME, name
    assert np.abs(ours[1:3].astype(int) - ours[0]).mean() > 2 * rivals.SAME


def test_the_table_names_the_fastest(measured):
    row = next(line for line in report.markdown(measured).splitlines() if line.startswith("| 32, 4"))
    assert row.count("(") == 5
    assert report.best({"vidformats": [1.0]}) == ("", "")
