"""A range of another source that is read as a source of its own: a stored member of a zip, an entry of a tar."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource, PositionedFile


class Member:
    """Bytes `offset` to ``offset + size`` of another source.

    Parameters
    ----------
    source : ByteSource
    offset, size : int, bytes
    name : str
        Its name in the archive.

    Raises
    ------
    FormatError
        If the range is not in the source.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> whole = open_source(vf.write(np.zeros(3), "three.npy"))
    >>> Member(whole, 1, 5, "word").read(9, 0)
    b'NUMPY'
    """

    def __init__(self, source: ByteSource, offset: int, size: int, name: str):
        if offset < 0 or size < 0 or offset + size > source.size:
            fault = f"expected {size} bytes of {name!r} at byte {offset}, got a file of {source.size} bytes"
            raise FormatError(source.url, fault)
        self._source, self._offset, self.size, self.name = source, offset, size, name
        self.url, self.stamp = source.url, source.stamp

    def read_into(self, offset: int, out: Any) -> None:
        """Fill `out` from the byte `offset` of the member on."""
        self._within(offset, out.nbytes)
        self._source.read_into(self._offset + offset, out)

    def read_ranges(self, pieces: Iterable[tuple[int, memoryview]]) -> None:
        """Fill each memory of bytes from its offset in the member on."""
        base, within = self._offset, self._within
        self._source.read_ranges((base + within(offset, len(view)), view) for offset, view in pieces)

    def read_strided(self, offset: int, step: int, out: np.ndarray) -> None:
        """Fill each row of `out` from `offset`, ``offset + step``, ... of the member on."""
        self._within(offset, (len(out) - 1) * step + out.shape[1])
        self._source.read_strided(self._offset + offset, step, out)

    def _within(self, offset: int, nbytes: int) -> int:
        if offset < 0 or offset + nbytes > self.size:
            fault = f"{self.name!r}: expected {nbytes} bytes at byte {offset}, got a member of {self.size} bytes"
            raise FormatError(self.url, fault)
        return offset

    def read(self, nbytes: int, offset: int) -> bytes:
        """Return up to `nbytes` from `offset` on; fewer only at the end of the member."""
        self._within(offset, 0)
        return self._source.read(min(nbytes, self.size - offset), self._offset + offset)

    def view(self) -> memoryview | None:
        """Return the member as memory if its source is mapped; else None."""
        whole = self._source.view()
        return None if whole is None else whole[self._offset : self._offset + self.size]

    def map(self) -> memoryview:
        """Return the member as memory, mapped for as long as it is referenced."""
        return self._source.map()[self._offset : self._offset + self.size]

    def is_cold(self, offset: int) -> bool:
        """Tell whether the byte at `offset` has to come from the disk."""
        return self._source.is_cold(self._offset + offset)

    def names(self) -> list[str]:
        """Return an empty list: a member holds no others."""
        return []

    def child(self, name: str) -> ByteSource:
        """Raise `FormatError`: a member holds no others."""
        raise FormatError(self.url, f"{self.name!r} is a file, not a folder that holds {name!r}")

    def read_child(self, name: str) -> bytes:
        """Raise `FormatError`: a member holds no others."""
        return self.child(name).read(0, 0)

    def as_file(self) -> BinaryIO:
        """Return a file object with a position of its own."""
        return io.BufferedReader(PositionedFile(self))

    def as_path(self) -> str:
        """Raise `FormatError`: no path leads to a part of a file."""
        raise FormatError(self.url, f"{self.name!r} is part of a file and cannot be opened by a path")

    def fileno(self) -> None:
        """Return None: the descriptor is the whole file's."""
        return None

    def check(self) -> None:
        """Raise `FormatError` if the source was changed since it was opened."""
        self._source.check()
