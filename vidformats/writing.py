"""`write`: a video on disk, whole under its name or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidformats import registry
from vidformats.source import Source
from vidformats.threads import default_threads


def write(
    video: Any,
    path: str | os.PathLike,
    format: str | None = None,
    *,
    threads: int | None = None,
    n_frames: int | None = None,
    **options: Any,
) -> str:
    """Store a video. The file appears whole under its name, or not at all.

    Parameters
    ----------
    video : ndarray, Video, or iterable of ndarray
        ``(T, C, H, W)`` uint8 RGB or grey (C = 1); array formats hold any ``(T, ...)`` of numbers. An
        iterable yields frames and may be longer than memory, except into formats that can't grow.
    path : path-like
        What is there already is replaced at the end.
    format : str, optional
        One of `vidformats.formats`; by default told by the ending of `path`.
    threads : int, optional
        Threads that may encode; by default all CPUs of this process.
    n_frames : int, optional
        Length of an iterable, for formats that must know it first.
    **options
        The format's own, such as ``quality=`` or ``fps=``.

    Returns
    -------
    str
        `path`.

    Raises
    ------
    ValueError
        Where the format can't hold such a video; nothing was written.
    FileExistsError
        Where a folder is in the way that holds anything but images; it is not touched.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.h5", "h5_frames", level=1)
    'dark.h5'
    """
    path = Path(path)
    form = registry.get_format(format or registry.name_for(path), threads=threads or default_threads(), **options)
    source = Source(video, n_frames)
    form.check(source)
    _check_target(path)
    # Behind a link, it is what the link leads to that is replaced.
    with _atomic(Path(os.path.realpath(path)), form.sidecars) as unfinished:
        form.write(source, unfinished)
    return str(path)


def _check_target(path: Path) -> None:
    """Raise where writing would take away a folder that is no video."""
    if path.is_dir():
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.is_file() or Path(entry.name).suffix.lower() not in registry.IMAGE_SUFFIXES:
                    raise FileExistsError(f"{path}: is a folder that holds {entry.name}; only images are replaced")


@contextlib.contextmanager
def _atomic(path: Path, sidecars: tuple[str, ...]) -> Iterator[Path]:
    """Lend a sibling's name; when all went well it is on disk and takes the place of `path`."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder to write into")
    token = uuid.uuid4().hex[:8]
    unfinished = path.with_name(f".{path.stem}.{token}{path.suffix}")
    pieces = [unfinished, *[unfinished.with_name(unfinished.name + s) for s in sidecars]]
    try:
        yield unfinished
        if unfinished.is_dir():
            if hasattr(os, "sync"):
                os.sync()  # one call for thousands of files
        else:
            for piece in pieces:
                with _descriptor(piece, os.O_RDWR) as fd:
                    os.fsync(fd)
        for piece, suffix in reversed(list(zip(pieces, ("", *sidecars), strict=True))):
            _replace(piece, path.with_name(path.name + suffix), token)
        if os.name == "posix":
            with _descriptor(path.parent, os.O_RDONLY) as fd:
                os.fsync(fd)
    finally:
        for piece in pieces:
            _remove(piece)


@contextlib.contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def _replace(new: Path, path: Path, token: str) -> None:
    """Rename over what is there. Where a folder is concerned it steps aside first, for rename can't replace it."""
    if not path.exists() or not (path.is_dir() or new.is_dir()):
        os.replace(new, path)
        return
    aside = path.with_name(f".{path.name}.{token}.old")
    os.rename(path, aside)
    try:
        os.replace(new, path)
    except BaseException:
        os.rename(aside, path)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
