"""Images of every kind that a folder may hold, and what they may lie about."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import vidformats as vf
from vidformats.readers.images import image_size, in_numbered_order

H, W = 20, 24
RGB = np.random.default_rng(0).integers(0, 255, (6, H, W, 3), np.uint8)
GREY = RGB[..., 0]


def folder(tmp_path, images, suffix, **options):
    path = tmp_path / "frames"
    path.mkdir(exist_ok=True)
    for k, image in enumerate(images):
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(path / f"{k}{suffix}", **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".ppm"])
def test_lossless_kinds(tmp_path, suffix):
    got = vf.load(folder(tmp_path, RGB, suffix))
    np.testing.assert_array_equal(got, RGB.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm"])
def test_grey_kinds(tmp_path, suffix):
    np.testing.assert_array_equal(vf.load(folder(tmp_path, GREY, suffix)), GREY[:, None])


@pytest.mark.parametrize(
    ("mode", "suffix", "options"),
    [
        ("RGB", ".jpg", {}), ("RGB", ".jpeg", {"subsampling": 0}), ("RGB", ".jpg", {"progressive": True}),
        ("L", ".jpg", {}), ("CMYK", ".jpg", {}), ("RGB", ".webp", {}), ("RGBA", ".webp", {}),
        ("RGB", ".webp", {"lossless": True}), ("P", ".png", {}), ("RGBA", ".png", {}), ("LA", ".png", {}),
        ("1", ".png", {}), ("P", ".bmp", {}), ("RGB", ".tif", {"compression": "tiff_lzw"}),
    ],
)  # fmt: skip
def test_every_mode_shows_what_pillow_shows(tmp_path, mode, suffix, options):
    smooth = np.linspace(0, 250, H * W * 3).reshape(H, W, 3).astype(np.uint8)
    images = [Image.fromarray(np.roll(smooth, 3 * k, axis=1)).convert(mode) for k in range(4)]
    path = folder(tmp_path, images, suffix, **options)
    wanted = "L" if mode in ("L", "1") else "RGB"
    expected = np.stack([np.asarray(Image.open(path / f"{k}{suffix}").convert(wanted)) for k in range(4)])
    expected = expected[:, None] if wanted == "L" else expected.transpose(0, 3, 1, 2)
    with vf.open(path, threads=2) as video:
        assert video.shape == expected.shape
        near = 12 if mode == "CMYK" else 2  # Pillow and OpenCV leave CMYK by other formulas
        assert np.abs(video[::-1].astype(int) - expected[::-1]).max() <= near


def test_16_bit_grey(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65535, (3, H, W), np.uint16)
    with vf.open(folder(tmp_path, deep, ".png")) as video:
        assert video.dtype == np.uint16
        np.testing.assert_array_equal(video[:], deep[:, None])


def test_an_orientation_is_not_followed(tmp_path):
    """All frames of a video have one size, and their pixels stay where they are stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder(tmp_path, RGB, ".jpg", exif=exif, quality=95)
    assert vf.load(path).shape == (6, 3, H, W)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_mixed_sizes_are_a_format_error(tmp_path, suffix):
    path = folder(tmp_path, [RGB[0], RGB[1], RGB[2][:-1], RGB[3]], suffix)
    with vf.open(path) as video:
        assert video[[0, 1, 3]].shape == (3, 3, H, W)
        with pytest.raises(vf.FormatError, match=rf"2\{suffix}: has {H - 1} x {W} pixels"):
            video[:]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_colour_among_grey_is_a_format_error(tmp_path, suffix):
    """Else one grey frame at the start would take the colour from all the others."""
    path = folder(tmp_path, [GREY[0], GREY[1], RGB[2]], suffix)
    with vf.open(path) as video:
        assert video[:2].shape == (2, 1, H, W)
        with pytest.raises(vf.FormatError, match="is in colour, the first image is grey"):
            video[2]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_grey_among_colour_is_colour(tmp_path, suffix):
    got = vf.load(folder(tmp_path, [RGB[0], GREY[1]], suffix))
    assert got.shape == (2, 3, H, W)
    assert (got[1, 0] == got[1, 2]).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("damaged", [0, 3])
@pytest.mark.parametrize("keep", [0, 1, 9, 30, 0.5])
def test_a_truncated_image_is_a_format_error(tmp_path, suffix, damaged, keep):
    path = folder(tmp_path, RGB, suffix)
    image = path / f"{damaged}{suffix}"
    data = image.read_bytes()
    image.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(vf.FormatError, match=rf"{damaged}\{suffix}"):
        vf.load(path)


