"""MATLAB's .mat files. Source: "MAT-File Format", The MathWorks, level 5; v7.3 is HDF5."""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidformats.format import Format, FormatError, Reader, Source, pick
from vidformats.readers.extent import ExtentReader, StrewnReader
from vidformats.readers.files import File

TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}
MATRIX, COMPRESSED, LIMIT = 14, 15, 1032
MARK = re.compile(rb"vidformats: (frames last|as indexed), (\d) axes")


class Variable(NamedTuple):
    """A numeric array of a file: where it is, or for a compressed one where its deflated element is."""

    name: str
    dims: tuple[int, ...]
    dtype: np.dtype
    offset: int
    deflated: tuple[int, int] | None


def _variables(file: File, order: str) -> Iterator[Variable]:
    at = 128
    while at + 8 <= file.size:
        kind, nbytes = struct.unpack(order + "II", file.read(8, at))
        top, deflated = b"", None
        if kind == COMPRESSED:
            deflated = (at + 8, nbytes)
            try:
                top = zlib.decompressobj().decompress(file.read(min(nbytes, 1 << 16), at + 8), 1 << 12)[8:]
            except zlib.error as error:
                raise FormatError(file.path, f"has an element at byte {at} that can't be inflated: {error}") from None
        elif kind == MATRIX:
            top = file.read(min(nbytes, 1 << 12), at + 8)
        try:
            found = _matrix(top, order)
        except (struct.error, UnicodeDecodeError, IndexError):
            raise FormatError(file.path, f"has a broken element at byte {at}") from None
        if found:
            name, dims, dtype, start = found
            yield Variable(name, dims, dtype, start + 8 + (0 if deflated else at), deflated)
        at += 8 + nbytes + (0 if kind == COMPRESSED else -nbytes % 8)


def _matrix(top: bytes, order: str) -> tuple[str, tuple[int, ...], np.dtype, int] | None:
    """Read name, axes, dtype and start of the data from a matrix element; None where it holds no numbers."""
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
    kind, _, at = _tag(top, at, order)
    dims = struct.unpack(f"{order}{len(parts[1]) // 4}i", parts[1])
    return parts[2].decode("latin1"), dims, np.dtype(order + TYPES[kind]), at


def _tag(top: bytes, at: int, order: str) -> tuple[int, int, int]:
    """Return type, bytes and start of an element; a small one has its data inside the tag."""
    kind, nbytes = struct.unpack_from(order + "II", top, at)
    return (kind & 0xFFFF, kind >> 16, at + 4) if kind >> 16 else (kind, nbytes, at + 8)


@dataclass(frozen=True)
class Mat(Format):
    """``scipy.io.savemat``, as published: MATLAB's column-major order strews every frame over the file.

    Attributes
    ----------
    variable : str
    """

    variable: str = "video"

    def check(self, video: Source) -> None:
        """MATLAB has no half floats, and level 5 no element beyond 4 GB."""
        if video.dtype.str[1:] not in CLASSES:
            raise ValueError(f"{self.name} holds {', '.join(CLASSES)}, not {video.dtype}; use npy or h5")
        if prod(n or 0 for n in video.shape) * video.dtype.itemsize > (1 << 32) - 4096:
            raise ValueError(f"{self.name} holds at most 4 GB a variable; use npy or h5")

    def write(self, video: Source, path: Path) -> None:
        """Write the whole array; columns can't be written before every frame is known."""
        from scipy.io import savemat

        savemat(path, {self.variable: video.whole(self.name)}, appendmat=False, oned_as="column")
        if len(video.shape) == 1:  # MATLAB knows no array of one axis
            with open(path, "r+b") as file:
                file.write(_mark("as indexed", 1))

    def open(self, path: Path, variable: str | None = None) -> Reader:
        """Open the array called `variable`; it must be named only where there are several and none is ``video``."""
        return self._open(path, variable, frames_last=False)

    def _open(self, path: Path, variable: str | None, frames_last: bool) -> Reader:
        file = File(path)
        head = file.read(128, 0)
        if head.startswith(b"MATLAB 7.3") or head.startswith(b"\x89HDF"):
            from vidformats.formats.hdf5 import open_v73

            return open_v73(path, variable)
        if len(head) < 128 or head[126:128] not in (b"IM", b"MI"):
            raise FormatError(path, "is no MATLAB file of level 5 or 7.3")
        found = {v.name: v for v in _variables(file, "<" if head[126:128] == b"IM" else ">")}
        _, dims, dtype, offset, deflated = found[pick(path, list(found), variable, "variable", self.variable)]
        mark = MARK.search(head[:116])
        last = frames_last or (mark is not None and mark[1] == b"frames last")
        shape = dims[::-1] if last else dims
        if mark and prod(shape) == prod(shape[: int(mark[2])]):
            shape = shape[: int(mark[2])]
        if deflated:
            file = _inflated(file, deflated, offset + prod(dims) * dtype.itemsize)
        info = {"format": "mat_frames" if last else "mat", "compressed": deflated is not None}
        return (ExtentReader if last or len(shape) == 1 else StrewnReader)(file, offset, shape, dtype, info)


