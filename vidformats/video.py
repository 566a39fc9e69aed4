"""`Video`: what a user holds, and the two verbs that open and load one."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vidformats import registry
from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.select import frame_numbers, select
from vidformats.threads import default_threads

_lock = threading.RLock()
_recent: OrderedDict[int, weakref.ref[Video]] = OrderedDict()
_last = 0
"""Key of the video read last: it need not be moved to the end again."""
_inherited: list[Reader] = []


def _most_open() -> int:
    """Return how many readers may be open: an eighth of the file descriptors, since some readers take several."""
    try:
        import resource
    except ImportError:  # Windows
        return 128
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 128 if limit == resource.RLIM_INFINITY else max(8, min(128, limit // 8))


MAX_OPEN = _most_open()
"""Readers kept open at once in one process, a decoder counting for several; beyond it those unused for longest
are closed, and reopened when they are read again."""


def _make_room(weight: int) -> None:
    """Close the readers unused for longest, so that one more of that weight fits."""
    held = [video for reference in _recent.values() if (video := reference()) is not None]
    opened = [(video, video._reader) for video in held if video._reader is not None]
    excess = weight + sum(reader.weight for _, reader in opened) - MAX_OPEN
    for video, reader in opened:
        if excess > 0:
            # A reader without rest closes with its last reference, so after any read under way.
            video._resting, video._reader = reader if reader.rest() else None, None
            excess -= reader.weight
    for key, reference in list(_recent.items()):
        if (video := reference()) is None or video._reader is None:
            del _recent[key]


class _Reading:
    """A read under way: a fork in another thread waits for its end.

    Libraries hold locks of their own while they read; a fork in the midst would leave them locked in the
    child for good, with nobody there to unlock them.
    """

    def __enter__(self) -> None:
        me = threading.get_ident()
        _under_way.add(me)
        while _forking.locked():
            _under_way.discard(me)
            time.sleep(0.001)
            _under_way.add(me)

    def __exit__(self, *error: object) -> None:
        _under_way.discard(threading.get_ident())


_reading, _forking = _Reading(), threading.Lock()
_under_way: set[int] = set()


def _hold_still() -> None:
    """Wait, before a fork, for the reads of other threads, and keep new ones from beginning."""
    _forking.acquire()
    while _under_way - {threading.get_ident()}:
        time.sleep(0.001)
    _lock.acquire()


def _go_on() -> None:
    _lock.release()
    _forking.release()


def _let_go() -> None:
    """Part, in a forked child, from the readers of the parent.

    They are kept for good and never used: closing a decoder would wait for threads that a fork leaves behind,
    and reading would move the parent's position in the file.
    """
    for reference in _recent.values():
        if (video := reference()) is not None and video._reader is not None:
            _inherited.append(video._reader)
            video._reader = None
    _recent.clear()
    _go_on()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_let_go)


class Video:
    """A video on disk that is indexed like an array.

    Every index reads just the frames it needs and returns a new C-contiguous array that the caller
    owns: what ``numpy.load(...)[index]`` would mean, from any format. A Video is safe to read from
    several threads. It pickles as an address, and a copy in another process opens the file anew.

    Parameters
    ----------
    path : path-like
        File or folder.
    format : str, optional
        One of `vidformats.formats`; by default the file's content tells.
    threads : int, optional
        Threads that may work on one read; by default all CPUs of this process, and 1 in a child process.
        Where a file is not in the page cache, and this is not 1, more of them wait for the disk.
    **options
        What the format's ``open`` takes, such as ``dataset=`` for HDF5 or ``shape=`` for bytes
        without a header.

    Attributes
    ----------
    shape : tuple of int
        ``(T, C, H, W)`` for videos, RGB or grey (C = 1); ``(T, ...)`` for other data.
    dtype : numpy.dtype
    format : str
        Name of the format.
    info : dict
        Facts about the file, such as codec, chunks or frames per second.
    path : str

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.arange(10 * 3 * 4 * 4, dtype="uint8").reshape(10, 3, 4, 4), "ramp.npy")
    >>> with vf.open(path) as video:
    ...     video.shape, video[::4].shape, video[[9, 3, 3], 0].shape
    ((10, 3, 4, 4), (3, 3, 4, 4), (3, 4, 4))
    """

    def __init__(self, path: str | os.PathLike, format: str | None = None, threads: int | None = None, **options: Any):
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.path = os.path.abspath(os.fspath(path))
        self.threads, self._options = threads, options
        self._closed = False
        self._reader: Reader | None = None
        self._resting: Reader | None = None
        self._stamp = _stamp(self.path)
        if format is None and "shape" in options:
            format = "binary"
        self._format = format or registry.format_of(self.path)
        with _reading:
            reader = self._open()
        self.shape: tuple[int, ...] = tuple(reader.shape)
        self.dtype: np.dtype = np.dtype(reader.dtype)
        self.info: dict[str, Any] = dict(reader.info)
        self.format: str = self.info.pop("format", self._format)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole video as an array: the payload."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<Video {self.shape} {self.dtype} {self.format} {self.path!r}{state}>"

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read what `index` chooses, as NumPy would, into a new array."""
        if type(index) is int and -self.shape[0] <= index < self.shape[0] and len(self.shape) > 1:
            # One frame of a random many: a plan would cost more than the frame.
            result = np.empty(self.shape[1:], self.dtype)
            with _reading:
                self._open().fetch_one(index % self.shape[0], result)
            return result
        chosen = select(index, self.shape)
        result = np.empty(chosen.shape, self.dtype)
        with _reading:
            reader = self._open()
            if result.size:
                reader.read(chosen.frames, chosen.target(result), chosen.crop, self._threads())
        return result if chosen.shape else result[()]

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), 16):
            for frame in self[start : start + 16]:
                yield frame.copy()  # its own memory, so that keeping one frame does not keep sixteen

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a video on disk can't become an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def read(self, frames: Any = slice(None), out: np.ndarray | None = None) -> np.ndarray:
        """Read frames into the caller's memory.

        Parameters
        ----------
        frames : int, slice, list of int or boolean mask
            As an index on the first axis.
        out : (N, ...) ndarray, optional
            Of the video's dtype, writable; any strides, fastest when C-contiguous. A new one by default.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        ValueError
            Where `out` does not fit.

        Examples
        --------
        >>> import numpy as np, vidformats as vf
        >>> video = vf.open(vf.write(np.zeros((10, 3, 4, 4), "uint8"), "zeros.npy"))
        >>> buffer = np.empty((5, 3, 4, 4), "uint8")
        >>> video.read(slice(0, 10, 2), out=buffer) is buffer
        True
        """
        if out is None:
            return self[frames]
        numbers, dims = frame_numbers(frames, len(self))
        expected = (*dims, *self.shape[1:])
        if (
            not isinstance(out, np.ndarray)
            or out.shape != expected
            or out.dtype != self.dtype
            or not out.flags.writeable
        ):
            have = f"{out.shape} of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"out must be a writable array {expected} of {self.dtype}, not {have}")
        target = out if len(dims) == 1 else out.reshape(len(numbers), *self.shape[1:])
        with _reading:
            reader = self._open()
            if out.size:
                reader.read(numbers, target, None, self._threads())
        if out.size and not np.may_share_memory(target, out):  # strides that would not fold into one axis
            out[...] = target.reshape(out.shape)
        return out

    def close(self) -> None:
        """Release the file. Reads that other threads have under way still end well."""
        self._closed, self._reader, self._resting = True, None, None
        with _lock:
            _recent.pop(id(self), None)

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        return _reopen, (self.__dict__ | {"_reader": None, "_resting": None},)

    def _threads(self) -> int:
        return self.threads or default_threads()

    def _open(self) -> Reader:
        """Return this process's reader, opening the file where there is none."""
        global _last
        if self._closed:
            raise ValueError(f"{self.path}: this video is closed")
        reader = self._reader
        if reader is not None and _last == id(self):
            return reader
        if reader is None:
            if _stamp(self.path) != self._stamp:
                raise FormatError(self.path, "changed since this video was opened; open it again")
            form = registry.get_format(self._format)
            try:
                reader = self._resting or form.open(Path(self.path), **self._options)
            except IsADirectoryError:
                raise FormatError(self.path, f"is a folder, and {self._format} a file") from None
            except TypeError as error:
                if "argument" not in str(error):
                    raise
                raise TypeError(f"{self._format}: {error}") from None
        with _lock:
            if self._reader is None:
                _make_room(reader.weight)
                self._reader, self._resting = reader, None
            _recent[id(self)] = weakref.ref(self)
            _recent.move_to_end(id(self))
            _last = id(self)
        return reader


