"""What is to be written: an array, a `Video`, or an iterable of frames, seen alike."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import Any

import numpy as np

from vidformats.select import BLOCK, blocks, frames_in
from vidformats.timing import timing_of


class Source:
    """What is to be written: an array, a `Video`, or an iterable of frames.

    Attributes
    ----------
    shape : tuple of int or None
        ``(T, ...)``; T is None for an iterable whose length is not known.
    dtype : numpy.dtype
    array : ndarray or None
        The whole video where it is in memory already.
    timing : Timing or None
        When the frames are shown, as the caller says, or as a `Video` knows.
    written : int
        Number of frames; of an iterable of unknown length, once all have come.
    """

    def __init__(self, video: Any, n_frames: int | None = None, fps: float | None = None, times: Any = None):
        self.array: np.ndarray | None = None
        self.timing, n_times = timing_of(video, fps, times, n_frames)
        if n_frames is not None and operator.index(n_frames) < 0:
            raise ValueError(f"n_frames must be >= 0, got {n_frames}")
        if isinstance(video, (str, bytes, bytearray, Mapping, Set)):
            raise TypeError(f"expected an array, a Video or an iterable of frames, got {type(video).__name__}")
        if not isinstance(video, np.ndarray) and hasattr(video, "__array__") and not _is_stored(video):
            video = np.asanyarray(video)
        if isinstance(video, np.ndarray):
            if video.ndim == 0:
                raise ValueError("expected frames on the first axis, got an array without axes")
            self.array = _plain(video)
            self.shape: tuple[Any, ...] = video.shape
            self.dtype = video.dtype
        elif _is_stored(video):
            if not all(n == n for n in video.shape):  # NaN: Dask's word for what it will only know when it computes
                cure = "of a Dask array call compute_chunk_sizes() first"
                raise ValueError(f"expected an array whose shape is known, got {tuple(video.shape)}; {cure}")
            self.shape, self.dtype, self._items = tuple(map(int, video.shape)), np.dtype(video.dtype), video
        elif isinstance(video, Iterable):
            n = n_frames if n_frames is not None else len(video) if isinstance(video, Sequence) else n_times
            self._frames = iter(video)
            try:
                self._first = _plain(next(self._frames))
            except StopIteration:
                raise ValueError(
                    "an empty iterable tells no shape of frames; pass an array of shape (0, ...)"
                ) from None
            self.shape, self.dtype = (n, *self._first.shape), self._first.dtype
        else:
            raise TypeError(f"expected an array, a Video or an iterable of frames, got {type(video).__name__}")
        if self.dtype.hasobject or self.dtype.kind not in "biufc":
            raise ValueError(f"expected numbers, got dtype {self.dtype}")
        if n_frames is not None and n_frames != self.shape[0]:
            raise ValueError(f"expected {n_frames} frames (n_frames={n_frames}), got {self.shape[0]}")
        self.written: int = self.shape[0] or 0
        if n_times not in (None, self.shape[0]):
            raise ValueError(f"expected {n_times} frames, as many as times=, got {self.shape[0]}")

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return self.shape[1:]

    def blocks(self, nbytes: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield C-contiguous arrays of consecutive frames, of about `nbytes` each.

        Each is valid until the next one is asked for.
        """
        size = frames_in(nbytes, self.frame_shape, self.dtype)
        if self.array is not None or hasattr(self, "_items"):
            items = self.array if self.array is not None else self._items
            for block in blocks(self.shape[0], size):
                yield self._checked(items[block], block.start, (block.stop - block.start, *self.frame_shape))
            return
        buffer, filled, total = np.empty((size, *self.frame_shape), self.dtype), 0, 0
        for item in chain([self._first], self._frames):
            if total == self.shape[0]:
                raise ValueError(f"expected {total} frames, got more")
            buffer[filled] = self._checked(item, total, self.frame_shape)
            filled, total = filled + 1, total + 1
            if filled == size:
                yield buffer
                filled = 0
        if filled:
            yield buffer[:filled]
        self.written = total
        if self.shape[0] is not None and total != self.shape[0]:
            raise ValueError(f"expected {self.shape[0]} frames, got {total}")

    def _checked(self, item: Any, frame: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return what the source gave as a C-contiguous array, if it is what the source announced."""
        array = _plain(item)
        if array.shape != shape or array.dtype.newbyteorder("=") != self.dtype.newbyteorder("="):
            got = f"{array.shape} of {array.dtype}"
            if array.dtype == object:  # what NumPy makes of a thing that it can't read, such as a sparse matrix
                got = type(item).__name__
            raise ValueError(f"frame {frame}: expected {shape} of {self.dtype} as announced, got {got}")
        return np.asarray(array, self.dtype, order="C")  # unlike ascontiguousarray, this keeps an array without axes

    def need_length(self, format_name: str) -> None:
        """Raise `ValueError` if the number of frames is not known before the first."""
        if self.shape[0] is None:
            raise ValueError(f"{format_name} requires the number of frames in advance; pass an array, or n_frames=")

    def whole(self, format_name: str) -> np.ndarray:
        """Return the video as one C-contiguous array, for formats that can't grow.

        Raises
        ------
        ValueError
            For an iterable of unknown length: the format needs every frame before the first byte.
        """
        if self.array is not None:
            return self.array
        self.need_length(format_name)
        result, at = np.empty(self.shape, self.dtype), 0
        for block in self.blocks():
            result[at : at + len(block)] = block
            at += len(block)
        return result


def _plain(array: Any) -> np.ndarray:
    """Return a plain array of whatever class came; masked pixels have no value to store."""
    if isinstance(getattr(array, "_meta", None), np.ma.MaskedArray):
        array = array.compute()  # a block of Dask's, which becomes an array without its mask
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError("masked pixels can't be stored; fill them first, as array.filled(0) does")
    return np.asarray(array)


def _is_stored(video: Any) -> bool:
    """Tell an array that lies elsewhere and is read by slices: a Video, an h5py or zarr dataset."""
    try:
        return hasattr(video, "__getitem__") and isinstance(np.dtype(video.dtype), np.dtype) and len(video.shape) > 0
    except (AttributeError, TypeError):
        return False
