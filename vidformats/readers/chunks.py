"""Compressed chunks with an index: only the wanted chunks are fetched, and each is decoded once.

The wanted chunks are cut into units of about a megabyte. A thread reads a unit with few system calls,
decodes its chunks one after another, and copies all chunks that lie at the same place of successive
frames by one assignment: with thousands of small chunks it is the calls that cost, not the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.format import FormatError, Reader
from vidformats.readers.files import File
from vidformats.select import Crop, Order, blocks, in_order
from vidformats.threads import share

UNIT = 1 << 20
"""Decoded bytes a thread handles at a time: a few such blocks fit into its CPU's cache."""

GAP = 16 << 10
"""Unwanted bytes between two chunks up to which reading over them beats another system call."""

Decode = Callable[[Any, int], Any]
"""``decode(data, nbytes)`` returns `nbytes` decoded bytes, or raises `ValueError`; many threads call it."""


class Cut(NamedTuple):
    """A chunk of one axis: its number, its first position, the part wanted of it, and where that goes."""

    number: int
    start: int
    source: slice
    target: slice

    @property
    def within(self) -> slice:
        """The stretch of the axis that holds the part wanted."""
        return slice(self.start + self.source.start, self.start + self.source.stop)


def cuts(part: slice, n: int, chunk: int) -> list[Cut]:
    """Cut the positions that `part` picks from an axis of length `n` along chunks of length `chunk`.

    Examples
    --------
    >>> [(cut.number, cut.source, cut.target) for cut in cuts(slice(1, 8, 3), 10, 4)]
    [(0, slice(1, 4, 3), slice(0, 1, None)), (1, slice(0, 4, 3), slice(1, 3, None))]
    """
    start, stop, step = part.indices(n)
    found = []
    for number in range(start // chunk, -(-stop // chunk)):
        low, high = number * chunk, min(stop, (number + 1) * chunk)
        before = max(0, -(-(low - start) // step))
        first = start + before * step
        if count := len(range(first, high, step)):
            found.append(
                Cut(number, low, slice(first - low, high - low, step), slice(before, before + count))
            )
    return found


class Cell(NamedTuple):
    """A place of the chunk grid within a frame: its number, the part wanted of it, and where that goes."""

    number: int
    source: Crop
    target: Crop


class ChunkReader(Reader):
    """Reader of an array cut into chunks of one shape.

    Parameters
    ----------
    file : File
    offsets : ndarray of int64, bytes
        Where each chunk lies in the file, by its position in the grid: ``ceil(shape / chunks)``.
    sizes : ndarray of int64, bytes
        As stored, of the same shape; 0 where a chunk is missing.
    chunks : tuple of int
        Shape of a chunk; those at the edges are stored whole.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    decode : callable
        ``decode(data, nbytes)``, from a chunk's bytes to `nbytes` of its array.
    fill : scalar
        What missing chunks hold.
    info : dict, optional

    Raises
    ------
    FormatError
        When a chunk lies outside the file.
    """

    def __init__(
        self,
        file: File,
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        chunks: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: Any,
        decode: Decode,
        fill: Any = 0,
        info: dict[str, Any] | None = None,
    ):
        self._file, self._decode, self._fill = file, decode, fill
        self._stored = np.dtype(dtype)
        self._chunks, self._nbytes = chunks, prod(chunks) * self._stored.itemsize
        self._grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
        # One row for each row of chunks, one column for each cell of a frame.
        self._offsets, self._sizes = (
            a.reshape(self._grid[0], prod(self._grid[1:])) for a in (offsets, sizes)
        )
        if (sizes < 0).any() or ((offsets < 0) | (offsets > file.size - sizes))[sizes > 0].any():
            raise FormatError(file.path, f"ends at byte {file.size}, but its index names chunks beyond")
        self.shape, self.dtype, self.info = shape, self._stored.newbyteorder("="), info or {}

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Read whole frames."""
        self.read(frames, out, None, threads)

    def read(
        self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None = None, threads: int = 1
    ) -> None:
        """Read frames, or a part of each: chunks outside that part are left alone."""
        plan = in_order(frames)
        cells = self._cells(crop or tuple(slice(0, n, 1) for n in self.shape[1:]))
        if not len(frames) or not cells:
            return
        numbers = plan.frames // self._chunks[0]
        bounds = np.concatenate(([0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)]))
        size = max(1, UNIT // self._nbytes)

        def units() -> Iterator[tuple[slice, slice]]:
            for rows in blocks(len(bounds) - 1, size // len(cells)):
                for part in blocks(len(cells), size):
                    yield rows, part

        def work(items: Iterator[tuple[slice, slice]]) -> None:
            for rows, part in items:
                ends = bounds[rows.start : rows.stop + 1]
                chosen = cells[part]
                block = self._load(numbers[ends[:-1]], [cell.number for cell in chosen])
                for group, inside, target in self._groups(ends, plan):
                    _place(block[group], inside, target, chosen, out)

        share(work, units(), threads if len(cells) * len(bounds) * self._nbytes > UNIT else 1)
        plan.repeat(out)

    def _cells(self, crop: Crop) -> list[Cell]:
        axes = [cuts(part, n, c) for part, n, c in zip(crop, self.shape[1:], self._chunks[1:], strict=True)]
        steps = [prod(self._grid[axis + 1 :]) for axis in range(1, len(self._grid))]
        return [
            Cell(
                sum(cut.number * step for cut, step in zip(place, steps, strict=True)),
                tuple(cut.source for cut in place),
                tuple(cut.target for cut in place),
            )
            for place in product(*axes)
        ]

    def _groups(self, ends: NDArray[np.int64], plan: Order) -> Iterator[tuple[slice, Any, Any]]:
        """Yield rows of chunks wanted alike, the frames wanted in each, and their rows of the result."""
        start, stop, n = ends[0], ends[-1], len(ends) - 1
        inside, rows = plan.frames[start:stop] % self._chunks[0], as_slice(plan.rows[start:stop])
        count = (stop - start) // n
        if n == 1 or (
            (np.diff(ends) == count).all()
            and (count == 1 or isinstance(rows, slice))
            and (inside.reshape(n, count) == inside[:count]).all()
        ):
            yield slice(0, n), as_slice(inside[:count]), rows
            return
        for k in range(n):
            a, b = ends[k] - start, ends[k + 1] - start
            yield slice(k, k + 1), as_slice(inside[a:b]), as_slice(plan.rows[start:stop][a:b])

    def _load(self, rows: NDArray[np.int64], cells: list[int]) -> np.ndarray:
        """Return the chunks at these rows and cells of the grid: ``(rows, cells, *chunks)``."""
        place = (rows[:, None], cells)
        offsets, sizes = self._offsets[place].ravel(), self._sizes[place].ravel()
        pieces: list[Any] = [None] * len(offsets)
        order = np.argsort(offsets, kind="stable")
        order = order[sizes[order] > 0]
        starts, stops = offsets[order], offsets[order] + sizes[order]
        cut = np.concatenate(([0], np.flatnonzero(starts[1:] - stops[:-1] > GAP) + 1, [len(order)]))
        for a, b in zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True):
            if a == b:
                continue
            first = int(starts[a])
            data = memoryview(bytearray(int(stops[a:b].max()) - first))
            self._file.read_into([data], first, len(data))
            for k, i, j in zip(
                order[a:b].tolist(),
                (starts[a:b] - first).tolist(),
                (stops[a:b] - first).tolist(),
                strict=True,
            ):
                try:
                    pieces[k] = self._decode(data[i:j], self._nbytes)
                except ValueError as error:
                    at = int(rows[k // len(cells)]) * self._offsets.shape[1] + cells[k % len(cells)]
                    where = tuple(int(n) for n in np.unravel_index(at, self._grid))
                    raise FormatError(
                        self._file.path, f"chunk {where} at byte {first + i} is damaged: {error}"
                    ) from None
        if len(order) < len(pieces):
            blank = np.full(self._chunks, self._fill, self._stored).tobytes()
            pieces = [blank if piece is None else piece for piece in pieces]
        return np.frombuffer(b"".join(pieces), self._stored).reshape(len(rows), len(cells), *self._chunks)


def _place(block: np.ndarray, inside: Any, rows: Any, cells: list[Cell], out: np.ndarray) -> None:
    """Copy frames `inside` of each chunk in `block`, (rows, cells, *chunk), to `rows` of `out`."""
    for k, cell in enumerate(cells):
        part = block[:, k][:, inside][(slice(None), slice(None), *cell.source)]
        if len(part) == 1 or part.shape[1] == 1:
            out[(rows, *cell.target)] = part[0] if len(part) == 1 else part[:, 0]
        else:
            target = out[(rows, *cell.target)]
            target.reshape(part.shape)[...] = part


def as_slice(numbers: NDArray[np.int64]) -> Any:
    """Return evenly spaced numbers as a slice, which NumPy copies faster, others as they are."""
    steps = np.diff(numbers)
    if len(steps) and (steps[0] == 0 or (steps != steps[0]).any()):
        return numbers
    step = int(steps[0]) if len(steps) else 1
    stop = int(numbers[-1]) + (1 if step > 0 else -1)
    return slice(int(numbers[0]), stop if stop >= 0 else None, step)
