"""Frames lying one after another in a file, from an offset on: positioned reads into the result.

`read`, not `mmap`: the cost of a map swings with the state of the page cache, and a cold map with
4 KB faults is ten times slower; ``preadv`` copies each byte once, straight to where it belongs.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.select import BLOCK, Crop, blocks, frames_in, in_order, runs
from vidformats.storage.local import File
from vidformats.threads import share

GAP = 16 << 10
"""Unwanted bytes between two wanted ones up to which reading over them beats another system call."""

SMALL = 4 << 10
"""Frames below this many bytes are read together with what lies between them."""

WAITING = 4
"""Threads that wait for a cold disk in place of each that would copy from memory: what is under way at once is what
helps there. With 2, 4 and 8 of them, every 4th of 10,000 frames took 250, 190 and 150 ms; by a map, 340."""

TILE = 1 << 20
"""Bytes of a column-major file that are transposed at a time: two of them stay in the caches of most CPUs."""

PARALLEL = 4 << 20
"""Bytes below which starting a thread, and passing Python's lock between the two, cost more than they save."""

SHARE = 4 << 20
"""Bytes of a result that a thread fills at a time, at least. Fresh memory comes in huge pages of 2 MB, and two threads
that fill one of them both clear it: with shares of 1 MB a load took 1.2 to 1.3 times as long."""

MAX_AXES = 32
"""NumPy 1 makes no array of more."""

EMPTY_FRAMES = 1 << 20
"""Frames of no bytes that are believed: a shape like (10**12, 0) needs no file, but a number for each frame."""


def number_dtype(path: str | Path, dtype: Any) -> np.dtype:
    """Return the dtype that is meant; a `FormatError` where that is none of numbers."""
    try:
        stored = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:  # part of a name is read as Python source
        raise FormatError(path, f"names no dtype that NumPy knows: {error}") from None
    if stored.hasobject or stored.kind not in "biufc" or stored.itemsize == 0 or stored.subdtype:
        raise FormatError(path, f"holds {stored}, not numbers")
    return stored


def check_layout(path: str | Path, size: int, offset: int, shape: tuple[int, ...], dtype: Any) -> np.dtype:
    """Return the dtype if `size` bytes can hold such an array from `offset` on; nothing is allocated.

    Raises
    ------
    FormatError
        Where the file is too short for what is claimed, or the claim makes no sense.
    """
    stored = number_dtype(path, dtype)
    whole = prod(n or 1 for n in shape) * stored.itemsize  # NumPy's own limit counts the empty axes so
    empty = 0 in shape and (whole >= 1 << 63 or shape[0] > EMPTY_FRAMES)
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 0 or offset < 0 or empty:
        raise FormatError(path, f"claims the shape {tuple(shape)} at byte {offset}, which no video has")
    need = offset + prod(shape) * stored.itemsize
    if need > size:
        claim = f"{tuple(shape)} of {stored} from byte {offset} on needs {need}"
        raise FormatError(path, f"is cut short: it has {size} bytes, but {claim}")
    return stored


class _Placed(Reader):
    """An array of numbers that lies in a file from an offset on, checked against the file's size."""

    def __init__(
        self,
        path: str | Path | File,
        offset: int,
        shape: tuple[int, ...],
        dtype: Any,
        info: dict[str, Any] | None = None,
    ):
        self._file = path if isinstance(path, File) else File(path)
        self._offset, self._stored = offset, check_layout(self._file.path, self._file.size, offset, shape, dtype)
        self.shape, self.dtype, self.info = tuple(shape), self._stored.newbyteorder("="), info or {}
        self._frame_bytes = prod(shape[1:]) * self.dtype.itemsize


