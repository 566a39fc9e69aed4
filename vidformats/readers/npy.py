"""The ``.npy`` layout, plain and inside a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as header
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.readers.extent import ExtentReader, StrewnReader, check_layout
from vidformats.select import Crop, in_order
from vidformats.storage.local import File

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
    except Exception as error:  # NumPy parses it as Python source: errors of its tokenizer and recursion come too
        raise FormatError(file.path, f"has no .npy header that can be read: {error}") from None
    return shape, fortran and len(shape) > 1, dtype, at + stream.tell()


def npy_reader(file: File, at: int = 0, nbytes: int | None = None, **info: Any) -> Reader:
    """Return the reader of an ``.npy`` that lies at byte `at` of `file` and has `nbytes`, or goes to its end."""
    shape, fortran, dtype, offset = read_header(file, file.read(HEADER, at), at)
    if nbytes is not None:  # what lies behind is something else
        check_layout(file.path, nbytes, offset - at, shape, dtype)
    return (StrewnReader if fortran else ExtentReader)(file, offset, shape, dtype, info)


class InflatingReader(Reader):
    """Reader of a deflated member: everything before a frame is inflated to reach it, and dropped."""

    def __init__(self, file: File, entry: zipfile.ZipInfo, info: dict[str, Any]):
        self._file, self._entry, self.info = file, entry, info
        size, held = entry.file_size, min(entry.compress_size, file.size)
        if size > DEFLATE_LIMIT * max(1, held):
            raise FormatError(file.path, f"claims {size} bytes in {held} deflated ones")
        with self._stream() as stream:
            shape, self._fortran, stored, self._offset = read_header(file, stream.read(HEADER), 0)
        self._stored = check_layout(file.path, size, self._offset, shape, stored)
        self.shape, self.dtype = shape, self._stored.newbyteorder("=")

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        try:
            with zipfile.ZipFile(self._file.path) as archive, archive.open(self._entry) as stream:
                yield stream
        except (FormatError, FileNotFoundError):
            raise
        except Exception as error:  # whatever zipfile and the compressors make of damaged bytes
            raise FormatError(self._file.path, f"{self._entry.filename} can't be inflated: {error}") from None

    def read(self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None = None, threads: int = 1) -> None:
        """Inflate up to the last wanted frame, once, whatever the crop."""
        plan, part = in_order(frames), (slice(None), *(crop or ()))
        size, at, frame = prod(self.shape[1:]) * self._stored.itemsize, 0, np.empty((1, *self.shape[1:]), self._stored)
        with self._stream() as stream:
            if self._fortran:  # strewn: no frame is complete before the end
                out[...] = np.load(stream, allow_pickle=False)[part][frames]
                return
            _skip(stream, self._offset)
            for number, row in zip(plan.frames.tolist(), plan.rows.tolist(), strict=True):
                _skip(stream, (number - at) * size)
                if _fill(stream, frame.reshape(-1).view(np.uint8).data) < size:
                    raise FormatError(self._file.path, f"ends before frame {number}")
                out[row : row + 1], at = frame[part], number + 1
        plan.repeat(out)


def _fill(stream: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view) and (got := stream.readinto(view[done:])):  # type: ignore[attr-defined]
        done += got
    return done


def _skip(stream: BinaryIO, nbytes: int) -> None:
    while nbytes > 0 and (got := len(stream.read(min(nbytes, 1 << 20)))):
        nbytes -= got
