"""Images of every kind that a folder may hold, and what they may lie about."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

import vidformats as vf
from vidformats.readers.image_headers import read_header
from vidformats.readers.images import in_numbered_order

tifffile = pytest.importorskip("tifffile", reason="makes the TIFF files")

H, W = 20, 24
RGB = np.random.default_rng(0).integers(0, 255, (6, H, W, 3), np.uint8)
GREY = RGB[..., 0]


def folder(tmp_path, images, suffix, **options):
    path = tmp_path / "frames"
    path.mkdir(parents=True, exist_ok=True)
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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "options"), [
    (".jpg", {"quality": 95}), (".png", {}), (".webp", {"lossless": True}), (".tif", {}),
    (".tif", {"compression": "jpeg"}),
])  # fmt: skip
def test_an_orientation_is_followed_or_not(tmp_path, suffix, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters = np.zeros((H, W, 3), np.uint8)  # one colour per corner
    quarters[: H // 2, : W // 2], quarters[H // 2 :, : W // 2], quarters[: H // 2, W // 2 :] = 200, 90, 150
    path = folder(tmp_path, [quarters] * 2, suffix, exif=exif, **options)
    shown = ImageOps.exif_transpose(Image.open(path / "1.png" if suffix == ".png" else path / f"1{suffix}"))
    for rotate, expected in ((True, np.asarray(shown.convert("RGB"))), (False, quarters)):
        with vf.open(path, rotate=rotate) as video:
            assert video.shape[2:] == expected.shape[:2]
            assert np.abs(video[1].astype(int) - expected.transpose(2, 0, 1)).mean() < 6
            assert video.info["orientation"] == orientation


def test_deep_and_grey_images_are_turned_too(tmp_path):
    deep = DEEP[0, ..., 0]
    tifffile.imwrite(tmp_path / "0.tif", deep, extratags=[(274, "H", 1, 6, True)])
    tifffile.imwrite(tmp_path / "1.tif", np.rot90(deep, -1).copy())
    shown = vf.load(tmp_path)
    np.testing.assert_array_equal(shown[:, 0], [np.rot90(deep, -1)] * 2)
    (tmp_path / "1.tif").unlink()
    np.testing.assert_array_equal(vf.load(tmp_path, rotate=False)[0, 0], deep)


def test_cameras_held_differently_in_one_folder(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    folder(tmp_path, [RGB[0]], ".png")
    Image.fromarray(np.rot90(RGB[1], -1)).save(tmp_path / "frames" / "1.png", exif=exif)
    np.testing.assert_array_equal(vf.load(tmp_path / "frames"), RGB[:2].transpose(0, 3, 1, 2))
    with pytest.raises(vf.FormatError, match=r"1\.png: has 24 x 20 pixels"):
        vf.load(tmp_path / "frames", rotate=False)


def png(pixels, colour, extra=b""):
    """Encode by hand what Pillow does not write: 16 bits of colour or with alpha."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    parts = part(b"IHDR", head), extra, part(b"IDAT", zlib.compress(rows)), part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(pixels, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def ppm(pixels, white=65535):
    return b"P6 %d %d %d\n" % (W, H, white) + pixels.astype(">u2").tobytes()


DEEP = np.random.default_rng(1).integers(0, 65535, (2, H, W, 4), np.uint16)
DEEP_COLOUR = {
    "png": lambda p: png(p[..., :3], 2), "png with alpha": lambda p: png(p, 6),
    "tif": lambda p: tiff(p[..., :3], photometric="rgb"),
    "tif of another byte order": lambda p: tiff(p[..., :3], photometric="rgb", byteorder=">"),
    "tif with alpha": lambda p: tiff(p, photometric="rgb", extrasamples=["unassalpha"]),
    "bigtiff": lambda p: tiff(p[..., :3], photometric="rgb", bigtiff=True, compression="zlib"),
    "tiled tif": lambda p: tiff(p[..., :3], photometric="rgb", tile=(16, 16)), "ppm": lambda p: ppm(p[..., :3]),
}  # fmt: skip


def save(tmp_path, kind, images):
    for k, data in enumerate(images):
        (tmp_path / f"{k}.{'png' if 'png' in kind else 'ppm' if 'ppm' in kind else 'tif'}").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("kind", DEEP_COLOUR)
def test_16_bits_of_colour_are_8_or_16(tmp_path, kind):
    save(tmp_path, kind, [DEEP_COLOUR[kind](pixels) for pixels in DEEP])
    expected = DEEP[..., :3].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(vf.load(tmp_path, depth=16), expected)
    for options in ({}, {"depth": 8}):
        with vf.open(tmp_path, **options) as video:
            assert video.info["depth"] == 16
            assert video.info["alpha"] == ("alpha" in kind)
            np.testing.assert_array_equal(video[:], expected >> 8)
            assert video.dtype == np.uint8


