"""Folders of images: whatever else lies in them, and however they are numbered."""

import os

import numpy as np
import pytest
from PIL import Image

import vidformats as vf
from vidformats.families.images import Images
from vidformats.readers.adapted import resized, scaled
from vidformats.storage import open_source

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


def test_a_link_that_leads_nowhere_keeps_its_place(tmp_path):
    """As git-annex and DVC leave them: later frames must not move up."""
    path = vf.write(VIDEO, tmp_path / "frames", "png")
    os.unlink(f"{path}/2.png")
    os.symlink("content-not-fetched", f"{path}/2.png")
    with vf.open(path) as video:
        assert video.shape == VIDEO.shape
        np.testing.assert_array_equal(video[3], VIDEO[3])
        with pytest.raises(vf.FormatError, match=r"2\.png: leads nowhere"):
            video[:]
    os.unlink(f"{path}/0.png")
    os.symlink("content-not-fetched", f"{path}/0.png")
    with pytest.raises(vf.FormatError, match=r"0\.png: leads nowhere"):
        vf.open(path)


def test_the_names_of_the_files_are_told(folder):
    with vf.open(folder) as video:
        assert video.info["names"] == ["f1.png", "f2.PNG", "f9.png", "f10.png"]
        assert video.info["gaps"] is True
    even = vf.write(VIDEO, folder / "even", "png")
    assert "gaps" not in vf.open(even).info


@pytest.mark.parametrize("stray", ["preview.png", "background.bmp", "f1 (1).png", "right_1.png", "f_3.png", "f1b.png"])
def test_files_of_another_series_need_a_choice(folder, stray):
    Image.fromarray(RGB[3]).save(folder / stray)
    with pytest.raises(vf.FormatError, match=r"names that differ in their numbers only, got 4 like 'f1'.*names="):
        vf.open(folder)
    np.testing.assert_array_equal(vf.load(folder, names="f[0-9]*.[pP]*") if stray[0] != "f" else VIDEO, VIDEO)
    assert vf.load(folder, names="*").shape == (5, 3, 16, 16)
    with pytest.raises(vf.FormatError, match="none that match 'left_"):
        vf.open(folder, names="left_*")


@pytest.mark.parametrize("twin", ["f01.png", "f1.bmp", "f0002.PNG"])
def test_two_images_of_one_number_are_a_format_error(folder, twin):
    Image.fromarray(RGB[3]).save(folder / twin)
    with pytest.raises(vf.FormatError, match=r"expected one image per number, got f\S+ and f\S+"):
        vf.open(folder)


def test_jpg_and_jpeg_of_one_number(tmp_path):
    for name in ("0.jpg", "0.jpeg", "1.jpg"):
        Image.fromarray(RGB[0]).save(tmp_path / name)
    with pytest.raises(vf.FormatError, match=r"one image per number, got 0\.jpeg and 0\.jpg"):
        vf.open(tmp_path)


def test_what_was_found_instead_of_images_is_said(tmp_path):
    (tmp_path / "trial_7").mkdir()
    with pytest.raises(vf.FormatError, match=r"got .*trial_7/"):
        vf.open(tmp_path)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(vf.FormatError, match=r"got .*\.gif"):
        vf.open(tmp_path)
    with pytest.raises(vf.FormatError, match=r"expected a folder of \.png images, found none, but \.gif"):
        vf.open(tmp_path, "png")


@pytest.mark.parametrize(("size", "decoded"), [(60, 60), (59, 60), (30, 30), (100, 120), (240, 240), ((64, 20), 120)])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_decoded_at_a_part_of_its_size(tmp_path, size, decoded, channels):
    """And shows what scaling the whole picture by area shows."""
    rows, columns = np.mgrid[:240, :320]
    smooth = (127 + 60 * np.sin(rows / 17) + 60 * np.cos(columns / 23)).astype(np.uint8)
    path = vf.write(np.broadcast_to(smooth, (3, channels, 240, 320)), tmp_path / "frames", "jpg", quality=95)
    reader = Images(name="jpg").open(open_source(path))
    want = scaled(size, reader.shape[2:])
    reader.reduce(want)
    assert reader.shape[2] == decoded
    got, whole = vf.load(path, size=size), vf.load(path)
    assert got.shape == (3, channels, *want)
    assert np.abs(got[1].astype(int) - resized(whole[1], want)).max() <= 8
    part = vf.load(path, np.s_[1:, :, 3:9, ::2], size=size)
    np.testing.assert_array_equal(part, got[1:, :, 3:9, ::2])


def test_sizes_of_turned_images(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rows, columns = np.mgrid[:240, :320]
    image = Image.fromarray(np.stack([rows // 2, columns // 2, rows // 4 + columns // 4], -1).astype(np.uint8))
    image.save(tmp_path / "0.jpg", exif=exif, quality=95)
    whole, got = vf.load(tmp_path, 0), vf.load(tmp_path, 0, size=60)
    assert (whole.shape, got.shape) == ((3, 320, 240), (3, 80, 60))
    assert np.abs(got.astype(int) - resized(whole, (80, 60))).max() <= 4
