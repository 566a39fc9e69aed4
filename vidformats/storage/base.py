"""The interface of a source of bytes, and what all sources share: ranges read together, and a file object."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class ByteSource(Protocol):
    """A file or folder that was opened once: many threads read it at positions.

    Attributes
    ----------
    url : str
        The path or address as messages show it.
    size : int, bytes
        When it was opened; 0 for a folder.
    stamp : tuple of int
        Tells one state of the file from another.
    """

    url: str
    size: int
    stamp: tuple[int, ...]

    def read_into(self, offset: int, out: Any) -> None:
        """Fill `out`, contiguous memory, from the byte `offset` on.

        Raises
        ------
        FormatError
            If the source ends before `out` is full.
        """

    def read_ranges(self, pieces: Iterable[tuple[int, memoryview]]) -> None:
        """Fill each memory of bytes from its offset on; pieces that are neighbours are read together."""

    def read_strided(self, offset: int, step: int, out: np.ndarray) -> None:
        """Fill each row of `out`, ``(N, nbytes)`` uint8, from `offset`, ``offset + step``, ... on."""

    def read(self, nbytes: int, offset: int) -> bytes:
        """Return up to `nbytes` from `offset` on; fewer only at the end."""

    def view(self) -> memoryview | None:
        """Return all bytes as memory if the source is kept mapped; else None."""

    def map(self) -> memoryview:
        """Return all bytes as memory, mapped for as long as it is referenced."""

    def is_cold(self, offset: int) -> bool:
        """Tell whether the byte at `offset` has to come from a disk or a network."""

    def names(self) -> list[str]:
        """Return the names in a folder or archive; an empty list for a file."""

    def child(self, name: str) -> ByteSource:
        """Open what has this name in a folder or archive."""

    def read_child(self, name: str) -> bytes:
        """Return the content of a file in a folder or archive."""

    def as_file(self) -> BinaryIO:
        """Return a file object with a position of its own, for libraries that read one."""

    def as_path(self) -> str:
        """Return a path under which a library finds this very file."""

    def fileno(self) -> int | None:
        """Return the descriptor of a local file; else None."""

    def check(self) -> None:
        """Raise `FormatError` if the file was changed since it was opened."""


class PositionedFile(io.RawIOBase):
    r"""A raw file object over a source, with a position of its own.

    Parameters
    ----------
    source : ByteSource

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> open_source(vf.write(np.zeros(3), "three.npy")).as_file().read(6)
    b'\x93NUMPY'
    """

    def __init__(self, source: ByteSource):
        self._source, self._at = source, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position, and return it."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if self._at < 0:
            raise ValueError(f"cannot seek to position {self._at}")
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill as much of `buffer` as there is, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        n = max(0, min(len(view), self._source.size - self._at))
        if n:
            self._source.read_into(self._at, view[:n])
        self._at += n
        return n


class Groups(NamedTuple):
    """Ranges that are read together.

    Attributes
    ----------
    begins, ends : (G,) ndarray of int64, bytes
        Of each group; from the first byte of its ranges to the last.
    bounds : (G + 1,) ndarray of int64
        Ranges ``bounds[g]`` to ``bounds[g + 1]`` belong to group `g`.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    bounds: NDArray[np.int64]


def coalesce(offsets: NDArray[np.int64], sizes: NDArray[np.int64], gap: int, most: int) -> Groups:
    """Group ranges that lie so close together that one read beats several.

    Parameters
    ----------
    offsets : (N,) ndarray of int64, bytes
        Rising; ranges may overlap.
    sizes : (N,) ndarray of int64, bytes
    gap : int, bytes
        Unwanted bytes between two ranges up to which they are read over.
    most : int, bytes
        Largest group, unless a single range is larger.

    Returns
    -------
    Groups

    Examples
    --------
    >>> groups = coalesce(np.array([0, 12, 40]), np.array([10, 8, 5]), gap=4, most=100)
    >>> groups.begins.tolist(), groups.ends.tolist(), groups.bounds.tolist()
    ([0, 40], [20, 45], [0, 2, 3])
    """
    n = len(offsets)
    if not n:
        empty = np.empty(0, np.int64)
        return Groups(empty, empty, np.zeros(1, np.int64))
    # A range may end before one that began earlier, so the end of a group runs along.
    reach = np.maximum.accumulate(offsets + sizes)
    apart = np.concatenate(([0], np.flatnonzero(offsets[1:] - reach[:-1] > gap) + 1, [n]))
    bounds = apart
    if (reach[apart[1:] - 1] - offsets[apart[:-1]] > most).any():
        cuts, stops = [0], offsets + sizes
        for first, stop in zip(apart[:-1].tolist(), apart[1:].tolist(), strict=True):
            while first < stop:  # as many ranges as end within `most` bytes, and at least one
                near = min(stop, int(np.searchsorted(offsets, offsets[first] + most, "right")))
                within = np.maximum.accumulate(stops[first:near]) <= offsets[first] + most
                first += max(1, int(within.sum()))
                cuts.append(first)
        bounds = np.array(cuts, np.int64)
    ends = np.maximum.reduceat(offsets + sizes, bounds[:-1])
    return Groups(offsets[bounds[:-1]], ends, bounds)