DEEP_GREY = {
    "png": lambda p: png(p, 0), "tif": tiff, "tif of another byte order": lambda p: tiff(p, byteorder=">"),
    "white is zero, tif": lambda p: tiff(~p, photometric="miniswhite"),
    "white is zero, tif of another byte order": lambda p: tiff(~p, photometric="miniswhite", byteorder=">"),
    "tiled tif": lambda p: tiff(p, tile=(16, 16)), "deflated tif": lambda p: tiff(p, compression="zlib"),
    "pgm in a ppm": lambda p: ppm(p).replace(b"P6", b"P5"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEEP_GREY)
def test_16_bits_of_grey_are_kept_unless_8_are_asked_for(tmp_path, kind):
    save(tmp_path, kind, [DEEP_GREY[kind](pixels[..., 0]) for pixels in DEEP])
    for options in ({}, {"depth": 16}):
        got = vf.load(tmp_path, **options)
        assert got.dtype == np.uint16
        np.testing.assert_array_equal(got, DEEP[:, None, ..., 0])
    np.testing.assert_array_equal(vf.load(tmp_path, depth=8), DEEP[:, None, ..., 0] >> 8)


def test_grey_with_alpha_of_16_bits(tmp_path):
    save(tmp_path, "png", [png(pixels[..., :2], 4) for pixels in DEEP])
    np.testing.assert_array_equal(vf.load(tmp_path, depth=16), DEEP[..., [0, 0, 0]].transpose(0, 3, 1, 2))
    with vf.open(tmp_path) as video:
        assert (video.info["depth"], video.info["alpha"]) == (16, True)
        np.testing.assert_array_equal(video[:], DEEP[..., [0, 0, 0]].transpose(0, 3, 1, 2) >> 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".ppm"])
def test_depth_16_of_8_bits_is_the_same_picture(tmp_path, suffix):
    path = folder(tmp_path, RGB, suffix)
    np.testing.assert_array_equal(vf.load(path, depth=16), vf.load(path).astype(np.uint16) * 257)
    with pytest.raises(ValueError, match="depth must be 8 or 16, got 12"):
        vf.open(path, depth=12)


@pytest.mark.parametrize("deep", [0, 1])
@pytest.mark.parametrize("options", [{}, {"depth": 16}, {"depth": 8}])
@pytest.mark.parametrize("kind", ["png", "tif", "colour png", "colour tif", "ppm"])
def test_mixed_depths_are_a_format_error_in_either_order(tmp_path, kind, deep, options):
    pixels = DEEP[0, ..., :3] if "colour" in kind or kind == "ppm" else DEEP[0, ..., 0]
    encode = {"png": lambda p: png(p, 2 if p.ndim == 3 else 0), "tif": tiff}.get(kind.split()[-1])
    if encode is None:
        images = [ppm(pixels), b"P6 24 20 255\n" + bytes(3 * H * W)]
    else:
        images = [encode(pixels), encode((pixels >> 8).astype(np.uint8))]
    save(tmp_path, kind, images[:: 1 if deep == 0 else -1])
    with vf.open(tmp_path, **options) as video, pytest.raises(vf.FormatError, match=r"1\.\w+: has \d+ bits per value"):
        video[:]


