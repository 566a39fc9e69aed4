"""Compressed chunks with an index: only the wanted chunks are fetched, and each is decoded once.

The wanted chunks are cut into units of about a megabyte. A thread reads a unit with few system calls,
decodes its chunks one after another, and copies all chunks that lie at the same place of successive
frames by one assignment: with thousands of small chunks it is the calls that cost, not the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.codecs.base import Codec, decode
from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.readers.chunk_grid import cuts
from vidformats.readers.extent import GAP, as_slice
from vidformats.select import BLOCK, Crop, Plan, blocks
from vidformats.storage.base import ByteSource, coalesce
from vidformats.threads import SHARE, share, worth

UNIT = 1 << 20
"""Decoded bytes a thread handles at a time: a few such blocks fit into its CPU's cache."""

LARGE = 4 << 20
"""Bytes of a chunk from which on it is decoded in slabs, where it can be, so that memory stays bounded."""

SLACK = 64 << 10
"""Bytes that a chunk may take in the file beyond twice its decoded size: what claims more is damaged."""


class Group(NamedTuple):
    """Rows of chunks, the frames wanted inside each of them, and their rows of the result."""

    rows: slice
    inside: Any
    target: Any


class Cell(NamedTuple):
    """A place of the chunk grid within a frame.

    Attributes
    ----------
    number : int
    source : tuple of slice
        The part of the chunk that is wanted, without its first axis.
    item : dtype, optional
        The short rows of that part as one item each: NumPy copies those twice as fast.
    target : (N, ...) ndarray
        Where it goes in the result, seen as `item` too.
    """

    number: int
    source: Crop
    item: np.dtype | None
    target: np.ndarray

    def place(self, chunks: np.ndarray, inside: Any, rows: Any) -> None:
        """Copy frames `inside` of each of the `chunks` to `rows` of the result."""
        part = chunks[(slice(None), inside, *self.source)]
        if self.item is not None:
            part = part.view(self.item)
        if len(part) == 1:
            self.target[rows] = part[0]
        elif part.shape[1] == 1:
            self.target[rows] = part[:, 0]
        else:
            self.target[rows].reshape(part.shape)[...] = part


