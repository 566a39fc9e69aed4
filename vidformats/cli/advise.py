"""The command that measures which format suits the user's own videos: advise."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vidformats.cli.show import parts
from vidformats.errors import FormatError
from vidformats.tools.advice import report
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.page import page
from vidformats.tools.advise import MIN_PSNR
from vidformats.tools.advise import advise as measure

UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


class Bytes(click.ParamType[float]):
    """A number of bytes with a unit, such as 200GB."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return bytes."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([\d.]+) *([kmgt]?i?)b?", str(value).strip().lower())
        try:
            return float(found[1]) * UNITS[found[2].upper()]  # type: ignore[index]
        except (TypeError, ValueError, KeyError):
            self.fail(f"expected a size such as 200GB or 1.5TB, got {value!r}", param, ctx)


class Size(click.ParamType[Any]):
    """A shorter side, or height and width."""

    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return an int or a pair."""
        found = re.fullmatch(r"(\d+)(?:x(\d+))?", str(value))
        if not found or 0 in [int(n) for n in found.groups() if n]:
            self.fail(f"expected 120 or 120x160 (height x width), got {value!r}", param, ctx)
        return (int(found[1]), int(found[2])) if found[2] else int(found[1])


class AccessText(click.ParamType[str]):
    """How training reads."""

    name = "access"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text if it names an access."""
        try:
            return str(Access.parse(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


out = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--on", type=click.Path(exists=True, file_okay=False), help="A folder on the disk.  [default: here]")
@click.option(
    "--access", default="window=64,hop=32,stride=4", show_default=True, type=AccessText(),
    help="How training reads: window=64,hop=32,stride=4, every=4, full, or random single frames.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(0), help="Of the loader.  [default: as many as CPUs]")
@click.option("--batch", type=click.IntRange(1), help="Windows in a batch.  [default: 8; 64 random frames]")
@click.option("--size", type=Size(), help="Scale: the shorter side, or HEIGHTxWIDTH.")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Resample to this rate.")
@click.option("--budget", type=Bytes(), help="Disk for all videos, such as 200GB.")
@click.option("--lossless", is_flag=True, help="Nothing that loses a bit.")
@click.option("--min-psnr", type=click.FloatRange(0, min_open=True), help=f"Quality in dB.  [default: {MIN_PSNR:g}]")
@click.option("--videos", type=click.IntRange(1), help="How many there will be.  [default: those there are]")
@click.option("--time", default=120.0, show_default=True, type=click.FloatRange(5), help="Seconds to take at most.")
@click.option("--step-ms", type=click.FloatRange(0, min_open=True), help="What a training step takes, in ms.")
@click.option(
    "--cache", default="auto", show_default=True, type=click.Choice(["auto", "warm", "cold"]),
    help="Whether epochs come from memory; auto: as far as memory holds them.",
)  # fmt: skip
@click.option("--html", type=out, help="Write a report with a picture here: one file.")
@click.option("--json", "json_file", type=out, help="Write all figures here; - prints them instead of the table.")
@click.option("--share", type=out, help="Write figures alone here, without names, paths or pixels; - prints them.")
def advise(
    paths: tuple[str, ...],
    lossless: bool,
    min_psnr: float | None,
    cache: str,
    html: Path | None,
    json_file: Path | None,
    share: Path | None,
    **options: Any,
) -> None:
    r"""Measure which format suits your videos, on your disk, for your training.

    A few of the videos are written in some forty ways, compared with their source and read through a real loader. All
    that is written is removed again. Exit code 1: nothing fulfils what was asked; the nearest is named.

    \b
    Example:
      vidformats advise clips --access window=64,hop=32,stride=4 --size 120 --budget 200GB
    """
    if lossless and min_psnr is not None:
        raise click.UsageError("--lossless and --min-psnr exclude each other")
    for file in (html, json_file, share):
        if file and str(file) != "-" and not file.absolute().parent.is_dir():
            raise click.ClickException(f"{file.parent}: no such folder")
    try:
        with _progress(options["time"]) as progress:
            found = measure(
                paths, **options, lossless=lossless, min_psnr=min_psnr, cache_state=cache, progress=progress
            )
    except (ValueError, FormatError, OSError) as error:
        raise click.ClickException(str(error)) from None
    outputs = (
        (html, page(found)),
        (json_file, _json(report.record(found))),
        (share, _json(report.record(found, True))),
    )
    for file, text in outputs:
        if file is not None and str(file) != "-":
            file.write_text(text)
    # Last, for a pipe that is closed early, as by head, ends the command.
    for file, text in outputs:
        if file is not None and str(file) == "-":
            click.echo(text, nl=False)
    if "-" not in map(str, (html, json_file, share)):
        _print(found)
    if found.winner is None:
        raise SystemExit(1)


def _json(figures: dict[str, Any]) -> str:
    return json.dumps(figures, indent=1) + "\n"


@contextlib.contextmanager
def _progress(seconds: float) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows progress: a bar of the time on a terminal, a line for each step elsewhere."""
    begun, stage = monotonic(), [""]
    columns: list[Any] = [BarColumn(30), TimeRemainingColumn(), TextColumn("{task.description}")]
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("", total=seconds)

        def show(what: str, done: int, of: int) -> None:
            spent = monotonic() - begun
            bar.update(task, completed=min(spent, seconds), description=f"{what} ({done + 1} of {of})")
            step = re.sub(r"^(writing|reading) (?!the contenders).*", r"\1 candidates", what).partition(",")[0]
            if bar.disable and step != stage[0]:
                stage[0] = step
                click.echo(f"{spent:4.0f} s  {step}", err=True)

        yield show


def _print(found: report.Advice) -> None:
    console = Console(markup=False)  # square brackets are extras and names of files
    console.print(report.sentence(found), style="bold", soft_wrap=True, highlight=False)
    for part in parts(report.COLUMNS, report.rows(found), console.width):
        console.print(part)
    console.print(report.about(found), soft_wrap=True, highlight=False)
    for line in report.notes(found):
        console.print(line, style="yellow" if line.startswith("Warning") else None, soft_wrap=True, highlight=False)


COMMANDS = (advise,)
"""What the command line offers."""
