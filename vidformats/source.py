"""What is to be written: an array, a `Video`, or an iterable of frames, seen alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from vidformats.select import BLOCK, blocks, frames_in


class Source:
    """What is to be written: an array, a `Video`, or an iterable of frames.

    Attributes
    ----------
    shape : tuple of int or None
        ``(T, ...)``; T is None for an iterable whose length is not known.
    dtype : numpy.dtype
    array : ndarray or None
        The whole video where it is in memory already.
    """

    def __init__(self, video: Any, n_frames: int | None = None):
        self.array: np.ndarray | None = None
        if n_frames is not None and n_frames < 0:
            raise ValueError(f"n_frames counts frames, {n_frames} is none of its values")
        if not isinstance(video, np.ndarray) and hasattr(video, "__array__") and not _is_stored(video):
            video = np.asarray(video)
        if isinstance(video, np.ndarray):
            if video.ndim == 0:
                raise ValueError("a video has its frames on the first axis; this array has no axes")
            self.array = np.asarray(video)  # a plain array, whatever subclass came
            self.shape: tuple[Any, ...] = video.shape
            self.dtype = video.dtype
        elif _is_stored(video):
            self.shape, self.dtype, self._items = tuple(map(int, video.shape)), np.dtype(video.dtype), video
        elif isinstance(video, Iterable):
            n = n_frames if n_frames is not None else len(video) if isinstance(video, Sequence) else None
            self._frames = iter(video)
            try:
                self._first = np.asarray(next(self._frames))
            except StopIteration:
                raise ValueError(
                    "an empty iterable has no frames, and so no shape; pass an array of shape (0, ...)"
                ) from None
            self.shape, self.dtype = (n, *self._first.shape), self._first.dtype
        else:
            raise TypeError(f"an array, a Video or an iterable of frames is written, not {type(video).__name__}")
        if self.dtype.hasobject or self.dtype.kind not in "biufc":
            raise ValueError(f"only numbers are written, not {self.dtype}")
        if n_frames is not None and n_frames != self.shape[0]:
            raise ValueError(f"{n_frames} frames were announced, {self.shape[0]} came")

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
                yield np.ascontiguousarray(items[block])
            return
        buffer, filled, total = np.empty((size, *self.frame_shape), self.dtype), 0, 0
        for item in chain([self._first], self._frames):
            frame = np.asarray(item)
            if total == self.shape[0]:
                raise ValueError(f"{total} frames were announced, more came")
            if frame.shape != self.frame_shape or frame.dtype != self.dtype:
                raise ValueError(
                    f"frame {total} has shape {frame.shape} and dtype {frame.dtype}; "
                    f"those before it have {self.frame_shape} and {self.dtype}"
                )
            buffer[filled] = frame
            filled, total = filled + 1, total + 1
            if filled == size:
                yield buffer
                filled = 0
        if filled:
            yield buffer[:filled]
        if self.shape[0] is not None and total != self.shape[0]:
            raise ValueError(f"{self.shape[0]} frames were announced, {total} came")

    def need_length(self, format_name: str) -> None:
        """Raise `ValueError` where the number of frames is not known before the first."""
        if self.shape[0] is None:
            raise ValueError(f"{format_name} needs the number of frames before the first: pass an array, or n_frames=")

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


def _is_stored(video: Any) -> bool:
    """Tell an array that lies elsewhere and is read by slices: a Video, an h5py or zarr dataset."""
    try:
        return hasattr(video, "__getitem__") and isinstance(np.dtype(video.dtype), np.dtype) and len(video.shape) > 0
    except (AttributeError, TypeError):
        return False
