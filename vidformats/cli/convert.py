"""The commands that convert collections of videos."""

from __future__ import annotations

import json
import sys
import time
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


class Watch:
    """Progress: a bar with rate and time left on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool = False):
        self.console = Console(stderr=True, quiet=quiet)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.n = self.done = self.failed = self.frames = 0
        self.bytes, self.total, self.quiet = 0, 0, quiet
        self.sizes: dict[str, int] = {}
        self.since = self.last = time.monotonic()

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, jobs: list[Job]) -> None:
        """Learn what there is to do; a source counts for its bytes."""
        for job in jobs:
            try:
                self.sizes[job.path] = receipts.size_and_time(Path(job.source))[0]
            except (OSError, ValueError):
                self.sizes[job.path] = 0
        self.n, self.total = len(jobs), sum(self.sizes.values())
        self.task = self.bar.add_task(self.text(), total=max(self.total, 1))
        self.since = time.monotonic()

    def seen(self, job: Job, outcome: Outcome) -> None:
        """Count one more."""
        self.done += 1
        self.failed += isinstance(outcome.told, Failure)
        self.frames += outcome.told.n_frames if isinstance(outcome.told, Receipt) and outcome.new else 0
        self.bytes += self.sizes.get(job.path, 0)
        if self.task is not None:
            self.bar.update(self.task, completed=self.bytes, description=self.text())
        now = time.monotonic()
        if self.bar.disable and not self.quiet and (now > self.last + LINES or self.done == self.n):
            left = (now - self.since) * (self.total - self.bytes) / max(self.bytes, 1)
            self.last = now
            print(f"{self.text()}, {left:,.0f} s left", file=sys.stderr, flush=True)

    def text(self) -> str:
        """Return how far it is."""
        rate = self.frames / max(time.monotonic() - self.since, 1e-3)
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.n} videos{failed}, {rate:,.0f} frames/s"


COMMANDS = (convert,)
"""What the command line offers."""
