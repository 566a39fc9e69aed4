"""What commands over collections share: progress, and errors as the command line tells them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

import vidformats as vf
from vidformats.tools import receipts
from vidformats.tools.job import Job, Outcome
from vidformats.tools.receipts import Failure, Receipt

LINES = 15.0
"""Seconds between two lines of progress where there is no terminal."""


def asked(work: Any) -> Any:
    """Return what `work` does; what makes no sense is a wrong usage, what the machine lacks is a failure."""
    try:
        return work()
    except (vf.FormatError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


class Watch:
    """Progress: a bar with rate and time left on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool = False, what: str = "videos"):
        self.console, self.what, self.quiet = Console(stderr=True, quiet=quiet), what, quiet
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.n = self.done = self.failed = self.frames = self.work = self.total = 0
        self.sizes: dict[str, int] = {}
        self.since = self.last = time.monotonic()

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def start(self, n: int, total: int) -> None:
        """Learn what there is to do: how many, and how much work that is."""
        self.n, self.total, self.since = n, total, time.monotonic()
        self.task = self.bar.add_task(self.text(), total=max(total, 1))

    def count(self, work: int, frames: int = 0, failed: bool = False) -> None:
        """Count one more."""
        self.done, self.work = self.done + 1, self.work + work
        self.frames, self.failed = self.frames + frames, self.failed + failed
        if self.task is not None:
            self.bar.update(self.task, completed=self.work, description=self.text())
        now = time.monotonic()
        if self.bar.disable and not self.quiet and (now > self.last + LINES or self.done == self.n):
            left = (now - self.since) * (self.total - self.work) / max(self.work, 1)
            self.last = now
            click.echo(f"{self.text()}, {left:,.0f} s left", err=True)

    def begin(self, jobs: list[Job]) -> None:
        """Learn what is to be converted; a source counts for its bytes."""
        for job in jobs:
            try:
                self.sizes[job.path] = receipts.size_and_time(Path(job.source))[0]
            except (OSError, ValueError):
                self.sizes[job.path] = 0
        self.start(len(jobs), sum(self.sizes.values()))

    def seen(self, job: Job, outcome: Outcome) -> None:
        """Count one source."""
        frames = outcome.told.n_frames if isinstance(outcome.told, Receipt) and outcome.new else 0
        self.count(self.sizes.get(job.path, 0), frames, isinstance(outcome.told, Failure))

    def text(self) -> str:
        """Return how far it is."""
        rate = f", {self.frames / max(time.monotonic() - self.since, 1e-3):,.0f} frames/s" if self.frames else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.n} {self.what}{failed}{rate}"
