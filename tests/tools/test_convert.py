"""A collection is converted wholly, once, and whatever goes wrong with one source leaves the others alone."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from tests.tools.made import video
from vidformats.tools import convert as tool
from vidformats.tools import job as one
from vidformats.tools import receipts, work

pytest.importorskip("xxhash")


@pytest.fixture
def pool(monkeypatch):
    """Convert in this process, which is quicker than to start another."""
    monkeypatch.setattr(work, "guarded", lambda job, function, seconds: function(job))
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Three videos in a tree, in a current folder of its own."""
    monkeypatch.chdir(tmp_path)
    return {name: video(Path("study", f"{name}.avi"), n) for name, n in (("Ann/1", 20), ("Ann/2", 70), ("Bo/1", 33))}


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_tree_becomes_a_tree_with_receipts_and_a_manifest(study, pool):
    done = vf.convert("study", "out", "npy", executor=pool, subject_pattern="{subject}/*")
    assert [receipt.path for receipt in done.new] == ["Ann/1.npy", "Ann/2.npy", "Bo/1.npy"]
    for name in study:
        source, result = vf.load(f"study/{name}.avi"), vf.load(f"out/{name}.npy")
        assert np.array_equal(result, source)
        with vf.open(f"out/{name}.npy") as kept:
            assert kept.fps == 25.0
    table = vf.windows("out/manifest.csv", size=16, hop=16)
    assert table.manifest.trials == ["Ann/1", "Ann/2", "Bo/1"]
    assert table.manifest.values("subject").tolist() == ["Ann", "Ann", "Bo"]
    assert table.manifest.n_frames.tolist() == [20, 70, 33]
    assert table.dataset()[0]["video"].shape[0] == 16


def test_a_receipt_tells_source_options_versions_and_digests(study, pool):
    vf.convert("study", "out", "npy", executor=pool, size=16)
    receipt = json.loads(Path("out/Ann/.2.npy.receipt.json").read_text())
    assert receipt["source"]["size"] == os.path.getsize("study/Ann/2.avi")
    assert receipt["source"]["sha256"] == receipts.sha256_of(Path("study/Ann/2.avi"))
    assert receipt["result"]["sha256"] == receipts.sha256_of(Path("out/Ann/2.npy"))
    assert receipt["recipe"] == {"to": "npy", "size": 16}
    assert receipt["shape"] == [70, 3, 16, 24]
    assert len(receipt["decoded"]) == 2
    assert receipt["decoded"] == receipt["stored"]
    assert receipt["versions"]["vidformats"] == vf.__version__
    assert list(receipt) == sorted(receipt)


def test_a_second_run_does_only_what_has_no_valid_receipt(study, pool):
    def run(**options):
        done = vf.convert("study", "out", "npy", executor=pool, **options)
        assert done.failures == []
        return [receipt.path for receipt in done.new]

    assert len(run()) == 3
    assert run() == []
    assert run(subject_pattern="{subject}/*") == [], "columns alone need no conversion"
    assert ",Bo," in Path("out/manifest.csv").read_text()
    video(Path("study/Bo/1.avi"), 34)
    assert run() == ["Bo/1.npy"]
    os.utime("study/Bo/1.avi", (1, 1))
    assert run() == [], "the same bytes at another time"
    with open("out/Ann/1.npy", "r+b") as file:
        file.seek(500)
        file.write(b"\x55\xaa")
    assert run() == ["Ann/1.npy"], "a result that was changed"
    os.remove("out/Ann/2.npy")
    assert run() == ["Ann/2.npy"]
    assert len(run(every=2)) == 3
    assert run(every=2) == []
    assert len(run(every=2, anew=True)) == 3


def test_what_fails_is_listed_and_the_rest_goes_on(study, pool):
    Path("study/broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and then nothing that a video holds")
    Path("study/Ann/1.mkv").write_bytes(b"any")
    done = vf.convert("study", "out", "npy", executor=pool)
    assert [receipt.path for receipt in done.new] == ["Ann/2.npy", "Bo/1.npy"]
    told = [json.loads(line) for line in Path("out/failed.jsonl").read_text().splitlines()]
    assert [Path(line["source"]).name for line in told] == ["1.avi", "1.mkv", "broken.mp4"]
    assert "is to become Ann/1.npy too" in told[0]["error"]
    assert told[2]["error"].startswith("FormatError: ")
    os.remove("study/broken.mp4")
    os.remove("study/Ann/1.mkv")
    video(Path("study/broken.mp4"), 12)
    assert len(vf.convert("study", "out", "npy", executor=pool).new) == 2
    assert not os.path.exists("out/failed.jsonl")