@pytest.mark.parametrize("white", [1, 15, 254, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_the_largest_value_of_pgm_and_ppm_is_white(tmp_path, kind, white):
    values = np.linspace(0, white, H * W * 3).round().astype(int).reshape(H, W, 3)
    values = values if kind in ("P3", "P6") else values[..., :1]
    values[-1, -1] = white
    head = f"{kind}\n# by hand\n{W} {H}\n{white}\n".encode()
    if kind in ("P2", "P3"):
        body = " ".join(map(str, values.ravel())).encode()
    else:
        body = values.astype(">u2" if white > 255 else "u1").tobytes()
    (tmp_path / "0.ppm").write_bytes(head + body)
    shade = values.transpose(2, 0, 1) / white
    for depth in (None, 8, 16):
        got = vf.load(tmp_path, 0, depth=depth)
        full = 255 if depth == 8 or (depth is None and (white < 256 or len(shade) == 3)) else 65535
        assert got.dtype == (np.uint8 if full == 255 else np.uint16)
        assert np.abs(got / full - shade).max() < 1.01 / 255
        assert (got.min(), got.max()) == (0, full)


@pytest.mark.parametrize(("suffix", "options"), [
    (".tif", {}), (".bmp", {}), (".ppm", {}), (".png", {}), (".jpg", {}),
    (".webp", {"xmp": b"vidformats: grey", "lossless": True}),
])  # fmt: skip
def test_grey_first_and_colour_after_is_one_error_for_all_kinds(tmp_path, suffix, options):
    path = folder(tmp_path, [RGB[0] if options else GREY[0]], suffix, **options)
    Image.new("RGB", (W, H), (255, 0, 0)).save(path / f"1{suffix}")
    with (
        vf.open(path) as video,
        pytest.raises(vf.FormatError, match=rf"1\{suffix}: is in colour, the first image is grey"),
    ):
        video[1]


def many(suffix):
    stream = io.BytesIO()
    pages = [Image.fromarray(image) for image in RGB[:3]]
    pages[0].save(stream, suffix[1:], save_all=True, append_images=pages[1:])
    return stream.getvalue()


SEVERAL = {
    ".png": ("animation of 3", lambda: many(".png")), ".webp": ("animation", lambda: many(".webp")),
    ".tif": ("several pages", lambda: tiff(DEEP[..., 0])), ".tiff": ("several pages", lambda: many(".tiff")),
    ".ppm": ("got several", lambda: 2 * (b"P6 24 20 255\n" + bytes(3 * H * W))),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SEVERAL)
def test_several_images_in_a_file_are_a_format_error(tmp_path, suffix):
    words, make = SEVERAL[suffix]
    (tmp_path / f"0{suffix}").write_bytes(make())
    with pytest.raises(vf.FormatError, match=rf"0\{suffix}: .*expected one image, got .*{words.removeprefix('got ')}"):
        vf.load(tmp_path)


@pytest.mark.parametrize("options", [
    {"tile": (16, 16)}, {"compression": "zlib"}, {"compression": "zstd"}, {"compression": "lzma"},
    {"planarconfig": "separate"}, {"byteorder": ">"}, {"bigtiff": True}, {"rowsperstrip": 3},
])  # fmt: skip
def test_kinds_of_tiff(tmp_path, options):
    separate = options.get("planarconfig")
    for k, pixels in enumerate(RGB[:2]):
        stored = pixels.transpose(2, 0, 1).copy() if separate else pixels
        try:
            data = tiff(stored, photometric="rgb", **options)
        except (ValueError, ImportError) as error:  # tifffile's own extra for compression
            pytest.skip(str(error))
        (tmp_path / f"{k}.tif").write_bytes(data)
    np.testing.assert_array_equal(vf.load(tmp_path), RGB[:2].transpose(0, 3, 1, 2))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma", "group4"])
@pytest.mark.parametrize("side", [20, 1000])
def test_compressed_tiff_of_one_colour(tmp_path, compression, side):
    image = Image.new("1" if compression == "group4" else "RGB", (side, side))
    path = folder(tmp_path, [image], ".tif", compression=compression)
    got = vf.load(path)
    assert got.shape[2:] == (side, side)
    assert not got.any()


def test_a_premultiplied_tiff_is_divided_by_its_alpha(tmp_path):
    half = np.full((H, W, 4), (50, 100, 25, 128), np.uint8)
    save(tmp_path, "tif", [tiff(half, photometric="rgb", extrasamples=["assocalpha"])])
    assert np.abs(vf.load(tmp_path)[0, :, 0, 0].astype(int) - (100, 199, 50)).max() <= 1
    save(tmp_path, "tif", [tiff(half, photometric="rgb", extrasamples=["unassalpha"])])
    assert vf.load(tmp_path)[0, :, 0, 0].tolist() == [50, 100, 25]


@pytest.mark.parametrize(("pixels", "options", "words"), [
    (np.zeros((H, W), np.float32), {}, "got floats of 32 bits"),
    (np.zeros((H, W), np.int16), {}, "got signed integers"),
    (np.zeros((H, W), np.uint32), {}, "got unsigned integers of 32 bits"),
    (np.zeros((H, W), np.float16), {}, "floats of 16"),
    (DEEP[0], {"photometric": "rgb", "extrasamples": ["assocalpha"]}, "premultiplied alpha is not supported"),
    (DEEP[0, ..., :3].transpose(2, 0, 1).copy(), {"photometric": "rgb", "planarconfig": "separate"}, "separate planes"),
    (np.zeros((H, W, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "got 5 values per pixel"),
])  # fmt: skip
def test_what_tiff_is_not_supported_is_said(tmp_path, pixels, options, words):
    save(tmp_path, "tif", [tiff(pixels, **options)])
    with pytest.raises(vf.FormatError, match=words):
        vf.load(tmp_path)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("data", [
    b"", b"GIF89a" + bytes(50), b"hello", b"P4\n24 20\n" + bytes(60), b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8X", b"BM",
    b"II*\0\x08\0\0\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"P5 24 20 255\n", b"P2 24 20 255\nx", b"P5 24 20 70000\n",
], ids=repr)  # fmt: skip
def test_messages_name_the_file_once_and_no_object(tmp_path, data, at):
    path = folder(tmp_path, RGB[:2], ".png")
    (path / f"{at}.png").write_bytes(data)
    with pytest.raises(vf.FormatError) as caught:
        vf.load(path)
    message = str(caught.value)
    assert message.count(str(path)) == message.count(".png") == 1
    assert " at 0x" not in message


def test_large_images_are_no_bombs(tmp_path, monkeypatch):
    """What a file can hold is bounded by its bytes; Pillow refuses 179 megapixels whatever they are."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    for suffix in (".png", ".jpg", ".tif", ".bmp", ".ppm"):
        assert vf.load(folder(tmp_path / suffix[1:], RGB[:2], suffix)).shape == (2, 3, H, W)


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
            assert read_header(stream.getvalue())[1:3] == size[::-1]


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
