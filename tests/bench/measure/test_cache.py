import os
import sys

import numpy as np
import pytest

from vidformats.bench.measure import cache

linux = pytest.mark.skipif(sys.platform != "linux", reason="the page cache is asked on Linux only")


@pytest.fixture
def video(tmp_path):
    """A file of 8 MB and its sidecar."""
    path = tmp_path / "video.bin"
    np.ones(8 << 20, np.uint8).tofile(path)
    (tmp_path / "video.bin.json").write_text("{}")
    return path


@pytest.fixture
def on_disk(video):
    if cache.is_tmpfs(video):
        pytest.skip("the folder for tests lies in memory, where nothing can go cold")
    return video


@linux
def test_warm_cold_and_half(on_disk):
    assert cache.warm(on_disk) == (8 << 20) + 2
    assert cache.resident(on_disk) == 1
    assert cache.evict(on_disk)
    assert cache.resident(on_disk) == 0
    with open(on_disk, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no read-ahead
        file.read(4 << 20)
    assert 0.4 < cache.resident(on_disk) < 0.6


@linux
def test_settled_is_warm_whatever_was_before(on_disk):
    for before in (cache.warm, cache.evict):
        before(on_disk)
        cache.settle(on_disk)
        assert cache.resident(on_disk) == 1


@linux
def test_evicts_what_was_just_written_and_not_yet_on_disk(on_disk):
    on_disk.write_bytes(os.urandom(4 << 20))
    assert cache.evict(on_disk)


@linux
def test_asking_reads_nothing(on_disk):
    cache.evict(on_disk)
    assert [cache.resident(on_disk) for _ in range(3)] == [0, 0, 0]


@linux
def test_a_mapped_file_is_not_called_cold(on_disk):
    mapped = np.memmap(on_disk, mode="r")
    mapped.max()
    assert not cache.evict(on_disk)
    assert cache.resident(on_disk) > 0.9
    del mapped
    assert cache.evict(on_disk)


@linux
def test_folders(on_disk):
    folder = on_disk.parent
    (folder / "deeper").mkdir()
    (folder / "deeper" / "0.jpg").write_bytes(bytes(9000))
    (folder / "empty").touch()
    assert cache.warm(folder) == (8 << 20) + 2 + 9000
    assert cache.resident(folder) == 1
    assert cache.evict(folder)
    cache.warm(folder / "deeper")
    assert 0 < cache.resident(folder) < 0.01


@linux
@pytest.mark.skipif(not os.path.isdir("/dev/shm") or not cache.is_tmpfs("/dev/shm"), reason="needs a tmpfs")
def test_in_memory_nothing_goes_cold():
    path = f"/dev/shm/vidformats-test-{os.getpid()}"
    try:
        with open(path, "wb") as file:
            file.write(bytes(100_000))
        assert not cache.evict(path)
        assert cache.resident(path) == 1
    finally:
        os.remove(path)


@linux
def test_empty_and_missing_files(tmp_path):
    (tmp_path / "empty").touch()
    assert cache.resident(tmp_path / "empty") == 0
    assert cache.evict(tmp_path / "empty")
    for function in (cache.evict, cache.resident, cache.warm):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "missing")


def test_elsewhere_nothing_is_guessed(video, monkeypatch):
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.resident(video) is None
    assert not cache.evict(video)
    assert cache.warm(video) == (8 << 20) + 2


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 0:30 / /data rw master:1 - nfs4 server:/x rw
32 31 0:31 / /data/with\040blank\134 rw - xfs /dev/vdb rw
33 27 0:32 / /data2 rw - autofs x rw
34 33 0:33 / /data2 rw shared:7 - btrfs /dev/vdc rw
35 27 0:34 / /ram rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "ext4"),
        ("/", "ext4"),
        ("/data/x/y", "nfs4"),
        ("/data", "nfs4"),
        ("/data/with blank\\/x", "xfs"),
        ("/data2/x", "btrfs"),
        ("/database/x", "ext4"),
        ("/ram/x", "tmpfs"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the paths are those of Linux")
def test_file_system(monkeypatch, tmp_path, path, kind):
    (tmp_path / "mountinfo").write_text(MOUNTS.lstrip())
    monkeypatch.setattr(cache, "MOUNTS", tmp_path / "mountinfo")
    assert cache.file_system(path) == kind
    assert cache.is_tmpfs(path) is (kind == "tmpfs")


def test_file_system_where_there_is_no_such_table(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "MOUNTS", tmp_path / "nothing")
    assert cache.file_system(tmp_path) is None
    assert cache.is_tmpfs(tmp_path) is None
