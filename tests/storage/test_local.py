"""Positioned reads, on every system, when they come short, and when the file changes under them."""

import gc
import os
import sys
import threading

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench.measure import cache
from vidformats.storage.local import LocalFile, open_source

DATA = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def preadv_in_bits(most):
    """Return an ``os.preadv`` that gives at most so many bytes a call, across views, as a signal may cause."""
    real = getattr(os, "preadv", None)

    def preadv(fd, views, offset):
        left, given = most, []
        for view in views:
            view = memoryview(view).cast("B")[:left]
            given.append(view)
            left -= len(view)
            if not left:
                break
        return real(fd, given, offset)

    return preadv


@pytest.fixture(params=["whole", "1 byte", "7 bytes", "no preadv"])
def any_system(request, monkeypatch):
    if request.param == "no preadv":  # as on Windows
        monkeypatch.delattr(os, "preadv", raising=False)
    elif not hasattr(os, "preadv"):
        pytest.skip("this system has no preadv")
    elif request.param != "whole":
        monkeypatch.setattr(os, "preadv", preadv_in_bits(int(request.param[0])))


def test_reads_are_complete(path, any_system):
    file = LocalFile(path)
    assert file.size == len(DATA)
    assert file.read(100, 50) == DATA[50:150]
    buffer = bytearray(24)
    file.read_into(9, memoryview(buffer))
    assert buffer == DATA[9:33]
    buffer = bytearray(30)
    view = memoryview(buffer)
    file.read_ranges([(100, view[:10]), (7, view[10:11]), (0, view[20:25]), (5, view[25:30])])
    assert buffer == DATA[100:110] + DATA[7:8] + bytes(9) + DATA[:10]


def test_more_neighbours_than_one_call_takes(path, any_system):
    out = memoryview(bytearray(5000))
    LocalFile(path).read_ranges((at, out[at : at + 1]) for at in range(len(out)))
    assert out == DATA[:5000]


def test_read_stops_at_the_end(path, any_system):
    file = LocalFile(path)
    assert file.read(100, len(DATA) - 3) == DATA[-3:]
    assert file.read(100, len(DATA)) == file.read(100, len(DATA) + 5) == file.read(0, 0) == b""
    with pytest.raises(vf.FormatError, match="before the start"):
        file.read(1, -1)


def test_what_is_not_in_the_page_cache_is_cold(path, monkeypatch):
    file = LocalFile(path)
    assert file.read(10, 0) == DATA[:10]
    assert not file.is_cold(0)
    if sys.platform == "linux" and not cache.is_tmpfs(path) and cache.evict(path):
        assert file.is_cold(0)
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)  # as on macOS
    assert not file.is_cold(0)


def test_cold_frames_are_the_same(tmp_path):
    video = np.random.default_rng(0).integers(0, 255, (200, 3, 100, 100), np.uint8)
    path = vf.write(video, tmp_path / "video.npy")
    cache.evict(path)
    np.testing.assert_array_equal(vf.load(path, slice(None, None, 3), threads=2), video[::3])


def test_a_file_that_shrank_is_a_format_error(path, any_system):
    file = LocalFile(path)
    os.truncate(path, 100)
    assert file.read(100, 0) == DATA[:100]
    with pytest.raises(vf.FormatError, match="ends at byte 100") as caught:
        file.read(20, 90)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["npy", "npz", "binary", "mat", "mat_frames", "pickle", "h5", "h5_frames"])
def test_videos_that_shrank_are_format_errors(tmp_path, name):
    video = np.random.default_rng(0).integers(0, 255, (40, 3, 32, 32), np.uint8)
    path = vf.write(video, tmp_path / f"video{vf.registry.FORMATS[name].suffix}", name)
    with vf.open(path) as stored:
        os.truncate(path, os.path.getsize(path) // 2)
        for index in (slice(None), slice(None, None, 4), [39, 39], np.s_[:, :, 3:9]):
            with pytest.raises(vf.FormatError, match="video"):
                stored[index]


@pytest.mark.usefixtures("any_system")
def test_formats_read_right_on_every_system(tmp_path):
    video = np.random.default_rng(0).integers(0, 255, (12, 3, 16, 20), np.uint8)
    for name in ("npy", "mat", "h5", "h5_frames", "npz"):
        path = vf.write(video, tmp_path / f"{name}{vf.registry.FORMATS[name].suffix}", name)
        with vf.open(path, threads=2) as stored:
            np.testing.assert_array_equal(stored[::3], video[::3])
            np.testing.assert_array_equal(stored[:, 1, 4:8, ::2], video[:, 1, 4:8, ::2])


def test_threads_share_a_file(path, any_system):
    file, wrong = LocalFile(path), []

    def read(seed):
        for at in np.random.default_rng(seed).integers(0, len(DATA) - 60, 50).tolist():
            if file.read(60, at) != DATA[at : at + 60]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_is_opened_in_binary(path, monkeypatch):
    flag, seen, real = 1 << 28, [], os.open  # a flag as Windows has it

    def opening(name, flags, *rest):
        seen.append(flags)
        return real(name, flags & ~flag, *rest)

    monkeypatch.setattr(os, "O_BINARY", flag, raising=False)
    monkeypatch.setattr(os, "open", opening)
    assert LocalFile(path).read(3, 0) == DATA[:3]
    assert len(seen) == 1
    assert seen[0] & flag


def test_it_closes_with_its_last_reference(path):
    file = LocalFile(path)
    fd = file.fileno()
    del file
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_descriptor_is_taken_over(path):
    file = LocalFile("a name for messages", os.open(path, os.O_RDONLY))
    assert file.read(5, 1) == DATA[1:6]


def test_what_is_no_file(tmp_path):
    with pytest.raises(vf.FormatError, match="expected a regular file, got a folder"):
        LocalFile(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    for open_it in (LocalFile, open_source, vf.open):
        with pytest.raises(vf.FormatError, match="expected a regular file, got a FIFO"):
            open_it(tmp_path / "fifo")
    with pytest.raises(FileNotFoundError):
        LocalFile(tmp_path / "none")
    gc.collect()


@pytest.mark.parametrize("change", ["replaced", "removed from", "removed"])
def test_a_folder_that_changes_before_it_is_listed_is_no_shorter_video(tmp_path, change):
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(3):
        (folder / f"{k}.png").write_bytes(b"")
    os.utime(folder, (1, 1))
    source = open_source(folder)
    if change == "replaced":
        folder.rename(tmp_path / "aside")
        folder.mkdir()
    for path in (tmp_path / "aside" if change == "replaced" else folder).glob("[01].png"):
        path.unlink()
    if change == "removed":
        (folder / "2.png").unlink()
        folder.rmdir()
    with pytest.raises((vf.FormatError, FileNotFoundError)):
        source.names()
