"""Successive halving: all candidates get a little time, those that may still win get more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vidformats.tools.advice.decide import Interval

KEPT = 3
"""Candidates that stay to the end, if there are so many."""


NARROW, ENOUGH = 0.05, 3
"""Width of an interval, in parts of its median, that more rounds need not narrow; the rounds that all get before."""


def halve(
    names: Sequence[str],
    measure: Callable[[str, int], bool],
    score: Callable[[str], Interval],
    time_left: Callable[[], float],
    cost: Callable[[str], float],
    smaller: Callable[[str], float],
    rungs: int = 8,
    seed: int = 0,
) -> list[str]:
    """Measure in rounds, after each of which at most the faster half goes on, without those that cannot win any more.

    Parameters
    ----------
    names : sequence of str
        All have been measured once.
    measure : callable
        Takes a name and the number of the round, from 1; returns whether it worked.
    score : callable
        The interval of a name's figures so far.
    time_left, cost : callable
        Seconds; what another measurement of a name takes. None is begun that would not end in time.
    smaller : callable
        What decides between equally fast ones: the lower goes on.
    rungs : int
        Rounds at most; fewer if more would not change the answer.
    seed : int
        Of the order, which is another in each round.

    Returns
    -------
    list of str
        Those that stayed, the fastest first.
    """
    rng = np.random.default_rng(seed)
    alive = survivors(list(names), score, smaller)
    for rung in range(1, rungs + 1):
        if not alive or time_left() < min(map(cost, alive)) or (rung > ENOUGH and settled(alive, score)):
            break
        for k in rng.permutation(len(alive)):
            if time_left() >= cost(alive[k]) and not measure(alive[k], rung):
                names = [name for name in names if name != alive[k]]
        alive = survivors([name for name in alive if name in names], score, smaller)
    return alive


def settled(names: Sequence[str], score: Callable[[str], Interval]) -> bool:
    """Tell whether each is known to be slower than the fastest, or as fast, as closely as it needs to be.

    Examples
    --------
    >>> scores = {"a": Interval(99, 100, 101), "b": Interval(98, 100, 102), "c": Interval(40, 60, 70)}
    >>> settled("abc", scores.get), settled("abc", (scores | {"b": Interval(80, 99, 110)}).get)
    (True, False)
    """
    best = max(map(score, names), key=lambda one: one.middle)

    def narrow(one: Interval) -> bool:
        return one.high - one.low <= NARROW * one.middle

    return all(one.high < best.low or (narrow(one) and narrow(best)) for one in map(score, names))


def survivors(names: Sequence[str], score: Callable[[str], Interval], smaller: Callable[[str], float]) -> list[str]:
    """Return those that go on, the fastest first, of equally fast ones the smallest.

    Examples
    --------
    >>> scores = {"a": Interval(9, 10, 11), "b": Interval(7, 8, 9.5), "c": Interval(1, 2, 3), "d": Interval(1, 1, 1)}
    >>> survivors("dcba", scores.get, len)
    ['a', 'b', 'c']
    """
    ranked = sorted(names, key=lambda name: (-score(name).middle, smaller(name)))
    most = max(KEPT, -(-len(ranked) // 2))
    best = score(ranked[0]).low if ranked else 0
    return [name for k, name in enumerate(ranked[:most]) if k < KEPT or score(name).high >= best]
