"""Which of the user's videos are looked at: a few that stand for all, by length, size and codec."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.training.tables import SUFFIXES

MOST = 4
"""Videos that are cut."""

PIXELS = 400_000
"""Pixels that all cuts have together, for each second of the time given."""

LONGEST = 1500
"""Frames of a cut."""

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
OTHER = (
    *SUFFIXES,
    ".json",
    ".jsonl",
    ".txt",
    ".md",
    ".pdf",
    ".py",
    ".srt",
    ".wav",
    ".mp3",
    ".xml",
    ".yaml",
    ".yml",
    ".html",
)
"""File extensions of images, which make a folder a video, and of what is no video."""


@dataclass(frozen=True)
class Cut:
    """Some frames of one video, and how many of the collection they stand for.

    Attributes
    ----------
    path : str
    start, stop : int
    n_frames : int
        Of the whole video.
    shape : tuple of int
        Of a frame.
    fps : float or None
    stands_for : float, frames
    nbytes : int
        Of the whole video, as it is.
    """

    path: str
    start: int
    stop: int
    n_frames: int
    shape: tuple[int, ...]
    fps: float | None
    stands_for: float
    nbytes: int


@dataclass
class Collection:
    """What is known of all the user's videos.

    Attributes
    ----------
    n_videos : int
        As many as there will be.
    n_frames : float
        Of all of them, estimated from those opened.
    nbytes : float
        Of all of them, as they are.
    strata : dict of str to int
        What kinds there are, and how many of those opened are of each.
    cuts : list of Cut
    faults : dict of str to str
        Path -> why it was left out.
    """

    n_videos: int
    n_frames: float
    nbytes: float
    strata: dict[str, int]
    cuts: list[Cut]
    faults: dict[str, str] = field(default_factory=dict)


def find(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the videos at some paths: files, folders of images, and what lies in other folders.

    Raises
    ------
    FileNotFoundError
        If nothing is at a path, or there is no video.
    """
    found: dict[str, None] = {}
    for path in [os.fspath(path) for path in paths]:
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: no such file or folder")
        found.update(dict.fromkeys(_walk(path) if os.path.isdir(path) else [os.path.abspath(path)]))
    if not found:
        raise FileNotFoundError(f"{', '.join(map(str, paths))}: expected videos, found none")
    return list(found)


def _walk(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(os.path.abspath(folder)):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        shown = sorted(name for name in names if name[0] != ".")
        if any(name.lower().endswith(IMAGES) for name in shown):
            yield place
        yield from (str(Path(place, name)) for name in shown if not name.lower().endswith((*IMAGES, *OTHER)))


def spread(sizes: Sequence[int], most: int) -> list[int]:
    """Return places of at most so many files, evenly taken from the smallest to the largest.

    Examples
    --------
    >>> spread([50, 10, 40, 20, 30], 3)
    [1, 4, 0]
    """
    order = np.argsort(np.asarray(sizes), kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).astype(int))
    return [int(k) for k in order[places]]


def choose(
    facts: Sequence[dict[str, Any]], nbytes: Sequence[int], n_videos: int | None, seconds: float, least: int
) -> Collection:
    """Choose which videos are cut, and where.

    Parameters
    ----------
    facts : sequence of dict
        Of the videos that were opened, as `trial.probe` returns them.
    nbytes : sequence of int
        Of all videos there are, those opened among them.
    n_videos : int, optional
        How many there will be; by default those there are.
    seconds : float
        Time given.
    least : int
        Frames that a cut has at least, if its video does.
    """
    strata: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        strata.setdefault(stratum(fact), []).append(fact)
    by_weight = sorted(strata.items(), key=lambda one: -sum(fact["n_frames"] for fact in one[1]))
    chosen: list[tuple[dict[str, Any], float]] = []
    for (_, members), places in zip(by_weight, _places([m for _, m in by_weight]), strict=False):
        ranked = sorted(members, key=lambda fact: fact["n_frames"])
        for k in range(places):
            part = ranked[len(ranked) * k // places : len(ranked) * (k + 1) // places]
            chosen.append((part[len(part) // 2], float(sum(fact["n_frames"] for fact in part))))
    while len(chosen) > 1 and least * sum(math.prod(f["shape"][-2:]) for f, _ in chosen) > 3 * PIXELS * seconds:
        chosen.pop()  # the frames are large: fewer videos, rather than none whole
    opened = sum(fact["nbytes"] for fact in facts)
    frames = sum(fact["n_frames"] for fact in facts)
    scale = sum(nbytes) / sum(fact["size"] for fact in facts) * (n_videos or len(nbytes)) / len(nbytes)
    stood = sum(weight for _, weight in chosen)
    length = _length([fact for fact, _ in chosen], seconds, least)
    cuts = []
    for fact, weight in chosen:
        n = min(fact["n_frames"], length)
        start, share = (fact["n_frames"] - n) // 2, frames * scale * weight / stood
        shape, total = tuple(fact["shape"]), fact["n_frames"]
        cuts.append(Cut(fact["path"], start, start + n, total, shape, fact["fps"], share, fact["nbytes"]))
    kinds = {name: len(members) for name, members in by_weight}
    return Collection(n_videos or len(nbytes), frames * scale, opened * scale, kinds, cuts)


def stratum(fact: dict[str, Any]) -> str:
    """Return what kind of video one is: its codec or format, frame size and length by powers of four."""
    size = "x".join(map(str, fact["shape"][-2:])) if len(fact["shape"]) >= 2 else str(fact["shape"])
    octave = int(math.log(max(1, fact["n_frames"]), 4))
    return f"{fact['codec'] or fact['format']} {size}, {4**octave} to {4 ** (octave + 1) - 1} frames"


def _places(strata: Sequence[Sequence[dict[str, Any]]]) -> list[int]:
    """Return how many videos of each stratum are cut: one of each of the largest, more if there are few strata."""
    places = [1 if k < MOST else 0 for k in range(len(strata))]
    weights = [sum(fact["n_frames"] for fact in members) for members in strata]
    while sum(places) < min(MOST, sum(map(len, strata))):
        open_ = [k for k in range(min(MOST, len(strata))) if places[k] < len(strata[k])]
        if not open_:
            break
        places[max(open_, key=lambda k: weights[k] / (places[k] + 1))] += 1
    return places


def _length(facts: Sequence[dict[str, Any]], seconds: float, least: int) -> int:
    """Return the frames of each cut."""
    pixels = sum(math.prod(fact["shape"][-2:]) for fact in facts)
    return int(min(LONGEST, max(least, PIXELS * seconds / max(1, pixels))))
