"""The elements of a MATLAB file of level 5. Source: "MAT-File Format", The MathWorks."""

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
    while at + 8 <= file.size:
        kind, nbytes = struct.unpack(order + "II", file.read(8, at))
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
    return parts[2].decode("latin1"), dims, np.dtype(order + TYPES[kind]), at, nbytes


def _tag(top: bytes, at: int, order: str) -> tuple[int, int, int]:
    """Return type, bytes and start of an element; a small one has its data inside the tag."""
    kind, nbytes = struct.unpack_from(order + "II", top, at)
    return (kind & 0xFFFF, kind >> 16, at + 4) if kind >> 16 else (kind, nbytes, at + 8)


def inflated(file: ByteSource, element: tuple[int, int], need: int) -> LocalFile:
    """Inflate a compressed element once, to a file without a name that goes with its reader."""
    at, nbytes = element
    if need > EXPANSION * nbytes + (1 << 12):
        raise FormatError(file.url, f"claims {need} bytes in an element of {nbytes}")
    inflate, done = zlib.decompressobj(), 0
    with tempfile.TemporaryFile() as temporary:
        try:
            for start in range(at, at + nbytes, 1 << 18):
                data = file.read(min(1 << 18, at + nbytes - start), start)
                while data and done < need:
                    done += temporary.write(inflate.decompress(data, 1 << 22))
                    data = inflate.unconsumed_tail
        except zlib.error as error:
            raise FormatError(file.url, f"can't be inflated: {error}") from None
        temporary.flush()
        return LocalFile(file.url, os.dup(temporary.fileno()))
