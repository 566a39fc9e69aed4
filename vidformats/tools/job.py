"""One conversion: a source becomes a result with a receipt. A pure function of its job, for any number of processes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from vidformats.registry import get_format
from vidformats.tools import receipts
from vidformats.tools.frames import EACH, Frames, Recipe, Watched, digests_of
from vidformats.tools.receipts import Busy, Failure, Receipt
from vidformats.video import Video
from vidformats.writing import store


@dataclass(frozen=True)
class Job:
    """One source and what becomes of it; picklable.

    Attributes
    ----------
    source : str
        Absolute path.
    folder : str
        The destination; it must be there.
    path : str
        The result, below the folder.
    recipe : Recipe
    columns : dict
        For the manifest; a `Path` is written as seen from the folder.
    threads : int
        For decoding and encoding.
    anew : bool
        Convert although there is a valid receipt.
    """

    source: str
    folder: str
    path: str
    recipe: Recipe
    columns: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    anew: bool = False

    def __str__(self) -> str:
        return self.source

    @property
    def target(self) -> Path:
        """Where the result lies."""
        return Path(self.folder, self.path)

    def failed(self, error: BaseException | str) -> Failure:
        """Return what is told of this job if it failed."""
        told = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        return Failure(self.source, self.path, told)


class Outcome(NamedTuple):
    """What became of a job.

    Attributes
    ----------
    told : Receipt, Failure, or None
        None if another process is at it.
    new : bool
        Whether anything was converted.
    """

    told: Receipt | Failure | None
    new: bool = False


def attempt(job: Job) -> Outcome:
    """Convert one source; whatever goes wrong becomes a `Failure`, which stays beside the result that is missing."""
    try:
        return Outcome(*convert_one(job))
    except Busy:
        return Outcome(None)
    except Exception as error:
        return Outcome(note(job, job.failed(error)))


def note(job: Job, failure: Failure) -> Failure:
    """Keep a failure beside the result that is missing, and clear up what a killed process left."""
    with contextlib.suppress(OSError):  # a full disk, or no folder: then the caller's list alone tells
        receipts.tidy(job.target)
        if receipts.read(job.target) is None and job.target.parent.is_dir():
            receipts.save(job.target, failure)
    return failure


def convert_one(job: Job) -> tuple[Receipt, bool]:
    """Convert one source, unless that was done before.

    Returns
    -------
    receipt : Receipt
    new : bool
        Whether anything was converted.

    Raises
    ------
    Busy
        If another process is at it.
    Exception
        Whatever is wrong with source or destination; nothing partial stays.
    """
    target = job.target
    if not Path(job.folder).is_dir():
        raise FileNotFoundError(f"{job.folder}: the folder to convert into is not there")
    if os.path.realpath(job.source) == os.path.realpath(target):
        raise FileExistsError(f"{job.source}: is both source and result; convert into another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with receipts.claimed(target):
        if not job.anew and (receipt := valid(job)):
            columns = _columns(job)
            if receipt.columns != columns:
                receipt = replace(receipt, columns=columns)
                receipts.save(target, receipt)
            return receipt, False
        receipt = _made(job)
        receipts.save(target, receipt)
    return receipt, True


def _made(job: Job) -> Receipt:
    source, recipe, target = Path(job.source), job.recipe, job.target
    facts = receipts.size_and_time(source)
    digest = receipts.sha256_of(source)
    lossless = get_format(recipe.to, **recipe.options).tolerance == 0
    found: dict[str, Any] = {}

    with Frames(job.source, recipe, job.threads) as frames:
        watched = Watched(frames)

        def inspect(written: Path) -> None:
            """Read back what was written, before it gets its name."""
            decoded = watched.digests.all()
            with Video(written, threads=job.threads) as video:
                if video.shape != frames.shape or video.dtype != frames.dtype:
                    have = f"{video.shape} of {video.dtype}"
                    raise OSError(f"{written}: expected {frames.shape} of {frames.dtype} when read back, got {have}")
                stored = digests_of(video)
            if lossless and stored != decoded:
                bad = next(k for k, (a, b) in enumerate(zip(decoded, stored, strict=True)) if a != b)
                raise OSError(f"{written}: frames from {EACH * bad} on differ when read back")
            size, _ = receipts.size_and_time(written)
            found.update(decoded=decoded, stored=stored, size=size, sha256=receipts.sha256_of(written))

        store(watched, target, recipe.to, recipe.options, encoding_threads(recipe.to, job.threads), inspect=inspect)
        if receipts.size_and_time(source) != facts:
            raise OSError(f"{source}: changed while it was converted")
        return Receipt(
            path=job.path,
            source={
                "name": source.name,
                "path": Path(os.path.relpath(source, job.folder)).as_posix(),
                "size": facts[0],
                "mtime_ns": facts[1],
                "sha256": digest,
                **({"cut": frames.cut} if frames.cut else {}),
            },
            recipe=recipe.plain(),
            shape=list(frames.shape),
            dtype=frames.dtype.name,
            fps=frames.fps,
            decoded=found["decoded"],
            stored=found["stored"],
            result={"format": recipe.to, "size": found["size"], "sha256": found["sha256"]},
            versions=receipts.versions(),
            columns=_columns(job),
        )


def encoding_threads(to: str, threads: int) -> int:
    """Return how many threads may encode: one, if the result depends on it, as that of an encoder of video does."""
    from vidformats.families.movie import Film

    return 1 if isinstance(get_format(to), Film) else threads


def _columns(job: Job) -> dict[str, Any]:
    """Return the columns as they stand in a receipt: paths as seen from the folder."""
    return {
        name: Path(os.path.relpath(value, job.folder)).as_posix() if isinstance(value, Path) else value
        for name, value in job.columns.items()
    }


def valid(job: Job) -> Receipt | None:
    """Return the receipt of a job that needs not be done again.

    Sizes and times are compared first; a digest is computed only of what has another time.
    """
    target, source = job.target, Path(job.source)
    receipt = receipts.read(target)
    if receipt is None or receipt.recipe != job.recipe.plain() or not os.path.lexists(target):
        return None
    size, changed = receipts.size_and_time(source)
    said = receipt.source
    if size != said["size"] or (changed != said["mtime_ns"] and receipts.sha256_of(source) != said["sha256"]):
        return None
    return receipt if intact(target, receipt) else None


def intact(target: Path, receipt: Receipt, quick: bool = True) -> bool:
    """Tell whether a result has the bytes that its receipt tells; quickly, one not changed since then has."""
    size, changed = receipts.size_and_time(target)
    if size != receipt.result["size"]:
        return False
    if quick and changed <= receipts.place(target).stat().st_mtime_ns:
        return True
    return bool(receipts.sha256_of(target) == receipt.result["sha256"])
