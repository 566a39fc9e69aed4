"""One encoded image a frame: decoded in threads, split straight into the planes of the result."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.select import Plan, blocks
from vidformats.storage.base import ByteSource
from vidformats.threads import share

MODES = {"1": (1, "u1"), "L": (1, "u1"), "I;16": (1, "u2"), "I;16B": (1, "u2"), "I": (1, "u2")}
"""Pillow's modes that are grey, with the dtype of their pixels; all others are read as RGB."""

GREY = b"vidformats: grey"
"""Metadata (XMP) of grey frames in WebP, which knows colour only."""

INFLATION = 1032
"""Bytes of pixels that a byte can make: deflate's limit, and JPEG's; a header that claims more lies."""

WEBP_INFLATION = 2400
"""Of a lossy WebP, whose blocks of 16 x 16 take 2.7 bits at least. A lossless one of one colour takes none at all."""

TURN = 16
"""Images that a thread takes at a time, at most: taking one needs a lock."""

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")
"""Those that Pillow may look into: some of its others run programs."""


class ImageReader(Reader):
    """Reader of images, each a file of its own.

    Parameters
    ----------
    folder : ByteSource
    names : list of str
        Of the files in it, in the order of the frames.
    info : dict, optional

    Raises
    ------
    FormatError
        Where the first image can't be read; the others are checked when they are.
    """

    def __init__(self, folder: ByteSource, names: list[str], info: dict[str, Any] | None = None):
        from vidformats.opencv import cv2  # takes longer to import than most folders to list

        self.source, self._names = folder, names
        data, path = self._bytes(0)
        height, width, mode = _by_pillow(data, path)
        channels, kind = MODES.get(mode, (3, "u1"))
        self.shape, self.dtype, self.info = (len(names), channels, height, width), np.dtype(kind), info or {}
        self._check(data, path)
        grey = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
        flags = grey | cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_ANYDEPTH if self.dtype.itemsize > 1 else 0)
        self._decoder = cv2, flags, (height, width) if channels == 1 else (height, width, 3)

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Decode each wanted image once."""
        decode, n = self._decode, len(plan.frames)

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                for frame, row in zip(plan.frames[block].tolist(), plan.rows[block].tolist(), strict=True):
                    decode(frame, out[row])

        share(work, blocks(n, min(TURN, n // (4 * threads))), min(threads, n))

    def fetch_one(self, frame: int, out: np.ndarray, threads: int = 1) -> None:
        """Decode one image."""
        self._decode(frame, out)

    def _decode(self, frame: int, out: np.ndarray) -> None:
        cv2, flags, expected = self._decoder
        data, path = self._bytes(frame)
        self._check(data, path)
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise FormatError(path, f"can't be decoded: {error.err}") from None
        if image is None or image.dtype != self.dtype or image.shape != expected:
            got = "nothing" if image is None else f"{image.shape} of {image.dtype}"
            raise FormatError(path, f"decodes to {got}, where the first image has {expected} of {self.dtype}")
        if len(expected) == 2:
            out[0] = image
        else:
            cv2.split(image, [out[2], out[1], out[0]])  # OpenCV decodes to BGR

    def _bytes(self, frame: int) -> tuple[bytes, str]:
        """Return the content of a frame's file, and its path."""
        name = self._names[frame]
        return self.source.read_child(name), f"{self.source.url}/{name}"

    def _check(self, data: bytes, path: str) -> None:
        """Refuse a size that differs, or that the bytes can't hold, before a decoder allocates it."""
        _, channels, height, width = self.shape
        try:
            size = image_size(data) or _by_pillow(data, path)[:2]
        except ValueError as error:
            raise FormatError(path, str(error)) from None
        if size != (height, width):
            raise FormatError(path, f"has {size[0]} x {size[1]} pixels, the first image {height} x {width}")
        if channels == 1 and is_colour(data):
            raise FormatError(path, "is in colour, the first image is grey")
        webp = data[8:12] == b"WEBP"
        most = (WEBP_INFLATION if webp else INFLATION) * len(data) + (1 << 20)
        if height * width * channels > most and not (webp and b"VP8L" in data):
            raise FormatError(path, f"claims {height} x {width} pixels in {len(data)} bytes")


def _by_pillow(data: bytes, path: str) -> tuple[int, int, str]:
    """Return height, width and mode of an image, which is not decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as image:
            return image.height, image.width, "L" if image.info.get("xmp") == GREY else image.mode
    except Exception as error:  # its parsers raise whatever damaged bytes lead them to
        raise FormatError(path, f"is no image that can be read: {error}") from None


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return ``(height, width)`` as the header of a PNG, JPEG or WebP says; None for other kinds.

    Raises
    ------
    ValueError
        Where a PNG's chunks are longer than it is.

    Sources: PNG specification 5.2, 5.3 and 11.2.2; ITU-T T.81, B.2.2; RFC 9649, 2.5 to 2.7.
    """
    if data[:8] == PNG:
        at, kind = 8, b""
        while kind != b"IEND":  # OpenCV 5.0 allocates what a chunk's length says
            kind, at = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
            if at > len(data):
                raise ValueError(f"is cut short: a chunk {kind!r} ends at byte {at}, the file at {len(data)}")
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if (frame := _frame_of_jpeg(data)) is not None:
        height, width = struct.unpack_from(">HH", data, frame + 5)
        return height, width
    if data[8:12] == b"WEBP" and len(data) >= 30:
        if data[12:16] == b"VP8X":
            return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def is_colour(data: bytes) -> bool:
    """Tell whether a PNG or JPEG has more than grey; of other kinds the first image tells."""
    if data[:8] == PNG:
        return bool(data[25] & 2)
    at = _frame_of_jpeg(data)
    return at is not None and data[at + 9] > 1


PNG = b"\x89PNG\r\n\x1a\n"


def _frame_of_jpeg(data: bytes) -> int | None:
    """Return where a JPEG has its frame header; None where it has none, or is none."""
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return at
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def in_numbered_order(names: list[str]) -> list[str]:
    """Sort names as people count: ``2.jpg`` before ``10.jpg``, whatever the padding.

    Examples
    --------
    >>> in_numbered_order(["10.jpg", "9.jpg", "007.jpg"])
    ['007.jpg', '9.jpg', '10.jpg']
    """
    stems = [name.rpartition(".")[0] for name in names]
    if all(stems) and (digits := "".join(stems)).isascii() and digits.isdecimal():  # by far the most frequent
        return [name for _, name in sorted(zip(map(int, stems), names, strict=True))]

    def key(name: str) -> tuple[list[tuple[int, int, str]], str]:
        stem = Path(name).stem
        parts = re.split(r"(\d+)", stem)
        return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p], name

    return sorted(names, key=key)
