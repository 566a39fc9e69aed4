"""The commands that convert collections of videos, and tell whether they are right."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

import vidformats as vf
from vidformats.tools import receipts, summary
from vidformats.tools.convert import Receipts, merge
from vidformats.tools.job import Job, Outcome
from vidformats.tools.receipts import Failure, Receipt
from vidformats.tools.verify import Problem

LINES = 15.0
"""Seconds between two lines of progress where there is no terminal."""


class Parts(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Numbers with a sign between them, such as ``3/64`` or ``10,20,300,300``.

    Parameters
    ----------
    names : str
        What they are, as the help shows it; its first character that is no letter is the sign.
    least : int
        How many must be given.
    """

    def __init__(self, names: str, least: int | None = None):
        self.name = names
        self.mark = next(sign for sign in names if not sign.isalpha())
        self.most = names.count(self.mark) + 1
        self.least = least or self.most

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        parts = value.split(self.mark)
        if not self.least <= len(parts) <= self.most or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"expected {self.name}, got {value!r}", param, ctx)
        return tuple(map(int, parts))


def settings(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """Return options ``NAME=VALUE``; values are numbers, true, false, null, lists, or else text."""
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}", ctx, param)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def cropping(ctx: click.Context, param: click.Parameter, given: str | None) -> Any:
    """Return a box, or the path of a table of boxes."""
    if given is None:
        return None
    if Path(given).is_file():
        return Path(given)
    return Parts("x,y,w,h").convert(given, param, ctx)


@click.command()
@click.argument("sources", nargs=-1, metavar="SRC...")
@click.argument("folder", metavar="DST", type=click.Path(file_okay=False, path_type=Path))
@click.option("--to", metavar="FORMAT", type=click.Choice(vf.formats(installed=True)), help="The format to write.")
@click.option("--size", type=Parts("h,w", 1), help="Pixels of the shorter side; or height,width.")
@click.option(
    "--crop", callback=cropping, metavar="x,y,w,h|TABLE", help="A box; or a table with a box per video or frame."
)
@click.option("--center-crop", is_flag=True, help="The largest square in the middle.")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames per second to take, by time stamps.")
@click.option("--every", default=1, type=click.IntRange(1), help="Take each frame of so many.")
@click.option("--grey", is_flag=True, help="One channel.")
@click.option("--windows", type=Parts("size,hop"), help="Write clips of so many frames.")
@click.option(
    "-o", "--option", "options", multiple=True, callback=settings, metavar="NAME=VALUE", help="Of the format."
)
@click.option(
    "--open", "opened", multiple=True, callback=settings, metavar="NAME=VALUE", help="For reading: dataset=/x."
)
@click.option("--subject-pattern", metavar="PATTERN", help="What names look like: '{subject}_trial_*'.")
@click.option("--column", help="Of a manifest: which paths are the videos.")
@click.option("--partial", is_flag=True, help="Take sources that end early for what they have.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Videos at once; as many as CPUs by default.")
@click.option("--shard", type=Parts("k/n"), help="Only part k of n; end with --merge.")
@click.option("--merge", "merging", is_flag=True, help="Write the manifest of all shards in DST.")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For one source.")
@click.option("--anew", is_flag=True, help="Convert again what is done.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def convert(
    sources: tuple[str, ...],
    folder: Path,
    to: str | None,
    center_crop: bool,
    crop: Any,
    merging: bool,
    as_json: bool,
    time_limit: float | None,
    size: tuple[int, ...] | None,
    options: dict[str, Any],
    **rest: Any,
) -> None:
    r"""Convert videos: files, folders with their tree, globs, or the rows of a manifest.

    \b
        vidformats convert recordings small --to npy --size 120 --fps 16
        vidformats convert study.csv faces --to jpg --crop boxes.csv -o quality=90

    DST gets each result with a receipt beside it, and manifest.csv for training. Stop it whenever you like: the next
    run does only what is not done, or was done with other options. What fails is listed in failed.jsonl, and the rest
    goes on. Sound is not copied. Exit code 1: something failed.
    """
    if merging:
        if sources or to:
            raise click.UsageError("--merge takes the folder only")
        done, failed = _asked(lambda: merge(folder))
        _end(Receipts([], done, failed), folder, as_json)
    if not sources or not to:
        raise click.UsageError("expected SRC... DST --to FORMAT")
    if center_crop and crop is not None:
        raise click.UsageError("--crop and --center-crop exclude each other")
    if taken := {"size", "crop", "fps", "every", "grey"} & options.keys():
        raise click.UsageError(f"-o {min(taken)}=: {min(taken)} of what is read is --{min(taken)}")
    scale = size[0] if size is not None and len(size) == 1 else size
    with Watch(quiet=as_json) as watch:
        result = _asked(
            lambda: vf.convert(
                sources,
                folder,
                to,
                size=cast(Any, scale),
                crop="center" if center_crop else crop,
                seconds=time_limit,
                begin=watch.begin,
                seen=watch.seen,
                **rest,
                **options,
            )
        )
    _end(result, folder, as_json)