class ExtentReader(_Placed):
    """Reader of frames that lie one after another.

    Parameters
    ----------
    path : path-like or File
    offset : int, bytes
        Of the first frame.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    info : dict, optional

    Raises
    ------
    FormatError
        Where the file is too short for what is claimed; nothing was allocated.
    """

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Read whole frames straight into `out`, neighbours together."""
        if not out.size:
            return
        threads = threads if out.nbytes > PARALLEL else 1
        if self._frame_bytes < SMALL and len(frames) > 1:
            self._sieve(frames, out, threads)
        else:
            self._runs(frames, out, threads)
        if not self._stored.isnative:
            out.byteswap(inplace=True)

    def fetch_one(self, frame: int, out: np.ndarray) -> None:
        """Read one frame by one system call."""
        if out.size:
            self._file.read_into([out], self._offset + frame * self._frame_bytes, self._frame_bytes)
            if not self._stored.isnative:
                out.byteswap(inplace=True)

    def read(self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None = None, threads: int = 1) -> None:
        """Read frames, of a crop only the parts that hold it."""
        if not out.size:
            return
        if crop is None and out.flags.c_contiguous:
            self.fetch(frames, out, threads)
            return
        source, frames, out, crop = self._folded(frames, out, crop)
        if crop is None and out.flags.c_contiguous:
            source.fetch(frames, out, threads)
            return
        size = frames_in(BLOCK, source.shape[1:], self.dtype)

        def work(mine: Iterator[slice]) -> None:
            scratch = np.empty((min(size, len(frames)), *source.shape[1:]), self.dtype)
            for block in mine:
                part = scratch[: block.stop - block.start]
                source.fetch(frames[block], part, 1)
                out[block] = part if crop is None else part[(slice(None), *crop)]

        share(work, blocks(len(frames), size), threads if out.nbytes > PARALLEL else 1)

    def _folded(
        self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None
    ) -> tuple[ExtentReader, NDArray[np.int64], np.ndarray, Crop | None]:
        """See parts of frames as the frames, where that skips bytes: (T, C, H, W) is (T * C, H, W) too."""
        depth, inner = 0, self._frame_bytes
        for axis, (chosen, n) in enumerate(zip(crop or (), self.shape[1:], strict=False)):
            inner //= n
            if max(chosen.step - 1, chosen.start + n - chosen.stop) * inner >= GAP:
                depth = axis + 1
        if crop is None or not depth:
            return self, frames, out, crop
        folded = out.reshape(prod(out.shape[: depth + 1]), *out.shape[depth + 1 :])
        if not np.may_share_memory(folded, out):
            return self, frames, out, crop  # an axis runs backwards: the result has no one axis of parts
        for n, chosen in zip(self.shape[1 : depth + 1], crop[:depth], strict=True):
            frames = (frames[:, None] * n + np.arange(n)[chosen]).ravel()
        shape = (prod(self.shape[: depth + 1]), *self.shape[depth + 1 :])
        rest = crop[depth:]
        whole = rest == tuple(slice(0, n, 1) for n in shape[1:])
        return ExtentReader(self._file, self._offset, shape, self._stored), frames, folded, None if whole else rest

    def _runs(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        size, base = self._frame_bytes, self._offset
        flat = out.reshape(-1).view(np.uint8).data

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                bounds = runs(frames[block]) + block.start
                starts, stops = bounds[:-1], bounds[1:]
                offsets = base + frames[starts] * size
                pieces = zip((starts * size).tolist(), (stops * size).tolist(), offsets.tolist(), strict=True)
                self._file.read_pieces(flat, pieces)

        if threads > 1 and self._file.is_cold(base + int(frames[len(frames) // 2]) * size):
            threads *= WAITING
        share(work, _shares(len(frames), min(max(1, SHARE // size), -(-len(frames) // threads)), threads), threads)

    def _sieve(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Read small frames with what lies between them, and pick them out: one system call for many."""
        plan, size = in_order(frames), self._frame_bytes
        wanted = plan.frames
        far = np.flatnonzero((np.diff(wanted) - 1) * size > GAP) + 1
        cuts = np.flatnonzero(np.diff((wanted - wanted[0]) * size // BLOCK)) + 1
        bounds = np.unique(np.concatenate(([0], far, cuts, [len(wanted)])))

        def work(mine: Iterator[int]) -> None:
            scratch = np.empty(0, np.uint8)
            for k in mine:
                group = wanted[bounds[k] : bounds[k + 1]]
                count = int(group[-1] - group[0]) + 1
                if len(scratch) < count * size:
                    scratch = np.empty(count * size, np.uint8)
                span = scratch[: count * size]
                self._file.read_into([span], self._offset + int(group[0]) * size, len(span))
                pixels = span.view(self.dtype).reshape(count, *self.shape[1:])
                out[plan.rows[bounds[k] : bounds[k + 1]]] = pixels[group - group[0]]

        share(work, range(len(bounds) - 1), threads)
        plan.repeat(out)


def _shares(n: int, least: int, threads: int) -> Iterator[slice]:
    """Cut ``range(n)`` into shares, large ones first, so that all threads end at about the same time."""
    start = 0
    while start < n:
        size = max(least, (n - start) // (2 * threads))
        yield slice(start, min(start + size, n))
        start += size


class TurnedReader(Reader):
    """Reader of frames whose axes lie in another order than they are shown in.

    Parameters
    ----------
    reader : Reader
        Of the frames as they lie.
    axes : tuple of int
        As ``ndarray.transpose`` takes them; the first is 0.
    """

    def __init__(self, reader: Reader, axes: tuple[int, ...]):
        self._reader, self._back = reader, tuple(np.argsort(axes).tolist())
        self.shape, self.dtype, self.info = tuple(reader.shape[k] for k in axes), reader.dtype, reader.info

    def read(self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None = None, threads: int = 1) -> None:
        """Read as the frames lie, into the result seen that way."""
        crop = crop and tuple(crop[k - 1] for k in self._back[1:])
        self._reader.read(frames, out.transpose(self._back), crop, threads)


class StrewnReader(_Placed):
    """Reader of a column-major array, as MATLAB and Fortran write: every frame is strewn over the file.

    The file is mapped for the length of a read, since every page of it is needed and none of it twice: the
    wanted frames are picked from the map tile by tile, and each tile is transposed while it is in the caches.
    What is mapped counts as resident while it is read, but is the page cache's own memory; beside the
    result, a read takes some MB. Reading the tiles by ``preadv`` took 1.4 times as long.

    Parameters
    ----------
    path : path-like or File
    offset : int, bytes
        Of the first element.
    shape : tuple of int
        ``(T, ...)`` as the array is indexed; T varies fastest in the file.
    dtype : dtype-like
        As stored; big-endian is fine.
    info : dict, optional
    """

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Pick and transpose, tile by tile."""
        if not out.size:
            return
        plan = in_order(frames)
        n_picked, item = len(plan.frames), self.dtype.itemsize
        width = self.shape[-1] if len(self.shape) > 1 else 1
        lines = prod(self.shape[1:-1])  # the other axes of a frame, first axis fastest in the file
        order = np.arange(lines).reshape(self.shape[1:-1]).ravel(order="F")  # where each line stands in a frame
        result = out.reshape(len(frames), lines, width)
        end = self._offset + prod(self.shape) * item
        if os.fstat(self._file.fd).st_size < end:
            raise FormatError(self._file.path, f"has shrunk since it was opened; {end} bytes were expected")
        pages = mmap.mmap(self._file.fd, end, access=mmap.ACCESS_READ)
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
        share(work, parts, threads if prod(self.shape) * item > PARALLEL else 1)
        plan.repeat(out)

    def _columns(self, pages: mmap.mmap, frames: NDArray[np.int64], width: int, lines: int) -> Any:
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
