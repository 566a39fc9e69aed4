"""From what was measured to what is advised: pure functions of figures.

A rate is frames per second that a loader delivers. Its interval is that of the median over the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from vidformats.tools.advice.candidates import AS_IS

SLOWER = 0.95
"""Of equals, one whose median is below this part of the best's is not chosen for being small."""

ALIKE = 1.1
"""Sizes that differ by less than this factor are one size: then the plainest is chosen."""

ONE = (0.7, 1.4)
"""The interval of a rate that was measured once, in parts of it."""


class Interval(NamedTuple):
    """A median and where it lies in nine of ten cases."""

    low: float
    middle: float
    high: float


@dataclass
class Result:
    """What was measured of one candidate.

    Attributes
    ----------
    name, format : str
    options : dict
    plain : int
        Its place among the candidates: the lower, the plainer.
    lossless : bool
    nbytes : float
        Disk for the whole collection.
    warm, cold : list of float, frames/s
        Rounds from memory, and from the disk.
    first : float or None, seconds
        To the first batch from the disk, with the start of the workers.
    memory : int or None, bytes
        Of the loader and its workers.
    psnr : float or None, dB
        None if every bit is kept.
    ssim : float or None
    write_seconds : float
        For the whole collection, in one process; 0 if nothing is written.
    frames : int
        Frames that were written; fewer than others' if it is slow.
    lasted : float, seconds
        What its last measurement took.
    """

    name: str
    format: str
    options: dict[str, Any]
    plain: int
    lossless: bool
    nbytes: float
    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    first: float | None = None
    memory: int | None = None
    psnr: float | None = None
    ssim: float | None = None
    write_seconds: float = 0.0
    frames: int = 0
    lasted: float = 0.0


@dataclass(frozen=True)
class Wants:
    """What is asked of the answer.

    Attributes
    ----------
    lossless : bool
    min_psnr : float, dB
    budget : float or None, bytes
    need : float or None, frames/s
        What training takes; more is of no use.
    ram : float, bytes
        Memory that may hold the collection from epoch to epoch.
    cache : str
        ``"auto"``, ``"warm"`` or ``"cold"``: whether epochs are read from memory.
    """

    lossless: bool = False
    min_psnr: float = 38.0
    budget: float | None = None
    need: float | None = None
    ram: float = math.inf
    cache: str = "auto"

    def held(self, nbytes: float) -> float:
        """Return the part of a collection that memory holds."""
        return {"warm": 1.0, "cold": 0.0}.get(self.cache, min(1.0, self.ram / max(nbytes, 1.0)))


def interval(samples: Sequence[float]) -> Interval:
    """Return the median of some rounds and its interval: 5th to 95th percentile of medians drawn again.

    Examples
    --------
    >>> interval([100.0]), interval([100.0, 110.0, 90.0])
    (Interval(low=70.0, middle=100.0, high=140.0), Interval(low=90.0, middle=100.0, high=110.0))
    """
    middle = float(np.median(samples))
    if len(samples) == 1:
        return Interval(ONE[0] * middle, middle, ONE[1] * middle)
    if len(samples) < 5:
        return Interval(min(samples), middle, max(samples))
    drawn = np.random.default_rng(0).choice(np.asarray(samples), (500, len(samples)))
    low, high = np.percentile(np.median(drawn, axis=1), [5, 95]).tolist()
    return Interval(low, middle, high)


def rate(result: Result, wants: Wants) -> Interval:
    """Return the rate of an epoch over the whole collection, of which memory holds a part.

    What is not held is read from the disk; if that could not be measured, as from memory.
    """
    warm = interval(result.warm)
    held = wants.held(result.nbytes)
    if held == 1 or not result.cold:
        return warm
    cold = interval(result.cold)
    return Interval(*(1 / (held / w + (1 - held) / c) for w, c in zip(warm, cold, strict=True)))


