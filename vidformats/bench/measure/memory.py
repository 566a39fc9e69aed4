"""Peak memory of one piece of work, without what the interpreter held before."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# A process of its own looks on: a thread could not while the code measured holds the interpreter's lock.
# It says when it has begun, and what it saw when its input is closed.
_ONLOOKER = """
import select, sys
most = [0, 0]
with open(sys.argv[1], "rb", buffering=0) as status:
    print(flush=True)
    while True:
        status.seek(0)
        kb = {key: int(rest.split()[0]) for key, _, rest in
              (line.partition(b":") for line in status.read(8192).splitlines()) if key.startswith(b"Rss")}
        most = [max(most[0], kb[b"RssAnon"]), max(most[1], kb[b"RssFile"] + kb[b"RssShmem"])]
        if select.select([sys.stdin], [], [], 0.001)[0]:
            break
print(*most)
"""


class Peak:
    """How much more memory a block of code needs at its worst moment than the process held before.

    On Linux the kernel's high-water mark is reset (``5`` into ``/proc/self/clear_refs``), so the figure
    is exact to some pages a CPU, whatever ran earlier; threads count, child processes do not. Garbage
    is collected and free memory given back before, lest the block live on it unseen. Elsewhere all
    figures are None: ``ru_maxrss`` is a maximum over the process's life, and inherits its parent's.

    Attributes
    ----------
    increment : int or None, bytes
        Highest resident memory within the block less resident memory before it: the process's own
        pages, and those of files it mapped and touched.
    anonymous : int or None, bytes
        The same of the process's own pages alone, which no file can take back: what may run a machine
        out of memory. The kernel keeps no mark of it; this is the highest of looks taken every
        millisecond from another process, and so may miss a shorter peak.
    mapped : int or None, bytes
        Likewise of mapped files and shared memory.

    Examples
    --------
    >>> import numpy as np
    >>> with Peak() as peak:
    ...     kept = np.ones(20_000_000, np.uint8)
    >>> peak.increment is None or 19_000_000 < peak.increment < 25_000_000
    True
    """

    increment: int | None = None
    anonymous: int | None = None
    mapped: int | None = None

    def __enter__(self) -> Peak:
        gc.collect()
        _give_back()
        self._before: dict[str, int] = {}
        self._onlooker: subprocess.Popen[str] | None = None
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:  # another system, or a sandbox that hides it
            return self
        self._onlooker = _look_on()
        self._before = sizes()
        return self

    def __exit__(self, *error: Any) -> None:
        if not self._before:
            return
        after = sizes()
        self.increment = max(0, after["VmHWM"] - self._before["VmRSS"])
        if self._onlooker is not None:
            seen = self._onlooker.communicate()[0].split()
            if len(seen) == 2:
                anonymous, mapped = (int(kb) << 10 for kb in seen)
                self.anonymous = max(0, max(anonymous, after["RssAnon"]) - self._before["RssAnon"])
                self.mapped = max(0, max(mapped, _mapped(after)) - _mapped(self._before))


def sizes(pid: int | str = "self", table: str = "status") -> dict[str, int]:
    """Return the sizes in a table of ``/proc/<pid>``, such as ``"status"`` or ``"smaps_rollup"``, in bytes."""
    lines = (line.split() for line in Path(f"/proc/{pid}/{table}").read_text().splitlines())
    return {words[0][:-1]: int(words[1]) << 10 for words in lines if words[-1] == "kB"}


def _mapped(status: dict[str, int]) -> int:
    return status["RssFile"] + status["RssShmem"]


def _look_on() -> subprocess.Popen[str] | None:
    """Start the process that looks on, and wait until it does."""
    command = [sys.executable, "-I", "-S", "-c", _ONLOOKER, f"/proc/{os.getpid()}/status"]
    pipe, silent = subprocess.PIPE, subprocess.DEVNULL
    try:
        onlooker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, text=True)
    except OSError:
        return None
    if onlooker.stdout:
        onlooker.stdout.readline()
    return onlooker


def _give_back() -> None:
    """Return what malloc keeps for later to the system, where the C library can."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
