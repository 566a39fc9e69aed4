"""Column-major arrays, as MATLAB and Fortran write them: picked from a map and transposed, tile by tile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.readers.extent import Placed
from vidformats.select import Plan, blocks
from vidformats.threads import share, worth

TILE = 1 << 20
"""Bytes of the file that are transposed at a time: two of them stay in the caches of most CPUs."""


class ColumnMajorReader(Placed):
    """Reader of a column-major array, as MATLAB and Fortran write: a frame's pixels are scattered over the file.

    The file is mapped for the length of a read, since every page of it is needed and none of it twice: the
    wanted frames are picked from the map tile by tile, and each tile is transposed while it is in the caches.
    What is mapped counts as resident while it is read, but is the page cache's own memory; beside the
    result, a read takes some MB. Reading the tiles by ``preadv`` took 1.4 times as long.

    Parameters
    ----------
    source : ByteSource
    offset : int, bytes
        Of the first element.
    shape : tuple of int
        ``(T, ...)`` as the array is indexed; T varies fastest in the file.
    dtype : dtype-like
        As stored; big-endian is fine.
    info : dict, optional
    """

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Pick and transpose, tile by tile."""
        if not out.size:
            return
        n_picked, item = len(plan.frames), self.dtype.itemsize
        width = self.shape[-1] if len(self.shape) > 1 else 1
        lines = prod(self.shape[1:-1])  # the other axes of a frame, first axis fastest in the file
        order = np.arange(lines).reshape(self.shape[1:-1]).ravel(order="F")  # where each line stands in a frame
        result = out.reshape(len(out), lines, width)
        pages = self.source.map()
        chosen = self._columns(pages, plan.frames, width, lines)
        deep = min(n_picked, TILE // 64)
        wide = max(1, min(width, TILE // (deep * item)))
        high = max(1, min(lines, TILE // (deep * item * wide)))

        def work(tiles: Iterator[tuple[slice, slice, slice]]) -> None:
            scratch = np.empty((2, high * wide * deep), self._stored)
            for across, down, part in tiles:
                shape = (down.stop - down.start, across.stop - across.start, part.stop - part.start)
                picked = scratch[0, : prod(shape)].reshape(shape)
                turned = scratch[1, : prod(shape)].reshape(shape[2], shape[0], shape[1])
                np.copyto(picked, chosen[across, down, part].transpose(1, 0, 2), casting="unsafe")
                _transpose(picked.reshape(-1, shape[2]), turned.reshape(shape[2], -1))
                for y, line in enumerate(order[down]):
                    result[plan.rows[part], line, across] = turned[:, y]

        parts = (
            (across, down, part)
            for down in blocks(lines, high)
            for across in blocks(width, wide)
            for part in blocks(n_picked, deep)
        )
        n_tiles = -(-lines // high) * -(-width // wide) * -(-n_picked // deep)
        share(work, parts, worth(threads, prod(self.shape) * item, n_tiles))

    def _columns(self, pages: memoryview, frames: NDArray[np.int64], width: int, lines: int) -> Any:
        """Return the wanted frames as ``(width, lines, N)``, in place where they are evenly spaced."""
        n_frames, item = self.shape[0], self.dtype.itemsize
        step = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        strides = (lines * n_frames * item, n_frames * item, step * item)
        shape = (width, lines, len(frames))
        if (np.diff(frames) != step).any():
            everything = np.ndarray((width, lines, n_frames), self._stored, pages, self._offset, (*strides[:2], item))
            return _Picked(everything, frames)
        first, wider = int(frames[0]), step * item
        if (
            self._stored.kind in "iu"
            and item == 1
            and step in (2, 4, 8)
            and first + len(frames) * step <= n_frames
            and sys.byteorder == "little"
        ):
            # Items of `step` bytes, cut down to their first, copy faster than bytes that are `step` apart.
            return np.ndarray(shape, f"u{wider}", pages, self._offset + first, strides)
        return np.ndarray(shape, self._stored, pages, self._offset + first * item, strides)


class _Picked:
    """Frames anywhere, sliced like an array of them; only what a slice asks for is copied."""

    def __init__(self, everything: np.ndarray, frames: NDArray[np.int64]):
        self.everything, self.frames = everything, frames

    def __getitem__(self, index: tuple[slice, slice, slice]) -> np.ndarray:
        across, down, part = index
        return self.everything[across, down, self.frames[part]]


_MOVED_AS = {1: np.uint8, 2: np.uint16, 4: np.int32, 8: np.float64}


def _transpose(matrix: np.ndarray, out: np.ndarray) -> None:
    """Write the transpose of `matrix` to `out`; OpenCV's is vectorised, NumPy's goes item by item."""
    same = _MOVED_AS.get(matrix.itemsize)
    if same is None:
        out[...] = matrix.T
    else:
        from vidformats.opencv import cv2  # takes longer to import than most files to read

        cv2.transpose(matrix.view(same), out.view(same))
