"""Which format is fastest, by content, frame size, page cache and access: one row for each, with the figures."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from vidformats.bench.measure.access import ACCESS
from vidformats.registry import FORMATS, get_format
from vidformats.select import select

LEAST = 4
"""How many times smaller than its frames a file must be to count as small."""

COLUMNS = ["content", "frame size", "page cache", "access", "fastest", "every pixel, less disk", f"{LEAST}x smaller"]


def rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """Return the best formats for each way of reading that was measured, with frames per second and MB on disk.

    Parameters
    ----------
    results : list of dict
        What ``vidformats limits --json`` wrote. Those without sizes on disk are left out.

    Returns
    -------
    list of list of str
        As `COLUMNS` names them. Formats whose 10th to 90th percentiles overlap with the best one's are ties; of them
        at most three are named, in the order of the registry.
    """
    found: dict[tuple[Any, ...], dict[str, tuple[float, float, float]]] = {}
    disk: dict[tuple[Any, ...], dict[str, int]] = {}
    for result in results:
        if result["threads"] == 1 or "disk" not in result:
            continue
        video = result["content"], result["n_frames"], result["size"]
        disk.setdefault(video, {}).update(result["disk"])
        for access, seconds in result["seconds"].items():
            n = _frames(access, result["n_frames"])
            rates = {name: _rate(n, seconds[name]) for name in seconds if name in FORMATS}
            found.setdefault((*video, result["cold"], access), {}).update(rates)
    return list(_rows(found, disk))


def _rows(found: dict[tuple[Any, ...], Any], disk: dict[tuple[Any, ...], dict[str, int]]) -> Iterator[list[str]]:
    for (content, n_frames, size, cold, access), rates in found.items():
        sizes, raw = disk[content, n_frames, size], n_frames * prod((3, size, size))
        kept = [name for name in rates if not get_format(name).tolerance and sizes[name] < 0.99 * raw]
        small = [name for name in rates if sizes[name] * LEAST <= raw]
        best = [_best({name: rates[name] for name in names}, sizes) for names in (rates, kept, small)]
        state = "cold" if cold else "warm"
        yield [content, f"{size} x {size}", state, access.replace("_", " "), *best]


def _best(rates: dict[str, tuple[float, float, float]], sizes: dict[str, int]) -> str:
    if not rates:
        return "none measured"
    first = max(rates, key=lambda name: rates[name][1])
    ties = [name for name in FORMATS if name in rates and rates[name][2] >= rates[first][0]][:3]
    median = rates[first][1]
    figure = f"{median:,.0f}" if median < 1e4 else f"{median / 1e3:,.0f}k"
    held = " or ".join(dict.fromkeys(f"{sizes[name] / 1e6:.3g}" for name in ties))
    return f"{' = '.join(ties)}: {figure}/s, {held} MB"


def _frames(access: str, n_frames: int) -> int:
    """Return how many frames an access delivers."""
    return sum(prod(select(request, (n_frames,)).shape) for request in ACCESS[access](n_frames))


def _rate(n: int, seconds: list[float]) -> tuple[float, float, float]:
    low, middle, high = np.percentile(n / np.array(seconds), [10, 50, 90]).tolist()
    return low, middle, high
