"""The variables of a MATLAB file of level 5 or 4. Source: "MAT-File Format", The MathWorks."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from vidformats.codecs.deflate import EXPANSION
from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource
from vidformats.storage.local import LocalFile

TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}
MATRIX, COMPRESSED = 14, 15


class Variable(NamedTuple):
    """A numeric array of a file: where it is, or for a compressed one where its deflated element is."""

    name: str
    dims: tuple[int, ...]
    dtype: np.dtype
    offset: int
    deflated: tuple[int, int] | None


def variables(file: ByteSource, order: str) -> Iterator[Variable]:
    """Yield the numeric arrays of a file in the byte order `order`, ``"<"`` or ``">"``."""
    at = 128
    while at < file.size:
        kind, nbytes = struct.unpack(order + "II", file.read(8, at).ljust(8, b"\0"))
        if at + 8 + nbytes > file.size:
            fault = f"is cut short or damaged: expected {8 + nbytes} bytes for the element at byte {at}"
            raise FormatError(file.url, f"{fault}, got {file.size - at}")
        top, deflated = b"", None
        if not 1 <= kind <= 18:
            raise FormatError(file.url, f"has no element of level 5 at byte {at}")
        if kind == COMPRESSED:
            deflated = (at + 8, nbytes)
            try:
                top = zlib.decompressobj().decompress(file.read(min(nbytes, 1 << 16), at + 8), 1 << 12)[8:]
            except zlib.error as error:
                raise FormatError(file.url, f"has an element at byte {at} that can't be inflated: {error}") from None
        elif kind == MATRIX:
            top = file.read(min(nbytes, 1 << 12), at + 8)
        try:
            found = _matrix(top, order)
        except (struct.error, KeyError):
            raise FormatError(file.url, f"has a broken element at byte {at}") from None
        if found:
            name, dims, dtype, start, held = found
            if prod(dims) * dtype.itemsize != held:
                raise FormatError(file.url, f"claims {dims} of {dtype} for {name!r} in {held} bytes")
            yield Variable(name, dims, dtype, start + 8 + (0 if deflated else at), deflated)
        at += 8 + nbytes + (0 if kind == COMPRESSED else -nbytes % 8)


def _matrix(top: bytes, order: str) -> tuple[str, tuple[int, ...], np.dtype, int, int] | None:
    """Read name, axes, dtype, start and bytes of the data from a matrix element; None where it holds no numbers."""
    if not top:
        return None
    parts, at = [], 0
    for _ in range(3):  # flags, dimensions, name
        kind, nbytes, at = _tag(top, at, order)
        parts.append(top[at : at + nbytes])
        at += nbytes + -nbytes % (4 if at % 8 else 8)
    flags = struct.unpack_from(order + "I", parts[0])[0]
    if flags & 0xFF not in CLASSES.values() or flags & 0x0800:  # text, cells, structures; complex numbers
        return None
    kind, nbytes, at = _tag(top, at, order)
    dims = struct.unpack(f"{order}{len(parts[1]) // 4}i", parts[1])
    if not parts[2]:  # MATLAB's own, beside text and tables
        return None
    return parts[2].decode("latin1"), dims, np.dtype(order + TYPES[kind]), at, nbytes


def _tag(top: bytes, at: int, order: str) -> tuple[int, int, int]:
    """Return type, bytes and start of an element; a small one has its data inside the tag."""
    kind, nbytes = struct.unpack_from(order + "II", top, at)
    return (kind & 0xFFFF, kind >> 16, at + 4) if kind >> 16 else (kind, nbytes, at + 8)


def inflated(file: ByteSource, element: tuple[int, int], order: str, need: int) -> LocalFile:
    """Inflate a compressed element once and to its end, to a file without a name that goes with its reader.

    Its checksum stands behind its last byte, and its own tag tells how many there are.
    """
    at, nbytes = element
    if need > EXPANSION * nbytes + (1 << 12):
        raise FormatError(file.url, f"claims {need} bytes in an element of {nbytes}")
    inflate, done, whole = zlib.decompressobj(), 0, need
    with tempfile.TemporaryFile() as temporary:
        try:
            for start in range(at, at + nbytes, 1 << 18):
                data = file.read(min(1 << 18, at + nbytes - start), start)
                while data and not inflate.eof and done <= whole:
                    part = inflate.decompress(data, 1 << 22)
                    data = inflate.unconsumed_tail
                    if not done:
                        whole = 8 + struct.unpack_from(order + "I", part.ljust(8, b"\0"), 4)[0]
                    done += temporary.write(part)
        except zlib.error as error:
            raise FormatError(file.url, f"can't be inflated: {error}") from None
        if not inflate.eof or done != whole:
            found = f"{done} or more" if done > whole or not inflate.eof else done
            raise FormatError(file.url, f"is damaged: expected {whole} bytes in the element at byte {at}, got {found}")
        temporary.flush()
        return LocalFile(file.url, os.dup(temporary.fileno()))


LEVEL4 = ("f8", "f4", "i4", "i2", "u2", "u1")
"""The numbers of MATLAB 4, by the third digit of a variable's type."""


def variables4(file: ByteSource) -> Iterator[Variable]:
    """Yield the full matrices of numbers of a file of level 4; `FormatError` if it is none."""
    at = 0
    while at < file.size:
        head = file.read(20, at)
        order = next((o for o in "<>" if len(head) == 20 and _is_type4(struct.unpack_from(o + "i", head)[0], o)), None)
        if order is None:
            raise FormatError(file.url, f"has no MATLAB variable of level 5, 7.3 or 4 at byte {at}")
        kind, rows, columns, imaginary, length = struct.unpack(order + "5i", head)
        dtype, name = np.dtype(order + LEVEL4[kind // 10 % 10]), file.read(min(max(0, length), 256), at + 20)
        start, nbytes = at + 20 + length, rows * columns * dtype.itemsize * (2 if imaginary else 1)
        if min(rows, columns) < 0 or not 1 < length <= 256 or start + nbytes > file.size:
            raise FormatError(file.url, f"is cut short or damaged: its variable at byte {at} claims {rows} x {columns}")
        if kind % 10 == 0 and not imaginary:
            yield Variable(name.rstrip(b"\0").decode("latin1"), (rows, columns), dtype, start, None)
        at = start + nbytes


def _is_type4(kind: int, order: str) -> bool:
    """Tell the four digits of a type: byte order, 0, numbers, and full, text or sparse."""
    return kind // 1000 == "<>".index(order) and kind // 100 % 10 == 0 and kind // 10 % 10 < 6 and kind % 10 < 3
