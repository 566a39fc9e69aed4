"""MATLAB's .mat files: level 5 and 4, and 7.3, which is HDF5."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader, pick
from vidformats.readers.column_major import ColumnMajorReader
from vidformats.readers.extent import ExtentReader
from vidformats.readers.mat5 import CLASSES, MATRIX, TYPES, Variable, inflated, variables, variables4
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.timing import KEYS, set_time

MARK = re.compile(rb"vidformats: (frames last|as indexed), (\d+) axes")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class Mat(Format):
    """``scipy.io.savemat``, as published: MATLAB's column-major order strews every frame over the file.

    Attributes
    ----------
    variable : str
    """

    keeps_time: ClassVar[bool] = True

    variable: str = "video"

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know MATLAB's text header, which 7.3 has too."""
        return head.startswith(b"MATLAB ")

    def check(self, video: Source) -> None:
        """MATLAB has no half floats, level 5 no element beyond 4 GB; of other names SciPy drops the variable."""
        if not NAME.fullmatch(self.variable + ("_variable_rate" if video.timing else "")):
            raise ValueError(f"{self.name}: variable must be a name that MATLAB knows, got {self.variable!r}")
        if video.dtype.str[1:] not in CLASSES:
            raise ValueError(f"{self.name} holds {', '.join(CLASSES)}, not {video.dtype}; use npy or h5")
        if prod(n or 0 for n in video.shape) * video.dtype.itemsize > (1 << 32) - 4096:
            raise ValueError(f"{self.name} holds at most 4 GB a variable; use npy or h5")

    def write(self, video: Source, path: Path) -> None:
        """Write the whole array; columns can't be written before every frame is known."""
        from scipy.io import savemat

        whole = {self.variable: video.whole(self.name)}
        savemat(path, whole | self._record(video), appendmat=False, oned_as="column")
        if len(video.shape) == 1:  # MATLAB knows no array of one axis
            with open(path, "r+b") as file:
                file.write(_mark("as indexed", 1))

    def _record(self, video: Source) -> dict[str, Any]:
        """Return the variables that keep the time: ``video_fps``, ``video_duration``, ..."""
        record = video.timing.record(video.written) if video.timing else {}
        return {f"{self.variable}_{key}": np.asarray(value, np.float64) for key, value in record.items()}

    def open(self, source: ByteSource, variable: str | None = None) -> Reader:
        """Open the array called `variable`; it must be named only where there are several and none is ``video``."""
        return self._open(source, variable, frames_last=False)

    def _open(self, source: ByteSource, variable: str | None, frames_last: bool) -> Reader:
        path, file = source.url, source
        head = file.read(128, 0)
        # MATLAB 7.4 wrote "MATLAB 7.0" into files of version 7.3.
        if head.startswith(b"\x89HDF") or head[124:128] in (b"\0\2IM", b"\2\0MI"):
            from vidformats.readers.hdf5 import open_v73

            return open_v73(source, variable, frames_last)
        order, found = {b"IM": "<", b"MI": ">"}.get(head[126:128], ""), {}
        modern = order and 0 not in head[:4]
        try:
            for item in variables(file, order) if modern else variables4(file):
                found[item.name] = item
        except FormatError:
            if (variable or self.variable) not in found:  # what is behind the one that was asked for is no matter
                raise
        if not modern:
            head = b""
        name, dims, dtype, offset, deflated = found[pick(path, list(found), variable, "variable", self.variable)]
        mark = MARK.search(head[:116])
        last = frames_last or (mark is not None and mark[1] == b"frames last")
        shape = dims[::-1] if last else dims
        if mark and prod(shape) == prod(shape[: int(mark[2])]):
            shape = shape[: int(mark[2])]
        elif mark or b"vidformats:" in head[:116]:
            raise FormatError(path, f"says {bytes(head[:116]).rstrip()!r}, which does not fit an array of {dims}")
        if deflated:
            file = inflated(file, deflated, order, offset + prod(dims) * dtype.itemsize)
        info = {"format": "mat_frames" if last else "mat", "compressed": deflated is not None}
        reader = (ExtentReader if last or len(shape) == 1 else ColumnMajorReader)(file, offset, shape, dtype, info)
        kept = {key: found[f"{name}_{key}"] for key in KEYS if f"{name}_{key}" in found}
        if {"fps", "duration"} <= kept.keys():
            set_time(reader, {key: _values(source, item, order) for key, item in kept.items()}, path)
        return reader


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
            if video.timing:
                from scipy.io import savemat

                savemat(further := io.BytesIO(), self._record(video), oned_as="column")
                file.write(further.getvalue()[128:])
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

    def open(self, source: ByteSource, variable: str | None = None) -> Reader:
        """Open an array whose last MATLAB axis counts frames, whoever wrote it."""
        return self._open(source, variable, frames_last=True)


def _values(source: ByteSource, item: Variable, order: str) -> np.ndarray:
    """Return the numbers of a variable, flat."""
    nbytes = prod(item.dims) * item.dtype.itemsize
    file = inflated(source, item.deflated, order, item.offset + nbytes) if item.deflated else source
    return np.frombuffer(file.read(nbytes, item.offset), item.dtype)


def _mark(order: str, axes: int) -> bytes:
    return f"MATLAB 5.0 MAT-file, vidformats: {order}, {axes} axes".ljust(116).encode()
