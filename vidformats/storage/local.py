"""An open file, read at positions by many threads at once."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from vidformats.errors import FormatError


class File:
    """A file descriptor with positioned reads, closed with its last reference.

    Parameters
    ----------
    path : path-like
    fd : int, optional
        Of a file without a name, duplicated; `path` then only stands in messages.

    Attributes
    ----------
    fd : int
        For `mmap` and `posix_fadvise`.
    size : int
        Bytes, when it was opened.
    """

    def __init__(self, path: str | os.PathLike, fd: int | None = None):
        self.path = Path(path)
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        self.fd = os.open(self.path, flags) if fd is None else os.dup(fd)
        facts = os.fstat(self.fd)
        if stat.S_ISDIR(facts.st_mode):
            raise FormatError(self.path, "is a folder, not a file")
        self.size = facts.st_size
        elsewhere = partial(_seek_and_read, threading.Lock())
        self._preadv: Callable[[list[Any], int], int] = partial(getattr(os, "preadv", elsewhere), self.fd)

    def is_cold(self, offset: int) -> bool:
        """Tell whether the byte at `offset` has to come from the disk; False where the system does not say."""
        try:
            os.preadv(self.fd, [bytearray(1)], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return True
        except (OSError, AttributeError):
            pass
        return False

    def read_pieces(self, buffer: memoryview, pieces: Iterable[tuple[int, int, int]]) -> None:
        """Fill ``buffer[start:stop]`` from the file's byte `offset` on, for each ``(start, stop, offset)``."""
        preadv = self._preadv
        for start, stop, offset in pieces:
            if preadv([buffer[start:stop]], offset) != stop - start:
                self.read_into([buffer[start:stop]], offset, stop - start)

    def read_into(self, views: list[Any], offset: int, nbytes: int) -> None:
        """Fill `views`, writable buffers of `nbytes` in all, from `offset` on.

        Raises
        ------
        FormatError
            Where the file ends before; it must have shrunk since it was opened.
        """
        got = self._preadv(views, offset)
        while got < nbytes:
            # A signal or a network file system may cut a read short: go on behind what came.
            rest, skip = [], got
            for view in views:
                view = memoryview(view).cast("B")
                if skip < len(view):
                    rest.append(view[skip:])
                skip = max(0, skip - len(view))
            more = self._preadv(rest, offset + got)
            if more == 0:
                raise FormatError(self.path, f"ends at byte {offset + got}, where byte {offset + nbytes} was expected")
            got += more

    def read(self, nbytes: int, offset: int) -> bytes:
        """Return up to `nbytes` from `offset` on; fewer only at the end of the file."""
        if offset < 0:
            raise FormatError(self.path, f"points to byte {offset}, before its own start")
        nbytes = max(0, min(nbytes, self.size - offset))
        buffer = bytearray(nbytes)
        if nbytes:
            self.read_into([buffer], offset, nbytes)
        return bytes(buffer)

    def __del__(self) -> None:
        fd, self.fd = getattr(self, "fd", -1), -1
        if fd >= 0:
            os.close(fd)


def _seek_and_read(lock: threading.Lock, fd: int, views: list[Any], offset: int) -> int:
    """Do as ``os.preadv`` does where there is none: on Windows a handle has one position."""
    with lock:
        os.lseek(fd, offset, os.SEEK_SET)
        total = 0
        for view in views:
            view = memoryview(view).cast("B")
            data = os.read(fd, len(view))
            view[: len(data)] = data
            total += len(data)
            if len(data) < len(view):
                break
        return total
