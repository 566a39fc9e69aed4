"""Frames lying one after another in a file, from an offset on: positioned reads into the result.

`read`, not `mmap`: the cost of a map swings with the state of the page cache, and a cold map with
4 KB faults is ten times slower; ``preadv`` copies each byte once, straight to where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.format import BLOCK, FormatError, Reader
from vidformats.readers.files import File
from vidformats.select import Crop, blocks, frames_in, in_order, runs

GAP = 16 << 10
"""Unwanted bytes between two small frames up to which reading over them beats another system call."""


class Layout:
    """Where an array lies in a file, checked against the file's size before anything is allocated.

    Parameters
    ----------
    file : File
    offset : int, bytes
        Of the first frame.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    """

    def __init__(self, file: File, offset: int, shape: tuple[int, ...], dtype: Any):
        stored = np.dtype(dtype)
        if stored.hasobject or stored.kind not in "biufc":
            raise FormatError(file.path, f"holds {stored}, not numbers")
        if not shape or any(n < 0 for n in shape) or offset < 0:
            raise FormatError(file.path, f"names the shape {shape} at byte {offset}, which no video has")
        need = offset + prod(shape) * stored.itemsize
        if need > file.size:
            raise FormatError(file.path, f"ends at byte {file.size}, but {shape} of {stored} from byte {offset} on needs {need}")
        self.file, self.offset, self.shape = file, offset, tuple(int(n) for n in shape)
        self.dtype, self.swapped = stored.newbyteorder("="), not stored.isnative
        self.frame_bytes = prod(shape[1:]) * stored.itemsize


class ExtentReader(Reader):
    """Reader of frames that lie one after another.

    Parameters
    ----------
    path : path-like
    offset : int, bytes
        Of the first frame.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    info : dict, optional
    """

    def __init__(self, path: Path | File, offset: int, shape: tuple[int, ...], dtype: Any, info: dict[str, Any] | None = None):
        self._file = path if isinstance(path, File) else File(path)
        self._layout = Layout(self._file, offset, shape, dtype)
        self.shape, self.dtype, self.info = self._layout.shape, self._layout.dtype, info or {}

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Read whole frames, neighbours together."""
        size = self._layout.frame_bytes
        if size < GAP and len(frames) > 1:
            self._sieve(frames, out, threads)
        else:
            self._runs(frames, out, threads)
        if self._layout.swapped:
            out.byteswap(inplace=True)

    def _runs(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        size, base, read_into = self._layout.frame_bytes, self._layout.offset, self._file.read_into
        flat = memoryview(out.reshape(-1).view(np.uint8))
        bounds = runs(frames).tolist()
        firsts = frames[bounds[:-1]].tolist()
        # A run is cut where it is long, so that threads share it, and parts are dealt out some at a time.
        step = max(1, BLOCK // size)

        def parts() -> Iterator[list[tuple[int, int, int]]]:
            batch, weight = [], 0
            for row, end, first in zip(bounds, bounds[1:], firsts, strict=False):
                for at in range(row, end, step):
                    n = min(step, end - at)
                    batch.append((at * size, (at + n) * size, base + (first + at - row) * size))
                    weight += n
                    if weight >= step:
                        yield batch
                        batch, weight = [], 0
            if batch:
                yield batch

        def work(batches: Iterator[list[tuple[int, int, int]]]) -> None:
            for batch in batches:
                for start, stop, offset in batch:
                    read_into([flat[start:stop]], offset, stop - start)

        from vidformats.threads import share

        share(work, parts(), threads if len(frames) * size > 1 << 20 else 1)
