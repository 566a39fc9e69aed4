"""One encoded image a frame: decoded in threads, split straight into the planes of the result."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.format import FormatError, Reader
from vidformats.select import in_order
from vidformats.threads import share

MODES = {"1": (1, "u1"), "L": (1, "u1"), "I;16": (1, "u2"), "I;16B": (1, "u2"), "I": (1, "u2")}
"""Pillow's modes that are grey, with the dtype of their pixels; all others are read as RGB."""

GREY = b"vidformats: grey"
"""Metadata (XMP) of grey frames in WebP, which knows colour only."""

INFLATION = 1032
"""No image format makes pixels out of fewer bytes than deflate's limit; a header that claims it lies."""


class ImageReader(Reader):
    """Reader of images, each a file of its own.

    Parameters
    ----------
    paths : list of path-like
        In the order of the frames.
    info : dict, optional

    Raises
    ------
    FormatError
        Where the first image can't be read; the others are checked when they are.
    """

    def __init__(self, paths: list[str], info: dict[str, Any] | None = None):
        from PIL import Image

        self._paths = paths
        data = _bytes(paths[0])
        try:
            with Image.open(io.BytesIO(data)) as image:
                (width, height), mode = image.size, "L" if image.info.get("xmp") == GREY else image.mode
        except Image.DecompressionBombError as error:
            raise FormatError(paths[0], str(error)) from None
        except (OSError, ValueError, SyntaxError) as error:
            raise FormatError(paths[0], f"is no image that can be read: {error}") from None
        channels, kind = MODES.get(mode, (3, "u1"))
        self.shape, self.dtype, self.info = (len(paths), channels, height, width), np.dtype(kind), info or {}
        self._check(data, paths[0])

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Decode each wanted image once."""
        import cv2

        plan, (_, channels, height, width) = in_order(frames), self.shape
        grey = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
        flags = grey | cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_ANYDEPTH if self.dtype.itemsize > 1 else 0)
        expected = (height, width) if channels == 1 else (height, width, 3)

        def work(items: Iterator[tuple[int, int]]) -> None:
            for frame, row in items:
                path = self._paths[frame]
                data = _bytes(path)
                self._check(data, path)
                try:
                    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
                except cv2.error as error:
                    raise FormatError(path, f"can't be decoded: {error.err}") from None
                if image is None or image.dtype != self.dtype or image.shape != expected:
                    got = "nothing" if image is None else f"{image.shape} of {image.dtype}"
                    raise FormatError(path, f"decodes to {got}, where the first image has {expected} of {self.dtype}")
                if channels == 1:
                    out[row, 0] = image
                else:
                    planes = out[row]
                    cv2.split(image, [planes[2], planes[1], planes[0]])  # OpenCV decodes to BGR

        share(work, zip(plan.frames.tolist(), plan.rows.tolist(), strict=True), min(threads, len(plan.frames)))
        plan.repeat(out)

    def _check(self, data: bytes, path: str) -> None:
        """Refuse a size that differs, or that the bytes can't hold, before a decoder allocates it."""
        _, channels, height, width = self.shape
        size = image_size(data)
        if size is not None and size != (height, width):
            raise FormatError(path, f"has {size[0]} x {size[1]} pixels, the first image {height} x {width}")
        if height * width * channels > INFLATION * len(data) + (1 << 20):
            raise FormatError(path, f"claims {height} x {width} pixels in {len(data)} bytes")


def _bytes(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size)
        while len(data) < size and (more := os.read(fd, size - len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return ``(height, width)`` as the header of a PNG or JPEG says, None for other kinds.

    Sources: PNG specification 5.2 and 11.2.2; ITU-T T.81, B.2.2.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if data[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(data) and data[at] == 0xFF:
            marker = data[at + 1]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack_from(">HH", data, at + 5)
                return height, width
            at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def in_numbered_order(names: list[str]) -> list[str]:
    """Sort names as people count: ``2.jpg`` before ``10.jpg``, whatever the padding.

    Examples
    --------
    >>> in_numbered_order(["10.jpg", "9.jpg", "007.jpg"])
    ['007.jpg', '9.jpg', '10.jpg']
    """

    def key(name: str) -> tuple[list[tuple[int, int, str]], str]:
        stem = Path(name).stem
        parts = re.split(r"(\d+)", stem)
        return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p], name

    return sorted(names, key=key)
