"""How many bytes a piece of work reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_IO = Path("/proc/self/io")


class BytesRead:
    """Bytes that this process, all its threads included, reads within a block of code.

    On Linux, from ``/proc/self/io``; elsewhere, and where a sandbox hides that, all is None.

    Attributes
    ----------
    by_calls : int or None, bytes
        What system calls such as ``read`` and ``preadv`` brought, from the page cache or the disk. Pages
        of a memory map are not among them.
    from_device : int or None, bytes
        What the storage had to deliver, for system calls and memory maps alike, read-ahead included; 0
        when all was in the page cache.

    Examples
    --------
    >>> with BytesRead() as bytes_read:
    ...     data = open(__file__, "rb").read()
    >>> bytes_read.by_calls is None or bytes_read.by_calls >= len(data)
    True
    """

    by_calls: int | None = None
    from_device: int | None = None

    def __enter__(self) -> BytesRead:
        self._before = _counters()
        return self

    def __exit__(self, *error: Any) -> None:
        after = _counters()
        if self._before and after:
            # The first look was a read as well, and is counted behind itself.
            own = self._before["length"]
            self.by_calls = after["rchar"] - self._before["rchar"] - own
            self.from_device = after["read_bytes"] - self._before["read_bytes"]


def _counters() -> dict[str, int]:
    try:
        text = _IO.read_text()
    except OSError:
        return {}
    fields = (line.split(": ") for line in text.splitlines())
    return {name: int(value) for name, value in fields} | {"length": len(text)}
