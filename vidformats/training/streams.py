"""One kind of data of all trials: where its files are, and which of their frames is shown at a time of the trial."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.training.labels import Labels
from vidformats.training.manifest import Manifest
from vidformats.training.tables import SUFFIXES, hint, is_missing, number, seconds, whole
from vidformats.video import Video

FINEST = 1001
"""Largest denominator of a rate that is a float: 30000/1001 frames per second is the oddest that cameras make."""

FASTEST = 1_000_000
NEAR = 2
"""Frames by which a file and the manifest may differ: a camera that starts or stops a little late."""

SLACK = Fraction(1, 10_000)
"""Of a frame: times in seconds are rounded, and one that is meant to be a frame's very beginning must meet it."""

ROUNDED = 0.0006
"""Seconds by which times of frames may be off: Matroska rounds them to a millisecond."""

AUTO = "auto"

Source = Video | Labels


@dataclass
class Clock:
    """Which frame of a file is shown when, on the time line of its trial.

    Attributes
    ----------
    rate : Fraction
        Frames of the file for each frame of the time line.
    lead : Fraction
        Frames of the file before the time line begins, shift included.
    stop : int
        Frames of the file up to the trial's end.
    times : (T + 1,) ndarray of float64, Labels or None
        If its frames come at uneven times: when, and when the file ends.
    begin : float, seconds
        The file's time at the beginning of the time line; used with `times`.
    fps : float
        Frames of the time line per second; used with `times`.
    needs : int
        Frames that the file must have at least.
    """

    rate: Fraction
    lead: Fraction
    stop: int
    times: NDArray[np.float64] | Labels | None = None
    begin: float = 0.0
    fps: float = 1.0
    needs: int = 0
    _terms: tuple[int, int, int, int] | None = None

    def frames(self, ticks: NDArray[np.int64], per: int) -> NDArray[np.int64]:
        """Return the frames shown at some times, in ticks of which `per` make a frame of the time line.

        Times before the file's first frame give negative numbers, those after its last numbers beyond it.
        """
        if self.times is None:
            if self._terms is None or self._terms[0] != per:
                below = self.rate.denominator * per
                # The lead may be any fraction: only its floor counts beside whole numbers.
                self._terms = per, self.rate.numerator, math.floor(self.lead * below), below
            _, step, offset, below = self._terms
            return (ticks * step + offset) // below
        when = self.begin + ticks / (per * self.fps)
        if isinstance(self.times, Labels):
            return self.times.at(when)
        # The last of the times is the file's end.
        return np.searchsorted(self.times, when + ROUNDED, side="right").astype(np.int64) - 1


