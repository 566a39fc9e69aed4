"""Whether a file ends before its own headers say that it does."""

from __future__ import annotations

import os
from typing import BinaryIO

TAIL = 4096
"""Bytes at the end of an image in which its end mark must be: some programs write more behind it."""


def ends_early(path: str | os.PathLike[str]) -> str | None:
    """Return what is missing at the end of a video or image; None if nothing is, or if its kind does not tell.

    Examples
    --------
    >>> with open("cut.avi", "wb") as file:
    ...     _ = file.write(b"RIFF" + (1000).to_bytes(4, "little") + b"AVI " + bytes(100))
    >>> ends_early("cut.avi")
    'its header announces 1,008 bytes, it has 112'
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(64)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            return _boxes(file, size)
        announced = None
        if head[:4] == b"RIFF":
            announced = 8 + int.from_bytes(head[4:8], "little")
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            announced = _segment(file)
        if announced is not None and announced != 8 + 0xFFFFFFFF:  # written to a pipe
            return None if announced <= size else f"its header announces {announced:,} bytes, it has {size:,}"
        mark = b"\xff\xd9" if head[:2] == b"\xff\xd8" else b"IEND" if head[:4] == b"\x89PNG" else b""
        if mark:
            file.seek(max(0, size - TAIL))
            return None if mark in file.read() else "it has no end mark"
    return None


def _boxes(file: BinaryIO, size: int) -> str | None:
    """Walk over the boxes of an MP4 (ISO/IEC 14496-12, 4.2)."""
    at, seen = 0, set()
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        kind = head[4:8]
        if not kind.isalnum():
            break  # what follows is no box
        seen.add(kind)
        if length == 0:
            at = size
            break
        if length < 8:
            break
        at += length
        if at > size:
            return f"its last box announces {at - size:,} bytes beyond its end"
    return None if b"moov" in seen else "it has no index: the box 'moov' is missing"


def _segment(file: BinaryIO) -> int | None:
    """Return where the segment of a Matroska file ends, None if it does not say (RFC 8794 and RFC 9559)."""
    file.seek(4)
    length, _ = _number(file)
    file.seek(file.tell() + length)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    length, unknown = _number(file)
    return None if unknown else file.tell() + length


def _number(file: BinaryIO) -> tuple[int, bool]:
    """Read a number of variable length; tell whether it stands for "unknown"."""
    first = (file.read(1) or b"\x80")[0]
    width = 9 - first.bit_length()
    value = (first & (1 << (8 - width)) - 1) << 8 * (width - 1) | int.from_bytes(file.read(width - 1), "big")
    return value, value == (1 << 7 * width) - 1
