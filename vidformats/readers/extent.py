"""Frames that are contiguous in a file, one after another from an offset on: positioned reads into the result.

`read`, not `mmap`: the cost of a map swings with the state of the page cache, and a cold map with
4 KB faults is ten times slower; ``preadv`` copies each byte once, straight to where it belongs. Only a map
that stays open beats it, so that is what ``vf.open(..., mapped=True)`` keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.select import BLOCK, Crop, Plan, runs
from vidformats.storage.base import ByteSource, coalesce
from vidformats.threads import SHARE, share, worth

GAP = 16 << 10
"""Unwanted bytes between two wanted ones up to which reading over them beats another system call."""

SMALL = 4 << 10
"""Frames below this many bytes are read together with what lies between them."""

WAITING, MOST_WAITING = 4, 32
"""Threads that wait for a cold disk in place of each that would copy from memory, and how many at most: what is under
way at once is what helps there. With 2, 4 and 8 of them, every 4th of 10,000 frames took 250, 190 and 150 ms; by a
map, 340."""

MAX_AXES = 32
"""NumPy 1 makes no array of more."""

EMPTY_FRAMES = 1 << 20
"""Frames of no bytes that are believed: a shape like (10**12, 0) needs no file, but a number for each frame."""


def number_dtype(path: str, dtype: Any) -> np.dtype:
    """Return the dtype that is meant; a `FormatError` where that is none of numbers."""
    if isinstance(dtype, str) and not dtype.isprintable():
        raise FormatError(path, f"names no dtype that NumPy knows: {dtype!r}")  # "\0" is NumPy's number of bool
    try:
        stored: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:  # part of a name is read as Python source
        raise FormatError(path, f"names no dtype that NumPy knows: {error}") from None
    if stored.hasobject or stored.kind not in "biufc" or stored.itemsize == 0 or stored.subdtype:
        raise FormatError(path, f"holds {stored}, not numbers")
    return stored


def check_shape(path: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise `FormatError` if NumPy makes no such array, or if it is empty and yet has a great many frames."""
    whole = prod(n or 1 for n in shape) * dtype.itemsize  # NumPy's own limit counts the empty axes so
    many = 0 in shape and shape[0] > EMPTY_FRAMES
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 0 or whole >= 1 << 63 or many:
        raise FormatError(path, f"claims the shape {tuple(shape)} of {dtype}, which no video has")


def check_layout(path: str, size: int, offset: int, shape: tuple[int, ...], dtype: Any) -> np.dtype:
    """Return the dtype if `size` bytes can hold such an array from `offset` on; nothing is allocated.

    Raises
    ------
    FormatError
        Where the file is too short for what is claimed, or the claim makes no sense.
    """
    stored = number_dtype(path, dtype)
    check_shape(path, shape, stored)
    if offset < 0:
        raise FormatError(path, f"claims an array at byte {offset}")
    need = offset + prod(shape) * stored.itemsize
    if need > size:
        claim = f"{tuple(shape)} of {stored} from byte {offset} on needs {need}"
        raise FormatError(path, f"is cut short: it has {size} bytes, but {claim}")
    return stored


class Placed(Reader):
    """An array of numbers that lies in a source from an offset on, checked against the source's size.

    Parameters
    ----------
    source : ByteSource
    offset : int, bytes
        Of the first element.
    shape : tuple of int
    dtype : dtype-like
        As stored; big-endian is fine.
    info : dict, optional

    Raises
    ------
    FormatError
        If the file is too short for what is claimed; nothing was allocated.
    """

    locks, maps = False, True

    def __init__(
        self, source: ByteSource, offset: int, shape: tuple[int, ...], dtype: Any, info: dict[str, Any] | None = None
    ):
        self.source, self._offset = source, offset
        self._stored = check_layout(source.url, source.size, offset, shape, dtype)
        self.shape, self.dtype, self.info = tuple(shape), self._stored.newbyteorder("="), info or {}
        self._frame_bytes = prod(shape[1:]) * self.dtype.itemsize