class Stream:
    """One kind of data of all trials, as a dataset was told of it.

    Parameters
    ----------
    name : str
    column : str
        Where the manifest has its paths.
    rate : number, "auto" or None
    shift : int, frames
    options : dict
        What `vidformats.open` takes.
    """

    def __init__(self, name: str, column: str, rate: Any, shift: Any, options: Mapping[str, Any]):
        self.name, self.column, self.options = name, column, dict(options)
        self.rate = rate if rate is None or is_auto(rate) else exact_rate(name, rate)
        self.shift = whole(shift, f"shift of {name}", "; for seconds, give the manifest a column")

    def open(self, manifest: Manifest, trial: int) -> Source:
        """Open a trial's file, or share it with another dataset that has it open in the same state."""
        path = manifest.path(self.column, trial)
        facts = os.stat(path)
        key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns, repr(sorted(self.options.items())))
        source = _opened.get(key)
        if source is None:
            source = open_source(path, **self.options)
            _opened[key] = source
        return source

    def said(self, manifest: Manifest, trial: int, what: str) -> Any:
        """Return what the manifest says of a trial's stream: in the column ``name.what``, else in ``what``."""
        for column in (f"{self.name}.{what}", what):
            if column in manifest.columns and not is_missing(entry := manifest.columns[column][trial]):
                return entry
        return None

    def rate_of(self, manifest: Manifest, trial: int, source: Source | None) -> Fraction | None:
        """Return a trial's rate as given, None if the file's own time decides."""
        own = f"{self.name}.rate" in manifest.columns
        entry = self.said(manifest, trial, "rate") if self.rate is None or own else None
        if own and self.rate is not None:
            raise ValueError(f"the rate of {self.name} is given twice: by rate=, and by the column {self.name}.rate")
        rate = self.rate if entry is None else entry
        if rate is None:
            return None if isinstance(source, Labels) else Fraction(1)
        if is_auto(rate):
            return None
        if isinstance(rate, str):
            rate = manifest.table.number(rate) or rate
        try:
            return exact_rate(self.name, rate)
        except (TypeError, ValueError) as error:
            raise FormatError(manifest.source, f"trial {manifest.trials[trial]!r}: {error}") from None

    def rates(self, manifest: Manifest) -> list[Fraction]:
        """Return the rates that were given, of all trials, whichever are in a dataset."""
        trials = range(len(manifest.trials)) if {f"{self.name}.rate", "rate"} & set(manifest.columns) else range(1)
        return [rate for trial in trials if (rate := self.rate_of(manifest, trial, None)) is not None]

    def when(self, manifest: Manifest, trial: int, what: str) -> Fraction | None:
        """Return what the manifest says of a trial's stream in seconds: ``start``, ``stop`` or ``shift``."""
        entry = self.said(manifest, trial, what)
        if entry is None:
            return None
        dotted = entry.replace(manifest.table.decimal, ".") if isinstance(entry, str) else entry
        exact = seconds(dotted)
        if exact is None:
            fault = f"trial {manifest.trials[trial]!r} has {entry!r} for the {what} of {self.name}; expected seconds"
            raise FormatError(manifest.source, fault)
        return exact

    def clock(self, manifest: Manifest, trial: int, source: Source) -> tuple[Clock, str, str]:
        """Return how a trial's file meets the time line, and where it contradicts the manifest.

        Returns
        -------
        clock : Clock
        fault : str
            Why file and manifest cannot both be right; else empty.
        doubt : str
            Why they may not; else empty.
        """
        n_frames, n, owner = int(manifest.n_frames[trial]), len(source), self._owner(manifest, trial)
        line, own, times = manifest.number("fps", trial), own_rate(source), own_times(source)
        if line is not None and line <= 0:
            manifest.fail("fps", [trial], "expected a number above 0")
        given = rate = self.rate_of(manifest, trial, source)
        start, stop, shift = (self.when(manifest, trial, what) for what in ("start", "stop", "shift"))
        if rate is None:
            if line is None:
                raise FormatError(manifest.source, f"needs the column fps, to read {owner} by time")
            if times is not None and (own is None or uneven(times, own)):
                return self._by_time(manifest, trial, source, times)
            rate = Fraction(1) if own is None else _plain(own / line)
            if own is None and abs(n - n_frames) > NEAR:
                fault = f"has {n} frames and no time of its own; {owner} needs a rate, for n_frames={n_frames}"
                return Clock(rate, Fraction(0), n), fault, ""

        pace = rate * line if line is not None else own
        if pace is None and (start, stop, shift) != (None, None, None):
            fault = f"start, stop and shift of {owner} are seconds; the column fps must say how many frames make one"
            raise FormatError(manifest.source, fault)
        pace = pace or Fraction(1)
        # Without a word about seconds, frame 0 meets frame 0, whenever the file says that it is shown.
        timed = times is not None and (given is None or start is not None or stop is not None)
        first = Fraction(float(times[0])) if timed and times is not None else Fraction(0)
        begin = _eased(((start or 0) - first) * pace)
        lead = _eased(((start or 0) + (shift or 0) - first) * pace) + self.shift
        end = n if stop is None else min(n, math.ceil((stop - first) * pace - SLACK))
        needs = math.floor((n_frames - 1) * rate + begin) + 1
        clock = Clock(rate, lead, max(end, 1), needs=needs)

        lasts = n_frames / line if line is not None else None
        near = NEAR * (rate if rate > 1 else 1)
        fault = doubt = ""
        if needs > n + (NEAR if given is None else 0):
            since = f" from {float(start):g} s on" if start else ""
            fault = f"has {n} frames; {owner} needs {needs} or more{since}, for n_frames={n_frames} in "
            fault += f"{manifest.source} and a rate of {rate}"
        elif lasts is not None and stop is not None and abs(stop - (start or 0) - lasts) > near / pace:
            told = float(stop - (start or 0))
            fault = f"{owner} lasts {told:g} s from start to stop, but n_frames and fps say {float(lasts):g} s"
        elif given is not None and lasts is not None and own is not None and not source.info.get("fps_assumed"):
            if abs(pace - own) * lasts > NEAR:
                fault = f"has {float(own):.6g} frames per second; {owner} has {float(pace):.6g} by a rate of {rate} "
                fault += f"and fps={float(line or 0):g} in {manifest.source}"
            elif times is not None and uneven(times, pace, NEAR):
                fault = f"has frames at uneven times, which no rate meets; rate='auto' reads {owner} by time"
        elif own is None and stop is None and n - begin - n_frames * rate > near + Fraction(n, 50):
            doubt = f"{manifest.trials[trial]!r} has {n} frames of {self.name}, for {math.ceil(n_frames * rate)}"
        return clock, fault, doubt

    def _owner(self, manifest: Manifest, trial: int) -> str:
        return f"the {self.name} of trial {manifest.trials[trial]!r}"

    def _by_time(
        self, manifest: Manifest, trial: int, source: Source, times: NDArray[np.float64]
    ) -> tuple[Clock, str, str]:
        """Return the clock of a file whose frames come at uneven times."""
        line, n_frames = float(manifest.number("fps", trial) or 1), int(manifest.n_frames[trial])
        start, stop, shift = (self.when(manifest, trial, what) for what in ("start", "stop", "shift"))
        usual = float(np.median(np.diff(times))) if len(times) > 1 else 1 / line
        end = source.end if isinstance(source, Labels) else float(times[0]) + (source.duration or times[-1] + usual)
        rate = Fraction(1 / (usual * line)).limit_denominator(FINEST)
        begin = float(start or 0)
        clock = Clock(
            max(rate, Fraction(1, FINEST)),
            Fraction(0),
            max(1, len(times) if stop is None else int(np.searchsorted(times, float(stop) - 1e-9))),
            source if isinstance(source, Labels) else np.append(times, end),
            begin + float(shift or 0) + self.shift * usual,
            line,
        )
        last, near, owner = begin + (n_frames - 1) / line, NEAR * max(usual, 1 / line), self._owner(manifest, trial)
        if last > end + near:
            needs = f"{owner} needs {last:.6g} s, for n_frames={n_frames} in {manifest.source}"
            return clock, f"ends at {end:.6g} s; {needs}", ""
        if not isinstance(source, Labels):
            return clock, "", ""
        cure = f"the column {self.name}.start tells where the trial begins on its clock, and times must be seconds"
        met = np.unique(source.at(clock.begin + np.arange(n_frames) / line))
        met = met[(met >= 0) & (met < len(source))]
        lies = (
            f"has rows from {times[0]:.10g} to {end:.10g} s, {owner} lies from {begin:.10g} to {last + 1 / line:.10g} s"
        )
        if not len(met):
            return clock, f"{lies} and meets none; {cure}", ""
        beyond = end > last + 1 / line + near
        if start is None and beyond and (times[0] > begin + near or len(met) == 1 < len(source)):
            return clock, "", f"{source.path} {lies}; if that is wrong, {cure}"
        return clock, "", ""


