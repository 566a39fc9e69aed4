"""What the header of an encoded image says, before a decoder allocates anything."""

from __future__ import annotations

import io
import re
import struct
from typing import Any, NamedTuple

PNG = b"\x89PNG\r\n\x1a\n"

GREY = b"vidformats: grey"
"""Metadata (XMP) of grey frames in WebP, which knows colour only."""

IHDR, SOF = struct.Struct(">IIBB"), struct.Struct(">HBHHB")

TELLING = frozenset((b"acTL", b"eXIf", b"tRNS"))
"""Chunks of PNG that say what the header does not: animation, orientation, one clear colour."""

PNM = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"(?:#[^\n]*\n)?\s")
"""The header of PGM and PPM: kind, width, height, and the value of white."""

INFLATION = 1032
"""Bytes of pixels that a byte can make: deflate's limit, and JPEG's; a header that claims more lies."""

DENSE = 1 << 16
"""The same for lossy WebP of one colour, and for TIFF by zstd, LZMA or fax codes."""


class Header(NamedTuple):
    """What an image says of itself.

    Attributes
    ----------
    codec : str
    height, width : int, pixels
        As stored, before any turn.
    grey, alpha : bool
    depth : int
        8 or 16: bits of a value that hold it.
    orientation : int
        1 to 8, as EXIF counts them; 1 is as stored.
    inflation : int or None
        Bytes of pixels that a byte can make at most; None if there is no limit.
    """

    codec: str
    height: int
    width: int
    grey: bool = False
    alpha: bool = False
    depth: int = 8
    orientation: int = 1
    inflation: int | None = INFLATION


def read_header(data: bytes) -> Header:
    """Return what the header of an image says.

    Raises
    ------
    ValueError
        If it is no image that can be read, or holds several; the text is the fault without the file's name.

    Sources: PNG specification 5.2, 5.3 and 11; ITU-T T.81, B.2.2; RFC 9649, 2.5 to 2.7; TIFF 6.0, section 8.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(PNG):
            return _png(data)
        for known, reads in (
            (data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
            (data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
            (data[:2] == b"BM", _bmp),
            (data[:1] == b"P" and data[1:2].isdigit(), _pnm),
        ):
            if known:
                return reads(data)
    except ValueError:
        raise
    except Exception as error:  # damaged bytes: struct's error, or whatever they lead Pillow's parsers to
        raise ValueError(f"is damaged: its header cannot be read ({type(error).__name__}: {error})") from None
    got = f"one that begins with {data[:8]!r}" if data else "an empty file"
    raise ValueError(f"expected a JPEG, PNG, WebP, BMP, TIFF, PGM or PPM image, got {got}")


def _jpeg(data: bytes) -> Header:
    at, orientation, end = 2, 1, len(data) - 10
    while 0 <= at <= end:
        marker = data[at + 1]
        if data[at] != 0xFF:  # decoders skip what is between segments
            at = data.find(b"\xff", at)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            _, depth, height, width, n = SOF.unpack_from(data, at + 2)
            if depth != 8:
                raise ValueError(f"expected a JPEG of 8 bits per value, got {depth}")
            return Header("jpeg", height, width, n == 1, False, 8, orientation)
        elif marker == 0xFF:
            at += 1
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
                orientation = _orientation(data[at + 10 : at + 2 + length])
            at += 2 + length
    raise ValueError(f"is damaged: a JPEG without a frame header in its {len(data)} bytes")


def _png(data: bytes) -> Header:
    at, kind, orientation, total, clear = 8, b"", 1, len(data), False
    while kind != b"IEND":  # OpenCV 5.0 allocates what a chunk's length says
        start, kind = at, data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at > total:
            raise ValueError(f"is cut short: a chunk {kind!r} ends at byte {at}, the file at {total}")
        if kind in TELLING:
            part = data[start + 8 : at - 4]
            if kind == b"acTL" and int.from_bytes(part[:4], "big") > 1:
                raise ValueError(f"expected one image, got an animation of {int.from_bytes(part[:4], 'big')}")
            orientation = _orientation(part) if kind == b"eXIf" else orientation
            clear |= kind == b"tRNS"
    width, height, bits, colour = IHDR.unpack_from(data, 16)
    return Header("png", height, width, not colour & 2, clear or colour > 3, 16 if bits > 8 else 8, orientation)


def _webp(data: bytes) -> Header:
    if len(data) < 30:
        raise ValueError(f"is cut short: a WebP of {len(data)} bytes")
    first, flags = data[12:16], data[20]
    if first == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("webp", height & 0x3FFF, width & 0x3FFF, inflation=DENSE)
    if first == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Header("webp", (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, False, bool(bits >> 28 & 1), 8, 1, None)
    if first != b"VP8X":
        raise ValueError(f"is damaged: expected a WebP of VP8, VP8L or VP8X, got {first!r}")
    if flags & 2:
        raise ValueError("expected one image, got an animation")
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    at, parts = 30, dict[bytes, bytes]()
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        parts[data[at : at + 4]] = data[at + 8 : at + 8 + size] if data[at : at + 4] in (b"EXIF", b"XMP ") else b""
        at += 8 + size + size % 2
    orientation = _orientation(parts.get(b"EXIF", b"").removeprefix(b"Exif\0\0"))
    lossless = b"VP8L" in parts
    grey = parts.get(b"XMP ") == GREY
    return Header("webp", height, width, grey, bool(flags & 16), 8, orientation, None if lossless else DENSE)


def _bmp(data: bytes) -> Header:
    from PIL.BmpImagePlugin import BmpImageFile  # Image.open would refuse large images

    try:
        image = BmpImageFile(io.BytesIO(data))
    except (SyntaxError, OSError) as error:
        raise ValueError(f"is damaged, or a BMP of a kind that cannot be read: {error}") from None
    return Header("bmp", image.height, image.width, image.mode in ("1", "L"), image.mode == "RGBA")


def _pnm(data: bytes) -> Header:
    head = PNM.match(data)
    if head is None:
        raise ValueError(f"expected a PGM or PPM image (P2, P3, P5 or P6), got {data[:16]!r}")
    width, height, white = (int(n) for n in head.groups()[1:])
    if not 0 < white < 1 << 16:
        raise ValueError(f"expected a largest value of 1 to 65535, got {white}")
    return Header("pnm", height, width, head[1] in b"25", False, 16 if white > 255 else 8, 1, 1)


def tiff_tags(data: bytes) -> Any:
    """Return the tags of a TIFF's first page, as Pillow's mapping; its ``next`` is where the second one begins."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    big = 43 in data[2:4]
    tags, file = ImageFileDirectory_v2(data[: 16 if big else 8]), io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


