"""The errors that vidformats raises itself."""

from __future__ import annotations

import os
from typing import Any


class FormatError(ValueError):
    """A file is not what it should be; the message names the file and the fault."""

    def __init__(self, path: str | os.PathLike[str], fault: str = ""):
        # A DataLoader rebuilds its worker's error from the message alone.
        super().__init__(f"{os.fspath(path)}: {fault}" if fault else os.fspath(path))
        self.path, self.fault = os.fspath(path), fault

    def __reduce__(self) -> tuple[Any, ...]:
        return FormatError, (self.path, self.fault)
