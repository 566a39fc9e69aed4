"""Seconds of several cases, so that they can be compared on a shared machine.

A single figure of a shared machine means little. The ratio of two cases, measured in turns, round by round, can be
repeated.

>>> seconds = interleave({"list": lambda: list(range(10_000)), "sum": lambda: sum(range(10_000))}, rounds=5)
>>> ratio = ratios(seconds["sum"], seconds["list"])
>>> ratio.low <= ratio.median <= ratio.high
True
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
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
    """Touch and free `nbytes` just before a clock starts.

    On a virtual machine, memory that was given back to the host costs 15 to 50 times more to touch again: a load
    timed right after start-up would measure the host.
    """
    np.empty(nbytes, np.uint8)[::PAGE] = 1


def interleave(
    cases: Mapping[str, Callable[[], Any]],
    rounds: int,
    prepare: Callable[[str], object] | None = None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Time all cases in turns, in another order each round.

    Parameters
    ----------
    cases : dict of callable
        Their results are freed outside the clock.
    rounds : int
    prepare : callable, optional
        Called with the case's name before each of its runs, outside the clock: to evict a file, or to
        `warm_up_memory`.
    seed : int
        Of the order.

    Returns
    -------
    seconds : dict of list of float
        One figure per round for each case, in the order of the rounds.
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
    """Return ``a / b`` round by round, so that what the machine did to both falls out.

    Raises
    ------
    ValueError
        If there are no rounds, or not as many of one as of the other.
    """
    if not a or len(a) != len(b):
        raise ValueError(f"expected as many rounds of both cases, at least one; got {len(a)} and {len(b)}")
    low, middle, high = np.percentile(np.divide(a, b), [10, 50, 90]).tolist()
    return Ratio(middle, low, high)
