"""What is said of the machine with every result: enough to judge it by, and nothing of who owns it."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from vidformats.bench.measure.cache import file_system
from vidformats.threads import default_threads

LIBRARIES = (
    *("numpy", "opencv-python", "opencv-python-headless", "h5py", "pillow", "scipy"),
    *("av", "simplejpeg", "deflate", "isal", "zarr", "blosc2", "lmdb", "safetensors", "torch"),
)
"""Distributions whose versions are recorded where they are installed."""


def facts(data_folder: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Return what a measurement depends on: no host name, user name or path is among it.

    Parameters
    ----------
    data_folder : path-like, optional
        Where the data lie; only the type of its file system is told.

    Returns
    -------
    facts : dict
        Fit for JSON; None where the system does not tell.

        ==================== ============================================================
        ``cpus``             CPUs this process may use
        ``cpu``              model
        ``memory_gib``       whole GiB
        ``system``           operating system and, on Linux, distribution
        ``kernel``           release, its numbers only: the rest may name a host
        ``python``           version
        ``file_system``      type of the file system of `data_folder`; None without one
        ``numpy_huge_pages`` whether NumPy asks for huge pages, which copies depend on
        ``huge_pages``       what the kernel does with such requests: always, madvise, never
        ``libraries``        dict of versions
        ==================== ============================================================

    Examples
    --------
    >>> sorted(facts())[:3]
    ['cpu', 'cpus', 'file_system']
    """
    return {
        "cpus": default_threads(),
        "cpu": _cpu(),
        "memory_gib": _memory(),
        "system": _system(),
        "kernel": _first(r"\d+(\.\d+)*", platform.release()),
        "python": platform.python_version(),
        "file_system": None if data_folder is None else file_system(data_folder),
        "numpy_huge_pages": _numpy_huge_pages(),
        "huge_pages": _first(r"(?<=\[)\w+", _text("/sys/kernel/mm/transparent_hugepage/enabled")),
        "libraries": _libraries(),
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[0].strip() if found else None


def _cpu() -> str | None:
    # ARM kernels give no model name.
    return (
        _first(r"(?<=^model name\t: ).+", _text("/proc/cpuinfo")) or platform.processor() or platform.machine() or None
    )


def _memory() -> int | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    except (AttributeError, ValueError, OSError):
        return None


def _system() -> str:
    try:
        return f"{platform.system()}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except (OSError, KeyError):
        return platform.system()


def _numpy_huge_pages() -> bool | None:
    # Not public, but the only place that tells: the variable NUMPY_MADVISE_HUGEPAGE counts at import alone.
    for core in ("numpy._core.multiarray", "numpy.core.multiarray"):
        with contextlib.suppress(ImportError, AttributeError):
            return bool(importlib.import_module(core)._get_madvise_hugepage())
    return None


def _libraries() -> dict[str, str]:
    import h5py
    from PIL import features

    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    turbo = features.version("libjpeg_turbo")
    return versions | {"hdf5": h5py.version.hdf5_version} | ({"libjpeg-turbo": turbo} if turbo else {})
