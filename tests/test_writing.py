"""Writing: whole under its name or not at all, and what may be replaced."""

import os

import numpy as np
import pytest

import vidformats as vf
from vidformats.registry import FORMATS

VIDEO = np.random.default_rng(0).integers(0, 250, (12, 3, 16, 18), np.uint8)
OTHER = VIDEO[::-1] // 2
LOSSLESS = ["binary", "h5", "h5_frames", "mat", "npy", "npz", "pickle", "png"]
posix = pytest.mark.skipif(os.name != "posix", reason="rename over open files, links and forks are POSIX's")


def path_of(folder, name):
    return folder / f"video{FORMATS[name].suffix}"


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
