"""Deflate streams of known size, by the fastest library there is: libdeflate, or else zlib.

Both check the stream's Adler-32, never write more than was asked for, and let other threads run.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

deflate: Any
try:
    import deflate
except ImportError:  # the extra `arrays`; zlib takes two to three times as long
    deflate = None

LIBRARY = "libdeflate" if deflate else "zlib"
"""What inflates and deflates here; kept with every measurement."""

EXPANSION = 1032
"""Largest factor by which deflate can shrink data: what claims more is not believed."""

STEP = 1 << 20
"""Bytes that `stream` yields at most at a time."""


def inflate(data: Any, nbytes: int) -> Any:
    """Return what a zlib stream holds.

    Parameters
    ----------
    data : bytes-like
        One whole zlib stream.
    nbytes : int
        Its size when inflated; more is never allocated.

    Raises
    ------
    ValueError
        For a damaged stream, or one of another size.

    Examples
    --------
    >>> bytes(inflate(compress(b"frame", 4), 5))
    b'frame'
    """
    if nbytes > EXPANSION * len(data):
        raise ValueError(f"{len(data)} bytes can't hold {nbytes}")
    if deflate:
        try:
            result = deflate.zlib_decompress(data, nbytes)
        except deflate.DeflateError as error:
            raise ValueError(str(error)) from None
    else:
        result = bytearray().join(stream([data], nbytes))
    if len(result) != nbytes:
        raise ValueError(f"{len(result)} bytes where {nbytes} were expected")
    return result


def stream(parts: Iterable[Any], nbytes: int) -> Iterator[bytes]:
    """Yield what a zlib stream of `nbytes` holds, up to `STEP` bytes at a time, from parts of any size.

    Always by zlib, for libdeflate knows whole streams only. Raises as `inflate` does.
    """
    engine, total = zlib.decompressobj(), 0
    try:
        for data in parts:
            while data and not engine.eof:
                part = engine.decompress(data, STEP)
                data, total = engine.unconsumed_tail, total + len(part)
                if total > nbytes:
                    raise ValueError(f"more than {nbytes} bytes")
                yield part
        part = engine.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not engine.eof or total + len(part) != nbytes:
        raise ValueError(f"{total + len(part)} bytes where {nbytes} were expected")
    yield part


def compress(data: Any, level: int) -> Any:
    """Return `data` as a zlib stream; `level` goes from 1, fast, to 9, small."""
    return deflate.zlib_compress(data, level) if deflate else zlib.compress(data, level)