def test_a_url_in_a_manifest_fails_with_the_reason_and_the_rest_goes_on(study, pool):
    Path("list.csv").write_text("path\nhttps://example.org/Cy/1.mp4\nstudy/Bo/1.avi\n")
    done = vf.convert("list.csv", "out", "npy", executor=pool)
    assert [receipt.path for receipt in done.new] == ["study/Bo/1.npy"]
    assert [(failure.source, failure.path) for failure in done.failures] == [("https://example.org/Cy/1.mp4", "1.npy")]
    assert "https://example.org/Cy/1.mp4: URLs are not read: download it first" in done.failures[0].error


def test_a_result_does_not_get_into_the_way_of_another(study, pool):
    video(Path("study/Ann.avi"))
    done = vf.convert("study", "out", "png", executor=pool)
    assert [receipt.path for receipt in done.new] == ["Ann", "Bo/1"]
    assert [failure.path for failure in done.failures] == ["Ann/1", "Ann/2"]


def test_what_was_not_made_here_is_never_replaced(study, pool):
    Path("out/Bo").mkdir(parents=True)
    Path("out/Bo/1.npy").write_bytes(b"mine")
    done = vf.convert("study", "out", "npy", executor=pool)
    assert len(done.new) == 2
    assert "no receipt says that it was converted" in done.failures[0].error
    assert Path("out/Bo/1.npy").read_bytes() == b"mine"


def test_a_full_disk_leaves_nothing_partial(study, pool, monkeypatch):
    good = one.store

    def full(video, path, *rest, **more):
        if "Ann/2" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return good(video, path, *rest, **more)

    monkeypatch.setattr(one, "store", full)
    done = vf.convert("study", "out", "npy", executor=pool)
    assert [receipt.path for receipt in done.new] == ["Ann/1.npy", "Bo/1.npy"]
    assert "No space left" in done.failures[0].error
    assert "Ann/2.npy" not in names("out")


def test_a_vanished_folder_is_told_for_every_source(study, pool):
    def vanish(jobs):
        os.rename("out", "gone")

    done = vf.convert("study", "out", "npy", executor=pool, begin=vanish)
    assert [failure.error for failure in done.failures if "is not there" in failure.error][2:]
    assert not os.path.exists("out")


def test_a_result_that_vanished_is_not_counted_as_converted(study, pool):
    def vanish(job, outcome):
        if job.path == "Ann/1.npy":
            os.remove(job.target)

    done = vf.convert("study", "out", "npy", executor=pool, seen=vanish)
    assert [receipt.path for receipt in done.new] == ["Ann/2.npy", "Bo/1.npy"]
    assert [failure.path for failure in done.failures] == ["Ann/1.npy"]
    assert "is not there any more" in done.failures[0].error
    assert "Ann/1" not in Path("out/manifest.csv").read_text()


def test_what_hangs_is_ended_and_leaves_nothing(study):
    done = vf.convert("study", "out", "npy", jobs=1, seconds=1e-4)
    assert len(done.failures) == 3
    assert all("expected an answer within" in failure.error for failure in done.failures)
    assert [name for name in names("out") if name.endswith(".npy") or "vidformats-" in name] == []
    assert len(vf.convert("study", "out", "npy", jobs=2).new) == 3


