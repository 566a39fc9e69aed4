"""The errors that vidformats raises itself."""

from __future__ import annotations

import os
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


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
