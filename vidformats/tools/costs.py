"""What each access costs on one file and this machine: a few reads of each, timed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import prod
from time import perf_counter
from typing import Any

import numpy as np

from vidformats.bench.measure import cache
from vidformats.bench.measure.clock import warm_up_memory
from vidformats.tools.advice.access import Access
from vidformats.video import Video

USUAL = ("full", "every=4", "window=64", "random")
"""Accesses that are measured if none are named."""

LEAST = 3
"""Reads of an access, at least, if the video has as many."""


@dataclass(frozen=True)
class Cost:
    """What one access costs.

    Attributes
    ----------
    access : str
        As the command line takes it; ``"open"`` for opening the file and reading its first frame.
    reads : int
        How many were timed.
    frames : int
        That they delivered.
    seconds : float
        That they took.
    each : float, seconds
        Median of one read.
    """

    access: str
    reads: int
    frames: int
    seconds: float
    each: float

    @property
    def rate(self) -> float:
        """Frames delivered per second."""
        return self.frames / self.seconds


def measure(
    path: str | os.PathLike[str], accesses: Sequence[str] = USUAL, seconds: float = 0.4, cold: bool = False
) -> list[Cost]:
    """Time accesses to a file with one thread, as each worker of a loader has.

    Parameters
    ----------
    path : path-like
    accesses : sequence of str
    seconds : float
        For each access; the read under way at the end is finished.
    cold : bool
        Drop the file from the page cache before each access, so that it comes from its disk.

    Raises
    ------
    ValueError
        If a text names no access, or if the file cannot be dropped.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((64, 3, 8, 8), "uint8"), "dark.npy")
    >>> [cost.access for cost in measure(path, ["every=4"], seconds=0.01)]
    ['open', 'every=4']
    """
    wanted = [Access.parse(text) for text in accesses]
    found = [_time("open", path, None, seconds, cold)]
    return found + [_time(str(access), path, access, seconds, cold) for access in wanted]


def _time(name: str, path: str | os.PathLike[str], access: Access | None, seconds: float, cold: bool) -> Cost:
    if cold and not cache.evict(path):
        raise ValueError(f"{os.fspath(path)}: cannot be dropped from the page cache; measure without cold=True")
    times: list[float] = []
    frames, ends = 0, perf_counter() + seconds
    if access is None:
        while len(times) < 1 or (perf_counter() < ends and not cold):
            began = perf_counter()
            with Video(path, threads=1) as video:
                frames += len(video[:1])
            times.append(perf_counter() - began)
        return Cost(name, len(times), frames, sum(times), statistics.median(times))
    with Video(path, threads=1) as video:
        n, per = len(video), prod(video.shape[1:]) * video.dtype.itemsize
        warm_up_memory(min(access.window, n) * per)
        if not cold:
            video[next(indexes(access, n))]
            ends = perf_counter() + seconds
        passes = indexes(access, n) if cold else chain.from_iterable(indexes(access, n) for _ in repeat(None))
        for request in passes:
            began = perf_counter()
            got = video[request]
            times.append(perf_counter() - began)
            frames += 1 if access.kind == "random" else len(got)
            if perf_counter() > ends and len(times) >= LEAST:
                break
    return Cost(name, len(times), frames, sum(times), statistics.median(times))


def indexes(access: Access, n: int, seed: int = 0) -> Iterator[Any]:
    """Yield the indexes that an access reads one after another from a video of `n` frames.

    Front to back they end with the video; windows and single frames go on for ever.

    Examples
    --------
    >>> list(indexes(Access.parse("full"), 100))
    [slice(0, 64, 1), slice(64, 128, 1)]
    """
    if access.in_order:
        block = access.window * access.stride
        yield from (slice(start, start + block, access.stride) for start in range(0, n, block))
        return
    rng = np.random.default_rng(seed)
    while True:
        if access.kind == "random":
            yield int(rng.integers(n))
        else:
            start = int(rng.integers(max(1, n - access.span + 1)))
            yield slice(start, start + access.span, access.stride)
