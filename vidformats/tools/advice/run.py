"""The measurement: videos are sampled, candidates written, read and left out, within the time given."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from vidformats.bench.measure import disk
from vidformats.tools.advice import sample
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.candidates import AS_IS, Candidate
from vidformats.tools.advice.decide import Result, Wants, misses, score
from vidformats.tools.advice.halving import halve
from vidformats.tools.advice.helper import Failed, Helper

SHARES = {"look": 0.1, "cut": 0.2, "write": 0.5}
"""Parts of the time by whose end a step is over; the rest is for reading."""

OPENED = 200
"""Videos that are opened, at most, to learn what there is."""

ROUNDS = 3
"""Warm passes of one measurement."""

PASS = 0.001
"""How long a pass takes in the first round, in parts of the time; it grows by half with each round."""

READY, READS = ("av", "cv2", "h5py", "PIL.Image", "scipy.io", "skimage.metrics", "numcodecs"), ("torch.utils.data",)
"""What helpers import before anything is timed, and what the one that reads imports as well."""

Progress = Callable[[str, int, int], object]
"""Takes what is being done, and how many of how many steps are done."""


class Run:
    """One measurement, in a folder that is removed afterwards.

    Parameters
    ----------
    folder : Path
        On the disk in question.
    access : Access
    workers : int
    options : dict
        What `vidformats.open` takes: ``size`` and ``fps``.
    wants : Wants
    seconds : float
        Time given.
    progress : callable
    """

    def __init__(
        self, folder: Path, access: Access, workers: int, options: dict[str, Any], wants: Wants, seconds: float,
        progress: Progress,
    ):  # fmt: skip
        self.folder, self.access, self.workers, self.options = folder, access, workers, options
        self.wants, self.seconds, self.progress = wants, seconds, progress
        self.begun = monotonic()
        self.left_out: dict[str, str] = {}
        self.results: dict[str, Result] = {}
        self._items: dict[str, list[dict[str, Any]]] = {}

    def until(self, share: float) -> float:
        """Return the seconds until a part of the time is over."""
        return self.begun + share * self.seconds - monotonic()

    def look(self, paths: Sequence[str], n_videos: int | None, helpers: Sequence[Helper]) -> sample.Collection:
        """Open videos, as many as there is time for, and choose those that stand for all.

        Raises
        ------
        ValueError
            If none could be opened; the message says why.
        """
        with _shared(helpers) as share:
            self.progress("starting", 0, 1)
            for future in [share(Helper.start) for _ in helpers]:
                future.result()
        # A slow start takes from every step alike.
        self.seconds, self.begun = max(1.0, self.until(1)), monotonic()
        sizes = [_nbytes(path) for path in paths]
        faults: dict[str, str] = {}
        facts: list[dict[str, Any]] = []
        places = sample.spread(sizes, OPENED)
        # Their order is changed, so that what there is no time for is not the largest.
        order = np.random.default_rng(0).permutation(len(places)).tolist()
        for done, k in enumerate(order):
            path = paths[places[k]]
            if len(facts) >= sample.MOST and self.until(SHARES["look"]) < 0:
                break
            self.progress("looking at the videos", done, len(order))
            try:
                limit = max(5.0, self.until(SHARES["look"]))
                facts.append(helpers[0].call("probe", limit, path=path, options=self.options))
            except Failed as error:
                faults[path] = str(error)
        if not facts:
            raise ValueError(f"none of {len(paths)} files could be opened as a video; {next(iter(faults.values()))}")
        kept = [size for path, size in zip(paths, sizes, strict=True) if path not in faults]
        found = sample.choose(facts, kept, n_videos, self.seconds, self.access.span + self.access.stride)
        found.faults = faults
        return found

    def cut(self, collection: sample.Collection, helpers: Sequence[Helper]) -> None:
        """Cut the samples out of their videos; what cannot be decoded is left out.

        Raises
        ------
        ValueError
            If none could be.
        """

        def one(helper: Helper, cut: sample.Cut, to: str) -> None:
            limit = max(10.0, self.until(SHARES["cut"]))
            options = self.options
            helper.call("excerpt", limit, path=cut.path, options=options, start=cut.start, stop=cut.stop, to=to)

        kept = []
        with _shared(helpers) as share:
            work = [
                (cut, to, share(one, cut, to))
                for k, cut in enumerate(collection.cuts)
                for to in [str(self.folder / f"source{k}.npy")]
            ]
            for done, (cut, to, future) in enumerate(work):
                self.progress("decoding samples", done, len(work))
                try:
                    future.result()
                    kept.append((cut, to))
                except Failed as error:
                    collection.faults[cut.path] = str(error)
        if not kept:
            raise ValueError(f"none of the samples could be decoded; {next(iter(collection.faults.values()))}")
        collection.cuts, self.sources = [cut for cut, _ in kept], [to for _, to in kept]
        stood = sum(cut.stands_for for cut in collection.cuts)
        self.weights = [cut.stands_for / stood for cut in collection.cuts]
        self.n_frames, self.collection = collection.n_frames, collection

    def write(self, candidates: Sequence[Candidate], helpers: Sequence[Helper]) -> None:
        """Write all candidates, and compare them with their sources; those that fail are left out."""
        waiting = [candidate.name for candidate in candidates if candidate.name != AS_IS]
        arrays = self.sources
        shapes = [cut.shape for cut in self.collection.cuts]
        groups = [shapes.index(shape) for shape in shapes]
        rates = [cut.fps for cut in self.collection.cuts]

        def one(helper: Helper, candidate: Candidate) -> dict[str, Any]:
            left = self.until(SHARES["write"] + 0.1)
            if left <= 0:
                raise Failed("no time was left to write it")
            # What fast ones leave of their share goes to those after them.
            allowed = max(0.3, self.until(SHARES["write"]) * len(helpers) / len(waiting))
            waiting.remove(candidate.name)
            found: dict[str, Any] = helper.call(
                "store", min(left, 4 * allowed + 5), sources=arrays, rates=rates, form=candidate.format,
                options=candidate.options, folder=str(self._place(candidate.name)), seconds=allowed,
                least=self.access.span, stride=self.access.stride,
            )  # fmt: skip
            return found

        if candidates[0].name == AS_IS:
            cuts = self.collection.cuts
            frames = sum(cut.stop - cut.start for cut in cuts)
            self.results[AS_IS] = Result(AS_IS, "", {}, 0, True, self.collection.nbytes, ssim=1.0, frames=frames)
            self._items[AS_IS] = [
                {"path": cut.path, "n_frames": cut.n_frames, "start": cut.start, "stop": cut.stop, "group": group}
                | {"open": self.options}
                for cut, group in zip(cuts, groups, strict=True)
            ]

        with _shared(helpers) as share:
            written = [candidate for candidate in candidates if candidate.name != AS_IS]
            work = [(candidate, share(one, candidate)) for candidate in written]
            for done, (candidate, future) in enumerate(work):
                self.progress(f"writing {candidate.name}", done, len(work))
                try:
                    found = future.result()
                except Failed as error:
                    self.left_out[candidate.name] = _reason(error)
                    shutil.rmtree(self._place(candidate.name), ignore_errors=True)
                    continue
                per_frame = [nbytes / n for nbytes, n in zip(found["nbytes"], found["frames"], strict=True)]
                total = float(np.dot(per_frame, self.weights)) * self.n_frames
                self.results[candidate.name] = Result(
                    candidate.name, candidate.format, candidate.options, candidates.index(candidate),
                    candidate.lossless, total, psnr=found["psnr"], ssim=found["ssim"],
                    write_seconds=found["seconds"] * self.n_frames, frames=sum(found["frames"]),
                )  # fmt: skip
                self._items[candidate.name] = [
                    {"path": path, "n_frames": n, "start": 0, "stop": n, "group": group}
                    for path, n, group in zip(found["paths"], found["frames"], groups, strict=True)
                ]

    def read(self, helper: Helper, margin: float = 0.97) -> None:
        """Time all once, then those that may win, until the time is over."""
        names = list(self.results)
        for done, name in enumerate(names):
            self.progress(f"reading {name}", done, len(names))
            if self.until(margin) < 1 and done > 1:
                self.left_out[name] = "no time was left to read it"
                self._drop(name)
            else:
                # One that hangs must leave time for the others.
                limit = max(0.1 * self.seconds, 3 * self.until(margin) / (len(names) - done + 2))
                self._measure(helper, name, 0, min(limit, self.until(margin)))
        fit = [name for name, result in self.results.items() if not misses(result, self.wants)]
        for name in set(self.results) - set(fit):
            shutil.rmtree(self._place(name), ignore_errors=True)

        def measure(name: str, rung: int) -> bool:
            self.progress(f"reading the contenders, round {rung}: {name}", rung, 9)
            return self._measure(helper, name, rung, self.until(margin))

        halve(
            fit,
            measure,
            lambda name: score(self.results[name], self.wants),
            lambda: self.until(margin),
            lambda name: 1.2 * self.results[name].lasted,
            lambda name: self.results[name].nbytes,
        )

    def _measure(self, helper: Helper, name: str, rung: int, limit: float) -> bool:
        result, began = self.results[name], monotonic()
        cold = rung == 0 or self.wants.held(result.nbytes) < 1
        length = max(0.04, PASS * self.seconds) * 1.5 ** min(rung, 4)
        try:
            found = helper.call(
                "load", max(1.0, limit), items=self._items[name], access=self.access.__dict__, workers=self.workers,
                seconds=length, rounds=ROUNDS, cold=cold, held=rung == 0,
            )  # fmt: skip
        except Failed as error:
            if rung == 0 or "took more than" not in str(error):
                self.left_out[name] = f"reading it failed: {_reason(error)}"
                self._drop(name)
            return False
        result.warm += found["warm"]
        result.cold += [found["cold"]] if found["cold"] else []
        if rung == 0:
            result.first, result.memory = found["first"], found["memory"]
        result.lasted = monotonic() - began
        return True

    def _place(self, name: str) -> Path:
        return self.folder / "".join(c if c.isalnum() else "_" for c in name)

    def _drop(self, name: str) -> None:
        del self.results[name]
        shutil.rmtree(self._place(name), ignore_errors=True)


def _reason(error: Failed) -> str:
    """Return why something failed, without our own files, which are gone: what failed alike is told once."""
    return re.sub(r":? '[^']*/\.vidformats-[^']*'|\S*/\.vidformats-\S*: ", "", str(error))


def _nbytes(path: str) -> int:
    try:
        return max(1, disk.size(path))
    except OSError:
        return 1


@contextlib.contextmanager
def _shared(helpers: Sequence[Helper]) -> Iterator[Callable[..., Any]]:
    """Give a function that hands work to whichever helper is free, and returns a future."""
    free = list(helpers)

    def work(function: Callable[..., Any], *arguments: Any) -> Any:
        helper = free.pop()
        try:
            return function(helper, *arguments)
        finally:
            free.append(helper)

    pool = ThreadPoolExecutor(len(helpers))
    try:
        yield lambda function, *arguments: pool.submit(work, function, *arguments)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
