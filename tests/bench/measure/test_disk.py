import shutil

import pytest

from vidformats.bench.measure import disk


def test_a_file_and_its_sidecar(tmp_path):
    path = tmp_path / "video.bin"
    path.write_bytes(bytes(1000))
    (tmp_path / "video.bin2").write_bytes(bytes(7))
    assert disk.size(path) == 1000
    (tmp_path / "video.bin.json").write_bytes(bytes(10))
    assert disk.size(str(path)) == 1010
    assert list(disk.files(path)) == [path, tmp_path / "video.bin.json"]


def test_a_folder(tmp_path):
    folder = tmp_path / "video"
    (folder / "deeper").mkdir(parents=True)
    for k in range(12):
        (folder / f"{k}.jpg").write_bytes(bytes(k))
    (folder / "deeper" / "x").write_bytes(bytes(100))
    assert disk.size(folder) == sum(range(12)) + 100


def test_whole_blocks_are_allocated(tmp_path):
    folder = tmp_path / "video"
    folder.mkdir()
    for k in range(50):
        (folder / f"{k}.jpg").write_bytes(b"\xff" * 5000)
    taken = disk.allocated(folder)
    if taken is None:  # Windows
        return
    assert taken % 512 == 0
    if taken:  # some file systems say so only later
        assert taken >= 50 * 5000


def test_a_hole_takes_no_room(tmp_path):
    path = tmp_path / "video.bin"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    assert disk.size(path) == 1 << 30
    taken = disk.allocated(path)
    assert taken is None or taken < 1 << 20


def test_free_room_also_where_nothing_is_yet(tmp_path, monkeypatch):
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room if path == tmp_path else pytest.fail(str(path)))
    assert disk.free(tmp_path) == disk.free(tmp_path / "not" / "yet") == room.free


@pytest.mark.parametrize("function", [disk.size, disk.allocated])
def test_missing_files(tmp_path, function):
    with pytest.raises(FileNotFoundError):
        function(tmp_path / "missing")
