"""Seconds, so that two ways to do a thing can be compared on a machine that others use as well.

A single figure of a shared machine means little; a ratio of two cases measured in turns, round by
round, means the same tomorrow. `copy_case` is the case to divide by: no load can be faster than a copy
of its result into fresh memory.

>>> seconds = interleave({"copy": copy_case(10_000), "sum": lambda: sum(range(10_000))}, rounds=5)
>>> ratio = ratios(seconds["sum"], seconds["copy"])
>>> ratio.low <= ratio.median <= ratio.high
True
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

PAGE = 4096


class Ratio(NamedTuple):
    """How many times more one case takes than another.

    Attributes
    ----------
    median : float
    low, high : float
        The 10th and the 90th percentile over the rounds.
    """

    median: float
    low: float
    high: float


def warm_up_memory(nbytes: int) -> None:
    """Touch and give back `nbytes`, just before a clock starts.

    On a virtual machine, memory that went back to the host costs 15-50 times more to touch again; a load
    timed right after start-up would measure the host.
    """
    np.empty(nbytes, np.uint8)[::PAGE] = 1


def interleave(
    cases: Mapping[str, Callable[[], Any]],
    rounds: int,
    prepare: Callable[[str], object] | None = None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Time all cases in turns, each round in another order.

    Parameters
    ----------
    cases : dict of callable
        What they return is freed outside the clock.
    rounds : int
    prepare : callable, optional
        Called with the case's name before each of its runs, outside the clock: to evict a file, or to
        `warm_up_memory`.
    seed : int
        Of the order.

    Returns
    -------
    seconds : dict of list of float
        For each case one figure a round, in the order of the rounds.
    """
    names, rng = list(cases), np.random.default_rng(seed)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for k in rng.permutation(len(names)):
            name = names[k]
            gc.collect()
            if prepare is not None:
                prepare(name)
            start = perf_counter()
            result = cases[name]()
            seconds[name].append(perf_counter() - start)
            del result
    return seconds


def ratios(a: list[float], b: list[float]) -> Ratio:
    """Return ``a / b`` round by round: what both rounds suffered from the machine falls out.

    Raises
    ------
    ValueError
        When there are no rounds, or not as many of the one as of the other.
    """
    if not a or len(a) != len(b):
        raise ValueError(f"rounds are compared in pairs, not {len(a)} with {len(b)}")
    low, middle, high = np.percentile(np.divide(a, b), [10, 50, 90]).tolist()
    return Ratio(middle, low, high)


def copy_case(nbytes: int) -> Callable[[], np.ndarray]:
    """Return a case for `interleave`: copying `nbytes` into fresh memory, the limit of every load."""
    source = np.ones(nbytes, np.uint8)
    return source.copy


def copy_seconds(nbytes: int, rounds: int = 5) -> float:
    """Return the median time in seconds of copying `nbytes` into fresh memory."""
    return median(interleave({"copy": copy_case(nbytes)}, rounds, lambda _: warm_up_memory(nbytes))["copy"])
