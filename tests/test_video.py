"""What a user holds: few open files, other processes, files that change."""

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
from vidformats import handles as module
from vidformats.registry import FORMATS

VIDEO = np.random.default_rng(0).integers(0, 250, (12, 3, 16, 18), np.uint8)
OTHER = VIDEO[::-1] // 2
LOSSLESS = ["binary", "h5", "h5_frames", "mat", "npy", "npz", "pickle", "png"]
posix = pytest.mark.skipif(os.name != "posix", reason="rename over open files, links and forks are POSIX's")


def path_of(folder, name):
    return folder / f"video{FORMATS[name].suffix}"


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
    return [k for k, video in enumerate(videos) if video._handle.reader is not None]


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
    assert kept._handle.reader is not None


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
        with pytest.raises(vf.FormatError, match="changed since it was opened"):
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
    assert copy._handle.reader is None
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
    with pytest.raises(ValueError, match="must be an integer >= 1, got"):
        vf.open(vf.write(VIDEO, tmp_path / "a.npy"), threads=threads)


def test_load_takes_the_options_of_open(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npz")
    np.testing.assert_array_equal(vf.load(path, np.s_[2, 1], threads=1, member="video"), VIDEO[2, 1])
    with pytest.raises(TypeError, match="colour"):
        vf.load(path, colour=1)


@pytest.mark.parametrize("index", [5, (5,), (5, ...), (..., 5), (..., np.int64(-1)), (np.array(5), ...)])
def test_without_axes_an_ellipsis_makes_an_array_and_integers_a_scalar(tmp_path, index):
    data = np.arange(7, dtype="<i2")
    video = vf.open(vf.write(data, tmp_path / "a.npy"))
    assert type(video[index]) is type(data[index])
    assert video[index] == data[index]


def test_a_pickle_from_another_machine_checks_its_file_by_its_own_clock(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    first = vf.open(path)
    first._checked = 1e15  # that machine runs longer than this one
    second = pickle.loads(pickle.dumps(first))
    second[0]
    with open(path, "r+b") as file:
        file.truncate(100 + VIDEO.nbytes // 2)
    with pytest.raises(vf.FormatError, match="changed since"):
        second[0]


def test_a_path_of_bytes_opens_even_if_it_is_no_text(tmp_path):
    path = os.fsencode(tmp_path) + b"/a\xff\n.npy"
    vf.write(VIDEO, path)
    np.testing.assert_array_equal(vf.open(path)[3], VIDEO[3])
    np.testing.assert_array_equal(vf.load(path, 3), VIDEO[3])


@pytest.mark.parametrize("rotate", [90, -1, "90", None, (0,)])
def test_rotate_is_no_angle(tmp_path, rotate):
    with pytest.raises(ValueError, match=r"rotate must be True or False, got "):
        vf.open(vf.write(VIDEO, tmp_path / "a.npy"), rotate=rotate)
