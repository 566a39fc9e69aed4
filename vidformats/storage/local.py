"""Local files and folders: one descriptor each, read at positions by many threads at once."""

from __future__ import annotations

import io
import mmap
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource, PositionedFile

MOST_VIEWS = 1024
"""Buffers that one system call takes, on Linux and macOS."""

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_source(
    path: str | os.PathLike[str], mapped: bool = False, since: int | None = None
) -> LocalFile | LocalFolder:
    r"""Open a file or folder.

    Parameters
    ----------
    path : path-like
    mapped : bool
        Map a file into memory for as long as it is open.
    since : int, optional, nanoseconds
        When a folder was opened first, perhaps by another process: files changed later are refused.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    FormatError
        If it is neither a regular file nor a folder.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> source = open_source(vf.write(np.zeros(3), "three.npy"))
    >>> source.size, source.read(6, 0)
    (152, b'\x93NUMPY')
    """
    name = os.path.abspath(os.fspath(path))
    if os.path.isdir(name):
        return LocalFolder(name, since)
    return LocalFile(name, mapped=mapped)


class LocalFile:
    """A regular file with one descriptor, which is closed with the last reference.

    Parameters
    ----------
    path : path-like
    fd : int, optional
        A descriptor to take over, of a file that may have no name; `path` then only stands in messages.
    mapped : bool
        Map it for as long as it is open. If the file shrinks or its disk fails, reading ends the process (SIGBUS).
    parent : int, optional
        Descriptor of the folder that holds it.

    Attributes
    ----------
    url, path : str
    size : int, bytes
    stamp : tuple of int
        Inode, size and time of the last change of its content.
    """

    def __init__(
        self, path: str | os.PathLike[str], fd: int | None = None, mapped: bool = False, parent: int | None = None
    ):
        self.url = self.path = os.fspath(path)
        if parent is None:
            self._fd = os.open(self.path, _flags()) if fd is None else fd
        else:
            self._fd = os.open(os.path.basename(self.path), _flags(), dir_fd=parent)
        facts = os.fstat(self._fd)
        if not stat.S_ISREG(facts.st_mode):
            kind = "a folder" if stat.S_ISDIR(facts.st_mode) else _KINDS.get(stat.S_IFMT(facts.st_mode), "special")
            raise FormatError(self.url, f"expected a regular file, got {kind}")
        self.size, self.stamp = facts.st_size, _stamp(facts)
        without = partial(_seek_and_read, threading.Lock())
        self._preadv: Callable[[list[Any], int], int] = partial(getattr(os, "preadv", without), self._fd)
        self._map: memoryview | None = None
        if mapped and self.size:
            self._map = memoryview(mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ))

    def read_into(self, offset: int, out: Any) -> None:
        """Fill `out`, contiguous memory, from the byte `offset` on; a `FormatError` if the file ends before."""
        if self._preadv([out], offset) != out.nbytes:
            self._readv([memoryview(out).cast("B")], offset, out.nbytes)

    def read_ranges(self, pieces: Iterable[tuple[int, memoryview]]) -> None:
        """Fill each memory of bytes from its offset on, neighbours by one system call."""
        preadv, views, begin, end = self._preadv, list[memoryview](), 0, -1
        for offset, view in pieces:
            if offset == end and len(views) < MOST_VIEWS:
                views.append(view)
                end += len(view)
                continue
            if views and preadv(views, begin) != end - begin:
                self._readv(views, begin, end - begin)
            views, begin, end = [view], offset, offset + len(view)
        if views and preadv(views, begin) != end - begin:
            self._readv(views, begin, end - begin)

    def read_strided(self, offset: int, step: int, out: np.ndarray) -> None:
        """Fill each row of `out` from `offset`, ``offset + step``, ... on."""
        preadv, nbytes = self._preadv, out.shape[1]
        for row in out:
            if preadv([row], offset) != nbytes:
                self._readv([memoryview(row)], offset, nbytes)
            offset += step

    def _readv(self, views: list[memoryview], offset: int, nbytes: int) -> None:
        """Fill `views` although one call did not: a signal or a network file system may cut a read short."""
        got = 0
        while got < nbytes:
            rest, skip = [], got
            for view in views:
                if skip < len(view):
                    rest.append(view[skip:])
                skip = max(0, skip - len(view))
            more = self._preadv(rest, offset + got)
            if more == 0:
                fault = f"expected {nbytes} bytes at byte {offset}, got {got}: the file ends at byte {offset + got}"
                raise FormatError(self.url, fault)
            got += more

    def read(self, nbytes: int, offset: int) -> bytes:
        """Return up to `nbytes` from `offset` on; fewer only at the end of the file."""
        if offset < 0:
            raise FormatError(self.url, f"points to byte {offset}, before the start of the file")
        nbytes = max(0, min(nbytes, self.size - offset))
        if nbytes and hasattr(os, "pread") and len(data := os.pread(self._fd, nbytes, offset)) == nbytes:
            return data
        buffer = bytearray(nbytes)
        if nbytes:
            self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def view(self) -> memoryview | None:
        """Return all bytes as memory if the file is kept mapped; else None."""
        return self._map

    def map(self) -> memoryview:
        """Return all bytes as memory, mapped for as long as it is referenced.

        Raises
        ------
        FormatError
            If the file has shrunk since it was opened: touching what is gone would end the process.
        """
        if self._map is not None or not self.size:
            return self._map or memoryview(b"")
        if os.fstat(self._fd).st_size < self.size:
            raise changed(self.url)
        return memoryview(mmap.mmap(self._fd, self.size, access=mmap.ACCESS_READ))

    def is_cold(self, offset: int) -> bool:
        """Tell whether the byte at `offset` has to come from the disk; False if the system does not say."""
        try:
            os.preadv(self._fd, [bytearray(1)], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return True
        except (OSError, AttributeError):
            pass
        return False

    def names(self) -> list[str]:
        """Return an empty list: a file holds no others."""
        return []

    def child(self, name: str) -> ByteSource:
        """Raise `FormatError`: a file holds no others."""
        raise FormatError(self.url, f"is a file, not a folder that holds {name!r}")

    def read_child(self, name: str) -> bytes:
        """Raise `FormatError`: a file holds no others."""
        return self.child(name).read(0, 0)

    def as_file(self) -> BinaryIO:
        """Return a file object with a position of its own."""
        return io.BufferedReader(PositionedFile(self))

    def as_path(self) -> str:
        """Return a path that leads to this very file, even if another took its name; on other systems its name."""
        path = f"/proc/self/fd/{self._fd}"
        return path if os.path.exists(path) else self.path

    def fileno(self) -> int:
        """Return the descriptor, which stays ours."""
        return self._fd

    def check(self) -> None:
        """Raise `FormatError` if the file's content was changed since it was opened."""
        facts = os.fstat(self._fd)
        if facts.st_mtime_ns != self.stamp[2] or facts.st_size != self.stamp[1]:
            raise changed(self.url)

    def __del__(self) -> None:
        fd, self._fd = getattr(self, "_fd", -1), -1
        if fd >= 0:
            os.close(fd)


class LocalFolder:
    """A folder with one descriptor: what it held when it was opened is read, even if another folder takes its name.

    Parameters
    ----------
    path : path-like
    since : int, optional, nanoseconds
        Files changed later are refused; by default now.

    Attributes
    ----------
    url, path : str
    size : int
        0.
    stamp : tuple of int
        Of the folder itself: entries that come, go or are renamed change it.
    """

    size = 0

    def __init__(self, path: str | os.PathLike[str], since: int | None = None):
        self.url = self.path = os.fspath(path)
        self._flags = _flags()
        self._fd = os.open(self.path, self._flags) if os.open in os.supports_dir_fd else -1
        facts = os.fstat(self._fd) if self._fd >= 0 else os.stat(self.path)
        self.stamp = _stamp(facts)
        # A child changed after this was changed under us. The folder's own time is by the clock of its file system.
        self._opened = max(since or time.time_ns(), facts.st_mtime_ns)

    def names(self) -> list[str]:
        """Return the names of the files in it, in no order, those of links that lead nowhere included.

        Raises
        ------
        FormatError
            If it was changed since it was opened: part of its files may be gone.
        """
        with os.scandir(self._fd if self._fd >= 0 else self.path) as entries:
            found = [entry.name for entry in entries if not entry.is_dir()]
        if stamp_of(self.path) != self.stamp:  # replaced: the writer that took its name may have begun to remove it
            raise changed(self.path)
        return found

    def child(self, name: str) -> LocalFile:
        """Open a file of it.

        Raises
        ------
        FormatError
            If the file was removed or changed since the folder was opened.
        """
        path = os.path.join(self.path, name)
        try:
            source = LocalFile(path, parent=self._fd if self._fd >= 0 else None)
        except FileNotFoundError:
            fault = "leads nowhere" if os.path.islink(path) else "was removed since the folder was opened"
            raise FormatError(path, fault) from None
        if source.stamp[2] > self._opened:
            raise changed(path)
        return source

    def read_child(self, name: str) -> bytes:
        """Return the content of a file of it: `child` and `read` without the objects between."""
        if self._fd < 0:
            file = self.child(name)
            return file.read(file.size, 0)
        try:
            fd = os.open(name, self._flags, dir_fd=self._fd)
        except FileNotFoundError:
            self.child(name)  # tells why
            raise
        try:
            facts = os.fstat(fd)
            if facts.st_mtime_ns > self._opened or not stat.S_ISREG(facts.st_mode):
                self.child(name)
            data = os.read(fd, facts.st_size)
            while len(data) < facts.st_size and (more := os.read(fd, facts.st_size - len(data))):
                data += more
            return data
        finally:
            os.close(fd)

    def read_into(self, offset: int, out: Any) -> None:
        """Raise `FormatError`: a folder has no bytes."""
        raise FormatError(self.url, "expected a regular file, got a folder")

    def read_ranges(self, pieces: Iterable[tuple[int, memoryview]]) -> None:
        """Raise `FormatError`: a folder has no bytes."""
        self.read_into(0, memoryview(b""))

    def read_strided(self, offset: int, step: int, out: np.ndarray) -> None:
        """Raise `FormatError`: a folder has no bytes."""
        self.read_into(0, out)

    def read(self, nbytes: int, offset: int) -> bytes:
        """Return no bytes: a folder has none."""
        return b""

    def view(self) -> None:
        """Return None: a folder is not mapped."""
        return None

    def map(self) -> memoryview:
        """Return no bytes: a folder has none."""
        return memoryview(b"")

    def is_cold(self, offset: int) -> bool:
        """Return False."""
        return False

    def as_file(self) -> BinaryIO:
        """Raise `FormatError`: a folder has no bytes."""
        raise FormatError(self.url, "expected a regular file, got a folder")

    def as_path(self) -> str:
        """Return its path."""
        return self.path

    def fileno(self) -> None:
        """Return None: a folder is not read by its descriptor."""
        return None

    def check(self) -> None:
        """Do nothing: each file is checked when it is opened."""

    def __del__(self) -> None:
        fd, self._fd = getattr(self, "_fd", -1), -1
        if fd >= 0:
            os.close(fd)


def changed(url: str | os.PathLike[str]) -> FormatError:
    """Return the error of a file that is no longer what was opened."""
    return FormatError(url, "changed since it was opened; open it again")


def stamp_of(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """Return the stamp of what is at `path` now."""
    return _stamp(os.stat(path))


def _flags() -> int:
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    return os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"))


def _stamp(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _seek_and_read(lock: threading.Lock, fd: int, views: list[Any], offset: int) -> int:
    """Do as ``os.preadv`` does on systems without it: on Windows a handle has one position."""
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
