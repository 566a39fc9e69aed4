"""How many bytes a piece of work reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_IO = Path("/proc/self/io")


class BytesRead:
    """Bytes that this process, with all its threads, reads within a block of code.

    Counted by Linux in ``/proc/self/io``; None on other systems, and if a sandbox hides that file.

    Attributes
    ----------
    by_calls : int or None, bytes
        Bytes returned by system calls such as ``read`` and ``preadv``, from the page cache or the disk. Pages
        of a memory map are not counted.

    Examples
    --------
    >>> with BytesRead() as bytes_read:
    ...     data = open(__file__, "rb").read()
    >>> bytes_read.by_calls is None or bytes_read.by_calls >= len(data)
    True
    """

    by_calls: int | None = None

    def __enter__(self) -> BytesRead:
        self._before = _counters()
        return self

    def __exit__(self, *error: Any) -> None:
        after = _counters()
        if self._before and after:
            # The first look at the counters was a read as well.
            own = self._before["length"]
            self.by_calls = after["rchar"] - self._before["rchar"] - own


def _counters() -> dict[str, int]:
    try:
        text = _IO.read_text()
    except OSError:
        return {}
    fields = (line.split(": ") for line in text.splitlines())
    return {name: int(value) for name, value in fields} | {"length": len(text)}