VALUES = {1: "unsigned integers", 2: "signed integers", 3: "floats"}

SPARE = (1, 5, 7, 8, 32773, 32946)
"""Compressions of TIFF that keep to `INFLATION`: none, LZW, JPEG, deflate, PackBits."""


def _tiff(data: bytes) -> Header:
    tags = tiff_tags(data)
    if tags.next:
        raise ValueError("expected one image, got a TIFF of several pages; write each page as a file of its own")
    bits, form, samples = max(tags.get(258, (1,))), max(tags.get(339, (1,))), tags.get(277, 1)
    if bits > 16 or form not in (1, 4):
        raise ValueError(f"expected a TIFF of at most 16 bits, got {VALUES.get(form, 'values')} of {bits} bits")
    grey, alpha = tags.get(262) in (0, 1), any(kind in (1, 2) for kind in tags.get(338, ()))
    if grey and samples > 1 + alpha:
        raise ValueError(f"expected a TIFF of grey or RGB, got {samples} values per pixel")
    inflation = INFLATION if tags.get(259, 1) in SPARE else DENSE
    depth, orientation = 16 if bits > 8 else 8, _valid(tags.get(274, 1))
    return Header("tiff", int(tags[257]), int(tags[256]), grey, alpha, depth, orientation, inflation)


def _orientation(exif: bytes) -> int:
    """Return the orientation that EXIF tells; 1 if it does not."""
    from PIL.Image import Exif

    tags = Exif()
    try:
        tags.load(exif)
        return _valid(tags.get(0x0112, 1))
    except Exception:  # whatever damaged bytes lead it to: pixels count, not what is said of them
        return 1


def _valid(orientation: Any) -> int:
    return orientation if orientation in range(1, 9) else 1
