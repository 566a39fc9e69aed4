"""Bytes on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def files(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the files that make up a stored video: one and its JSON sidecar, or all in a folder.

    Raises
    ------
    FileNotFoundError
        When nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        for folder, _, names in os.walk(path):
            yield from (Path(folder, name) for name in sorted(names))
        return
    path.stat()
    yield path
    sidecar = path.with_name(path.name + ".json")
    if sidecar.is_file():
        yield sidecar


def size(path: str | os.PathLike[str]) -> int:
    """Return the bytes in the files of a stored video, as a listing shows them."""
    return sum(file.stat().st_size for file in files(path))


def allocated(path: str | os.PathLike[str]) -> int | None:
    """Return the bytes that a stored video takes from its file system: whole blocks, folders included.

    A small file takes a block all the same, and a sparse one less than its size. Some file systems
    decide only when data reach the disk: ask after an fsync. None where the system does not tell.
    """
    paths = [*files(path), *(Path(folder) for folder, _, _ in os.walk(os.fspath(path)))]
    blocks = [getattr(p.stat(), "st_blocks", -1) for p in paths]
    return None if -1 in blocks else sum(blocks) * 512  # of 512 bytes by POSIX, whatever the block size


def free(path: str | os.PathLike[str]) -> int:
    """Return the bytes that this user may still write where `path` is, or will be."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