class ExtentReader(Placed):
    """Reader of contiguous frames; see `Placed` for the parameters."""

    def __init__(
        self, source: ByteSource, offset: int, shape: tuple[int, ...], dtype: Any, info: dict[str, Any] | None = None
    ):
        super().__init__(source, offset, shape, dtype, info)
        pages = source.view()
        self._mapped = None if pages is None else np.ndarray(self.shape, self._stored, pages, offset)

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read whole frames straight into `out`, neighbours together."""
        if not out.size:
            return
        if self._mapped is not None:
            self._copy(self._mapped, plan, out, threads)
            return
        size, span = self._frame_bytes, plan.span
        if size < SMALL and len(plan.frames) > 1:
            self._sieve(plan, out, threads)
        elif span is not None and span.step > 1 and out.nbytes < 2 * SHARE and not self._waits(span.start, threads):
            # A window: one thread, and nothing but a system call for each frame.
            self.source.read_strided(self._offset + span.start * size, span.step * size, _as_bytes(out))
        else:
            self._runs(plan, out, threads)
        if not self._stored.isnative:
            out.byteswap(inplace=True)

    def fetch_one(self, frame: int, out: np.ndarray, threads: int = 1) -> None:
        """Read one frame by one system call."""
        if self._mapped is not None:
            out[...] = self._mapped[frame]
        elif out.size:
            self.source.read_into(self._offset + frame * self._frame_bytes, out)
            if not self._stored.isnative:
                out.byteswap(inplace=True)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read frames, of a crop only the parts that hold it."""
        if not out.size:
            return
        if plan.crop is None and out.flags.c_contiguous:
            self.fetch(plan, out, threads)
        elif self._mapped is not None:
            self._copy(self._mapped, plan, out, threads)
        elif plan.crop is not None and out.flags.c_contiguous and self._parts(plan, plan.crop, out, threads):
            if not self._stored.isnative:
                out.byteswap(inplace=True)
        elif (folded := self._folded(plan, out)) is not None:
            reader, plan, out = folded
            reader.read(plan, out, threads)
        else:
            super().read(plan, out, worth(threads, len(plan.frames) * self._frame_bytes, len(plan.frames)))

    def _copy(self, pages: np.ndarray, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Copy frames from the map."""
        crop, whole = plan.crop or (), plan.crop is None and out.flags.c_contiguous and self._stored.isnative
        in_rows, n = plan.in_rows, len(plan.frames)

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                frames, rows = as_slice(plan.frames[block]), block if in_rows else as_slice(plan.rows[block])
                if isinstance(frames, slice) and isinstance(rows, slice):
                    out[rows] = pages[(frames, *crop)]
                elif whole and isinstance(rows, slice) and rows.step in (None, 1):
                    np.take(pages, frames, axis=0, out=out[rows], mode="clip")  # the other modes copy twice
                else:
                    for frame, row in zip(plan.frames[block].tolist(), plan.rows[block].tolist(), strict=True):
                        out[row] = pages[(frame, *crop)]

        threads = worth(threads, out.nbytes, n)
        if threads == 1 and plan.span is not None:
            out[...] = pages[(plan.span, *crop)]
        else:
            share(work, _shares(n, max(1, SHARE // max(1, self._frame_bytes)), threads), threads)

    def _parts(self, plan: Plan, crop: Crop, out: np.ndarray, threads: int) -> bool:
        """Read crops that leave each frame in contiguous parts, such as rows of an image; tell whether they do."""
        cropped = [axis for axis, n in enumerate(self.shape[1:]) if crop[axis] != slice(0, n, 1)]
        last = cropped[-1] if cropped else 0
        inner = prod(self.shape[last + 2 :]) * self.dtype.itemsize
        nbytes = (crop[last].stop - crop[last].start) * inner
        if crop[last].step != 1 or nbytes < SMALL:
            return False
        step, row = self._frame_bytes, out[0].nbytes
        offsets, places = self._offset + plan.frames * step + crop[last].start * inner, plan.rows * row
        for n, chosen in zip(self.shape[1 : last + 1], crop[:last], strict=True):
            picked = np.arange(n)[chosen]
            step, row = step // n, row // len(picked)
            offsets = (offsets[:, None] + picked * step).ravel()
            places = (places[:, None] + np.arange(len(picked)) * row).ravel()
        flat = out.reshape(-1).view(np.uint8).data

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                views = [flat[start : start + nbytes] for start in places[block].tolist()]
                self.source.read_ranges(zip(offsets[block].tolist(), views, strict=True))

        n = len(offsets)
        threads = self._threads(threads, out.nbytes, int(plan.frames[len(plan.frames) // 2]), n)
        share(work, _shares(n, max(1, min(SHARE // nbytes, n // threads)), threads), threads)
        return True

    def _folded(self, plan: Plan, out: np.ndarray) -> tuple[ExtentReader, Plan, np.ndarray] | None:
        """See parts of frames as the frames if that skips bytes: (T, C, H, W) is (T * C, H, W) too."""
        depth, inner = 0, self._frame_bytes
        for axis, (chosen, n) in enumerate(zip(plan.crop or (), self.shape[1:], strict=False)):
            inner //= n
            if max(chosen.step - 1, chosen.start + n - chosen.stop) * inner >= GAP:
                depth = axis + 1
        if plan.crop is None or not depth:
            return None
        folded = out.reshape(prod(out.shape[: depth + 1]), *out.shape[depth + 1 :])
        if not np.may_share_memory(folded, out):
            return None  # an axis runs backwards: the result has no one axis of parts
        frames, rows = plan.frames, plan.rows
        for n, chosen in zip(self.shape[1 : depth + 1], plan.crop[:depth], strict=True):
            picked = np.arange(n)[chosen]
            frames = (frames[:, None] * n + picked).ravel()
            rows = (rows[:, None] * len(picked) + np.arange(len(picked))).ravel()
        shape = (prod(self.shape[: depth + 1]), *self.shape[depth + 1 :])
        rest: Crop | None = plan.crop[depth:]
        if rest == tuple(slice(0, n, 1) for n in shape[1:]):
            rest = None
        return (
            ExtentReader(self.source, self._offset, shape, self._stored),
            Plan(frames, rows, plan.copies[:0], rest),
            folded,
        )

    def _waits(self, frame: int, threads: int) -> bool:
        """Tell whether a frame has to come from the disk, and several threads may wait for it."""
        return threads > 1 and self.source.is_cold(self._offset + frame * self._frame_bytes)

    def _threads(self, threads: int, nbytes: int, frame: int, n: int) -> int:
        """Return how many threads pay off for `n` pieces: more than may copy if `frame`, one of them, is cold."""
        return min(threads * WAITING, MOST_WAITING, n) if self._waits(frame, threads) else worth(threads, nbytes, n)

    def _runs(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        size, base, n, in_rows = self._frame_bytes, self._offset, len(plan.frames), plan.in_rows
        flat = out.reshape(-1).view(np.uint8).data

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                frames, rows = plan.frames[block], plan.rows[block]
                # A run is contiguous in the file and in the result.
                bounds = runs(frames) if in_rows else np.union1d(runs(frames), runs(rows))
                starts, counts = bounds[:-1], np.diff(bounds)
                offsets, places, lengths = base + frames[starts] * size, rows[starts] * size, counts * size
                stops = (places + lengths).tolist()
                views = [flat[start:stop] for start, stop in zip(places.tolist(), stops, strict=True)]
                self.source.read_ranges(zip(offsets.tolist(), views, strict=True))

        threads = self._threads(threads, out.nbytes, int(plan.frames[n // 2]), n)
        share(work, _shares(n, min(max(1, SHARE // size), -(-n // threads)), threads), threads)

    def _sieve(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read small frames with what lies between them, and pick them out: one system call for many."""
        size, wanted = self._frame_bytes, plan.frames
        groups = coalesce(wanted * size, np.full(len(wanted), size), GAP, BLOCK)
        bounds = groups.bounds.tolist()

        def work(mine: Iterator[int]) -> None:
            scratch = np.empty(0, np.uint8)
            for k in mine:
                group = wanted[bounds[k] : bounds[k + 1]]
                nbytes = int(groups.ends[k] - groups.begins[k])
                if len(scratch) < nbytes:
                    scratch = np.empty(nbytes, np.uint8)
                span = scratch[:nbytes]
                self.source.read_into(self._offset + int(groups.begins[k]), span.data)
                pixels = span.view(self.dtype).reshape(-1, *self.shape[1:])
                out[plan.rows[bounds[k] : bounds[k + 1]]] = pixels[group - group[0]]

        n = len(bounds) - 1
        share(work, range(n), worth(threads, int((groups.ends - groups.begins).sum()), n))


def _as_bytes(out: np.ndarray) -> np.ndarray:
    """See each frame of the result as a row of bytes."""
    return out.reshape(len(out), -1).view(np.uint8)


def _shares(n: int, least: int, threads: int) -> Iterator[slice]:
    """Cut ``range(n)`` into shares, large ones first, so that all threads end at about the same time."""
    start = 0
    while start < n:
        size = max(least, (n - start) // (2 * threads))
        yield slice(start, min(start + size, n))
        start += size


def as_slice(numbers: NDArray[np.int64]) -> Any:
    """Return evenly spaced numbers as a slice, which NumPy copies faster, others as they are.

    Examples
    --------
    >>> as_slice(np.array([4, 7, 10])), as_slice(np.array([4, 7, 9])).tolist()
    (slice(4, 11, 3), [4, 7, 9])
    """
    steps = np.diff(numbers)
    if len(steps) and (steps[0] == 0 or (steps != steps[0]).any()):
        return numbers
    step = int(steps[0]) if len(steps) else 1
    stop = int(numbers[-1]) + (1 if step > 0 else -1)
    return slice(int(numbers[0]), stop if stop >= 0 else None, step)


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
        self.source, self.maps = reader.source, reader.maps

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read as the frames lie, into the result seen that way."""
        crop = plan.crop and tuple(plan.crop[k - 1] for k in self._back[1:])
        self._reader.read(plan._replace(crop=crop), out.transpose(self._back), threads)
