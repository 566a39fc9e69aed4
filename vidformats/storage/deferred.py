"""A file for libraries that can't bear an error of the disk: they never learn of it, and their caller does."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

PAGE = 1 << 12
"""Bytes that are kept together. One list of all writes made reading back quadratic: HDF5 reads what it wrote."""


class DeferredErrors(io.RawIOBase):
    """A new file that keeps what could not be written in memory, so that its user ends well, and then raises.

    HDF5 crashes the process if it can't write when it closes a file (h5py#914).

    Parameters
    ----------
    path : path-like

    Examples
    --------
    >>> with DeferredErrors("note.txt") as file:
    ...     file.write(b"note")
    4
    """

    _fd = -1  # for `close`, which Python calls even if the file could not be made

    def __init__(self, path: str | os.PathLike[str]):
        self._path = os.fspath(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._at, self._end = 0, 0
        self._kept: dict[int, bytearray] = {}
        self._error: OSError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position, and return it."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def write(self, data: Any) -> int:
        """Write to the disk, or after the first error to memory."""
        view, at = memoryview(data).cast("B"), self._at
        while len(view) and self._error is None:
            try:
                done = os.pwrite(self._fd, view, at)
                view, at = view[done:], at + done
            except OSError as error:
                self._fail(error)
        written = at + len(view) - self._at
        for k, part in _pages(at, len(view)):
            if k not in self._kept:
                self._kept[k] = bytearray(os.pread(self._fd, PAGE, k * PAGE).ljust(PAGE, b"\0"))
            size = part.stop - part.start
            self._kept[k][part], view = view[:size], view[size:]
        self._at += written
        self._end = max(self._end, self._at)
        return written

    def readinto(self, buffer: Any) -> int:
        """Read what was written, wherever it is."""
        view, at = memoryview(buffer).cast("B"), self._at
        n = max(0, min(len(view), self._end - at))
        view[:n] = os.pread(self._fd, n, at).ljust(n, b"\0")
        for k, part in _pages(at, n) if self._kept else ():
            if k in self._kept:
                begin = k * PAGE + part.start - at
                view[begin : begin + part.stop - part.start] = self._kept[k][part]
        self._at += n
        return n

    def truncate(self, size: int | None = None) -> int:
        """Set the length."""
        self._end = self._at if size is None else size
        if self._error is None:
            try:
                os.ftruncate(self._fd, self._end)
            except OSError as error:
                self._fail(error)
        return self._end

    def _fail(self, error: OSError) -> None:
        error.filename, self._error = self._path, error

    def check(self) -> None:
        """Raise the first error there was."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, and raise the first error there was."""
        if not self.closed:
            super().close()
            if self._fd >= 0:
                os.close(self._fd)
                self.check()


def _pages(at: int, n: int) -> Iterator[tuple[int, slice]]:
    """Yield the number of each page that `n` bytes touch, and the part of it."""
    end = at + n
    while at < end:
        k, begin = divmod(at, PAGE)
        stop = min(PAGE, begin + end - at)
        yield k, slice(begin, stop)
        at += stop - begin
