"""How much there is to convert, and how much disk it will take, before anything is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vidformats.registry import row_of
from vidformats.tools import receipts
from vidformats.tools.frames import Frames
from vidformats.tools.job import Job, encoding_threads, valid
from vidformats.tools.receipts import Failure, Receipt
from vidformats.writing import store

SAMPLED, FRAMES = 4, 64
"""Sources of which a part is written to learn how far the format compresses, and frames of each."""


class Estimate(NamedTuple):
    """What a conversion would do.

    Attributes
    ----------
    videos, frames : int
        Not converted yet.
    nbytes : int
        Disk that they will take, about.
    """

    videos: int
    frames: int
    nbytes: int


def estimate(jobs: list[Job], submit: Callable[..., Future[Any]]) -> tuple[Estimate, list[Receipt], list[Failure]]:
    """Return what there is to do, what is done, and what will fail."""
    kept, failures, sizes = [], [], list[tuple[Job, int, int]]()
    for job, future in [(job, submit(job, measured)) for job in jobs]:
        try:
            found = future.result()
        except Exception as error:
            failures.append(job.failed(error))
            continue
        if isinstance(found, Receipt):
            kept.append(found)
        else:
            sizes.append((job, *found))
    spread = [sizes[k] for k in np.linspace(0, len(sizes) - 1, min(SAMPLED, len(sizes))).round().astype(int)]
    ratios = [future.result() for future in [submit(job, sampled) for job, _, _ in spread]]
    ratio = float(np.mean(ratios)) if ratios else 1.0
    total = Estimate(len(sizes), sum(n for _, n, _ in sizes), round(ratio * sum(size for _, _, size in sizes)))
    return total, kept, failures


def measured(job: Job) -> Receipt | tuple[int, int]:
    """Return frames and bytes of a result without compression; its receipt if it is there."""
    if not job.anew and (receipt := valid(job)):
        return receipt
    with Frames(job.source, job.recipe, job.threads) as frames:
        return len(frames), int(np.prod(frames.shape)) * frames.dtype.itemsize


def sampled(job: Job) -> float:
    """Return how many bytes the format takes per byte of frames."""
    start, stop = job.recipe.clip or (0, 1 << 40)
    with Frames(job.source, job.recipe, job.threads) as frames:
        middle = max(0, len(frames) // 2 - FRAMES // 2)
    part = replace(job.recipe, clip=(start + middle, min(stop, start + middle + FRAMES)))
    with Frames(job.source, part, job.threads) as frames, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "part" + row_of(part.to).suffix)
        store(frames, path, part.to, part.options, encoding_threads(part.to, 1))
        size, _ = receipts.size_and_time(path)
        return size / (int(np.prod(frames.shape)) * frames.dtype.itemsize)
