"""What readers are asked, and which answers are right."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.bench.referee import judge
from vidformats.bench.referee.roster import Reader

ACCESSES = {
    "frame": "single frames at random",
    "frames": "eight frames by one call",
    "scan": "all frames in turn",
    "at": "the frame at a time",
    "length": "how many frames there are",
}
"""What is asked, by the name of the adapter's call."""

REQUESTS, BATCH = 200, 8
"""Frames asked for per clip and access, and by one batch call."""

FEW, FEWEST = 5, 10
"""By what `REQUESTS` is divided for readers that start a program to go back, and for large clips."""

LARGE = 1_000_000
"""Pixels of a frame in a large clip."""


@dataclass(frozen=True)
class Truth:
    """What FFmpeg's program shows of a file.

    Attributes
    ----------
    looks : list
        Of each frame: the number it shows, or its thumbnail as hexadecimal digits.
    player, stream : list of float, seconds
        When each is shown, on both clocks that readers count by.
    size : tuple of int
        ``(H, W)`` of a frame.
    """

    looks: list[Any]
    player: list[float]
    stream: list[float]
    size: tuple[int, int]


def truth(path: Path, size: tuple[int, int]) -> Truth:
    """Return what FFmpeg shows of a clip."""
    return Truth(judge.numbers(path, size), *judge.times(path), size)


def requests(access: str, truth: Truth, clock: str, asked: int, seed: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """Return what a reader is called with, and which frames each call is due to return.

    Parameters
    ----------
    access : str
        One of `ACCESSES`.
    truth : Truth
    clock : str
        ``"player"`` or ``"stream"``.
    asked : int
        Frames to ask for.
    seed : sequence of int

    Returns
    -------
    calls : list
    places : list of list of int
        Of the same length, but for a scan, which is called once.

    Examples
    --------
    >>> requests("scan", Truth([7, 8], [0, 1], [0, 1], (1, 1)), "player", 9, [0])
    ([], [[0], [1]])
    """
    generator, n = np.random.default_rng(seed), len(truth.looks)
    if access == "frame":
        calls = generator.integers(0, n, asked).tolist()
        return calls, [[i] for i in calls]
    if access == "frames":
        batches = [_batch(generator, n, k) for k in range(max(1, asked // BATCH))]
        return batches, batches
    if access == "at":
        times = getattr(truth, clock)
        # A quarter into the time of a frame: whether a reader rounds or takes the frame before, it is the same one.
        shown = [i for i in range(n - 1) if times[i] < times[i + 1] and times[i] == max(times[: i + 1])]
        places = generator.choice(shown, asked).tolist() if shown else []
        return [times[i] + (times[i + 1] - times[i]) / 4 for i in places], [[i] for i in places]
    return [], [[i] for i in range(n)] if access == "scan" else []


def _batch(generator: np.random.Generator, n: int, k: int) -> list[int]:
    """Return a window, every 4th frame, a sorted choice or an unsorted one with repeats, in turn."""
    start = int(generator.integers(0, n))
    ways = (
        lambda: [min(start + j, n - 1) for j in range(BATCH)],
        lambda: [min(start + 4 * j, n - 1) for j in range(BATCH)],
        lambda: np.sort(generator.integers(0, n, BATCH)).tolist(),
        lambda: generator.integers(0, n, BATCH).tolist(),
    )
    return ways[k % 4]()


def seed_of(seed: int, name: str, access: str) -> list[int]:
    """Return the seed of a cell, so that it can be repeated alone."""
    return [seed, zlib.crc32(name.encode()), list(ACCESSES).index(access)]


def asked_of(reader: Reader, size: tuple[int, int], most: int) -> int:
    """Return how many frames a reader is asked for."""
    divided = FEWEST if size[0] * size[1] >= LARGE else FEW if reader.few else 1
    return max(1, most // divided)


NEAR = 0.1
"""Grey levels, the mean over a thumbnail: two decoders of one frame differ by less, two frames of a film by more."""


def same(shown: Any, due: Any, looks: Sequence[Any]) -> bool:
    """Tell whether what was shown is the frame that was due.

    Parameters
    ----------
    shown : int, str or list
        A number, a thumbnail, or the numbers that a frame shows when it is turned.
    due : int or str
    looks : sequence of int or str
        Of all frames.

    Examples
    --------
    >>> dark, light = "10" * 64, "f0" * 64
    >>> same("12" * 64, dark, [dark, light]), same("e8" * 64, dark, [dark, light])
    (True, False)
    >>> same(7, 7, [6, 7]), same([3, 5, 7], 7, [6, 7]), same(6, 7, [6, 7])
    (True, True, False)
    """
    if isinstance(due, str):
        return shown == due or _same_picture(shown, due, looks)
    return due in shown if isinstance(shown, list) else bool(shown == due)


def _same_picture(shown: str, due: str, looks: Sequence[str]) -> bool:
    """Tell whether a thumbnail is as near to the one that was due as to any other.

    Decoders round differently and may take another range of colours, so thumbnails of one frame differ a little.
    """
    picture = _levels(shown)
    distance = np.abs(picture - _levels(due)).mean()
    every = np.stack([_levels(one) for one in looks])
    nearest = float(np.abs(every - picture).mean(axis=1).min())
    # A picture that stands still has many frames alike: only one that is nearer counts against the reader.
    return bool(distance <= nearest + NEAR or distance <= 1.05 * nearest)


def _levels(look: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(look), np.uint8).astype(np.float32)
