"""`advise`: which format for these videos, on this disk, for this access: measured, not guessed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from vidformats.bench.measure import cache, disk
from vidformats.bench.measure.machine import facts
from vidformats.threads import cpus
from vidformats.tools.advice import decide
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.candidates import AS_IS, CANDIDATES, Candidate, available
from vidformats.tools.advice.decide import Choice, Wants
from vidformats.tools.advice.helper import Helper
from vidformats.tools.advice.report import Advice
from vidformats.tools.advice.run import READS, READY, Progress, Run
from vidformats.tools.advice.sample import Collection, find
from vidformats.writing import hidden_folder

MIN_PSNR = 38.0
"""Decibels that lossy candidates must reach by default: differences that few see side by side."""

RAM = 0.8
"""Part of the free memory that may hold videos from epoch to epoch."""


def advise(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    on: str | os.PathLike[str] | None = None,
    access: str = "window=64,hop=32,stride=4",
    *,
    workers: int | None = None,
    batch: int | None = None,
    size: int | tuple[int, int] | None = None,
    fps: float | None = None,
    budget: float | None = None,
    lossless: bool = False,
    min_psnr: float | None = None,
    videos: int | None = None,
    time: float = 120.0,
    step_ms: float | None = None,
    cache_state: str = "auto",
    candidates: Sequence[Candidate] = CANDIDATES,
    progress: Progress = lambda what, done, of: None,
) -> Advice:
    """Measure which format suits some videos, on one disk, for one way of reading.

    A few of the videos stand for all. Some of their frames are written in every format, compared with the source, and
    read through a real loader; the faster half goes on to be measured longer. All that is written lies in one hidden
    folder, which is removed however this ends; if it is killed, by the next call for that disk.

    Parameters
    ----------
    paths : path-like, or sequence of path-like
        Videos, folders of images, and folders with such in them.
    on : path-like, optional
        A folder on the disk in question; by default the current one.
    access : str
        How training reads: ``"window=64,hop=32,stride=4"``, as `vidformats.windows` takes them; ``"every=4"``;
        ``"full"``; or ``"random"`` single frames.
    workers : int, optional
        Of the loader; by default as many as CPUs.
    batch : int, optional
        Windows in a batch, by default 8; 64 random frames.
    size, fps : optional
        As `vidformats.open` takes them: what the videos are converted to.
    budget : float, optional, bytes
        Disk for all of them.
    lossless : bool
        Nothing that loses a bit.
    min_psnr : float, optional, dB
        What lossy formats must keep, 38 by default.
    videos : int, optional
        How many there will be; by default those there are.
    time : float, seconds
        To take at most.
    step_ms : float, optional, milliseconds
        What a training step takes: more than it needs is of no use.
    cache_state : {"auto", "warm", "cold"}
        Whether epochs are read from memory; by default as far as memory holds the whole collection.
    candidates : sequence of Candidate
    progress : callable
        Called with what is being done, and how many of how many steps are done.

    Returns
    -------
    Advice

    Raises
    ------
    FileNotFoundError
        If there are no videos, or no such folder.
    ValueError
        If an argument makes no sense, or no video can be opened.
    OSError
        If the disk is too small to measure on.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((40, 3, 32, 32), "uint8"), "dark.mp4", fps=10)
    >>> advice = vf.advise(path, access="every=4", workers=0, time=8, lossless=True)  # doctest: +SKIP
    >>> advice.winner  # doctest: +SKIP
    'npy'
    """
    begun = monotonic()
    ask = Access.parse(access, batch)
    workers = cpus() if workers is None else workers
    for name, value, least in (("workers", workers, 0), ("time", time, 5), ("videos", videos, 1)):
        if value is not None and not value >= least:
            raise ValueError(f"{name} must be >= {least}, got {value}")
    for name, number in (("budget", budget), ("step_ms", step_ms), ("min_psnr", min_psnr)):
        if number is not None and not 0 < number < math.inf:
            raise ValueError(f"{name} must be > 0, got {number}")
    if lossless and min_psnr is not None:
        raise ValueError("lossless= and min_psnr= exclude each other")
    if cache_state not in ("auto", "warm", "cold"):
        raise ValueError(f"cache_state must be auto, warm or cold, got {cache_state!r}")
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    place = Path(on or ".").absolute()
    if not place.is_dir():
        raise FileNotFoundError(f"{place}: expected a folder on the disk in question")
    found = find(given)
    options = {name: value for name, value in (("size", size), ("fps", fps)) if value is not None}
    need = None if step_ms is None else ask.samples / (step_ms / 1e3)
    wants = Wants(lossless, MIN_PSNR if min_psnr is None else min_psnr, budget, need, _free_memory(), cache_state)
    kept, missing = available(lossless, tuple(candidates))
    warnings = _warnings(place)

    with _signals(), hidden_folder(place) as folder, contextlib.ExitStack() as stack:
        helpers = [stack.enter_context(Helper(READY + READS * (k == 0))) for k in range(max(1, min(cpus(), 4)))]
        run = Run(folder, ask, workers, options, wants, time - (monotonic() - begun), progress)
        collection = run.look(found, videos, helpers)
        _check_disk(place, collection, len(kept))
        run.cut(collection, helpers)
        run.write(kept, helpers)
        for helper in helpers[1:]:
            helper.close()
        run.read(helpers[0])

    results = list(run.results.values())
    choice = decide.choose(results, wants)
    per_frame = {result.name: result.nbytes / collection.n_frames for result in results}
    told = decide.changes(choice, wants, workers, cpus(), per_frame)
    winner = choice.winner
    if winner and winner.name != AS_IS and winner.nbytes > (free := disk.free(place)):
        warnings.append(f"{winner.name} needs {decide.size(winner.nbytes)}; {decide.size(free)} are free on this disk")
    if collection.faults:
        warnings.append(f"files left out: {len(collection.faults)}; vidformats doctor says why")
    return Advice(
        choice, wants, collection, ask, workers, missing | run.left_out, warnings, told,
        _command(choice, given, options), monotonic() - begun, facts(place),
    )  # fmt: skip


def _command(choice: Choice, paths: Sequence[str | os.PathLike[str]], options: dict[str, Any]) -> str:
    """Return the command that converts the videos as advised."""
    winner = choice.winner
    if winner is None or winner.name == AS_IS:
        return ""
    words = ["vidformats", "convert", *(os.fspath(path) for path in paths), "converted", "--to", winner.format]
    if (pixels := options.get("size")) is not None:
        words += ["--size", ",".join(map(str, pixels)) if isinstance(pixels, tuple) else str(pixels)]
    if (fps := options.get("fps")) is not None:
        words += ["--fps", f"{fps:g}"]
    for name, value in winner.options.items():
        words += ["-o", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


def _warnings(place: Path) -> list[str]:
    told = []
    if cache.is_tmpfs(place):
        told.append("this disk is a tmpfs: its files are in memory, so nothing was read from a disk")
    return told


def _check_disk(place: Path, collection: Collection, n_candidates: int) -> None:
    """Raise if the samples would fill the disk."""
    payload = sum((cut.stop - cut.start) * math.prod(cut.shape) for cut in collection.cuts)
    # Half of the candidates compress, most of them to less than a third.
    need, free = payload * (2 + 0.6 * n_candidates), disk.free(place)
    if need > 0.9 * free:
        raise OSError(
            f"{place}: measuring needs {decide.size(need)} of disk, {decide.size(free)} are free; give less time, "
            "or another folder with --on"
        )


def _free_memory() -> float:
    """Return the memory that may hold videos from epoch to epoch, in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return RAM * sizes["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return math.inf


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that what was written is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), leave) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
