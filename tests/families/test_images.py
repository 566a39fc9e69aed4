"""Folders of images: whatever else lies in them, and however they are numbered."""

import os

import numpy as np
import pytest
from PIL import Image

import vidformats as vf

RGB = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), np.uint8)
VIDEO = RGB.transpose(0, 3, 1, 2)


@pytest.fixture
def folder(tmp_path):
    """Make a folder of PNG images named by hand."""
    for name, image in zip(("f1.png", "f2.PNG", "f9.png", "f10.png"), RGB, strict=True):
        Image.fromarray(image).save(tmp_path / name, "png")
    return tmp_path


def test_other_things_in_the_folder_are_no_frames(folder):
    (folder / ".hidden.png").write_bytes(b"nothing")
    (folder / "._f1.png").write_bytes(b"what a Mac leaves on other file systems")
    (folder / ".f3.jpg").write_bytes(b"hidden, so it makes no second kind")
    (folder / "Thumbs.db").write_bytes(b"")
    (folder / "labels.csv").write_text("frame,label\n")
    (folder / "f0.png").mkdir()
    with vf.open(folder) as video:
        assert video.format == "png"
        np.testing.assert_array_equal(video[:], VIDEO)


def test_several_kinds_need_a_choice(folder):
    Image.fromarray(RGB[0]).save(folder / "0.jpg")
    with pytest.raises(vf.FormatError, match=r"images of one kind, got .*jpg.*png.*; or choose by format="):
        vf.open(folder)
    np.testing.assert_array_equal(vf.load(folder, format="png"), VIDEO)
    assert vf.load(folder, format="jpg").shape == (1, 3, 16, 16)


def test_kinds_of_one_format_may_be_mixed(folder):
    Image.fromarray(RGB[1]).save(folder / "f3.bmp")
    np.testing.assert_array_equal(vf.load(folder), VIDEO[[0, 1, 1, 2, 3]])


def test_folders_without_images(tmp_path):
    with pytest.raises(vf.FormatError, match="expected a folder of images of one kind, got nothing"):
        vf.open(tmp_path)
    (tmp_path / "a.txt").write_text("")
    for name in ("jpg", "png", "webp"):
        with pytest.raises(vf.FormatError, match=f"expected a folder of .{name} images"):
            vf.open(tmp_path, format=name)
        with pytest.raises(vf.FormatError, match=f"expected a folder of .{name} images"):
            vf.open(tmp_path / "a.txt", format=name)
    for name in sorted(set(vf.formats()) - {"jpg", "png", "webp"}):
        with pytest.raises((vf.FormatError, IsADirectoryError)):
            vf.open(tmp_path, format=name)


def test_names_and_quality(tmp_path):
    path = vf.write(VIDEO, tmp_path / "frames", "jpg")
    assert sorted(os.listdir(path)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    low = vf.write(VIDEO, tmp_path / "low", "jpg", quality=5)
    assert os.path.getsize(f"{low}/0.jpg") < os.path.getsize(f"{path}/0.jpg")
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "l", "webp", lossless=True)), VIDEO)
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "0", "png", level=0)), VIDEO)


def test_as_published(tmp_path):
    """Pillow's default quality, to the byte."""
    path = vf.write(VIDEO, tmp_path / "frames", "jpg")
    Image.fromarray(RGB[2]).save(tmp_path / "theirs.jpg")
    with open(f"{path}/2.jpg", "rb") as file:
        assert file.read() == (tmp_path / "theirs.jpg").read_bytes()


@pytest.mark.parametrize("name", ["jpg", "png", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_of_any_order_are_written(tmp_path, name, channels):
    video = np.asfortranarray(VIDEO[:, :channels])[::-1, :, ::-1]
    plain = vf.load(vf.write(np.ascontiguousarray(video), tmp_path / "plain", name))
    np.testing.assert_array_equal(vf.load(vf.write(video, tmp_path / "turned", name)), plain)