def lying_png(width, height, chunk=None):
    def part(kind, data, length=None):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I", check)

    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(bytes(99)), chunk) + part(b"IEND", b"")


def lying_jpeg(width, height, junk=b""):
    stream = io.BytesIO()
    Image.fromarray(RGB[0]).save(stream, "jpeg")
    data = stream.getvalue()
    at = data.index(b"\xff\xc0")
    return data[:at] + junk + data[at : at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def lying_webp(width, height):
    stream = io.BytesIO()
    Image.fromarray(RGB[0]).save(stream, "webp")
    data = stream.getvalue()
    assert data[12:16] == b"VP8 "
    return data[:26] + struct.pack("<HH", width, height) + data[30:]


LIES = {
    "png": (".png", lying_png(30_000, 30_000)),
    "png of another size": (".png", lying_png(W, H + 1)),
    "png chunk": (".png", lying_png(W, H, 0xFFFFFFF0)),
    "png without frame": (".png", b"\x89PNG\r\n\x1a\n"),
    "jpeg": (".jpg", lying_jpeg(60_000, 60_000)),
    "jpeg behind junk": (".jpg", lying_jpeg(60_000, 60_000, b"junk")),
    "webp": (".webp", lying_webp(16_000, 16_000)),
    "bmp": (".bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 1, 1, 0, 0)),
    "ppm": (".ppm", b"P6 30000 30000 255\n" + bytes(99)),
}


@pytest.mark.parametrize(("suffix", "data"), LIES.values(), ids=LIES)
@pytest.mark.parametrize("at", [0, 2])
def test_a_header_that_lies_allocates_nothing(tmp_path, suffix, data, at):
    from vidformats.bench.measure.memory import Peak

    path = folder(tmp_path, RGB[:3], suffix)
    vf.load(path)
    (path / f"{at}{suffix}").write_bytes(data)
    # Where the first image lies, any of the others is the first to be found of another size.
    named = at if at else r"\d"
    with Peak() as peak, pytest.raises(vf.FormatError, match=rf"frames{os.sep}{named}\{suffix}"):
        vf.load(path, slice(None, None, -1))
    assert peak.increment is None or peak.increment < 20 << 20


@pytest.mark.parametrize(
    ("suffix", "options"), [(".webp", {}), (".webp", {"lossless": True}), (".png", {}), (".jpg", {})]
)
def test_large_frames_of_one_colour_are_believed(tmp_path, suffix, options):
    black = Image.new("RGB", (1920, 1080))
    assert vf.load(folder(tmp_path, [black], suffix, **options)).shape == (1, 3, 1080, 1920)


def test_the_size_in_the_header_is_found(tmp_path):
    for mode, suffix, options in (
        ("RGB", "png", {}), ("RGB", "jpeg", {}), ("L", "jpeg", {"progressive": True}), ("RGB", "webp", {}),
        ("RGB", "webp", {"lossless": True}), ("RGBA", "webp", {}), ("RGB", "webp", {"xmp": b"facts", "lossless": True}),
    ):  # fmt: skip
        for size in ((1, 1), (24, 20), (1000, 3), (259, 1025)):
            stream = io.BytesIO()
            Image.new(mode, size).save(stream, suffix, **options)
            assert image_size(stream.getvalue()) == size[::-1]
    assert image_size(b"") is None
    assert image_size(b"BM" + bytes(60)) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["010", "009", "001"], ["001", "009", "010"]),
        (["f10b2", "f9b10", "f9b9"], ["f9b9", "f9b10", "f10b2"]),
        (["img_2020-01-10", "img_2020-01-09"], ["img_2020-01-09", "img_2020-01-10"]),
        (["b1", "a2", "2", "1"], ["1", "2", "a2", "b1"]),
        (["frame", "frame2", "frame10"], ["frame", "frame2", "frame10"]),
        (["9" * 23, "1" + "0" * 23], ["9" * 23, "1" + "0" * 23]),
        (["7", "007"], ["007", "7"]),
        (["\u0662", "1"], ["1", "\u0662"]),
    ],
)  # fmt: skip
def test_names_are_sorted_as_people_count(names, expected):
    for order in (names, names[::-1]):
        assert in_numbered_order([f"{n}.png" for n in order]) == [f"{n}.png" for n in expected]


def test_an_image_that_went_away(tmp_path):
    path = folder(tmp_path, RGB, ".png")
    with vf.open(path) as video:
        (path / "4.png").unlink()
        assert video[:4].shape == (4, 3, H, W)
        with pytest.raises(vf.FormatError, match=r"4\.png: was removed since"):
            video[:]
