"""What a user holds: writing whole or not at all, few open files, other processes, files that change."""

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import vidformats as vf
from vidformats import video as module
from vidformats.registry import FORMATS

VIDEO = np.random.default_rng(0).integers(0, 250, (12, 3, 16, 18), np.uint8)
OTHER = VIDEO[::-1] // 2
LOSSLESS = ["binary", "h5", "h5_frames", "mat", "npy", "npz", "pickle", "png"]
posix = pytest.mark.skipif(os.name != "posix", reason="rename over open files, links and forks are POSIX's")


def path_of(folder, name):
    return folder / f"video{FORMATS[name].suffix}"


# Writing


STEPS = [("replace", name) for name in LOSSLESS] + [("fsync", name) for name in LOSSLESS if name != "png"]


@pytest.mark.parametrize(("breaks", "name"), [*STEPS, ("rename", "png"), ("sync", "png")])
def test_when_the_last_step_fails_what_was_there_stays(tmp_path, monkeypatch, breaks, name):
    path = path_of(tmp_path, name)
    vf.write(VIDEO, path, name)
    before = sorted(os.listdir(tmp_path))

    def broken(*args):
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(os, breaks, broken, raising=False)
        with pytest.raises(OSError, match="the disk went away"):
            vf.write(OTHER, path, name)
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    assert sorted(os.listdir(tmp_path)) == before


def test_it_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: steps.append(name) or real(*args))
    vf.write(VIDEO, tmp_path / "a.npy")
    assert steps[:2] == ["fsync", "replace"]
    assert steps[2:] == (["fsync"] if os.name == "posix" else [])  # of the folder that holds the name


def test_it_works_without_sync(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sync", raising=False)  # as on Windows
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "frames", "png")), VIDEO)


def test_nothing_is_seen_under_the_name_before_the_end(tmp_path):
    path, seen = tmp_path / "a.npy", []

    def frames():
        for frame in VIDEO:
            seen.append(path.exists())
            yield frame

    vf.write(frames(), path)
    assert not any(seen)
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.parametrize(("first", "second"), [("png", "npy"), ("npy", "png"), ("png", "webp"), ("binary", "npz")])
def test_another_format_under_the_same_name(tmp_path, first, second):
    path = tmp_path / "video"
    vf.write(VIDEO, path, first)
    vf.write(OTHER, path, second, **({"lossless": True} if second == "webp" else {}))
    np.testing.assert_array_equal(vf.load(path, format=second), OTHER)
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".json")] == ["video"]


@pytest.mark.parametrize("name", ["npy", "jpg", "h5"])
def test_a_folder_that_is_no_video_is_never_taken_away(tmp_path, name):
    thesis = tmp_path / "work" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("five months")
    (tmp_path / "work" / "0.jpg").write_bytes(b"")
    for path in (tmp_path / "work", tmp_path):
        with pytest.raises(FileExistsError, match="is a folder that holds"):
            vf.write(VIDEO, path, name)
    assert thesis.read_text() == "five months"
    assert os.listdir(tmp_path) == ["work"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "frames").mkdir()
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "frames", "png")), VIDEO)


@posix
@pytest.mark.parametrize("name", ["npy", "png", "binary"])
def test_behind_a_link_what_it_leads_to_is_replaced(tmp_path, name):
    (tmp_path / "disk").mkdir()
    (tmp_path / "here").mkdir()
    target, link = path_of(tmp_path / "disk", name), path_of(tmp_path / "here", name)
    vf.write(VIDEO, target, name)
    link.symlink_to(target)
    vf.write(OTHER, link, name)
    assert link.is_symlink()
    np.testing.assert_array_equal(vf.load(target, format=name), OTHER)
    assert sorted(os.listdir(tmp_path / "here")) == [link.name]


