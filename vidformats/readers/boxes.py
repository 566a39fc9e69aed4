"""Frames of an array that only a library can read: box after box along its chunks, each chunk once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.readers.chunk_grid import Cut, cuts
from vidformats.select import BLOCK, Crop, Plan


class BoxReader(Reader):
    """Reader of anything that is read by slices, such as an h5py dataset.

    Parameters
    ----------
    array : array-like
        Has shape and dtype, perhaps chunks, and returns an array for a tuple of slices, in one thread at a time or
        behind a lock of its own. It is read in boxes of whole chunks, of about `BLOCK` bytes.
    info : dict, optional
    reverse : bool
        Its axes are the video's in reverse order, as MATLAB's are.
    """

    def __init__(self, array: Any, info: dict[str, Any] | None = None, reverse: bool = False):
        self._array, self._reverse = array, reverse
        self.shape, self.dtype, self.info = (
            self._turned(array.shape),
            np.dtype(array.dtype).newbyteorder("="),
            info or {},
        )
        # Without chunks a frame lies whole, or strewn over everything where the axes are reversed.
        whole = self.shape[:1] if reverse else (1,)
        self._chunks = (
            self._turned(array.chunks) if getattr(array, "chunks", None) else whole + (1,) * (len(self.shape) - 1)
        )

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read whole frames."""
        self.read(plan, out, threads)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read frames, or a part of each."""
        crop = plan.crop or tuple(slice(0, n, 1) for n in self.shape[1:])
        for part in self._runs(plan.frames):
            wanted, rows = plan.frames[part], plan.rows[part]
            first, last = int(wanted[0]), int(wanted[-1])
            for box in self._boxes(last + 1 - first, crop):
                values = self._get((slice(first, last + 1), *(cut.within for cut in box)))
                steps: Any = (slice(None), *(slice(None, None, cut.source.step) for cut in box))
                target: Any = (rows, *(cut.target for cut in box))
                out[target] = values[steps][wanted - first]

    def _turned(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(items)[::-1] if self._reverse else tuple(items)

    def _get(self, box: tuple[slice, ...]) -> np.ndarray:
        try:
            part: np.ndarray = self._array[self._turned(box)]
        except (OSError, RuntimeError) as error:  # what HDF5 makes of damaged chunks
            path = self._array.file.filename if hasattr(self._array, "file") else repr(self._array)
            raise FormatError(path, f"is damaged: {error}") from None
        return part.T if self._reverse else part

    def _runs(self, frames: NDArray[np.int64]) -> Iterator[slice]:
        """Cut rising frames where a row of chunks is left out, or `BLOCK` bytes are reached."""
        rows = frames // self._chunks[0]
        most = max(1, BLOCK // max(1, self.dtype.itemsize * prod(self.shape[1:]) * self._chunks[0]))
        bounds = [*np.flatnonzero(np.diff(rows, prepend=-2) > 1).tolist(), len(frames)]
        for a, b in pairwise(bounds):
            first = rows[a]
            starts = a + np.searchsorted(rows[a:b], np.arange(first, rows[b - 1] + 1, most))
            for start, stop in pairwise([*starts.tolist(), b]):
                yield slice(start, stop)

    def _boxes(self, n_frames: int, crop: Crop) -> Iterator[tuple[Cut, ...]]:
        """Yield boxes of whole chunks, of about `BLOCK` bytes with `n_frames` each."""
        whole = (-(-(part.stop - part.start) // c) * c for part, c in zip(crop, self._chunks[1:], strict=True))
        size = [n_frames, *(max(1, n) for n in whole)]
        # The axis whose neighbours lie farthest apart in the file is cut first.
        for axis in self._turned(tuple(range(len(size)))):
            excess = self.dtype.itemsize * prod(size) / BLOCK
            if axis and excess > 1:
                chunk = self._chunks[axis]
                size[axis] = max(chunk, int(size[axis] / excess) // chunk * chunk)
        return product(*(cuts(part, n, step) for part, n, step in zip(crop, self.shape[1:], size[1:], strict=True)))
