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
"""What inflates and deflates here."""

EXPANSION = 1032
"""Largest factor by which deflate can shrink data: what claims more is not believed."""

STEP = 1 << 20
"""Bytes that `stream` yields at most at a time."""


class Deflate:
    """A zlib stream of known size, as a codec.

    Parameters
    ----------
    nbytes : int
        What a stream holds; more is never allocated.

    Examples
    --------
    >>> bytes(Deflate(5).decode(compress(b"frame", 4)))
    b'frame'
    """

    def __init__(self, nbytes: int):
        self.nbytes = nbytes

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return what `buf` holds; see `inflate`."""
        result = inflate(buf, self.nbytes)
        if out is None:
            return result
        memoryview(out).cast("B")[:] = result
        return out

    def stream(self, parts: Iterable[Any]) -> Iterator[bytes]:
        """Yield the same piecemeal, from parts of any size."""
        return stream(parts, self.nbytes)


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
        raise ValueError(f"{len(data)} deflated bytes cannot hold {nbytes}")
    if deflate:
        try:
            result = deflate.zlib_decompress(data, nbytes)
        except deflate.DeflateError as error:
            raise ValueError(str(error)) from None
    else:
        result = bytearray().join(stream([data], nbytes))
    if len(result) != nbytes:
        raise ValueError(f"expected {nbytes} bytes, got {len(result)}")
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
                    raise ValueError(f"expected {nbytes} bytes, got more")
                yield part
        part = engine.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not engine.eof or total + len(part) != nbytes:
        raise ValueError(f"expected {nbytes} bytes, got {total + len(part)}")
    yield part


def compress(data: Any, level: int) -> Any:
    """Return `data` as a zlib stream; `level` goes from 1, fast, to 9, small."""
    return deflate.zlib_compress(data, level) if deflate else zlib.compress(data, level)