@dataclass(frozen=True)
class MatFrames(Mat):
    """Level 5 with the frame as MATLAB's last axis, ``(W, H, C, T)``: every frame lies whole, and files grow."""

    def write(self, video: Source, path: Path) -> None:
        """Write the frames as they come, then the header with their number."""
        kind, n_frames = video.dtype.newbyteorder("="), 0
        with open(path, "wb") as file:
            data = file.write(self._head(0, 0, video.frame_shape, kind))
            for block in video.blocks():
                file.write(block.astype(kind, copy=False).data)
                n_frames += len(block)
            nbytes = file.tell() - data
            if nbytes > (1 << 32) - 4096:
                raise ValueError(f"{self.name} holds at most 4 GB a variable; use npy or h5")
            file.write(b"\0" * (-nbytes % 8))
            file.seek(0)
            file.write(self._head(nbytes, n_frames, video.frame_shape, kind))

    def _head(self, nbytes: int, n_frames: int, frame_shape: tuple[int, ...], dtype: np.dtype) -> bytes:
        dims = (*frame_shape[::-1], n_frames) if frame_shape else (1, n_frames)
        parts = [
            struct.pack("=IIII", 6, 8, CLASSES[dtype.str[1:]], 0),
            struct.pack(f"=II{len(dims)}i", 5, 4 * len(dims), *dims),
            struct.pack("=II", 1, len(self.variable)) + self.variable.encode("latin1"),
            struct.pack("=II", next(k for k, v in TYPES.items() if v == dtype.str[1:]), nbytes),
        ]
        inside = b"".join(part + b"\0" * (-len(part) % 8) for part in parts)
        mark = _mark("frames last", len(frame_shape) + 1)
        top = mark.ljust(124) + struct.pack("=HH", 0x0100, 0x4D49)
        return top + struct.pack("=II", MATRIX, len(inside) + nbytes + -nbytes % 8) + inside

    def open(self, path: Path, variable: str | None = None) -> Reader:
        """Open an array whose last MATLAB axis counts frames, whoever wrote it."""
        return self._open(path, variable, frames_last=True)


def _mark(order: str, axes: int) -> bytes:
    return f"MATLAB 5.0 MAT-file, vidformats: {order}, {axes} axes".ljust(116).encode()


def _inflated(file: File, element: tuple[int, int], need: int) -> File:
    """Inflate a compressed element once, to a file without a name that goes with its reader."""
    at, nbytes = element
    if need > LIMIT * nbytes + (1 << 12):
        raise FormatError(file.path, f"claims {need} bytes in an element of {nbytes}")
    inflate, done = zlib.decompressobj(), 0
    with tempfile.TemporaryFile() as temporary:
        try:
            for start in range(at, at + nbytes, 1 << 18):
                data = file.read(min(1 << 18, at + nbytes - start), start)
                while data and done < need:
                    done += temporary.write(inflate.decompress(data, 1 << 22))
                    data = inflate.unconsumed_tail
        except zlib.error as error:
            raise FormatError(file.path, f"can't be inflated: {error}") from None
        temporary.flush()
        return File(file.path, temporary.fileno())
