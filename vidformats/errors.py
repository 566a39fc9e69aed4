"""The errors that vidformats raises itself."""

from __future__ import annotations

import os
import re
from importlib import metadata
from typing import Any

LONGEST = 1000
"""Characters of a fault at most: libraries put whole headers of damaged files into their messages."""


class FormatError(ValueError):
    """A file is not what it should be; the message names the file and the fault.

    What a file calls its parts may hold anything: unprintable characters are escaped, so that no file can write to a
    terminal.
    """

    def __init__(self, path: str | os.PathLike[str], fault: str = ""):
        self.path = os.fspath(path)
        self.fault = _printable(fault if len(fault) <= LONGEST else fault[:LONGEST] + "...")
        # A DataLoader rebuilds its worker's error from the message alone.
        super().__init__(f"{_printable(self.path)}: {self.fault}" if fault else self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return FormatError, (self.path, self.fault)


def install(extra: str) -> str:
    """Return the command that installs what an extra of vidformats needs.

    It names the packages themselves, so that it works for a clone, an index and a wheel alike.

    Examples
    --------
    >>> install("dask")
    "pip install 'dask>=2024.1' 'distributed>=2024.1'"
    """
    marker = re.compile(rf"""\bextra\s*==\s*["']{re.escape(extra)}["']""")
    try:
        rows = [row.partition(";") for row in metadata.requires("vidformats") or ()]
    except metadata.PackageNotFoundError:
        rows = []
    needed = [f"'{name.strip()}'" for name, _, condition in rows if marker.search(condition)]
    return "pip install " + (" ".join(needed) or f"'vidformats[{extra}]'")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
