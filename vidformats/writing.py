"""`write`: a video on disk, whole under its name or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vidformats import registry, sidecar
from vidformats.format import Format
from vidformats.source import Source
from vidformats.threads import check_threads, default_threads

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: nothing tells a writer that was killed from one at work, so nothing is swept
    fcntl = None


def write(
    video: Any,
    path: str | bytes | os.PathLike[str],
    format: str | None = None,
    *,
    threads: int | None = None,
    n_frames: int | None = None,
    fps: float | None = None,
    times: Any = None,
    **options: Any,
) -> str:
    """Store a video. The file appears whole under its name, or not at all.

    Until then it lies in a hidden folder beside `path`. What killed writers left there is removed by the
    next write into the same folder. What is known of its time is kept: in the file if it has a place for it,
    else in ``NAME.json`` beside it.

    Parameters
    ----------
    video : ndarray, Video, or iterable of ndarray
        ``(T, C, H, W)`` uint8 RGB or grey (C = 1); array formats hold any ``(T, ...)`` of numbers. An
        iterable yields frames and may be longer than memory, except into formats that can't grow.
    path : path-like
        A file that is there already is replaced at the end and keeps its mode; a folder of images is
        replaced only by a format that writes one.
    format : str, optional
        One of `vidformats.formats`; by default inferred from the extension of `path`.
    threads : int, optional
        Threads that may encode; by default all CPUs of this process.
    n_frames : int, optional
        Length of an iterable, for formats that must know it first.
    fps : float, optional
        Frames per second; by default those of a `Video`.
    times : (T,) array-like of float, optional, seconds
        When each frame begins to be shown, rising, for a rate that varies; by default those of a `Video`.
    **options
        The format's own, such as ``quality=`` or ``level=``.

    Returns
    -------
    str
        `path`.

    Raises
    ------
    ValueError
        If the format can't hold such a video, or the frames are not what the source announced. Nothing
        is written, and a file that was there stays.
    FileExistsError
        If something is in the way that is not this format's to replace: a device, a folder that holds
        anything but images, or, where a sidecar belongs, a ``.json`` that is none of ours.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.h5", "h5_frames", level=1)
    'dark.h5'
    """
    return store(video, path, format, options, threads, n_frames, fps, times)


def store(
    video: Any,
    path: str | bytes | os.PathLike[str],
    format: str | None,
    options: dict[str, Any],
    threads: int | None = None,
    n_frames: int | None = None,
    fps: float | None = None,
    times: Any = None,
    inspect: Callable[[Path], object] | None = None,
) -> str:
    """Store a video as `write` does, and let `inspect` look at what was written before it gets its name.

    If `inspect` raises, nothing is put in place.
    """
    path = Path(os.fsdecode(path))
    check_threads(threads)
    name = format or registry.name_for(path)
    form = registry.get_format(name, threads=threads or default_threads(), **options)
    source = Source(video, n_frames, fps, times)
    form.check(source)
    target = Path(os.path.realpath(path))  # of a symbolic link, what it leads to is replaced
    beside = not form.keeps_time and sidecar.SUFFIX not in form.sidecars
    sidecars = form.sidecars + ((sidecar.SUFFIX,) if beside and source.timing else ())
    _check_target(form, target, sidecars)
    with hidden_folder(target.parent) as folder:
        unfinished = folder / NEW / registry.name_inside(target, name)
        try:
            form.write(source, unfinished)
            if beside and source.timing:
                sidecar.write_sidecar(unfinished, sidecar.OURS, source.timing.record(source.written))
            if inspect:
                inspect(unfinished)
        except Exception as error:
            raise _named(error, unfinished, path) from error.__cause__
        _put_in_place(unfinished, target, sidecars, beside)
    return str(path)


def _check_target(form: Format, target: Path, sidecars: tuple[str, ...]) -> None:
    """Raise if something is in the way that is not the format's to replace."""
    if target.is_dir():
        if not form.folder:
            raise FileExistsError(f"{target}: expected a file or nothing, got a folder; {form.name} writes a file")
        if (stranger := form.stranger(target)) is not None:
            raise FileExistsError(f"{target}: is a folder that holds {stranger}, which {form.name} does not replace")
    elif target.exists() and not target.is_file():
        raise FileExistsError(f"{target}: expected a regular file or nothing, got a device, pipe or socket")
    for suffix in sidecars:
        place = target.with_name(target.name + suffix)
        if not os.path.lexists(place) or (suffix not in form.sidecars and sidecar.is_ours(place)):
            continue
        if suffix not in form.sidecars or form.stranger(place) is not None:
            raise FileExistsError(f"{place}: is no sidecar of {form.name}; move it, or write to another name")


def _named(error: Exception, unfinished: Path, path: Path) -> Exception:
    """Return the error with the path that the user knows in place of the unfinished one."""

    def known(text: Any) -> Any:
        return text.replace(str(unfinished), str(path)) if isinstance(text, str) else text

    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename)
        try:
            error.filename = known(name)
        except AttributeError:  # PyAV's are errors of the system too, but can't be changed
            if str(unfinished) in name and error.errno is not None:
                return OSError(error.errno, error.strerror, known(name)).with_traceback(error.__traceback__)
            return error
    error.args = tuple(known(part) for part in error.args)
    return error


# The hidden folder

