"""`verify`: whether a folder of results is what its receipts say, and what its sources say."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.registry import get_format
from vidformats.threads import default_threads
from vidformats.timing import CONTAINER
from vidformats.tools import compare, receipts
from vidformats.tools.frames import EACH, Digests, Frames, Recipe, digests_of
from vidformats.tools.job import Job
from vidformats.tools.receipts import Receipt
from vidformats.tools.sources import discover
from vidformats.tools.work import run, workers
from vidformats.video import Video

SAMPLE = 4
"""Blocks of frames that a quick look reads: the first, the last, and others chosen by chance, the same each time."""


@dataclass(frozen=True)
class Problem:
    """Something that is not right.

    Attributes
    ----------
    path : str
        The result, below the folder.
    kind : str
        ``missing``, ``unreadable``, ``shape``, ``count``, ``bytes``, ``pixels``, ``rate``, ``source``, ``failed``, or
        ``decoder``, which is none of the result: the libraries decode it otherwise than when it was made.
    text : str
        In words.
    frames : tuple of int
        Which frames, all of them, if frames are wrong.
    """

    path: str
    kind: str
    text: str
    frames: tuple[int, ...] = ()

    @property
    def is_fault(self) -> bool:
        """Whether the result is wrong, and `verify` fails."""
        return self.kind != "decoder"

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}: {self.text}"


@dataclass(frozen=True)
class Check:
    """One result to be looked at; picklable.

    Attributes
    ----------
    target : Path
        The result.
    receipt : Receipt
    source : str
        What it was made of; empty to look at the result alone.
    quick : bool
    threads : int
    """

    target: Path
    receipt: Receipt
    source: str = ""
    quick: bool = False
    threads: int = 1


def verify(
    folder: str | os.PathLike[str],
    against: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    quick: bool = False,
    repair: bool = False,
    jobs: int | None = None,
    seconds: float | None = None,
    begin: Callable[[int], object] | None = None,
    seen: Callable[[str, list[Problem]], object] | None = None,
) -> list[Problem]:
    """Find out whether a folder of results is right.

    Without sources each result must have the bytes, the number of frames, the rate and the pixels that its receipt
    says. Against sources, all frames are made anew from them and compared: those of formats that keep every
    bit bit for bit, others by encoding them anew, too. That also finds what a faulty converter wrote and noted down.

    Parameters
    ----------
    folder : path-like
        Where `convert` wrote to.
    against : path-like, or several, optional
        The sources: as given to `convert`.
    quick : bool
        Look at sizes and at a sample of frames only.
    repair : bool
        Convert again what is wrong, and look again.
    jobs : int, optional
        How many child processes work at once; by default as many as CPUs.
    seconds : float, optional
        Limit for one result, as for `convert`.
    begin, seen : callable, optional
        Called with the number of results, and with each result and its problems.

    Returns
    -------
    list of Problem
        In the order of the results; empty if all is right.

    Examples
    --------
    >>> import numpy as np, os, vidformats as vf
    >>> os.makedirs("study", exist_ok=True)
    >>> video = np.random.default_rng(0).integers(0, 255, (30, 3, 16, 16), "uint8")
    >>> _ = vf.write(video, "study/a.npy")
    >>> _ = vf.convert("study", "store", "h5_frames")
    >>> vf.verify("store", against="study")
    []
    >>> video[20] = video[19]
    >>> _ = vf.write(video, "store/a.h5", "h5_frames")
    >>> [(problem.kind, problem.frames) for problem in vf.verify("store", against="study")]
    [('bytes', ()), ('pixels', (20,))]
    """
    root = Path(folder).absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    sources = None if against is None else {item.path: item.name for item in discover(against, root)}
    n = jobs or default_threads()
    checks, problems = _checks(root, sources, quick, max(1, default_threads() // n))
    if begin:
        begin(len(checks))
    found: dict[str, list[Problem]] = {}
    with workers(n, None, seconds) as submit:
        for check, future in [(check, submit(check, look)) for check in checks]:
            try:
                found[check.receipt.path] = future.result()
            except Exception as error:
                found[check.receipt.path] = [Problem(check.receipt.path, "unreadable", f"{error}")]
            if seen:
                seen(check.receipt.path, found[check.receipt.path])
        if repair:
            wrong = [check for check in checks if any(problem.is_fault for problem in found[check.receipt.path])]
            redo = [_job(check, root) for check in wrong]
            run([job for job in redo if os.path.exists(job.source)], submit)
            for check, job in zip(wrong, redo, strict=True):
                if (receipt := receipts.read(job.target)) is not None:
                    found[receipt.path] = submit(replace(check, receipt=receipt), look).result()
    for one in found.values():
        problems += one
    return sorted(problems, key=lambda problem: problem.path)


def _checks(root: Path, sources: dict[str, str] | None, quick: bool, threads: int) -> tuple[list[Check], list[Problem]]:
    """Return what to look at, and what can be told without."""
    checks, problems, used = [], [], set()
    for target in receipts.targets(root):
        receipt, path = receipts.read(target), target.relative_to(root).as_posix()
        if receipt is None:
            failure = receipts.failure(target)
            why = failure.error if failure else "its conversion was begun and not ended"
            problems.append(Problem(path, "failed", f"was not converted: {why}"))
            used.add(failure.source if failure else "")
            continue
        receipt = replace(receipt, path=path)  # the store may have been moved
        own = os.path.normpath(root / receipt.source["path"])
        source = own if sources is None or own in sources else _named(sources, path)
        used.add(source)
        if sources is not None and not source:
            problems.append(Problem(path, "source", f"none of the sources is {receipt.source['name']}"))
        given = "" if sources is None else source
        checks.append(Check(target, receipt, given, quick, threads))
    for source in sorted(set(sources or ()) - used):
        problems.append(Problem((sources or {})[source], "missing", f"{source} was not converted"))
    return checks, problems


def _named(sources: dict[str, str], path: str) -> str:
    """Return the source whose name a result has."""
    stem = os.path.splitext(path)[0]
    return next((source for source, name in sources.items() if name in (path, stem)), "")


def _job(check: Check, root: Path) -> Job:
    receipt = check.receipt
    source = check.source or os.path.normpath(root / receipt.source["path"])
    return Job(source, str(root), receipt.path, Recipe.of(receipt.recipe), receipt.columns, check.threads, anew=True)


def look(check: Check) -> list[Problem]:
    """Return what is wrong with one result."""
    receipt, found = check.receipt, list[Problem]()

    def say(kind: str, text: str, frames: Iterable[int] = ()) -> None:
        found.append(Problem(receipt.path, kind, text, tuple(frames)))

    if not os.path.lexists(check.target):
        say("missing", "is not there")
        return found
    size, _ = receipts.size_and_time(check.target)
    same = size == receipt.result["size"]
    if same and not check.quick:
        same = receipts.sha256_of(check.target) == receipt.result["sha256"]
    if not same:
        got = "others of the same number" if size == receipt.result["size"] else f"{size}"
        say("bytes", f"expected the {receipt.result['size']} bytes that were written, got {got}")
    try:
        with Video(check.target, threads=check.threads) as video:
            _facts(video, list(receipt.shape), receipt.dtype, receipt.fps, say)
            if check.source:
                _compare(video, check, say)
            elif video.shape == tuple(receipt.shape):
                _digests(video, check, same, say)
    except Exception as error:
        say("unreadable", f"{type(error).__name__}: {error}")
    return found


Say = Callable[..., None]


def _facts(video: Video, shape: list[int], dtype: str, fps: float | None, say: Say) -> None:
    """Compare what is known without reading a frame."""
    if list(video.shape[1:]) != shape[1:] or video.dtype.name != dtype:
        say("shape", f"expected frames of {tuple(shape[1:])} {dtype}, got {video.shape[1:]} {video.dtype}")
    if len(video) != shape[0]:
        say("count", f"expected {shape[0]} frames, got {len(video)}")
    if fps is not None and (video.fps is None or abs(video.fps - fps) > 1e-3 * fps):
        say("rate", f"expected {fps:g} frames per second, got {video.fps and round(video.fps, 3)}")


def _digests(video: Video, check: Check, same: bool, say: Say) -> None:
    """Compare a result with the digests in its receipt."""
    due, n = check.receipt.stored, len(video)
    if check.quick:
        got = {k: _digest(video[EACH * k : EACH * (k + 1)]) for k in _some(len(due))}
    else:
        got = dict(enumerate(digests_of(video)))
    bad = [k for k, digest in got.items() if digest != due[k]]
    if bad and same and not check.quick:
        say("decoder", "the bytes are those that were written, but other versions of libraries decode them otherwise")
    elif bad:
        frames = [f for k in bad for f in range(EACH * k, min(EACH * (k + 1), n))]
        say("pixels", f"among frames {ranges(frames)} are some that differ from those written", frames)


def _digest(frames: np.ndarray) -> str:
    digests = Digests()
    digests.update(frames)
    return digests.all()[0]


def _some(n: int) -> list[int]:
    """Return a few of `n` blocks, the first and the last among them."""
    inner = random.Random(n).sample(range(1, n - 1), min(SAMPLE - 2, n - 2)) if n > 2 else []
    return sorted({0, n - 1, *inner})


class Part:
    """The same frames of a video, or of what it should be, each time they are asked for."""

    def __init__(self, video: Any, numbers: list[int]):
        self._video, self._numbers = video, numbers
        self.shape, self.dtype = (len(numbers), *video.shape[1:]), video.dtype

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.concatenate([self._video[k : k + 1] for k in self._numbers[part]])

    def __len__(self) -> int:
        return len(self._numbers)


def _compare(video: Video, check: Check, say: Say) -> None:
    """Compare a result with what its source gives now."""
    receipt, recipe = check.receipt, Recipe.of(check.receipt.recipe)
    with Frames(check.source, recipe, check.threads) as frames:
        if not check.quick and receipts.sha256_of(Path(check.source)) != receipt.source["sha256"]:
            say("source", f"{check.source} is not the source that was converted, by its SHA-256")
        if frames.shape != tuple(receipt.shape) or frames.dtype.name != receipt.dtype:
            _facts(video, list(frames.shape), frames.dtype.name, frames.fps, say)
        elif frames.fps is not None and receipt.fps is not None:
            _facts(video, list(video.shape), video.dtype.name, frames.fps, say)
        if frames.times is not None and video.times is not None and len(frames.times) == len(video.times):
            off = np.abs((video.times - video.times[0]) - (frames.times - frames.times[0]))
            if (off > 2 * CONTAINER).any():
                late = np.flatnonzero(off > 2 * CONTAINER)
                say("rate", f"frames {ranges(late)} are shown up to {off.max():.3f} s off their time", map(int, late))
        if video.shape[1:] != frames.shape[1:] or video.dtype != frames.dtype:
            return
        n = min(len(video), len(frames))
        result, expected = _First(video, n), _First(frames, n)
        lossless = get_format(recipe.to, **recipe.options).tolerance == 0
        if check.quick:
            chosen = [f for k in _some(-(-n // EACH)) for f in range(EACH * k, min(EACH * k + 4, n))]
            if lossless:
                bad = [chosen[k] for k in compare.unequal(Part(video, chosen), Part(frames, chosen))]
            else:
                bad = compare.misplaced(result, expected, chosen)
        elif lossless:
            bad = compare.unequal(result, expected)
        else:
            bad = compare.unlike(result, expected, recipe, receipt.versions == receipts.versions())
        for group, word in compare.explained(result, expected, bad):
            say("pixels", f"{'frame' if len(group) == 1 else 'frames'} {ranges(group)} {word}", group)


class _First:
    """The first frames of a longer video, with its time."""

    def __init__(self, video: Any, n: int):
        self._video, self._n = video, n
        self.shape, self.dtype = (n, *video.shape[1:]), video.dtype
        whole = n == len(video)
        self.fps, self.info = video.fps, video.info
        self.times: Any = video.times if whole else None
        self.duration: float | None = video.duration if whole else None

    def __getitem__(self, index: Any) -> np.ndarray:
        frames: np.ndarray = self._video[index]
        return frames

    def __len__(self) -> int:
        return self._n


def ranges(frames: Iterable[int]) -> str:
    """Return numbers as text, those that follow each other as one; of very many the first.

    Examples
    --------
    >>> ranges([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs]
    return ", ".join(texts[:12]) + (f" and {len(texts) - 12} more stretches" if len(texts) > 12 else "")
