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
        self.under_way: dict[str, tuple[int, int]] = {}
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
        self.show()

    def show(self) -> None:
        """Show how far it is: on a terminal at once, elsewhere now and then."""
        done = self.work + sum(work for work, _ in list(self.under_way.values()))
        if self.task is not None:
            self.bar.update(self.task, completed=done, description=self.text())
        now = time.monotonic()
        if self.bar.disable and not self.quiet and (now > self.last + LINES or self.done == self.n):
            left = f"{(now - self.since) * (self.total - done) / done:,.0f} s left" if done else "time left unknown"
            self.last = now
            click.echo(f"{self.text()}, {left}", err=True)

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
        self.under_way.pop(job.path, None)
        frames = outcome.told.n_frames if isinstance(outcome.told, Receipt) and outcome.new else 0
        self.count(self.sizes.get(job.path, 0), frames, isinstance(outcome.told, Failure))

    def told(self, job: Job, done: int, n: int) -> None:
        """Learn how many frames of a source are done, and of how many."""
        self.under_way[job.path] = self.sizes.get(job.path, 0) * done // n, done
        self.show()

    def text(self) -> str:
        """Return how far it is."""
        frames = self.frames + sum(frames for _, frames in list(self.under_way.values()))
        rate = f", {frames / max(time.monotonic() - self.since, 1e-3):,.0f} frames/s" if frames else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.n} {self.what}{failed}{rate}"
