"""Frames as they are asked for: resampled in time, scaled, channels last; around any reader."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.format import Reader
from vidformats.select import BLOCK, Plan, blocks, frames_in
from vidformats.select import plan as planned
from vidformats.threads import share
from vidformats.timing import known

FASTEST = 1_000_000
"""Frames per second at most that are made of a video: the list of them would not fit into memory."""

NANOSECOND = 1e-9
"""How much a time may be short of a frame's and still mean that frame: floating-point sums are not exact."""


def frames_at(times: NDArray[np.float64], duration: float, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the frames that are shown at some times: the last ones that begin at or before them.

    Parameters
    ----------
    times : (T,) ndarray of float64, seconds
        When each frame begins to be shown.
    duration : float, seconds
        From the first frame to the end of the last.
    seconds : ndarray of float64

    Raises
    ------
    ValueError
        If a time lies before the first frame, or at or after the end of the last.

    Examples
    --------
    >>> frames_at(np.array([0.0, 0.5, 2.0]), 2.5, np.array([0.4, 0.5, 2.4])).tolist()
    [0, 1, 2]
    """
    end = times[0] + duration
    wrong = ~((seconds >= times[0] - NANOSECOND) & (seconds < end))
    if wrong.any():
        raise ValueError(f"times must be in [{times[0]:g}, {end:g}) seconds, got {seconds[wrong].flat[0]:g}")
    return np.searchsorted(times, seconds + NANOSECOND, "right") - 1


def resampled(
    times: NDArray[np.float64] | None, duration: float | None, fps: float, url: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the frames that a video of another rate consists of, and when they are shown.

    Raises
    ------
    ValueError
        If the rate makes no sense, or the video has no time stamps.
    """
    if not isinstance(fps, Real) or not 0 < fps <= FASTEST:
        raise ValueError(f"fps must be a number > 0 and finite, {FASTEST:,} at most, got {fps!r}")
    if times is None or duration is None:
        raise ValueError(f"{url}: fps={fps} requires a video with time stamps")
    ticks = np.arange(int(np.ceil(duration * fps)) + 1) / fps
    ticks = ticks[ticks < duration - NANOSECOND]
    return frames_at(times, duration, times[0] + ticks), times[0] + ticks


class AdaptedReader(Reader):
    """A reader whose frames are resampled, scaled, or have their channels last.

    Parameters
    ----------
    reader : Reader
    fps : float, optional
        Frame `k` is the one shown at ``times[0] + k / fps``.
    size : int or tuple of int, optional
        Pixels of the shorter side, which keeps the aspect; or ``(H, W)``. Scaled by area, as suits shrinking.
    layout : str, optional
        ``"THWC"`` for channels last.

    Raises
    ------
    ValueError
        If the reader's frames do not fit what is asked for.
    """

    def __init__(
        self, reader: Reader, fps: float | None = None, size: Any = None, layout: str | None = None, url: str = ""
    ):
        self._reader, self.dtype, self.weight, self.maps = reader, reader.dtype, reader.weight, False
        self.fps, self.times, self.duration = reader.fps, reader.times, reader.duration
        self.rotation, self.info = reader.rotation, dict(reader.info)
        shape = reader.shape
        self._frames: NDArray[np.int64] | None = None
        if fps is not None:
            self._resample(fps, url)
            shape = (len(self.times), *shape[1:])  # type: ignore[arg-type]
        self._size = None
        if size is not None:
            if len(shape) != 4 or shape[1] not in (1, 3) or reader.dtype.itemsize > 2 or reader.dtype.kind != "u":
                raise ValueError(f"{url}: size= requires images, got {shape} of {reader.dtype}")
            self._size = scaled(size, shape[2:])
            reader.reduce(self._size)
            shape = (*shape[:2], *self._size)
        if layout not in (None, "TCHW", "THWC"):
            raise ValueError(f"layout must be 'TCHW' or 'THWC', got {layout!r}")
        self._last = layout == "THWC"
        if self._last:
            if len(shape) != 4:
                raise ValueError(f"{url}: layout='THWC' requires (T, C, H, W), got {shape}")
            shape = (shape[0], *shape[2:], shape[1])
        self.shape = shape

    @property
    def source(self) -> Any:
        """What the reader reads."""
        return self._reader.source

    @source.setter
    def source(self, source: Any) -> None:
        self._reader.source = source

    @property
    def starts(self) -> Sequence[int]:
        """Where the reader's own lie."""
        if self._frames is None:
            return self._reader.starts
        places = np.unique(np.searchsorted(self._frames, self._reader.starts))
        within: list[int] = places[places < len(self._frames)].tolist()
        return within

    def _resample(self, fps: float, url: str) -> None:
        self._frames, self.times = resampled(known(self.times, self.info, url), self.duration, fps, url)
        self.fps, self.duration = float(fps), len(self.times) / fps
        self.info |= {"fps": self.fps, "frames": len(self.times), "duration": self.duration}

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read whole frames."""
        self.read(plan, out, threads)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read frames, a block at a time, and adapt each."""
        shape = self._reader.shape[1:]
        if shape == self.shape[1:] and self._frames is None and not self._last:
            self._reader.read(plan, out, threads)  # which scales by itself
            return
        size = max(frames_in(4 * BLOCK, shape, self.dtype), threads)
        scratch = np.empty((min(size, len(plan.frames)), *shape), self.dtype)
        for block in blocks(len(plan.frames), size):
            frames, rows = plan.frames[block], plan.rows[block]
            wanted = planned(frames if self._frames is None else self._frames[frames])
            whole = scratch[: len(frames)]
            self._reader.read(wanted, whole, threads)
            wanted.repeat(whole)

            def adapt(mine: Iterator[int], whole: np.ndarray = whole, rows: NDArray[np.int64] = rows) -> None:
                for k in mine:
                    frame = whole[k] if self._size in (None, shape[1:]) else resized(whole[k], self._size)
                    frame = frame.transpose(1, 2, 0) if self._last else frame
                    out[rows[k]] = frame if plan.crop is None else frame[plan.crop]

            share(adapt, range(len(frames)), min(threads, len(frames)))

    def rest(self) -> Reader | None:
        """Return the same around the reader that rests, if it can."""
        inner = self._reader.rest()
        if inner is None:
            return None
        resting = copy.copy(self)
        resting._reader = inner
        return resting


def scaled(size: Any, stored: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width that ``size=`` means for frames that are stored with these.

    Examples
    --------
    >>> scaled(240, (1080, 1920)), scaled((100, 50), (1080, 1920))
    ((240, 427), (100, 50))
    """
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if len(sides) not in (1, 2) or not all(isinstance(n, (int, np.integer)) and 0 < n < 1 << 16 for n in sides):
        raise ValueError(f"size must be the shorter side or (H, W) in pixels, got {size!r}")
    if len(sides) == 2:
        return int(sides[0]), int(sides[1])
    short = min(stored)
    height, width = (max(1, round(int(n) * int(sides[0]) / short)) for n in stored)
    return height, width


def resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the planes of a frame, each scaled by area; enlarging interpolates."""
    from vidformats.opencv import cv2  # takes longer to import than most files to open

    height, width = size
    shrinks = height <= frame.shape[1] and width <= frame.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(plane, (width, height), interpolation=method) for plane in frame])


def adapted(reader: Reader, fps: float | None, size: Any, layout: str | None, url: str = "") -> Reader:
    """Return the reader itself, or one that adapts its frames to what is asked for."""
    if fps is None and size is None and layout in (None, "TCHW"):
        return reader
    return AdaptedReader(reader, fps, size, layout, url)