def score(result: Result, wants: Wants) -> Interval:
    """Return the rate, as far as it is of use."""
    found = rate(result, wants)
    return found if wants.need is None else Interval(*(min(one, wants.need) for one in found))


def misses(result: Result, wants: Wants) -> str:
    """Return what of the wishes a candidate does not fulfil; empty if it fulfils all."""
    if wants.lossless and not result.lossless:
        return "loses bits"
    if not result.lossless and result.psnr is not None and result.psnr < wants.min_psnr:
        return f"{result.psnr:.1f} dB"
    if wants.budget is not None and result.nbytes > wants.budget:
        return "over the budget"
    return ""


class Choice(NamedTuple):
    """What is advised.

    Attributes
    ----------
    winner : Result or None
        None if no candidate fulfils the wishes.
    equals : list of Result
        Those that cannot be told from the best, the winner among them.
    ranked : list of Result
        All that fulfil the wishes, the winner first, then by rate.
    others : list of Result
        The rest, by rate.
    nearest : Result or None
        If there is no winner: what comes nearest.
    """

    winner: Result | None
    equals: list[Result]
    ranked: list[Result]
    others: list[Result]
    nearest: Result | None


def choose(results: Sequence[Result], wants: Wants) -> Choice:
    """Choose the fastest that fulfils the wishes; of equals the smallest, of those of one size the plainest.

    Videos that are as good as the best as they are stay as they are.

    Examples
    --------
    >>> npy = Result("npy", "npy", {}, 1, True, 9e9, warm=[99.0, 100.0, 101.0])
    >>> h5 = Result("h5", "h5", {}, 2, True, 9e9, warm=[97.0, 100.0, 102.0])
    >>> choose([h5, npy], Wants()).winner.name
    'npy'
    """
    timed = [result for result in results if result.warm]
    fit = [result for result in timed if not misses(result, wants)]
    rest = sorted((r for r in timed if misses(r, wants)), key=lambda r: -rate(r, wants).middle)
    if not fit:
        return Choice(None, [], [], rest, _nearest(rest, wants))
    scores = {result.name: score(result, wants) for result in fit}
    best = max(scores.values(), key=lambda one: one.middle)
    equals = [result for result in fit if scores[result.name].high >= best.low]
    near = [r for r in equals if scores[r.name].middle >= SLOWER * best.middle]
    if wants.need is not None:  # what is surely enough, before what may be
        near = [r for r in near if scores[r.name].low >= wants.need] or near
    smallest = min(result.nbytes for result in near)
    winner = min(near, key=lambda r: (r.name != AS_IS, r.nbytes > ALIKE * smallest, r.plain))
    ranked = sorted(fit, key=lambda r: (r is not winner, -rate(r, wants).middle))
    return Choice(winner, equals, ranked, rest, None)


def _nearest(results: Sequence[Result], wants: Wants) -> Result | None:
    """Return the smallest that is good enough, or if none is, the best."""
    good = [r for r in results if not misses(r, _with(wants, budget=None))]
    if good:
        return min(good, key=lambda r: r.nbytes)
    kept = [r for r in results if r.lossless or not wants.lossless]
    return max(kept, key=lambda r: r.psnr if r.psnr is not None else math.inf, default=None)


def _with(wants: Wants, **changes: Any) -> Wants:
    return Wants(**{**wants.__dict__, **changes})


def frontier(results: Sequence[Result], wants: Wants) -> list[Result]:
    """Return those that no other beats in both disk and rate, the fastest first."""
    found: list[Result] = []
    for result in sorted(results, key=lambda r: (-rate(r, wants).middle, r.nbytes)):
        if not found or result.nbytes < found[-1].nbytes:
            found.append(result)
    return found


