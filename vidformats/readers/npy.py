"""The ``.npy`` layout, plain and inside a zip."""

from __future__ import annotations

import io
import zipfile
import zlib
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as header
from numpy.typing import NDArray

from vidformats.format import FormatError, Reader
from vidformats.readers.extent import ExtentReader, StrewnReader
from vidformats.readers.files import File
from vidformats.select import in_order

HEADER = 1 << 16
"""Bytes read to find an .npy header; NumPy itself refuses headers beyond 10,000."""

DEFLATE_LIMIT = 1032
"""Deflate makes nothing smaller than this many times: a claim beyond it is a bomb."""


def read_header(file: File, top: bytes, at: int) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, Fortran order, dtype and the offset of the data from the first bytes of an ``.npy``."""
    stream = io.BytesIO(top)
    try:
        version = header.read_magic(stream)
        readers = {(1, 0): header.read_array_header_1_0, (2, 0): header.read_array_header_2_0}
        if version not in readers:  # version 3 is there for names of fields, which numbers have not
            raise ValueError(f"version {version} holds structured arrays, not numbers")
        shape, fortran, dtype = readers[version](stream)
    except (ValueError, SyntaxError, TypeError, EOFError, UnicodeError) as error:
        raise FormatError(file.path, f"has no .npy header that can be read: {error}") from None
    return shape, fortran and len(shape) > 1, dtype, at + stream.tell()


def npy_reader(file: File, at: int = 0, **info: Any) -> Reader:
    """Return the reader of an ``.npy`` that lies at byte `at` of `file`."""
    shape, fortran, dtype, offset = read_header(file, file.read(HEADER, at), at)
    return (StrewnReader if fortran else ExtentReader)(file, offset, shape, dtype, info)


class InflatingReader(Reader):
    """Reader of a deflated member: everything before a frame is inflated to reach it, and dropped."""

    def __init__(self, file: File, entry: zipfile.ZipInfo, info: dict[str, Any]):
        self._file, self._entry, self.info = file, entry, info
        with self._stream() as stream:
            shape, self._fortran, stored, self._offset = read_header(file, stream.read(HEADER), 0)
        need = self._offset + prod(shape) * stored.itemsize
        if stored.hasobject or need > entry.file_size or entry.file_size > DEFLATE_LIMIT * max(1, entry.compress_size):
            raise FormatError(file.path, f"claims {shape} of {stored}, which {entry.filename} can't hold")
        self.shape, self._stored, self.dtype = shape, stored, stored.newbyteorder("=")

    def _stream(self) -> Any:
        try:
            return zipfile.ZipFile(self._file.path).open(self._entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise FormatError(self._file.path, f"{self._entry.filename} can't be inflated: {error}") from None

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Inflate up to the last wanted frame, once."""
        plan = in_order(frames)
        size, at, frame = prod(self.shape[1:]) * self._stored.itemsize, 0, np.empty(self.shape[1:], self._stored)
        try:
            with self._stream() as stream:
                if self._fortran:  # strewn: no frame is complete before the end
                    out[...] = np.load(stream, allow_pickle=False)[frames]
                    return
                _skip(stream, self._offset)
                for number, row in zip(plan.frames.tolist(), plan.rows.tolist(), strict=True):
                    _skip(stream, (number - at) * size)
                    view = frame.reshape(-1).view(np.uint8).data
                    if _fill(stream, view) < size:
                        raise FormatError(self._file.path, f"ends before frame {number}")
                    out[row], at = frame, number + 1
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FormatError(self._file.path, f"{self._entry.filename} is damaged: {error}") from None
        plan.repeat(out)


def _fill(stream: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view) and (got := stream.readinto(view[done:])):  # type: ignore[attr-defined]
        done += got
    return done


def _skip(stream: BinaryIO, nbytes: int) -> None:
    while nbytes > 0 and (got := len(stream.read(min(nbytes, 1 << 20)))):
        nbytes -= got
