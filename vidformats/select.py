"""From a NumPy index to the frames that have to be read: pure functions, no files.

>>> chosen = select((slice(None, None, -2), 0), (5, 3, 4, 4))
>>> chosen.frames.tolist(), chosen.shape
([4, 2, 0], (3, 4, 4))
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Crop = tuple[slice, ...]
"""One slice with a positive step for each axis of a frame."""


BLOCK = 4 << 20
"""Bytes handled at a time where a copy in between can't be avoided: inside the caches of most CPUs."""


class Selection(NamedTuple):
    """What an index asks for, in the terms a reader understands.

    Attributes
    ----------
    frames : (N,) ndarray of int64
        The frames to read, in the order of the result; they may repeat.
    crop : tuple of slice, or None
        The part of each frame, one slice with a positive step an axis; None means all of it.
    flips : tuple of slice
        The same axes seen by the result: ``slice(None, None, -1)`` where the index ran backwards.
    lengths : tuple of int
        Shape of one cropped frame, before integers drop their axes.
    shape : tuple of int
        Shape of the result, exactly NumPy's.
    span : slice or None
        The frames as a slice with a positive step, if that is what the index was.
    """

    frames: NDArray[np.int64]
    crop: Crop | None
    flips: Crop
    lengths: tuple[int, ...]
    shape: tuple[int, ...]
    span: slice | None = None

    def plan(self) -> Plan:
        """Return what a reader has to read."""
        if self.span is not None:
            return Plan(self.frames, np.arange(len(self.frames)), _NONE, self.crop, self.span)
        return plan(self.frames, self.crop)

    def target(self, result: np.ndarray) -> np.ndarray:
        """Return `result` as a reader fills it: ``(N, *lengths)``, every axis forwards, no copy."""
        return result.reshape((len(self.frames), *self.lengths))[(slice(None), *self.flips)]


def select(index: Any, shape: tuple[int, ...]) -> Selection:
    """Translate a NumPy index on an array of `shape` into a `Selection`.

    Parameters
    ----------
    index : int, slice, list of int, boolean mask, Ellipsis, None, or a tuple of them
        Anything NumPy takes on the first axis (an integer array may have several dimensions), and
        basic indexing (integers, slices) on the others.
    shape : tuple of int
        ``(T, ...)``, shape of the video.

    Raises
    ------
    IndexError
        Where NumPy raises it, and for advanced indexing behind the first axis.
    """
    if type(index) is slice:  # by far the most frequent: a window
        frames, picked = frame_numbers(index, shape[0])
        flips = (slice(None),) * (len(shape) - 1)
        return Selection(frames, None, flips, shape[1:], (*picked, *shape[1:]), _span(index, shape[0]))
    given = index if isinstance(index, tuple) else (index,)
    items = _expand(given, len(shape))
    first = next(k for k, item in enumerate(items) if item is not None)
    frames, frame_dims = frame_numbers(items[first], shape[0])
    parts = [
        _part(item, n) for item, n in zip([i for i in items[first + 1 :] if i is not None], shape[1:], strict=True)
    ]
    crop, flips, lengths = (tuple(column) for column in zip(*parts, strict=True)) if parts else ((), (), ())

    dims: list[tuple[int, ...]] = []
    remaining = iter(lengths)
    for k, item in enumerate(items):
        if item is None:
            dims.append((1,))
        elif k == first:
            dims.append(frame_dims)
        else:
            n = next(remaining)
            dims.append((n,) if isinstance(item, slice) else ())
    if _is_array(items[first]):
        # NumPy counts an integer as an advanced index beside an array, and moves the array's axes to
        # the front where the two are separated, be it by an Ellipsis that stands for no axis:
        # a[None, [1, 2], :, 3] has shape (2, 1, C, W).
        advanced = [k for k, i in enumerate(given) if not (i is None or i is Ellipsis or isinstance(i, slice))]
        if advanced[-1] - advanced[0] >= len(advanced):
            dims.insert(0, dims.pop(first))
    whole = crop == tuple(slice(0, n, 1) for n in shape[1:])
    return Selection(frames, None if whole else crop, flips, lengths, sum(dims, ()), _span(items[first], shape[0]))


def _span(item: Any, n: int) -> slice | None:
    if not isinstance(item, slice):
        return None
    start, stop, step = item.indices(n)
    return slice(start, stop, step) if step > 0 and start < stop else None