def test_an_executor_has_the_time_limit_too(study):
    with ThreadPoolExecutor(1) as pool:
        hung = vf.convert("study/Bo", "out", "npy", executor=pool, seconds=1e-4)
        done = vf.convert("study/Bo", "out", "npy", executor=pool)
    assert "expected an answer within" in hung.failures[0].error
    assert [receipt.path for receipt in done.new] == ["1.npy"]


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_a_source_that_ends_early_fails_or_its_receipt_tells(name, tmp_path, pool):
    av = pytest.importorskip("av")
    (tmp_path / "source").mkdir()
    with av.open(str(tmp_path / "whole"), "w", format={"a.mkv": "matroska", "a.avi": "avi"}[name]) as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for k in range(40):
            image = np.random.default_rng(k).integers(0, 255, (48, 64, 3), "uint8")
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        file.mux(stream.encode(None))
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "source" / name).write_bytes(whole[: len(whole) * 2 // 3])
    failed = vf.convert(tmp_path / "source", tmp_path / "out", "npy", executor=pool).failures
    assert "ends early: " in failed[0].error
    assert "(--partial) takes what is there" in failed[0].error
    done = vf.convert(tmp_path / "source", tmp_path / "out", "npy", executor=pool, partial=True)
    assert done.failures == []
    assert 0 < done.new[0].n_frames < 40
    assert done.new[0].source["cut"] in failed[0].error


def test_progress_within_one_source_is_told(study):
    told = []
    vf.convert("study/Ann/2.avi", "out", "npy", jobs=1, told=lambda job, done, n: told.append((job.path, done, n)))
    assert told[-1] == ("2.npy", 70, 70)


def test_two_converters_share_one_folder(study):
    with ThreadPoolExecutor(2) as both, ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b:
        runs = [both.submit(vf.convert, "study", "out", "npy", executor=pool) for pool in (a, b)]
        done = [run.result(timeout=100) for run in runs]
    made = [receipt.path for run in done for receipt in run.new]
    assert sorted(made) == ["Ann/1.npy", "Ann/2.npy", "Bo/1.npy"], "each once"
    assert all(len(run.new) + len(run.kept) == 3 for run in done)


def test_a_killed_run_is_resumed(study):
    command = [sys.executable, "-m", "vidformats", "convert", "study", "out", "--to", "h5_frames", "-j", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    place = Path("out/Ann")
    for _ in range(60_000):
        if place.exists() and os.listdir(place):
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert [name for name in names("out") if name.endswith(".h5") and ".vidformats" not in name] in (
        [],
        ["Ann/1.h5"],
        ["Ann/1.h5", "Ann/2.h5"],
        ["Ann/1.h5", "Ann/2.h5", "Bo/1.h5"],
    )
    with ThreadPoolExecutor(1) as pool:
        done = vf.convert("study", "out", "h5_frames", executor=pool)
    assert len(done.new) + len(done.kept) == 3
    for name in study:
        assert np.array_equal(vf.load(f"out/{name}.h5"), vf.load(f"study/{name}.avi"))
    assert [name for name in names("out") if ".vidformats" in name] == []


def test_shards_are_merged(study, pool):
    for k in (1, 2):
        vf.convert("study", "out", "npy", executor=pool, shard=(k, 2))
        assert not os.path.exists("out/manifest.csv")
    done, failed = tool.merge("out")
    assert [receipt.path for receipt in done] == ["Ann/1.npy", "Ann/2.npy", "Bo/1.npy"]
    assert failed == []
    assert vf.windows("out/manifest.csv", 8, 8).manifest.n_frames.sum() == 123


def test_clips_are_windows_and_the_last_ends_with_the_source(study, pool):
    done = vf.convert("study", "out", "npy", executor=pool, windows=(30, 20), fps=25)
    assert [receipt.path for receipt in done.new][:4] == [
        *("Ann/1/000000.npy", "Ann/2/000000.npy", "Ann/2/000020.npy", "Ann/2/000040.npy")
    ]
    whole = vf.load("study/Bo/1.avi")
    assert np.array_equal(vf.load("out/Bo/1/000003.npy"), whole[3:33])
    assert np.array_equal(vf.load("out/Ann/1/000000.npy"), vf.load("study/Ann/1.avi"))
    table = vf.windows("out/manifest.csv", 8, 8).manifest
    assert table.values("clip_of").tolist()[-1] == "Bo/1"
    assert table.values("first_frame").tolist()[:4] == [0, 0, 20, 40]
    assert vf.convert("study", "out", "npy", executor=pool, windows=(30, 20), fps=25).new == []


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """A film whose frames carry their number, labels at 4 Hz that say the second, and their manifest."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("study")
    numbers = np.arange(250, dtype="uint8")[:, None, None, None]
    vf.write(np.broadcast_to(numbers, (250, 3, 16, 16)), "study/a.npy", fps=25)
    Path("study/a.csv").write_text("time,label\n" + "".join(f"{i / 4},{i / 4}\n" for i in range(40)))
    Path("study/m.csv").write_text("trial,subject,video,label,n_frames,fps\na,Ann,a.npy,a.csv,40,4\n")


@pytest.mark.parametrize("fps", [None, 16])
def test_labels_keep_their_time_line_and_meet_the_same_frames(fps, labelled, pool):
    vf.convert("study/m.csv", "out", "npy", executor=pool, column="video", fps=fps)
    windows = vf.windows("out/manifest.csv", size=8, hop=8)
    assert windows.manifest.n_frames.tolist() == [40]
    for sample in windows.dataset(streams={"video": "path", "label": "label"}, rate="auto"):
        shown = sample["video"][:, 0, 0, 0] / 25
        assert sample["mask"].all()
        assert np.abs(shown - sample["label"][:, 0]).max() <= 1 / 16


def test_labels_of_clips_are_met_from_where_the_clip_begins(labelled, pool):
    vf.convert("study/m.csv", "out", "npy", executor=pool, column="video", windows=(100, 75))
    windows = vf.windows("out/manifest.csv", size=50, hop=50)
    assert windows["trial"].tolist() == [f"a/{start:06d}" for start in (0, 0, 75, 75, 150, 150)]
    for sample in windows.dataset(streams={"video": "path", "label": "label"}, rate="auto"):
        behind = sample["video"][:, 0, 0, 0] / 25 - sample["label"][:, 0]
        assert sample["mask"].all()
        assert ((behind > -0.001) & (behind < 0.25)).all()


def test_clips_of_a_part_of_a_file_are_refused(labelled, pool):
    Path("study/m.csv").write_text("trial,video,video.start\na,a.npy,2\n")
    done = vf.convert("study/m.csv", "out", "npy", executor=pool, column="video", windows=(100, 75))
    assert "part of its file" in done.failures[0].error


def test_a_missing_library_is_told_once(labelled, monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(ImportError, match="receipts require xxhash: pip install"):
        vf.convert("study", "out", "npy")
    assert not os.path.exists("out")


@pytest.mark.parametrize("name", vf.formats())
def test_every_format_is_written_and_read_back(name, tmp_path, pool):
    pytest.importorskip("av")
    video(tmp_path / "source" / "a.avi", 12, (32, 64))
    done = vf.convert(tmp_path / "source", tmp_path / "out", name, executor=pool)
    assert done.failures == []
    receipt = done.new[0]
    with vf.open(tmp_path / "out" / receipt.path) as result:
        assert list(result.shape) == receipt.shape == [12, 3, 32, 64]
        assert result.fps == 25.0
    assert vf.convert(tmp_path / "source", tmp_path / "out", name, executor=pool).new == []


def test_times_of_a_varying_rate_are_kept(tmp_path, pool):
    times = np.cumsum([0.0, 0.04, 0.1, 0.02, 0.3, 0.04])
    (tmp_path / "source").mkdir()
    vf.write(np.zeros((6, 3, 16, 16), "uint8"), tmp_path / "source" / "a.npy", times=times)
    vf.convert(tmp_path / "source", tmp_path / "half", "png", executor=pool, every=2)
    with vf.open(tmp_path / "half" / "a") as half:
        assert half.times.tolist() == times[::2].tolist()
    vf.convert(tmp_path / "source", tmp_path / "even", "npy", executor=pool, fps=10)
    with vf.open(tmp_path / "even" / "a.npy") as even:
        assert even.fps == 10.0
        assert len(even) == 6


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"to": "nothing"}, "no format is called 'nothing'"),
        ({"level": 3}, "unexpected keyword argument .level."),
        ({"jobs": 0}, "jobs must be >= 1, got 0"),
        ({"windows": (0, 1)}, "windows must be"),
        ({"shard": (3, 2)}, "shard must be"),
        ({"every": 0}, "every must be >= 1, got 0"),
        ({"fps": 0}, "fps must be > 0"),
        ({"every": 2, "fps": 3}, "expected fps= or every=, got both"),
        ({"crop": (0, 0, 9)}, "crop must be"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(study, options, fault):
    with pytest.raises((ValueError, TypeError), match=fault):
        vf.convert("study", "out", **{"to": "npy"} | options)
    assert not os.path.exists("out")


def test_a_dry_run_tells_what_there_is_to_do(study, pool):
    Path("study/broken.mp4").write_bytes(b"nothing")
    told = vf.convert("study", "out", "npy", executor=pool, dry_run=True)
    assert not os.path.exists("out")
    assert (told.estimate.videos, told.estimate.frames) == (3, 123)
    assert told.estimate.nbytes == pytest.approx(123 * 3 * 32 * 48, rel=0.1)
    assert [Path(failure.source).name for failure in told.failures] == ["broken.mp4"]
    vf.convert("study/Ann", "out", "npy", executor=pool)
    assert len(vf.convert("study/Ann", "out", "npy", executor=pool, dry_run=True).kept) == 2


@pytest.mark.parametrize(("jobs", "videos", "threads"), [(1, 2, 1), (4, 2, 2), (3, 2, 1), (2, 1, 2)])
def test_jobs_are_cpus_shared_among_the_videos(tmp_path, jobs, videos, threads):
    for k in range(videos):
        vf.write(np.zeros((8, 3, 16, 16), np.uint8), tmp_path / f"in{k}.npy")
    planned = []
    vf.convert(sorted(tmp_path.glob("in*.npy")), tmp_path / "out", "npy", jobs=jobs, begin=planned.extend)
    assert [job.threads for job in planned] == [threads] * videos