class ChunkReader(Reader):
    """Reader of an array cut into chunks of one shape.

    Parameters
    ----------
    source : ByteSource
    offsets : ndarray of int64, bytes
        Where each chunk lies in the file, by its position in the grid: ``ceil(shape / chunks)``.
    sizes : ndarray of int64, bytes
        As stored, of the same shape; 0 where a chunk is missing.
    chunks : tuple of int
        Shape of a chunk; those at the edges are stored whole.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    codecs : sequence of Codec
        What undoes the filters of a chunk, in the order in which they are undone. One codec with a method
        ``stream(parts)``, or none at all, decodes large chunks piecemeal; others decode them as a whole.
    fill : scalar
        What missing chunks hold.
    info : dict, optional

    Raises
    ------
    FormatError
        If a chunk is not in the file, or claims far more bytes than its array has.
    """

    maps = True

    def __init__(
        self,
        source: ByteSource,
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        chunks: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: Any,
        codecs: Sequence[Codec] = (),
        fill: Any = 0,
        info: dict[str, Any] | None = None,
    ):
        self.source, self._codecs, self._fill = source, codecs, fill
        self._stored = np.dtype(dtype)
        self._chunks, self._nbytes = chunks, prod(chunks) * self._stored.itemsize
        piecemeal = not codecs or (len(codecs) == 1 and hasattr(codecs[0], "stream"))
        self._piecemeal = piecemeal and self._nbytes >= LARGE
        self._grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
        # One row for each row of chunks, one column for each cell of a frame.
        self._offsets, self._sizes = (a.reshape(self._grid[0], prod(self._grid[1:])) for a in (offsets, sizes))
        if (sizes < 0).any() or ((offsets < 0) | (offsets > source.size - sizes))[sizes > 0].any():
            raise FormatError(source.url, f"ends at byte {source.size}, but its index names chunks beyond")
        if len(codecs) == 0 and ((sizes > 0) & (sizes != self._nbytes)).any():
            raise FormatError(source.url, f"has unfiltered chunks that are not of {self._nbytes} bytes")
        if sizes.size and int(sizes.max()) > 2 * self._nbytes + SLACK:
            raise FormatError(source.url, f"claims {int(sizes.max())} bytes for a chunk of {self._nbytes}")
        self.shape, self.dtype, self.info = shape, self._stored.newbyteorder("="), info or {}

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read whole frames."""
        self.read(plan, out, threads)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read frames, or a part of each: chunks outside that part are left alone."""
        cells = self._cells(plan.crop or tuple(slice(0, n, 1) for n in self.shape[1:]), out)
        if not len(plan.frames) or not cells:
            return
        numbers = plan.frames // self._chunks[0]
        bounds = np.concatenate(([0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)]))
        size = 1 if self._piecemeal else max(1, UNIT // self._nbytes)

        def units() -> Iterator[tuple[NDArray[np.int64], list[Group], list[Cell]]]:
            for rows in blocks(len(bounds) - 1, size // len(cells)):
                ends = bounds[rows.start : rows.stop + 1]
                groups = list(self._groups(ends, plan))
                # Chunks of one row are placed one by one, without a scratch: twice as many fit.
                for part in blocks(len(cells), size if self._piecemeal else 2 * size):
                    yield numbers[ends[:-1]], groups, cells[part]

        def work(items: Iterator[tuple[NDArray[np.int64], list[Group], list[Cell]]]) -> None:
            scratch = np.empty(0, np.uint8)
            for rows, groups, chosen in items:
                if self._piecemeal:
                    self._flow(int(rows[0]), chosen[0], groups[0])
                    continue
                pieces = self._load(rows, chosen)
                if len(rows) == 1:
                    for k, piece in pieces:
                        chunk = np.frombuffer(piece, self._stored).reshape(1, *self._chunks)
                        chosen[k].place(chunk, groups[0].inside, groups[0].target)
                    continue
                block = self._straight(groups, chosen, out)
                if straight := block is not None:
                    flat = memoryview(block)  # type: ignore[arg-type, unused-ignore]
                else:
                    if not len(scratch):
                        scratch = np.empty(size * self._nbytes, np.uint8)
                    flat = memoryview(scratch)  # type: ignore[arg-type, unused-ignore]
                for k, piece in pieces:
                    flat[k * self._nbytes : (k + 1) * self._nbytes] = piece
                if straight:
                    continue
                shape = (len(rows), len(chosen), *self._chunks)
                chunks = np.frombuffer(flat, self._stored, prod(shape)).reshape(shape)
                for group in groups:
                    for k, cell in enumerate(chosen):
                        cell.place(chunks[group.rows, k], group.inside, group.target)

        n_chunks = len(cells) * (len(bounds) - 1)
        share(
            work,
            units(),
            worth(threads, n_chunks * self._nbytes, -(-n_chunks // size), UNIT if self._codecs else SHARE),
        )

    def _straight(self, groups: list[Group], cells: list[Cell], out: np.ndarray) -> np.ndarray | None:
        """Return the bytes of the result that whole frames fill just as they are; None elsewhere."""
        group = groups[0]
        if (
            len(groups) == 1
            and self._chunks == (1, *out.shape[1:])
            and self._chunks[1:] == self.shape[1:]
            and isinstance(group.target, slice)
            and group.target.step == 1
            and out.flags.c_contiguous
            and out.dtype == self._stored
        ):
            return out[group.target].reshape(-1).view(np.uint8)
        return None

    def _cells(self, crop: Crop, out: np.ndarray) -> list[Cell]:
        """Return the places of the grid that `crop` touches."""
        axes = [cuts(part, n, c) for part, n, c in zip(crop, self.shape[1:], self._chunks[1:], strict=True)]
        steps = [prod(self._grid[axis + 1 :]) for axis in range(1, len(self._grid))]
        rows_of_bytes = out.ndim > 1 and out.dtype == self._stored and crop[-1].step == 1
        rows_of_bytes = rows_of_bytes and out.strides[-1] == out.itemsize
        cells = []
        for place in product(*axes):
            target, item = out[(slice(None), *(cut.target for cut in place))], None
            if rows_of_bytes:
                item = np.dtype((np.void, target.shape[-1] * out.itemsize))
                target = target.view(item)
            number = sum(cut.number * step for cut, step in zip(place, steps, strict=True))
            cells.append(Cell(number, tuple(cut.source for cut in place), item, target))
        return cells

    def _groups(self, ends: NDArray[np.int64], plan: Plan) -> Iterator[Group]:
        """Yield the rows of chunks between `ends`, those together that are wanted alike."""
        start, stop, n = ends[0], ends[-1], len(ends) - 1
        inside, rows = plan.frames[start:stop] % self._chunks[0], as_slice(plan.rows[start:stop])
        count = (stop - start) // n
        if n == 1 or (
            (np.diff(ends) == count).all()
            and (count == 1 or isinstance(rows, slice))
            and (inside.reshape(n, count) == inside[:count]).all()
        ):
            yield Group(slice(0, n), as_slice(inside[:count]), rows)
            return
        for k in range(n):
            a, b = ends[k] - start, ends[k + 1] - start
            yield Group(slice(k, k + 1), as_slice(inside[a:b]), as_slice(plan.rows[start:stop][a:b]))

    def _load(self, rows: NDArray[np.int64], cells: list[Cell]) -> Iterator[tuple[int, memoryview]]:
        """Yield the chunks at these rows and cells of the grid, each with its place among them, as the file has them.

        Each is valid until the next one is asked for. Chunks that are neighbours in the file, or nearly, are read
        together.
        """
        place = (rows[:, None], [cell.number for cell in cells])
        offsets, sizes = self._offsets[place].ravel(), self._sizes[place].ravel()
        order = np.argsort(offsets, kind="stable")
        for k in np.flatnonzero(sizes == 0).tolist():
            yield k, memoryview(self._blank().tobytes())
        order = order[sizes[order] > 0]
        starts, stops = offsets[order], offsets[order] + sizes[order]
        groups = coalesce(starts, sizes[order], GAP, BLOCK)
        bounds, pages, packed = groups.bounds.tolist(), self.source.view(), bytearray()
        for g, (begin, end) in enumerate(zip(groups.begins.tolist(), groups.ends.tolist(), strict=True)):
            if pages is not None:
                view = pages[begin:end]
            else:
                if len(packed) < end - begin:
                    packed = bytearray(end - begin)
                view = memoryview(packed)[: end - begin]
                self.source.read_into(begin, view)
            chosen = slice(bounds[g], bounds[g + 1])
            for k, i, j in zip(order[chosen].tolist(), starts[chosen].tolist(), stops[chosen].tolist(), strict=True):
                try:
                    yield k, decode(self._codecs, view[i - begin : j - begin], self._nbytes)
                except ValueError as error:
                    raise self._damaged(int(rows[k // len(cells)]), cells[k % len(cells)], error) from None

    def _flow(self, row: int, cell: Cell, group: Group) -> None:
        """Decode a large chunk slab by slab."""
        begin, size = int(self._offsets[row, cell.number]), int(self._sizes[row, cell.number])
        if not size:
            cell.place(self._blank(1), slice(0, 1), group.target)
            return
        wanted, targets = (
            np.arange(n)[k] for n, k in ((self._chunks[0], group.inside), (len(cell.target), group.target))
        )
        frame, held, done = self._nbytes // self._chunks[0], bytearray(), 0
        parts: Any = (self.source.read(min(UNIT, begin + size - at), at) for at in range(begin, begin + size, UNIT))
        if self._codecs:
            parts = self._codecs[0].stream(parts)  # type: ignore[attr-defined]
        try:
            for part in parts:
                held += part
                n = len(held) // frame
                if n * frame >= min(UNIT, self._nbytes - done * frame):
                    slab = np.frombuffer(bytes(held[: n * frame]), self._stored).reshape(1, n, *self._chunks[1:])
                    del held[: n * frame]
                    a, b = np.searchsorted(wanted, (done, done + n))
                    if b > a:
                        cell.place(slab, as_slice(wanted[a:b] - done), as_slice(targets[a:b]))
                    done += n
        except ValueError as error:
            raise self._damaged(row, cell, error) from None

    def _damaged(self, row: int, cell: Cell, error: ValueError) -> FormatError:
        position = tuple(int(n) for n in np.unravel_index(row * self._offsets.shape[1] + cell.number, self._grid))
        at = self._offsets[row, cell.number]
        return FormatError(self.source.url, f"chunk {position} at byte {at} is damaged: {error}")

    def _blank(self, n: int | None = None) -> np.ndarray:
        """Return the first `n` frames of a missing chunk."""
        return np.full((1, n or self._chunks[0], *self._chunks[1:]), self._fill, self._stored)
