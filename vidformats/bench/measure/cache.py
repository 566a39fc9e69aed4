"""The page cache: whether a file is read from memory or from its disk, and how to have it either way.

Linux only; elsewhere `evict` returns False, and `resident` and `file_system` None.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import sys
from pathlib import Path

import numpy as np

from vidformats.bench.measure.disk import files

MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs", "hugetlbfs")
"""Those whose files are nowhere but in memory, and so can't be cold."""

MOUNTS = Path("/proc/self/mountinfo")
"""The kernel's table of what is mounted where, as this process sees it."""


def evict(path: str | os.PathLike[str]) -> bool:
    """Drop a file, or all in a folder, from the page cache, and check that it is gone.

    Needs no privileges. What is mapped or read by any process meanwhile stays, and so does all of a
    `tmpfs`. Names and sizes of files stay in memory: a cold load still finds them warm.

    Returns
    -------
    cold : bool
        Whether no page is left. Measure nothing as cold without it.
    """
    if sys.platform != "linux":
        return False
    paths = list(files(path))
    # All start to be written before the first is waited for: 10,000 small files are one wait, not 10,000, and none
    # if all are on the disk already.
    for wait in (False, True):
        for file in paths:
            fd = os.open(file, os.O_RDONLY)
            try:
                if wait:
                    os.fdatasync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)
        if resident(path) == 0:
            return True
    return False


def resident(path: str | os.PathLike[str]) -> float | None:
    """Return which part of a file, or of all in a folder, the page cache holds: 0 is cold, 1 is warm.

    Asks by ``mincore``, which reads nothing. The kernel answers for the user's own files only, and
    calls all others warm. An empty file counts as cold.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    held = total = 0
    for file in files(path):
        nbytes = file.stat().st_size
        if nbytes == 0:
            continue
        pages = np.zeros(-(-nbytes // mmap.PAGESIZE), np.uint8)
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), nbytes, prot=mmap.PROT_READ) as mapped:
            view = np.frombuffer(mapped, np.uint8)  # for its address; it has to go before the map closes
            failed = libc.mincore(view.ctypes.data, nbytes, pages.ctypes.data)
            del view
        if failed:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
        held, total = held + int((pages & 1).sum()), total + len(pages)
    return held / total if total else 0.0


def warm(path: str | os.PathLike[str]) -> int:
    """Read a file, or all in a folder, into the page cache; return the bytes read."""
    buffer, total = bytearray(1 << 20), 0
    for file in files(path):
        with open(file, "rb", buffering=0) as opened:
            while got := opened.readinto(buffer):
                total += got
    return total


def settle(path: str | os.PathLike[str]) -> None:
    """Have a file, or all in a folder, in the page cache as reading it from its disk leaves it.

    The kernel keeps a file in pieces of 4 KB to 2 MB, as they came in: small where it was written or mapped
    bit by bit, or while memory was short. Reading small ones takes up to 1.7 times as long, mapping them 2.5 times.
    Where it can't be evicted, it is only read.
    """
    evict(path)
    warm(path)


def file_system(path: str | os.PathLike[str]) -> str | None:
    """Return the type of the file system that `path` is or will be on, such as ``"ext4"``."""
    if not MOUNTS.exists():
        return None
    place, best, kind = os.path.realpath(path), "", None
    for line in MOUNTS.read_text().splitlines():
        mount, _, source = line.partition(" - ")
        # The kernel writes blanks and the like in octal. Of two mounts at one place the later one counts.
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), mount.split()[4])
        if os.path.commonpath([point, place]) == point and len(point) >= len(best):
            best, kind = point, source.split()[0]
    return kind


def is_tmpfs(path: str | os.PathLike[str]) -> bool | None:
    """Tell whether `path` is or will be in memory alone, so that no load from it is ever cold."""
    kind = file_system(path)
    return None if kind is None else kind in MEMORY_FILE_SYSTEMS
