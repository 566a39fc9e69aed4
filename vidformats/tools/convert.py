"""`convert`: a collection of videos becomes a folder of results, each with its receipt, and a manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.registry import get_format, row_of
from vidformats.threads import default_threads
from vidformats.tools import receipts, summary
from vidformats.tools.estimate import estimate
from vidformats.tools.frames import Digests, Frames, Recipe
from vidformats.tools.job import Job, convert_one, note
from vidformats.tools.receipts import Failure, Receipt
from vidformats.tools.sources import box_for, boxes_of, discover, refuse_url, told
from vidformats.tools.work import Receipts, Seen, Told, run, workers


def convert(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    to: str,
    *,
    size: int | tuple[int, int] | None = None,
    crop: Any = None,
    fps: float | None = None,
    every: int = 1,
    grey: bool = False,
    windows: tuple[int, int] | None = None,
    partial: bool = False,
    subject_pattern: str | None = None,
    column: str | None = None,
    jobs: int | None = None,
    shard: tuple[int, int] | None = None,
    executor: Executor | None = None,
    seconds: float | None = None,
    anew: bool = False,
    dry_run: bool = False,
    opened: dict[str, Any] | None = None,
    begin: Callable[[list[Job]], object] | None = None,
    seen: Seen | None = None,
    told: Told | None = None,
    **options: Any,
) -> Receipts:
    """Convert a collection of videos; what has a valid receipt already is not done again.

    Each result appears whole under its name or not at all, is read back before, and has a receipt beside it,
    ``.NAME.receipt.json``. What fails never stops the rest: it is listed in ``failed.jsonl``. ``manifest.csv`` names
    all results, for `vidformats.windows`. Sound is not copied.

    Parameters
    ----------
    sources : path-like, or several
        Files, folders (their tree is kept), globs, manifests: tables with a column of paths, whose other columns
        come along.
    folder : path-like
        Where to; it is made if it is not there.
    to : str
        Name of the format, one of `vidformats.formats`.
    size : int or (int, int), optional
        The shorter side, which keeps the aspect, or height and width. Applied after `crop`.
    crop : (int, int, int, int), "center", or path-like, optional
        Left, top, width and height in pixels; the largest square in the middle; or a table with a box per video, or
        per frame: columns ``video``, ``x``, ``y``, ``w``, ``h`` and perhaps ``frame``.
    fps : float, optional
        Take the frames shown at this rate, by the source's time stamps.
    every : int
        Take each frame of so many.
    grey : bool
    windows : (int, int), optional
        Size and hop: write clips of so many frames, counted after `fps` and `every`. The last one ends with the source.
    partial : bool
        Take a source that ends early for what it has.
    subject_pattern : str, optional
        What a source's name, or its path in its folder, looks like: ``"{subject}_trial_*"``. What stands in braces
        becomes a column.
    column : str, optional
        Of a manifest with several columns of paths: which are the videos.
    jobs : int, optional
        CPUs to use, all by default: so many child processes convert at once; of fewer videos, each is decoded by
        several threads.
    shard : (int, int), optional
        ``(3, 64)``: only the third of 64 parts, for an array of jobs on a cluster; `merge` ends it.
    executor : concurrent.futures.Executor, optional
        Where to convert; there, too, each worker does so in a child process of its own.
    seconds : float, optional
        Limit for one source; by default an hour, and one more for each 100 MB. Whatever hangs or crashes ends only its
        child process.
    anew : bool
        Convert again what has a valid receipt.
    dry_run : bool
        Write nothing, but tell in ``estimate`` what there is to do and how much disk it will take.
    opened : dict, optional
        What ``vf.open`` takes besides.
    begin, seen : callable, optional
        Called with the list of jobs, and with each job and its `Outcome`.
    told : callable, optional
        Called now and then, by any thread, with a job, how many of its frames are read, and of how many; not from an
        executor.
    **options
        The format's own, as for ``vf.write``.

    Returns
    -------
    Receipts

    Raises
    ------
    ValueError, TypeError
        If what is asked for makes no sense. What is wrong with a source is told in ``failures``.
    FileNotFoundError
        If a source is not there.
    ImportError
        If the format needs an extra that is not installed.

    Examples
    --------
    >>> import os, numpy as np, vidformats as vf
    >>> os.makedirs("study", exist_ok=True)
    >>> for name in ("Ann_1", "Bo_1"):
    ...     _ = vf.write(np.zeros((30, 3, 48, 64), "uint8"), f"study/{name}.mp4", fps=25.0)
    >>> done = vf.convert("study", "small", "npy", size=24, subject_pattern="{subject}_*")
    >>> [(receipt.path, receipt.shape, receipt.columns["subject"]) for receipt in done.new]
    [('Ann_1.npy', [30, 3, 24, 32], 'Ann'), ('Bo_1.npy', [30, 3, 24, 32], 'Bo')]
    >>> len(vf.windows("small/manifest.csv", size=10, hop=10))
    6
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    if windows is not None and min(windows) < 1:
        raise ValueError(f"windows must be (size, hop), both >= 1, got {windows}")
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise ValueError(f"shard must be (k, n) with 1 <= k <= n, got {shard}")
    get_format(to, **options)
    Digests()  # receipts need a library: better told once than for each source
    table = isinstance(crop, os.PathLike) or (isinstance(crop, str) and crop != "center")
    box = None if table else tuple(crop) if isinstance(crop, list) else crop
    recipe = Recipe(to, size, fps, every, grey, box, partial=partial, opened=dict(opened or {}), options=options)
    n = jobs or default_threads()
    root = Path(folder).absolute()
    planned, failures = plan(sources, root, recipe, crop if table else None, subject_pattern, column, anew)
    if shard is not None:
        planned = planned[shard[0] - 1 :: shard[1]]
    if not dry_run:
        root.mkdir(parents=True, exist_ok=True)
        receipts.tidy_all(root)
    with workers(n, executor, seconds, told) as submit:
        if windows is not None:
            planned, more = _clips(planned, windows, submit, dry_run)
            failures += more
        planned, clashes = _without_clashes(planned)
        if executor is None:  # CPUs that find no video help to decode another
            planned = [replace(job, threads=max(1, n // len(planned))) for job in planned]
        failures += clashes
        if dry_run:
            found, kept, more = estimate(planned, submit)
            return Receipts([], kept, failures + more, found)
        if begin:
            begin(planned)
        done = run(planned, submit, seen)
    failures += done.failures
    if shard is None:
        try:
            _, failures = summary.conclude(root, failures)
        except OSError as error:
            failures.append(Failure("", summary.MANIFEST, f"{type(error).__name__}: {error}"))
    return Receipts(done.new, done.kept, failures)


def convert_file(
    source: str | os.PathLike[str], path: str | os.PathLike[str], recipe: Recipe, seconds: float | None = None
) -> Receipt:
    """Convert one source into a file of any name, as Make and Snakemake call for it.

    If that was done before, the file is only given the time of now, so that Make does not ask again.

    Raises
    ------
    Exception
        Whatever is wrong with source or destination.
    """
    target = Path(path).absolute()
    job = Job(str(Path(source).absolute()), str(target.parent), target.name, recipe, {"trial": target.stem})
    with workers(1, None, seconds) as submit:
        done: tuple[Receipt, bool] = submit(job, convert_one).result()
    receipt, new = done
    if not new:
        os.utime(target)
        os.utime(receipts.place(target))
    return receipt


def merge(folder: str | os.PathLike[str]) -> tuple[list[Receipt], list[Failure]]:
    """Write the manifest of what several runs have converted, such as the parts of ``shard=``.

    Returns
    -------
    list of Receipt, list of Failure
    """
    root = Path(folder).absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    receipts.tidy_all(root)
    return summary.conclude(root)


def plan(
    sources: Any,
    folder: Path,
    recipe: Recipe,
    table: Any = None,
    pattern: str | None = None,
    column: str | None = None,
    anew: bool = False,
) -> tuple[list[Job], list[Failure]]:
    """Return a job for each source, and those that cannot be one."""
    suffix = row_of(recipe.to).suffix
    boxes = boxes_of(table) if table is not None else None
    jobs, failures = [], []
    for item in discover(sources, folder, column):
        job = Job(item.path, str(folder), item.name + suffix, recipe, anew=anew)
        try:
            refuse_url(item.path)
            box = recipe.crop if boxes is None else box_for(boxes, item)
            columns = {"trial": item.name} | told(item, pattern)
            jobs.append(replace(job, recipe=replace(recipe, crop=box), columns=columns))
        except ValueError as error:
            failures.append(job.failed(error))
    return jobs, failures


def _without_clashes(jobs: list[Job]) -> tuple[list[Job], list[Failure]]:
    """Return the jobs whose results do not get into each other's way, and a failure for each that does."""
    owners: dict[str, list[Job]] = {}
    for job in jobs:
        owners.setdefault(job.path, []).append(job)
    good, failures = [], []
    for job in jobs:
        above = next((str(p) for p in Path(job.path).parents if str(p) in owners), None)
        others = [other for other in owners[above or job.path] if other is not job]
        if others:
            fault = f"{others[0].source} is to become {above or job.path} too; rename one, or convert into two folders"
            failures.append(job.failed(f"FileExistsError: {fault}"))
        else:
            good.append(job)
    return good, failures


def _clips(
    jobs: list[Job], windows: tuple[int, int], submit: Callable[..., Future[Any]], dry_run: bool
) -> tuple[list[Job], list[Failure]]:
    """Return a job for each clip; how many there are, only the sources know."""
    size, hop = windows
    clips, failures = [], []
    for job, counted in [(job, submit(job, extent)) for job in jobs]:
        try:
            n, times = counted.result()
        except Exception as error:
            failures.append(job.failed(error) if dry_run else note(job, job.failed(error)))
            continue
        if parts := [name for name in job.columns if name.rpartition(".")[2] in ("start", "stop", "shift")]:
            refused = ValueError(
                f"clips cannot be cut of a trial that is part of its file: the manifest has {parts[0]!r}"
            )
            failures.append(job.failed(refused) if dry_run else note(job, job.failed(refused)))
            continue
        starts = [*range(0, max(n - size, 0) + 1, hop)]
        if starts[-1] + size < n:
            starts.append(n - size)
        stem, suffix = (job.path, "") if get_format(job.recipe.to).folder else os.path.splitext(job.path)
        # A clip has the time line of its own frames; labels of the whole are met from where it begins.
        columns = {name: value for name, value in job.columns.items() if name not in ("n_frames", "fps")}
        others = [name for name, value in columns.items() if isinstance(value, Path)]
        for start in starts:
            recipe = replace(job.recipe, clip=(start, min(start + size, n)))
            own = {"trial": f"{columns['trial']}/{start:06d}", "clip_of": columns["trial"], "first_frame": start}
            if times is not None:
                own |= {f"{name}.start": float(times[start]) for name in others}
            path = f"{stem}/{start:06d}{suffix}"
            clips.append(replace(job, path=path, recipe=recipe, columns=columns | own))
    return clips, failures


def extent(job: Job) -> tuple[int, np.ndarray | None]:
    """Return how many frames a job's result will have, and the seconds of its source at which they are shown."""
    with Frames(job.source, job.recipe, job.threads) as frames:
        return len(frames), frames.times
