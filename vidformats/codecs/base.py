"""The protocol of a byte codec, and a chain of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Codec(Protocol):
    """Undoes one filter; numcodecs' own codecs are of this kind. Many threads call one codec."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return what `buf` holds, in `out` if that is given.

        Raises
        ------
        ValueError or RuntimeError
            If `buf` is damaged.
        """


def decode(codecs: Sequence[Codec], buf: Any, nbytes: int) -> memoryview:
    """Undo a chain of filters, the last one that was applied first.

    Parameters
    ----------
    codecs : sequence of Codec
        In the order in which they are undone; none for bytes as they are.
    buf : bytes-like
    nbytes : int
        What comes of it.

    Returns
    -------
    memoryview
        Of `nbytes` bytes.

    Raises
    ------
    ValueError
        If the data is damaged, or of another size.

    Examples
    --------
    >>> from vidformats.codecs.deflate import Deflate, compress
    >>> bytes(decode([Deflate(5)], compress(b"frame", 4), 5))
    b'frame'
    """
    try:
        for codec in codecs:
            buf = codec.decode(buf)
    except RuntimeError as error:  # numcodecs' word for a wrong checksum
        raise ValueError(str(error)) from None
    view = memoryview(buf).cast("B")
    if len(view) != nbytes:
        raise ValueError(f"expected {nbytes} bytes, got {len(view)}")
    return view