def changes(choice: Choice, wants: Wants, workers: int, cpus: int, scale: Mapping[str, float]) -> list[str]:
    """Return what would change the answer: a cold disk, a warm one, other budgets, more workers, other losses.

    Parameters
    ----------
    choice, wants
    workers, cpus : int
        With which it was measured.
    scale : dict of str to float
        Bytes per frame, by candidate.
    """
    if choice.winner is None:
        return []
    winner, told = choice.winner, []
    everyone = [*choice.ranked, *choice.others]
    for cache, words in (("cold", "if every epoch came from the disk"), ("warm", "if memory held all of it")):
        other = choose(everyone, _with(wants, cache=cache))
        if other.winner and wants.cache != cache and winner.name not in [r.name for r in other.equals]:
            if cache == "cold" and not any(r.cold for r in everyone):
                continue
            told.append(f"{words}: {_named(other.winner, _with(wants, cache=cache))}")
    told += _smaller(choice, wants)
    if wants.budget is not None:
        more = choose(everyone, _with(wants, budget=None)).winner
        if more and more is not winner and rate(more, wants).low > rate(winner, wants).high:
            told.append(f"with {size(more.nbytes)} of disk: {_named(more, wants)}")
    if not wants.lossless:
        exact = choose(everyone, _with(wants, lossless=True)).winner
        if not winner.lossless and exact:
            told.append(f"if every bit must be kept: {_named(exact, wants)} in {size(exact.nbytes)}")
        looser = choose(everyone, _with(wants, min_psnr=wants.min_psnr - 6)).winner
        if looser and looser is not winner and rate(looser, wants).low > rate(winner, wants).high:
            told.append(f"if {looser.psnr:.1f} dB were enough: {_named(looser, wants)}")
    if found := more_workers(choice, wants, workers, cpus, scale):
        told.append(found)
    return told


def _smaller(choice: Choice, wants: Wants) -> list[str]:
    """Return what would be advised for smaller budgets, two steps at most, each to much less disk."""
    told: list[str] = []
    last = choice.ranked[0].nbytes
    for result in frontier(choice.ranked, wants):
        if result.nbytes < 0.7 * last and len(told) < 2:
            told.append(f"with a budget below {size(last)}: {_named(result, wants)} in {size(result.nbytes)}")
            last = result.nbytes
    return told


def more_workers(choice: Choice, wants: Wants, workers: int, cpus: int, scale: Mapping[str, float]) -> str:
    """Return from how many workers on another candidate is faster, by a model, or nothing.

    The model: workers with a CPU each add up, until what they read fills the disk; what the disk gives is the most
    that any candidate read from it here. Only if memory does not hold the collection.
    """
    disk = max((r.cold[-1] * scale[r.name] for r in [*choice.ranked, *choice.others] if r.cold), default=0.0)
    busy, winner = max(1, min(workers, cpus)), choice.winner
    if not disk or winner is None:
        return ""

    def modelled(result: Result, n: int) -> float:
        held, warm = wants.held(result.nbytes), interval(result.warm).middle / busy * n
        cold = min(warm, disk / scale[result.name]) if scale[result.name] else warm
        return 1 / (held / warm + (1 - held) / cold)

    for n in range(busy + 1, 129):
        best = max(choice.ranked, key=lambda result: modelled(result, n))
        if best is not winner and modelled(best, n) > 1.1 * modelled(winner, n):
            if n == busy + 1:
                return ""  # it would be so with these already: the model says nothing about more
            return f"from {n} workers on, each with a CPU of its own, by a model: {best.name}"
    return ""


def _named(result: Result, wants: Wants) -> str:
    return f"{result.name}, {figure(rate(result, wants).middle)} frames/s"


def figure(value: float) -> str:
    """Return a number with three digits that count.

    Examples
    --------
    >>> figure(12345.6), figure(0.01234), figure(45.67)
    ('12,300', '0.0123', '45.7')
    """
    if value <= 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = 2 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def size(nbytes: float) -> str:
    """Return bytes for people.

    Examples
    --------
    >>> size(1_234_000_000), size(830_000)
    ('1.23 GB', '830 kB')
    """
    for unit, step in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= step:
            return f"{figure(nbytes / step)} {unit}"
    return f"{nbytes:.0f} B"
