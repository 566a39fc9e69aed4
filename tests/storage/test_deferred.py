"""A file that keeps the errors of the disk for its end."""

import contextlib
import errno
import gc
import os

import h5py
import numpy as np
import pytest

from vidformats.storage.deferred import DeferredErrors


@pytest.fixture
def full(monkeypatch):
    """Let the disk take so many bytes of a file and no more, the last write in part."""

    def limit(most):
        real = os.pwrite

        def pwrite(fd, data, at):
            if at >= most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, memoryview(data)[: most - at], at)

        monkeypatch.setattr(os, "pwrite", pwrite)

    return limit


def test_without_an_error_it_is_a_file(tmp_path):
    with DeferredErrors(tmp_path / "a") as file:
        assert file.write(b"0123456789") == 10
        assert (file.seek(-4, os.SEEK_END), file.read(2), file.tell()) == (6, b"67", 8)
        file.seek(12)
        file.write(b"x")
        assert (file.seek(1, os.SEEK_CUR), file.read(5)) == (14, b"")
        file.truncate(20)
    assert (tmp_path / "a").read_bytes() == b"0123456789\0\0x".ljust(20, b"\0")
    with pytest.raises(FileExistsError):
        DeferredErrors(tmp_path / "a")


@pytest.mark.parametrize("most", [0, 1, 5, 9])
def test_what_could_not_be_written_can_still_be_read(tmp_path, full, most):
    full(most)
    file = DeferredErrors(tmp_path / "a")
    assert file.write(b"01234") == file.write(b"56789") == 5
    file.seek(3)
    file.write(b"xy")
    file.seek(0)
    assert file.read() == b"012xy56789"
    for act in (file.check, file.close):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
            act()
        assert caught.value.filename == str(tmp_path / "a")
    assert file.closed
    file.close()


def test_a_file_that_can_not_be_made_is_closed_in_silence(tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr("sys.unraisablehook", heard.append)
    (tmp_path / "a").touch()
    with contextlib.suppress(FileExistsError):  # pytest.raises would keep it alive
        DeferredErrors(tmp_path / "a")
    gc.collect()
    assert heard == []


def test_a_file_that_can_not_grow(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "ftruncate", lambda *args: (_ for _ in ()).throw(OSError(errno.EFBIG, "too large")))
    with pytest.raises(OSError, match="too large"), DeferredErrors(tmp_path / "a") as file:
        assert file.truncate(100) == 100


@pytest.mark.parametrize("most", [0, 100, 3000, 20_000, 60_000])
def test_hdf5_ends_well_whenever_the_disk_is_full(tmp_path, full, most):
    """Even reading back what never came to the disk: a small cache makes HDF5 do so."""
    full(most)
    video = np.random.default_rng(0).integers(0, 255, (40, 50, 50), np.uint8)
    disk = DeferredErrors(tmp_path / "a.h5")
    with h5py.File(disk, "w", rdcc_nbytes=100) as file:
        stored = file.create_dataset("video", (0, 50, 50), "u1", maxshape=(None, 50, 50), chunks=(3, 20, 20))
        for k, frame in enumerate(video):
            stored.resize(k + 1, axis=0)
            stored[k] = frame
        np.testing.assert_array_equal(stored[()], video)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        disk.close()