def frame_numbers(item: Any, n_frames: int) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Return the frames that `item` picks from the first axis, and the axes they make in the result."""
    if isinstance(item, slice):
        frames = np.arange(*item.indices(n_frames), dtype=np.int64)
        return frames, frames.shape
    if isinstance(item, (bool, np.bool_)):
        raise IndexError("a single boolean does not choose a frame; use an integer, a slice, a list or a mask")
    if not _is_array(item):
        return np.array([_integer(item, n_frames, 0)], np.int64), ()
    array = np.asarray(item)
    if array.dtype == bool:
        if array.shape != (n_frames,):
            raise IndexError(f"a mask of shape {array.shape} does not fit {n_frames} frames")
        array = np.flatnonzero(array)
    elif array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise IndexError(f"frames are chosen by integers or booleans, not by {array.dtype}")
    bad = (array < -n_frames) | (array >= n_frames)
    if bad.any():
        raise IndexError(f"frame {array[bad].flat[0]} is out of bounds for a video of {n_frames} frames")
    array = array.astype(np.int64, copy=False)
    return np.where(array < 0, array + n_frames, array).ravel(), array.shape


def _is_array(item: Any) -> bool:
    return (
        isinstance(item, Sequence)
        or (isinstance(item, np.ndarray) and item.ndim > 0)
        or (not isinstance(item, (np.generic, np.ndarray)) and hasattr(item, "__array__"))
    )


def _expand(items: tuple[Any, ...], ndim: int) -> list[Any]:
    """Replace the Ellipsis and the missing end by full slices."""
    given = sum(item is not None and item is not Ellipsis for item in items)
    if given > ndim:
        raise IndexError(f"too many indices: the video has {ndim} axes, but {given} were indexed")
    ellipses = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = ellipses[0] if ellipses else len(items)
    return [*items[:at], *[slice(None)] * (ndim - given), *items[at + 1 :]]


def _part(item: Any, n: int) -> tuple[slice, slice, int]:
    """Return the forward slice of an axis of length `n`, how the result sees it, and its length."""
    if not isinstance(item, slice):
        if _is_array(item) or isinstance(item, (bool, np.bool_)):
            raise IndexError("only integers and slices choose behind the first axis")
        at = _integer(item, n, 1)
        return slice(at, at + 1, 1), slice(None), 1
    positions = range(*item.indices(n))
    if not positions:
        return slice(0, 0, 1), slice(None), 0
    if positions.step > 0:
        return slice(positions[0], min(positions.stop, n), positions.step), slice(None), len(positions)
    return slice(positions[-1], positions[0] + 1, -positions.step), slice(None, None, -1), len(positions)


def _integer(item: Any, n: int, axis: int) -> int:
    try:
        at = operator.index(item)
    except TypeError:
        raise IndexError(f"integers, slices, lists and masks choose frames, not {type(item).__name__}") from None
    if not -n <= at < n:
        what = "frame" if axis == 0 else "position"
        raise IndexError(f"{what} {at} is out of bounds for {n}")
    return at % n


def runs(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the boundaries of the runs of neighbours: ``frames[b[i]:b[i+1]]`` count up by one.

    Examples
    --------
    >>> runs(np.array([4, 5, 6, 9, 10])).tolist()
    [0, 3, 5]
    """
    if not len(frames):
        return np.zeros(1, np.int64)
    return np.concatenate(([0], np.flatnonzero(np.diff(frames) != 1) + 1, [len(frames)]))


class Plan(NamedTuple):
    """What a reader reads: every frame once, front to back, and where each goes.

    Attributes
    ----------
    frames : (M,) ndarray of int64
        Distinct frames in rising order.
    rows : (M,) ndarray of int64
        The row of the result into which each of them goes.
    copies : (K, 2) ndarray of int64
        ``(row, copied from row)`` for every repeated frame. Whoever made the plan copies them.
    crop : tuple of slice, or None
        The part of each frame, one slice with a positive step for each axis; None means all of it.
    span : slice, or None
        The frames as a slice, if they are evenly spaced and fill the rows from the first to the last; None if that
        is not known.
    """

    frames: NDArray[np.int64]
    rows: NDArray[np.int64]
    copies: NDArray[np.int64]
    crop: Crop | None = None
    span: slice | None = None

    @property
    def in_rows(self) -> bool:
        """Whether the frames fill the rows of the result from the first to the last."""
        return self.span is not None or bool((self.rows == np.arange(len(self.rows))).all())

    def part(self, block: slice) -> Plan:
        """Return the plan of some of the frames, into the same rows."""
        return self._replace(frames=self.frames[block], rows=self.rows[block], span=None)

    def repeat(self, out: np.ndarray) -> None:
        """Copy each repeated frame to its other rows."""
        for row, source in self.copies:
            out[row] = out[source]


_NONE = np.empty((0, 2), np.int64)


def plan(frames: NDArray[np.int64], crop: Crop | None = None) -> Plan:
    """Plan a request so that every frame is read once, front to back.

    Parameters
    ----------
    frames : (N,) ndarray of int64
        Within range, in the order of the result; they may repeat.
    crop : tuple of slice, optional

    Examples
    --------
    >>> chosen = plan(np.array([9, 3, 3]))
    >>> chosen.frames.tolist(), chosen.rows.tolist(), chosen.copies.tolist()
    ([3, 9], [1, 0], [[2, 1]])
    """
    if len(frames) < 2 or (frames[1:] > frames[:-1]).all():
        return Plan(frames, np.arange(len(frames)), _NONE, crop)
    distinct, rows, inverse = np.unique(frames, return_index=True, return_inverse=True)
    source = rows[inverse]
    again = np.flatnonzero(source != np.arange(len(frames)))
    return Plan(distinct, rows, np.stack([again, source[again]], axis=1), crop)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut ``range(n)`` into slices of at most `size`."""
    for start in range(0, n, max(size, 1)):
        yield slice(start, min(start + max(size, 1), n))


def frames_in(nbytes: int, frame_shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return how many frames fit into `nbytes`, at least one."""
    return max(1, nbytes // max(1, prod(frame_shape) * dtype.itemsize))