def _reopen(state: dict[str, Any]) -> Video:
    video = Video.__new__(Video)
    video.__dict__.update(state)
    return video


def _stamp(path: str) -> tuple[int, ...]:
    """Tell one state of a file from another: a folder by its inode, for its entries' times cost too much."""
    facts = os.stat(path)
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns)


def open(path: str | os.PathLike, format: str | None = None, threads: int | None = None, **options: Any) -> Video:
    """Open a video; see `Video` for the parameters.

    Raises
    ------
    FileNotFoundError
        When nothing is at `path`.
    FormatError
        When the file is not what it should be.
    ImportError
        When the format's extra is not installed.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.h5")
    >>> with vf.open(path) as video:
    ...     video[::4].shape
    (2, 1, 6, 6)
    """
    return Video(path, format, threads, **options)


def load(path: str | os.PathLike, frames: Any = slice(None), **open_options: Any) -> np.ndarray:
    """Open, read and close: ``load(path, i)`` is ``open(path)[i]``.

    Parameters
    ----------
    path : path-like
    frames : index
        As in ``video[frames]``; all by default.
    **open_options
        Parameters of `open`.

    Returns
    -------
    ndarray
        New, C-contiguous, owned by the caller.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> vf.load(vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.npy"), np.s_[::4]).shape
    (2, 1, 6, 6)
    """
    with Video(path, **open_options) as video:
        return video[frames]
