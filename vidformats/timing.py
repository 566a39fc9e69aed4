"""The time record of a video, which travels from file to file: rate, times, duration, and what else the source knew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError

EVEN = 1e-9
"""Seconds by which the times of an even rate may be off: floating-point products are not exact."""

CONTAINER = 1.5e-3
"""Seconds by which a container may round the times of an even rate: WebM and Matroska count milliseconds."""

FACTS = ("rotation", "as_stored", "fps_assumed", "variable_rate")
"""Entries of ``info`` that travel too."""

KEYS = ("fps", "duration", "times", *FACTS)
"""Names of all that a record may hold."""


@dataclass(frozen=True)
class Timing:
    """When the frames of a video are shown.

    Attributes
    ----------
    fps : float
        Average rate.
    duration : float or None, seconds
        From the first frame to the end of the last; None for ``T / fps``.
    times : (T,) ndarray of float64 or None, seconds
        When each frame begins to be shown; None for ``k / fps``.
    facts : dict
        Entries of ``info`` that travel too.
    """

    fps: float
    duration: float | None = None
    times: NDArray[np.float64] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def even(self) -> bool:
        """Whether a container that holds one rate, and counts from 0, holds this one."""
        return self.times is None or bool((abs(self.times - np.arange(len(self.times)) / self.fps) <= CONTAINER).all())

    def record(self, n_frames: int) -> dict[str, Any]:
        """Return the record of that many frames: `fps` and `duration`, and what differs from an even rate."""
        duration = n_frames / self.fps if self.duration is None else self.duration
        times = {} if self.times is None else {"times": self.times}
        return {"fps": self.fps, "duration": duration, **times, **self.facts}


def timing_of(
    video: Any, fps: float | None = None, times: Any = None, n_frames: int | None = None
) -> tuple[Timing | None, int | None]:
    """Return the time of what is to be written, None if nobody knows it, and the number of frames if `times` tell.

    Parameters
    ----------
    video : Any
        A `Video`, or anything else that has `fps`, `times` and `duration`, gives what it knows.
    fps : float, optional
        The rate to write instead.
    times : (T,) array-like of float, optional, seconds
        When each frame begins to be shown, rising, instead of a rate. The last is shown as long as the median one.
    n_frames : int, optional
        How many frames there are.

    Raises
    ------
    ValueError
        If `fps` or `times` make no sense, or are both given.
    """
    facts = {key: value for key, value in (getattr(video, "info", None) or {}).items() if key in FACTS and value}
    if times is not None:
        if fps is not None:
            raise ValueError("times= and fps= exclude each other")
        given = np.array(times, np.float64)
        if given.ndim != 1 or not len(given) or not np.isfinite(given).all() or not (np.diff(given) > 0).all():
            raise ValueError("times must rise, and be one number of seconds for each frame")
        if n_frames not in (None, len(given)):
            raise ValueError(f"expected {len(given)} frames, as many as times=, got {n_frames}")
        steps = np.diff(given)
        last = float(np.median(steps)) if len(steps) else 0.04
        duration = float(given[-1] - given[0]) + last
        facts = _without_rate(facts) | ({"variable_rate": True} if len(steps) and np.ptp(steps) > CONTAINER else {})
        return _simplest(Timing(len(given) / duration, duration, given, facts)), len(given)
    if fps is not None:
        if not isinstance(fps, Real) or not 0 < float(fps) < math.inf:
            raise ValueError(f"fps must be > 0, got {fps!r}")
        return Timing(float(fps), facts=_without_rate(facts)), None
    rate, stamps, length = (getattr(video, name, None) for name in ("fps", "times", "duration"))
    if not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
        return None, None
    if not isinstance(stamps, np.ndarray) or not isinstance(length, (int, float)):
        return Timing(float(rate), facts=facts), None
    return _simplest(Timing(float(rate), float(length), stamps, facts)), None


def _without_rate(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a new rate makes untrue."""
    return {key: value for key, value in facts.items() if key not in ("fps_assumed", "variable_rate")}


def _simplest(timing: Timing) -> Timing:
    """Leave out the times of an even rate."""
    times, n = timing.times, 0 if timing.times is None else len(timing.times)
    even = times is not None and bool((abs(times - np.arange(n) / timing.fps) <= EVEN).all())
    return Timing(timing.fps, timing.duration, None, timing.facts) if even else timing


def known(times: NDArray[np.float64] | None, info: Mapping[str, Any], url: str) -> NDArray[np.float64] | None:
    """Return a video's times, None if its format has none; raise if its file has some that its decoder cannot tell.

    Examples
    --------
    >>> known(None, {"container": "npy"}, "dark.npy") is None
    True
    """
    if times is None and "untimed" in info:
        raise FormatError(url, f"when its frames are shown is unknown: {info['untimed']}")
    return times


def set_time(reader: Any, record: Mapping[str, Any], url: str) -> None:
    """Give a reader the time that the record of its file tells.

    Parameters
    ----------
    reader : Reader
    record : mapping
        What `Timing.record` returned, its numbers and arrays of any kind.
    url : str
        The file, for the error.

    Raises
    ------
    FormatError
        If the record is none of the reader's frames.
    """
    n = reader.shape[0]
    try:
        fps, duration = (float(np.asarray(record[key]).item()) for key in ("fps", "duration"))
        if not (0 < fps < math.inf and 0 <= duration < math.inf):
            raise ValueError(f"{fps:g} per second, {duration:g} seconds")
        times = np.array(record["times"], np.float64).ravel() if "times" in record else np.arange(n) / fps
        if len(times) != n or not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ValueError(f"{len(times)} times, or some that do not rise")
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(url, f"expected a time record of {n} frames, got {error}") from None
    reader.fps, reader.times, reader.duration = fps, times, duration
    reader.info.pop("untimed", None)
    # Flags are numbers in files that have no truth values.
    kept = {key: np.asarray(record[key]).item() for key in FACTS if key in record}
    facts = {key: int(value) if key == "rotation" else bool(value) for key, value in kept.items()}
    reader.info |= {"fps": fps, "duration": duration, "variable_rate": False, **facts}