def test_no_folder_to_write_into(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        vf.write(VIDEO, tmp_path / "none" / "a.npy")


def test_a_video_may_be_written_over_itself(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    with vf.open(path) as video:
        vf.write(video, path)
    np.testing.assert_array_equal(vf.load(path), VIDEO)


def test_the_path_comes_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert vf.write(VIDEO, "a.npy") == "a.npy"
    with vf.open("a.npy") as video:
        monkeypatch.chdir("/")
        module._make_room(10**6)
        np.testing.assert_array_equal(video[3], VIDEO[3])  # wherever the process has gone meanwhile


# Few open files


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    monkeypatch.setattr(module, "_recent", type(module._recent)())
    return 3


def opened(videos):
    return [k for k, video in enumerate(videos) if video._reader is not None]


@pytest.mark.parametrize("name", LOSSLESS)
def test_readers_unused_for_longest_are_closed_and_reopened(tmp_path, few, name):
    paths = []
    for k in range(6):
        (tmp_path / str(k)).mkdir()
        paths.append(vf.write(VIDEO + k, path_of(tmp_path / str(k), name), name))
    videos = [vf.open(path) for path in paths]
    assert opened(videos) == [3, 4, 5]
    videos[3][0]
    videos[0][0]
    assert opened(videos) == [0, 3, 5]
    for k in (0, 5, 1, 2, 4, 0, 3):
        np.testing.assert_array_equal(videos[k][::5], VIDEO[::5] + k)
        assert len(opened(videos)) == few


def test_no_more_files_are_open_than_said(tmp_path, few):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("open files can be listed on Linux only")
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    videos = [vf.open(vf.write(VIDEO, tmp_path / f"{k}.npy")) for k in range(20)]
    for video in videos:
        video[0]
    assert len(os.listdir("/proc/self/fd")) <= before + few


def test_closed_and_forgotten_videos_make_room(tmp_path, few):
    kept = vf.open(vf.write(VIDEO, tmp_path / "kept.npy"))
    for k in range(10):
        video = vf.open(vf.write(VIDEO, tmp_path / f"{k % 2}.npy"))
        if k % 2:
            video.close()
        del video
        gc.collect()
    assert kept._reader is not None


def test_a_video_is_freed_with_its_last_reference(tmp_path):
    video = vf.open(vf.write(VIDEO, tmp_path / "a.npy"))
    video[0]
    gone = weakref.ref(video)
    del video
    gc.collect()
    assert gone() is None


def test_threads_with_more_videos_than_may_be_open(tmp_path, few):
    videos = [vf.open(vf.write(VIDEO + k, tmp_path / f"{k}.npy")) for k in range(8)]
    wrong = []

    def read(seed):
        for k in np.random.default_rng(seed).integers(0, 8, 60).tolist():
            try:
                np.testing.assert_array_equal(videos[k][[5, 1]], VIDEO[[5, 1]] + k)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Files that change


@posix
@pytest.mark.parametrize("name", ["npy", "h5", "mat", "png"])
def test_a_file_that_was_replaced(tmp_path, name):
    path = vf.write(VIDEO, path_of(tmp_path, name), name)
    with vf.open(path) as video:
        vf.write(OTHER, path, name)
        if name != "png":  # what is open stays readable, as it was
            np.testing.assert_array_equal(video[:], VIDEO)
        module._make_room(10**6)
        with pytest.raises(vf.FormatError, match="changed since this video was opened"):
            video[0]
        with pytest.raises(vf.FormatError, match="changed"):
            pickle.loads(pickle.dumps(video))[0]
    np.testing.assert_array_equal(vf.load(path), OTHER)


@posix
def test_a_file_that_moved(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    with vf.open(path) as video:
        os.rename(path, tmp_path / "b.npy")
        np.testing.assert_array_equal(video[:], VIDEO)
        module._make_room(10**6)
        with pytest.raises(FileNotFoundError, match=r"a\.npy"):
            video[0]
        os.rename(tmp_path / "b.npy", path)
        np.testing.assert_array_equal(video[:], VIDEO)


# Other processes


CHILD = """
import multiprocessing, sys
import numpy as np
import vidformats as vf

def read(video, queue):
    try:
        queue.put((video[::4].sum(dtype=np.int64).item(), video._threads(), video[0].shape))
    except BaseException as error:
        queue.put(repr(error))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for path in sys.argv[2:]:
        video = vf.open(path)
        before = video[::4]
        queue = context.SimpleQueue()
        children = [context.Process(target=read, args=(video, queue)) for _ in range(2)]
        for child in children:
            child.start()
        expected = (before.sum(dtype=np.int64).item(), 1, before[0].shape)
        for child in children:
            got = queue.get()
            assert got == expected, (path, got, expected)
        for child in children:
            child.join()
            assert child.exitcode == 0
        assert (video[::4] == before).all()
    print("right")
"""


@pytest.mark.parametrize("method", sorted(multiprocessing.get_all_start_methods()))
def test_children_read_what_the_parent_has_open(tmp_path, method):
    paths = [vf.write(VIDEO, path_of(tmp_path, name), name) for name in ("npy", "h5", "mat", "npz", "png", "mp4")]
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, script, method, *paths]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def test_a_pickle_holds_no_file_and_keeps_the_options(tmp_path):
    path = tmp_path / "a.bin"
    VIDEO.tofile(path)
    video = vf.open(path, shape=(-1, *VIDEO.shape[1:]), dtype="u1", threads=2)
    copy = pickle.loads(pickle.dumps(video))
    assert copy._reader is None
    assert (copy.shape, copy.dtype, copy.format, copy.threads, copy.path) == (
        video.shape, video.dtype, "binary", 2, video.path,
    )  # fmt: skip
    np.testing.assert_array_equal(copy[::-1], VIDEO[::-1])


# Holding


def test_what_a_video_says_of_itself(tmp_path):
    with vf.open(vf.write(VIDEO, tmp_path / "a.npy")) as video:
        assert (video.shape, video.ndim, video.size, video.nbytes) == (VIDEO.shape, 4, VIDEO.size, VIDEO.nbytes)
        assert "npy" in repr(video)
        assert "closed" not in repr(video)
    assert "closed" in repr(video)


def test_as_an_array(tmp_path):
    with vf.open(vf.write(VIDEO, tmp_path / "a.npy")) as video:
        np.testing.assert_array_equal(np.asarray(video), VIDEO)
        assert np.asarray(video, np.float32).dtype == np.float32
        with pytest.raises(ValueError, match="without a copy"):
            video.__array__(copy=False)
        np.testing.assert_array_equal(np.concatenate([video, video]), np.concatenate([VIDEO, VIDEO]))


def test_reading_into_any_memory(tmp_path):
    rng = np.random.default_rng(1)
    with vf.open(vf.write(VIDEO, tmp_path / "a.npy"), threads=2) as video:
        frames = rng.integers(0, 12, (2, 5))
        for out in (
            np.empty((2, 5, 3, 16, 18), np.uint8),
            np.empty((2, 9, 3, 16, 18), np.uint8)[:, ::2],
            np.empty((5, 2, 3, 16, 18), np.uint8).transpose(1, 0, 2, 3, 4),
            np.empty((2, 5, 18, 16, 3), np.uint8)[::-1].transpose(0, 1, 4, 3, 2),
        ):
            assert video.read(frames, out=out) is out
            np.testing.assert_array_equal(out, VIDEO[frames])
        one = np.empty((3, 16, 18), np.uint8)
        np.testing.assert_array_equal(video.read(-1, out=one), VIDEO[-1])


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_at_least_one(tmp_path, threads):
    with pytest.raises(ValueError, match="at least 1"):
        vf.open(vf.write(VIDEO, tmp_path / "a.npy"), threads=threads)


def test_load_takes_the_options_of_open(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npz")
    np.testing.assert_array_equal(vf.load(path, np.s_[2, 1], threads=1, member="video"), VIDEO[2, 1])
    with pytest.raises(TypeError, match="colour"):
        vf.load(path, colour=1)
