"""NumPy's own files: ``.npy``, and ``.npz``, a zip of them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as header
from numpy.typing import NDArray

from vidformats.format import Format, FormatError, Reader, Source, pick
from vidformats.readers.extent import ExtentReader, StrewnReader
from vidformats.readers.files import File
from vidformats.select import in_order

HEADER = 1 << 16
"""Bytes read to find an .npy header; NumPy itself refuses headers beyond 10,000."""

DEFLATE_LIMIT = 1032
"""Deflate makes nothing smaller than this many times: a claim beyond it is a bomb."""


@dataclass(frozen=True)
class Npy(Format):
    """One array in one file, as ``numpy.save`` writes it."""

    def write(self, video: Source, path: Path) -> None:
        """Write the header, the frames as they come, and the header again with their number."""
        with open(path, "wb") as file:
            write_npy(file, video)

    def open(self, path: Path) -> Reader:
        """Open any ``.npy`` of numbers, in either order of axes and of bytes."""
        return npy_reader(File(path))


def write_npy(file: Any, video: Source) -> None:
    """Write `video` as an ``.npy``; where its length is not known, to a new, seekable file."""
    known, n_frames = video.shape[0] is not None, 0

    def head(n: int) -> None:
        entries = {
            "descr": header.dtype_to_descr(video.dtype),
            "fortran_order": False,
            "shape": (n, *video.frame_shape),
        }
        header.write_array_header_1_0(file, entries)

    head(video.shape[0] if known else 0)
    data = 0 if known else file.tell()
    for block in video.blocks():
        file.write(block.data)
        n_frames += len(block)
    if not known:  # NumPy leaves room in the header for the first axis to grow
        file.seek(0)
        head(n_frames)
        assert file.tell() == data


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


@dataclass(frozen=True)
class Npz(Format):
    """A zip of ``.npy`` files, as ``numpy.savez`` writes it.

    Attributes
    ----------
    compressed : bool
        Deflate the member, as ``numpy.savez_compressed``: then it can only be read from its start.
    member : str
        Name of the array.
    """

    compressed: bool = False
    member: str = "video"

    def write(self, video: Source, path: Path) -> None:
        """Write one member. A zip can't grow: the checksum of the header would change with it."""
        video.need_length(self.name)
        method = zipfile.ZIP_DEFLATED if self.compressed else zipfile.ZIP_STORED
        with (
            zipfile.ZipFile(path, "w", method) as archive,
            archive.open(self.member + ".npy", "w", force_zip64=True) as file,
        ):
            write_npy(file, video)

    def open(self, path: Path, member: str | None = None) -> Reader:
        """Open the array called `member`; it must be named only where there are several and none is ``video``."""
        try:
            with zipfile.ZipFile(path) as archive:
                entries = {
                    i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")
                }
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise FormatError(path, f"is no zip that can be read: {error}") from None
        entry = entries[pick(path, list(entries), member, "member", self.member)]
        file = File(path)
        if entry.compress_type != zipfile.ZIP_STORED:
            return InflatingReader(file, entry, {"member": entry.filename, "compressed": True})
        name, extra = struct.unpack("<HH", file.read(4, entry.header_offset + 26).ljust(4, b"\0"))
        return npy_reader(file, entry.header_offset + 30 + name + extra, member=entry.filename, compressed=False)


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