PREFIX = f".vidformats-{zlib.crc32(platform.node().encode()):08x}-"
"""Begins the names of our hidden folders, and tells which host made one."""

ABANDONED = 86_400
"""Seconds without a change after which the folder of another host is stale: its lock may not reach us."""

LOCK, NEW, OLD = "lock", "new", "old"
"""Inside a hidden folder: the lock, what is being written, and a folder that stepped aside for it."""


@contextlib.contextmanager
def hidden_folder(parent: Path) -> Iterator[Path]:
    """Lend a new folder inside `parent`, locked as long as this process lives."""
    if not parent.is_dir():
        raise FileNotFoundError(f"{parent}: no such folder to write into")
    sweep(parent)
    folder, lock = _locked(parent)
    try:
        (folder / NEW).mkdir()
        yield folder
    finally:
        try:
            with contextlib.suppress(OSError):
                _remove(folder)
        finally:
            os.close(lock)


def _locked(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep took it for stale in the moment before it was locked, and removes it
            os.close(lock)
            continue
        except OSError:
            return folder, lock  # a file system without locks: then no sweep takes it either
        if os.fstat(lock).st_nlink:
            return folder, lock
        os.close(lock)


def sweep(parent: Path) -> None:
    """Remove the folders of writers that were killed: the system gave their locks back."""
    if fcntl is None:
        return
    for name in os.listdir(parent):
        if not name.startswith(".vidformats-"):
            continue
        folder = parent / name
        with contextlib.suppress(OSError):
            lock = os.open(folder / LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                changed = max(entry.stat().st_mtime for entry in [folder, *folder.rglob("*")])
                if name.startswith(PREFIX) or time.time() - changed > ABANDONED:
                    _restore(folder)
                    _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a hidden folder, its lock last: what another process still fills is left, and the next sweep takes it."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK:
            os.unlink(entry)
    if os.listdir(folder) == [LOCK]:
        (folder / LOCK).unlink()
        folder.rmdir()


# The last step


def _put_in_place(unfinished: Path, target: Path, sidecars: tuple[str, ...], timed: bool) -> None:
    """Flush all pieces to the disk, then give them their names: sidecars first, the data last.

    A sidecar tells the data it belongs to, so that a crash in between is noticed when the file is opened. If time
    records lie beside the data, as `timed` says, that of data that were replaced by some without goes last.
    """
    beside = [(unfinished.with_name(unfinished.name + s), target.with_name(target.name + s)) for s in sidecars]
    pieces = [*beside, (unfinished, target)]
    for piece, place in pieces:
        if piece.is_file() and place.is_file():
            shutil.copymode(place, piece)
        _flush(piece)
    with _alone(target.parent) if beside or timed else contextlib.nullcontext():
        before = [place.read_bytes() if place.exists() else None for _, place in beside]
        try:
            for piece, place in pieces:
                _replace(piece, place, unfinished.parent.with_name(OLD))
        except BaseException:
            for (_, place), text in zip(beside, before, strict=True):
                place.unlink(missing_ok=True) if text is None else place.write_bytes(text)
            raise
        if timed and not beside and sidecar.is_ours(stale := sidecar.beside(target)):
            stale.unlink()
    if os.name == "posix":
        with _descriptor(target.parent) as fd:
            os.fsync(fd)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for others that rename in `folder`: of two writers, one's sidecar could stay beside the other's data."""
    if fcntl is None:
        yield
        return
    with _descriptor(folder) as fd:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


def _flush(piece: Path) -> None:
    """Put a file on the disk, or a folder of files.

    For a folder by one ``syncfs``, which flushes this file system only: 2,000 images took 40 ms, and 500 ms
    by ``fsync`` of each.
    """
    if piece.is_file():
        with _descriptor(piece, os.O_RDWR) as fd:
            os.fsync(fd)
        return
    if os.name == "posix":
        with _descriptor(piece) as fd:
            if _libc("syncfs", fd):
                return
    for entry in sorted(piece.iterdir()):
        _flush(entry)
    if os.name == "posix":
        with _descriptor(piece) as fd:
            os.fsync(fd)


def _replace(new: Path, path: Path, old: Path) -> None:
    """Rename over what is there; a folder, which rename can't replace, is exchanged or steps aside first."""
    if not path.exists() or not (path.is_dir() or new.is_dir()):
        os.replace(new, path)
    elif not _libc("renameat2", -100, os.fsencode(new), -100, os.fsencode(path), 2):  # both AT_FDCWD, RENAME_EXCHANGE
        old.mkdir()
        aside = old / path.name
        os.rename(path, aside)
        try:
            os.replace(new, path)
        except BaseException:
            os.rename(aside, path)
            raise


def _restore(folder: Path) -> None:
    """Give back its name to what stepped aside for a writer that was killed before its own had it."""
    old = folder / OLD
    for entry in old.iterdir() if old.is_dir() else ():
        if not os.path.lexists(place := folder.parent / entry.name):
            os.rename(entry, place)


def _libc(name: str, *args: Any) -> bool:
    """Call a function of Linux's C library; False if it is not there or can't do that here.

    Raises
    ------
    OSError
        If it failed for another reason.
    """
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError, TypeError):
        return False
    if function(*args) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code))


@contextlib.contextmanager
def _descriptor(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)
