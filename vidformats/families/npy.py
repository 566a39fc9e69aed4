"""NumPy's own files: ``.npy``, and ``.npz``, a zip of them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib import format as header

from vidformats.errors import FormatError
from vidformats.format import Format, Reader, pick
from vidformats.readers.npy import HEADER, InflatingReader, check_crc, npy_reader, read_header
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.storage.members import Member
from vidformats.timing import KEYS, set_time

RECORD = 1 << 26
"""Bytes believed of each part of the time record: those of some million frames."""


@dataclass(frozen=True)
class Npy(Format):
    """One array in one file, as ``numpy.save`` writes it."""

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know NumPy's magic string."""
        return head.startswith(b"\x93NUMPY")

    def write(self, video: Source, path: Path) -> None:
        """Write the header, the frames as they come, and the header again with their number."""
        with open(path, "wb") as file:
            write_npy(file, video)

    def open(self, source: ByteSource) -> Reader:
        """Open any ``.npy`` of numbers, in either order of axes and of bytes."""
        return npy_reader(source)


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
        if file.tell() != data:
            raise ValueError(f"{n_frames} frames do not fit into the header that NumPy wrote; pass n_frames=")


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

    keeps_time: ClassVar[bool] = True

    compressed: bool = False
    member: str = "video"

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know a zip that holds an array."""
        return head.startswith(b"PK\x03\x04") and any(name.endswith(".npy") for name in names)

    def write(self, video: Source, path: Path) -> None:
        """Write one member. A zip can't grow: the checksum of the header would change with it."""
        video.need_length(self.name)
        method = zipfile.ZIP_DEFLATED if self.compressed else zipfile.ZIP_STORED
        name = self.member.removesuffix(".npy")
        with zipfile.ZipFile(path, "w", method) as archive:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                write_npy(file, video)
            for key, value in video.timing.record(video.written).items() if video.timing else ():
                with archive.open(f"{name}_{key}.npy", "w") as file:
                    np.save(file, value)

    def open(self, source: ByteSource, member: str | None = None, check: bool = False) -> Reader:
        """Open an array of a zip.

        Parameters
        ----------
        source : ByteSource
        member : str, optional
            With or without ``.npy``; by default ``video``, or the only one that is no scalar.
        check : bool
            Read a stored member once and compare its CRC-32. A deflated one is checked whenever its end is read.
        """
        member = member and member.removesuffix(".npy")
        try:
            with zipfile.ZipFile(source.as_file()) as archive:
                entries = {
                    i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")
                }
                everything = entries
                if len(entries) > 1 and (member or self.member) not in entries:
                    entries = {name: i for name, i in entries.items() if _is_video(source.url, archive, i)}
                chosen = pick(source.url, list(entries), member, "member", self.member)
                kept = {key: everything.get(f"{chosen}_{key}") for key in KEYS}
                if any(entry and entry.file_size > RECORD for entry in kept.values()):
                    raise FormatError(source.url, f"claims more than {RECORD} bytes of times")
                record = {key: np.load(archive.open(entry)) for key, entry in kept.items() if entry}
                archive.open(entries[chosen]).close()  # compares both headers of the member; refuses an encrypted one
        except (FileNotFoundError, FormatError):
            raise
        except Exception as error:  # zipfile believes the numbers and names of a damaged directory
            raise FormatError(source.url, f"is no zip that can be read: {error}") from None
        reader = _member(source, entries[chosen], check)
        if {"fps", "duration"} <= record.keys():
            set_time(reader, record, source.url)
        return reader


def _member(source: ByteSource, entry: zipfile.ZipInfo, check: bool) -> Reader:
    if entry.compress_type != zipfile.ZIP_STORED:
        return InflatingReader(source, entry, {"member": entry.filename, "compressed": True})
    if entry.compress_size != entry.file_size:
        fault = f"expected {entry.file_size} bytes as stored, got {entry.compress_size}"
        raise FormatError(source.url, f"{entry.filename} is damaged: {fault}")
    name, extra = struct.unpack("<HH", source.read(4, max(0, entry.header_offset + 26)).ljust(4, b"\0"))
    at = entry.header_offset + 30 + name + extra
    stored = Member(source, at, entry.file_size, entry.filename)
    if check:
        check_crc(stored, entry.CRC)
    return npy_reader(stored, member=entry.filename, compressed=False)


def _is_video(url: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Tell an array of numbers with a first axis from scalars, objects and text."""
    with archive.open(entry) as file:
        try:
            shape, _, dtype, _ = read_header(url, file.read(HEADER))
        except FormatError:
            return False
    return bool(shape) and dtype.kind in "biufc"
