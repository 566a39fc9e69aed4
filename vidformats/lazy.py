"""A video as a lazy array of Dask, whose chunks lie as the file does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from vidformats.errors import install

TARGET = 32 << 20
"""Bytes of a chunk, about: so many units of the file are one chunk."""

MOST = 256 << 20
"""Bytes of a chunk at most: a longer unit is divided."""


def chunk_lengths(n_frames: int, frame_bytes: int, starts: Sequence[int]) -> tuple[int, ...]:
    """Return how many frames each chunk has.

    Parameters
    ----------
    n_frames : int
    frame_bytes : int
        Of one frame.
    starts : sequence of int
        Frames at which a unit of the file begins, that is read as a whole: a chunk, a group of pictures. Rising.

    Examples
    --------
    >>> chunk_lengths(100, 1 << 20, range(0, 100, 12))
    (24, 24, 24, 28)
    """
    lengths, begin = [], 0
    edges = [start for start in starts if start > 0] + [n_frames]
    for k, edge in enumerate(edges):
        beyond = edges[k + 1] if k + 1 < len(edges) else None
        if beyond is None or (beyond - begin) * frame_bytes > TARGET:
            pieces = max(1, -(-(edge - begin) * frame_bytes // MOST))
            cuts = [begin + (edge - begin) * j // pieces for j in range(pieces + 1)]
            lengths += [b - a for a, b in pairwise(cuts) if b > a]
            begin = edge
    return tuple(lengths)


def lazy(video: Any, starts: Sequence[int], token: Any) -> Any:
    """Return a Dask array of a video; a `Video` travels to workers as an address.

    Raises
    ------
    ImportError
        Without Dask; the message names the cure.
    """
    try:
        from dask.array import from_array
        from dask.base import tokenize
    except ImportError as error:
        raise ImportError(f"to_dask requires Dask: {install('dask')} ({error})") from None
    frame_bytes = max(1, int(np.prod(video.shape[1:])) * video.dtype.itemsize)
    chunks = (chunk_lengths(len(video), frame_bytes, starts), *video.shape[1:])
    meta = np.empty((0,) * video.ndim, video.dtype)
    name = f"vidformats-{tokenize(token)}"
    make: Any = from_array
    return make(video, chunks, name=name, lock=False, asarray=False, meta=meta)