def _asked(work: Any) -> Any:
    """Return what `work` does; what makes no sense is a wrong usage, what the machine lacks is a failure."""
    try:
        return work()
    except (vf.FormatError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


def _end(result: Receipts, folder: Path, as_json: bool) -> None:
    """Print what was done, and end."""
    every = [*result.new, *result.kept]
    if as_json:
        facts = {
            "converted": [receipt.path for receipt in result.new],
            "kept": [receipt.path for receipt in result.kept],
            "failed": [vars(failure) for failure in result.failures],
            "frames": sum(receipt.n_frames for receipt in every),
            "bytes": sum(receipt.result["size"] for receipt in every),
        }
        click.echo(json.dumps(facts, indent=1))
    else:
        size = sum(receipt.result["size"] for receipt in every) / 1e6
        frames = sum(receipt.n_frames for receipt in every)
        told = f"{len(result.new)} converted, {len(result.kept)} done before, {len(result.failures)} failed"
        click.echo(f"{told}: {frames:,} frames, {size:,.1f} MB in {folder}")
        for failure in result.failures[:20]:
            click.echo(f"  {failure.source or failure.path}: {failure.error}", err=True)
        if result.failures:
            more = f"{len(result.failures) - 20} more in " if len(result.failures) > 20 else "also in "
            click.echo(f"  {more}{folder / summary.FAILED}", err=True)
    raise SystemExit(int(bool(result.failures)))


@click.command()
@click.argument("folder", metavar="STORE", type=click.Path(file_okay=False, path_type=Path))
@click.option("--against", multiple=True, metavar="SRC", help="The sources, as given to convert; several times.")
@click.option("--quick", is_flag=True, help="Sizes and a sample of frames only.")
@click.option("--repair", is_flag=True, help="Convert again what is wrong.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Results at once; as many as CPUs by default.")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For one result.")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def verify(
    folder: Path,
    against: tuple[str, ...],
    quick: bool,
    repair: bool,
    jobs: int | None,
    time_limit: float | None,
    as_json: bool,
) -> None:
    r"""Find out whether a folder of converted videos is right, frame by frame.

    \b
        vidformats verify small
        vidformats verify small --against recordings --repair

    Without --against, each result must be what its receipt says. Against the sources, every frame is made anew and
    compared, which also finds what a faulty converter wrote. Exit code 1: something is wrong.
    """
    counts: list[int] = []
    with Watch(quiet=as_json, what="results") as watch:

        def begin(n: int) -> None:
            counts.append(n)
            watch.start(n, n)

        def seen(path: str, problems: list[Problem]) -> None:
            watch.count(1, failed=any(problem.is_fault for problem in problems))

        problems = _asked(
            lambda: vf.verify(
                folder,
                against or None,
                quick=quick,
                repair=repair,
                jobs=jobs,
                seconds=time_limit,
                begin=begin,
                seen=seen,
            )
        )
    faults = [problem for problem in problems if problem.is_fault]
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in problems], indent=1))
    else:
        for problem in problems:
            click.echo(problem)
        wrong = len({problem.path for problem in faults})
        click.echo(f"{sum(counts)} results looked at, {wrong} wrong" if wrong else f"{sum(counts)} results, all right")
    raise SystemExit(int(bool(faults)))


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


COMMANDS = (convert, verify)
"""What the command line offers."""
