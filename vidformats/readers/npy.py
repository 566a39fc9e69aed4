"""The ``.npy`` layout, plain and inside a zip."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as header

from vidformats.codecs.deflate import EXPANSION
from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.readers.column_major import ColumnMajorReader
from vidformats.readers.extent import ExtentReader, check_layout
from vidformats.select import Plan
from vidformats.storage.base import ByteSource
from vidformats.storage.members import Member

HEADER = 1 << 16
"""Bytes read to find an .npy header; NumPy itself refuses headers beyond 10,000."""


def read_header(url: str, top: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, Fortran order, dtype and the offset of the data from the first bytes of an ``.npy``."""
    stream = io.BytesIO(top)
    try:
        version = header.read_magic(stream)
        # Version 3 differs from 2 by the encoding of names of fields, which numbers have not.
        readers = {
            (1, 0): header.read_array_header_1_0,
            (2, 0): header.read_array_header_2_0,
            (3, 0): header.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"expected version 1 to 3, got {version}")
        shape, fortran, dtype = readers[version](stream)
    except Exception as error:  # NumPy parses it as Python source: errors of its tokenizer and recursion come too
        raise FormatError(url, f"has no .npy header that can be read: {error}") from None
    return shape, fortran and len(shape) > 1, dtype, stream.tell()


def npy_reader(source: ByteSource, **info: Any) -> Reader:
    """Return the reader of an ``.npy``."""
    shape, fortran, dtype, offset = read_header(source.url, source.read(HEADER, 0))
    return (ColumnMajorReader if fortran else ExtentReader)(source, offset, shape, dtype, info)


def check_crc(member: Member, crc: int) -> None:
    """Raise `FormatError` if the bytes of a stored member are not those it was written with."""
    got = 0
    for at in range(0, member.size, 1 << 20):
        got = zlib.crc32(member.read(1 << 20, at), got)
    if got != crc:
        raise FormatError(member.url, f"{member.name} is damaged: expected CRC-32 {crc:08x}, got {got:08x}")


class InflatingReader(Reader):
    """Reader of a deflated member: everything before a frame is inflated to reach it, and dropped."""

    def __init__(self, source: ByteSource, entry: zipfile.ZipInfo, info: dict[str, Any]):
        self.source, self._entry, self.info = source, entry, info
        size, held = entry.file_size, min(entry.compress_size, source.size)
        # Of the other methods nothing bounds the factor; they are inflated piece by piece.
        if entry.compress_type == zipfile.ZIP_DEFLATED and size > EXPANSION * max(1, held):
            raise FormatError(source.url, f"claims {size} bytes in {held} deflated ones")
        with self._stream() as stream:
            shape, self._fortran, stored, self._offset = read_header(source.url, stream.read(HEADER))
        self._stored = check_layout(source.url, size, self._offset, shape, stored)
        self.shape, self.dtype = shape, self._stored.newbyteorder("=")

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        try:
            with zipfile.ZipFile(self.source.as_file()) as archive, archive.open(self._entry) as stream:
                yield stream
        except (FormatError, FileNotFoundError):
            raise
        except Exception as error:  # whatever zipfile and the compressors make of damaged bytes
            raise FormatError(self.source.url, f"{self._entry.filename} can't be inflated: {error}") from None

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Inflate up to the last wanted frame, once, whatever the crop."""
        part = (slice(None), *(plan.crop or ()))
        size, at, frame = prod(self.shape[1:]) * self._stored.itemsize, 0, np.empty((1, *self.shape[1:]), self._stored)
        with self._stream() as stream:
            if self._fortran:  # column-major: no frame is complete before the end
                out[plan.rows] = np.load(stream, allow_pickle=False)[part][plan.frames]
                return
            _skip(stream, self._offset)
            for number, row in zip(plan.frames.tolist(), plan.rows.tolist(), strict=True):
                _skip(stream, (number - at) * size)
                if _fill(stream, frame.reshape(-1).view(np.uint8).data) < size:
                    raise FormatError(self.source.url, f"ends before frame {number}")
                out[row : row + 1], at = frame[part], number + 1


def _fill(stream: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view) and (got := stream.readinto(view[done:])):  # type: ignore[attr-defined]
        done += got
    return done


def _skip(stream: BinaryIO, nbytes: int) -> None:
    while nbytes > 0 and (got := len(stream.read(min(nbytes, 1 << 20)))):
        nbytes -= got
