"""Which frames of a result are not what they should be, and what they are instead."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.registry import get_format, row_of
from vidformats.select import BLOCK, blocks, frames_in
from vidformats.tools.job import encoding_threads
from vidformats.video import Video
from vidformats.writing import store

NEAR = 3
"""Frames before and after, among which a frame out of its place is looked for."""

LOOKED_AT = 48
"""Frames of a result that are explained, spread over all that are wrong."""

MUCH = 2.0
"""Times the squared error of a frame that is encoded anew, from which on a frame of a lossy result is wrong."""

LEVEL = 1.0
"""Squared error, in grey levels of 255, that counts for nothing."""

SIDE, PATCH = 8, 900.0
"""Pixels of a side of the blocks that are compared, and the squared error of one that counts for nothing."""

VARYING = ("libx264",)
"""Encoders that give other bytes each time: x264's lookahead does at the size of faces, with one thread too."""


def unequal(result: Any, expected: Any) -> list[int]:
    """Return the frames that differ in any bit; both are read a part at a time.

    Parameters
    ----------
    result, expected : array-like of (T, ...), of one shape and dtype

    Examples
    --------
    >>> unequal(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]))
    [1]
    """
    bad = []
    for part in _parts(expected):
        bad += [part.start + int(k) for k in np.flatnonzero(_differs(result[part], expected[part]))]
    return bad


def unlike(result: Any, expected: Any, recipe: Any, exact: bool) -> list[int]:
    """Return the frames of a lossy result that are not as this format stores them.

    They are encoded anew, and decoded. What is then the same bit for bit is right; else the result, and each of its
    blocks, may be as far from what was to be stored as the new one is, times `MUCH`.

    Parameters
    ----------
    result, expected : array-like of (T, C, H, W), of one shape and dtype
    recipe : Recipe
        How the result was written.
    exact : bool
        Whether the same libraries and machine wrote it. Then every bit counts, if encoding twice gives the same.
    """
    encoder = getattr(get_format(recipe.to, **recipe.options), "codec", "")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{k}{row_of(recipe.to).suffix}") for k in range(2)]
        store(expected, paths[0], recipe.to, recipe.options, encoding_threads(recipe.to, 1))
        with Video(paths[0]) as anew:
            bad = unequal(result, anew)
            if not bad:
                return []
            if exact and encoder not in VARYING:
                store(expected, paths[1], recipe.to, recipe.options, encoding_threads(recipe.to, 1))
                with Video(paths[1]) as again:
                    if not unequal(anew, again):
                        return bad
            return [
                frame
                for frame in bad
                if _is_far(result[frame], anew[frame], expected[frame : frame + 1][0])
                or _leans(result[frame], anew[frame], expected, frame)
            ]


def _leans(stored: np.ndarray, anew: np.ndarray, expected: Any, frame: int) -> bool:
    """Tell whether a frame leans towards another one, or towards other colours, as the one encoded anew does not.

    What a codec loses lies in no such direction, so this finds a fault that is smaller than the loss.
    """
    due, candidates = _candidates(expected, frame)
    for other in candidates.values():
        way = other.astype(np.float64) - due
        length = float(np.vdot(way, way))
        if length > LEVEL * way.size and float(np.vdot(stored.astype(np.float64) - anew, way)) > length / 2:
            return True
    return False


def _is_far(stored: np.ndarray, anew: np.ndarray, due: np.ndarray) -> bool:
    """Tell whether a frame, or a block of it, is much further from what is due than one encoded anew."""
    if error(stored, due) > MUCH * error(anew, due) + LEVEL:
        return True
    own, other = (np.square(frame.astype(np.float64) - due).max(axis=0) for frame in (stored, anew))
    if own.shape[0] < SIDE or own.shape[1] < SIDE:
        return False
    cut = tuple(n - n % SIDE for n in own.shape)
    folded = (cut[0] // SIDE, SIDE, cut[1] // SIDE, SIDE)
    own, other = (e[: cut[0], : cut[1]].reshape(folded).mean(axis=(1, 3)) for e in (own, other))
    return bool((own > MUCH * MUCH * other + PATCH).any())


def misplaced(result: Any, expected: Any, frames: Sequence[int]) -> list[int]:
    """Return those of `frames` that are much more like another frame nearby, or like themselves in other colours."""
    return [frame for frame in frames if _instead(result, expected, frame)]


def explained(result: Any, expected: Any, bad: Sequence[int]) -> Iterator[tuple[list[int], str]]:
    """Yield frames that are wrong in the same way, and in which; of very many only a part is looked at."""
    groups: dict[str, list[int]] = {}
    step = -(-len(bad) // LOOKED_AT)
    word = ""
    for k, frame in enumerate(bad):
        if k % step == 0:
            word = _instead(result, expected, frame) or _distance(result[frame], expected[frame : frame + 1][0], step)
        groups.setdefault(word, []).append(frame)
    for word, found in groups.items():
        yield found, word


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean squared difference, in grey levels of 255."""
    peak = np.iinfo(a.dtype).max if a.dtype.kind in "iu" else 255
    return float(np.mean(np.square(a.astype(np.float64) - b))) * (255 / peak) ** 2


def _candidates(expected: Any, frame: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the frame that is due, and what else might be there, by what is then said of it."""
    first = max(0, frame - NEAR)
    nearby = expected[first : min(len(expected), frame + NEAR + 1)]
    due = nearby[frame - first]
    found = {f"hold frame {first + k} instead": other for k, other in enumerate(nearby) if first + k != frame}
    if due.ndim == 3 and due.shape[0] == 3:
        found["have their channels reversed (BGR for RGB)"] = due[::-1]
    if due.dtype == np.uint8:
        found["have their range narrowed to 16-235"] = due * (219 / 255) + 16
        found["have their range widened from 16-235"] = np.clip((due.astype(np.float64) - 16) * (255 / 219), 0, 255)
    return due, found


def _instead(result: Any, expected: Any, frame: int) -> str:
    """Return what a frame is instead of the one that is due; empty if that one is the most like it."""
    due, candidates = _candidates(expected, frame)
    stored = result[frame]
    errors = {word: error(stored, other) for word, other in candidates.items()}
    best = min(errors, key=lambda word: errors[word], default="")
    return best if best and errors[best] < 0.5 * error(stored, due) else ""


def _distance(stored: np.ndarray, due: np.ndarray, step: int) -> str:
    wrong = int(np.count_nonzero(stored != due))
    if step > 1:
        return "differ"
    peak = np.iinfo(stored.dtype).max if stored.dtype.kind in "iu" else 255
    off = np.abs(stored.astype(np.float64) - due).max() if stored.size else 0.0
    return f"differ in {wrong} of {stored.size} values, by up to {off:g} of {peak}"


def _differs(a: np.ndarray, b: np.ndarray) -> NDArray[np.bool_]:
    """Tell for each frame whether any bit differs: NaN equals NaN, 0 is not -0."""
    if a.size == 0:
        return np.zeros(len(a), bool)
    a, b = (np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8) for x in (a, b))
    found: NDArray[np.bool_] = (a != b).any(axis=1)
    return found


def _parts(video: Any) -> Iterator[slice]:
    return blocks(len(video), frames_in(2 * BLOCK, video.shape[1:], video.dtype))