def _eased(frames: Fraction) -> Fraction:
    """Return a place between frames a trace later, so that rounded seconds still meet the frame that they mean."""
    return frames if frames.denominator == 1 else frames + SLACK


_opened: weakref.WeakValueDictionary[tuple[Any, ...], Source] = weakref.WeakValueDictionary()
"""Files that datasets have open, so that those of all folds share them."""


def open_source(path: str, **options: Any) -> Source:
    """Open a file of frames or of labels, as its extension says."""
    if path.lower().endswith(SUFFIXES):
        options.pop("threads", None)
        return Labels(path, **options)
    return Video(path, **options)


def own_times(source: Source) -> NDArray[np.float64] | None:
    """Return the seconds at which a file shows its frames, None if it does not say."""
    times = source.times
    return None if times is None or len(times) == 0 else np.asarray(times, np.float64)


def _plain(rate: Fraction) -> Fraction:
    """Return the fraction that a rounded rate stands for: what is left of digits would overflow later."""
    near = rate.limit_denominator(FINEST)
    return near if abs(near - rate) <= rate / 10**6 else rate.limit_denominator(10**5)


def own_rate(source: Source) -> Fraction | None:
    """Return a file's own frames per second, None if it does not say."""
    if isinstance(source, Labels):
        return None
    fps = source.fps
    if not fps or not math.isfinite(fps) or fps <= 0:
        return None
    return _plain(Fraction(fps))


def uneven(times: NDArray[np.float64], fps: Fraction, most: float = 0.25) -> bool:
    """Tell whether frames come at other times than their rate says, by more than a part of a frame."""
    off = times - times[0] - np.arange(len(times)) / float(fps)
    return bool(np.abs(off).max() * float(fps) > max(most, ROUNDED * float(fps)))


def is_auto(rate: Any) -> bool:
    """Tell whether a rate is the file's own."""
    return isinstance(rate, str) and rate.strip().casefold() == AUTO


def exact_rate(name: str, rate: Any) -> Fraction:
    """Return a rate as a fraction: as it is, or for a float the plain fraction that it stands for."""
    exact = number(rate)
    if exact is None or not 0 < exact <= FASTEST:
        raise ValueError(f"the rate of {name} must be above 0 and at most {FASTEST}, or 'auto', got {rate!r}")
    near = exact.limit_denominator(FINEST)
    if abs(near - exact) <= exact / 10**9:
        return near
    if exact.denominator > FASTEST:
        raise ValueError(f"the rate of {name} must be a plain fraction, got {rate!r}; pass a fractions.Fraction")
    return exact


def missing_files(manifest: Manifest, streams: Sequence[Stream], trials: Sequence[int]) -> list[str]:
    """Return, for each file that is not there, which it is and what may be the reason."""
    missing = []
    for stream in streams:
        for trial in trials:
            path = manifest.path(stream.column, trial)
            if not os.path.exists(path):
                owner = f"the {stream.name} of trial {manifest.trials[trial]!r} is not there"
                missing.append(f"{path}: {owner}{hint(str(manifest.columns[stream.column][trial]), path)}")
    return missing
