"""The commands that measure formats on this machine: table, limits and rivals."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure import corpus, disk
from vidformats.bench.measure import rivals as libraries
from vidformats.bench.measure.access import ACCESS
from vidformats.bench.measure.cache import is_tmpfs
from vidformats.bench.published import N_FRAMES, SIZE
from vidformats.bench.report import answers
from vidformats.bench.report import limits as near
from vidformats.bench.report import rivals as beside
from vidformats.bench.report import table as report
from vidformats.bench.report.document import machine_line, replace_block
from vidformats.bench.report.document import table as markdown_table
from vidformats.cli.show import console, parts, progress
from vidformats.errors import install
from vidformats.registry import FORMATS

content_option = click.option(
    "--content",
    "kinds",
    multiple=True,
    default=("natural",),
    show_default=True,
    type=click.Choice([*content.CONTENTS, "natural"]),
    help="What the video shows; may be given several times. natural: the face, or the scene if it is not available.",
)
frames_option = click.option("--frames", default=N_FRAMES, show_default=True, type=click.IntRange(4), help="Length.")
size_option = click.option("--size", default=SIZE, show_default=True, type=click.IntRange(8), help="Height and width.")
threads_option = click.option("--threads", type=click.IntRange(1), help="For our readers; all CPUs by default.")
data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Keep the videos here, to measure again."
)
json_option = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here."
)
document_option = click.option(
    "--document", type=click.Path(exists=True, path_type=Path), help="Put the tables into this document."
)


@click.command()
@content_option
@frames_option
@size_option
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Loads of each row, each way.")
@threads_option
@data_option
@json_option
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the first content's times here.")
@document_option
def table(
    kinds: tuple[str, ...],
    frames: int,
    size: int,
    rounds: int,
    threads: int | None,
    data: Path | None,
    json_file: Path | None,
    plot: Path | None,
    document: Path | None,
) -> None:
    """Measure the published table again, the published way and ours.

    Every load runs in a fresh process, all of them interleaved, and its result is compared with the source
    outside the clock. Exit code 1: our readers returned wrong pixels.
    """
    _check_outputs(json_file, plot, document, "table")
    with _corpora(kinds, report.FORMATS, frames, size, data, report.steps(rounds)) as (root, chosen, advance):
        results = [report.measure(root / kind, kind, frames, rounds, threads, size, advance) for kind in chosen]
    for result in results:
        _print(result)
    if json_file:
        json_file.write_text(json.dumps(results, indent=1) + "\n")
    if plot:
        from vidformats.bench.report.plot import times

        times(results[0], plot)
    if document:
        tables = "\n".join(map(report.markdown, results))
        document.write_text(replace_block(document.read_text(), "table", tables))
    if any(run["pixels"] != "right" for r in results for row in r["rows"].values() for run in row["ours"]):
        console.print("[bold red]Our readers returned wrong pixels: please report this.")
        raise SystemExit(1)


@click.command()
@content_option
@frames_option
@size_option
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Loads of each case.")
@threads_option
@data_option
@json_option
@click.option(
    "--format",
    "names",
    multiple=True,
    type=click.Choice(vf.formats(installed=True)),
    help="All built-in ones of the core by default; several times.",
)
@click.option(
    "--access", "accesses", multiple=True, type=click.Choice(list(ACCESS)), help="All by default; several times."
)
@click.option("--cold", is_flag=True, help="Evict each file from the page cache first, and verify that.")
@click.option("--add", is_flag=True, help="Add to what the --json file holds.")
@document_option
@click.option(
    "--answers",
    "answers_file",
    type=click.Path(exists=True, path_type=Path),
    help="Put the best formats for each content, frame size, access and state of the page cache into this document.",
)
def limits(
    kinds: tuple[str, ...],
    frames: int,
    size: int,
    rounds: int,
    threads: int | None,
    data: Path | None,
    json_file: Path | None,
    names: tuple[str, ...],
    accesses: tuple[str, ...],
    cold: bool,
    add: bool,
    document: Path | None,
    answers_file: Path | None,
) -> None:
    """Measure each format against a copy of the same bytes, for each way in which training reads.

    All loads and the copy run interleaved in one process; lossless formats must return the source's pixels.
    """
    _check_outputs(json_file, None, document, "limits")
    _check_outputs(None, None, answers_file, "answers")
    # What another decoder gives is known of the formats that need no extra.
    usual = [name for name in vf.formats() if not FORMATS[name].extra]
    chosen, asked = list(names) or usual, list(accesses) or list(ACCESS)
    with _corpora(kinds, chosen, frames, size, data, len(chosen) + len(asked)) as (root, found, advance):
        results = [
            near.measure(root / kind, kind, chosen, asked, frames, size, rounds, threads, cold, advance)
            for kind in found
        ]
    click.echo("\n".join(map(near.markdown, results)))
    if add and json_file and json_file.exists():
        results = json.loads(json_file.read_text()) + results
    if json_file:
        json_file.write_text(json.dumps(results, indent=1) + "\n")
    if document:
        tables = "\n".join(map(near.markdown, results))
        document.write_text(replace_block(document.read_text(), "limits", tables))
    if answers_file:
        best = markdown_table(answers.COLUMNS, answers.rows(results), figures=False)
        answers_file.write_text(replace_block(answers_file.read_text(), "answers", best))


@click.command()
@click.option("--lines", multiple=True, default=libraries.LINES, show_default=True, type=click.IntRange(16))
@click.option("--gop", "gops", multiple=True, default=libraries.GOPS, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=260, show_default=True, type=click.IntRange(24), help="Length.")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Of each case.")
@threads_option
@json_option
@document_option
def rivals(
    lines: tuple[int, ...],
    gops: tuple[int, ...],
    frames: int,
    rounds: int,
    threads: int | None,
    json_file: Path | None,
    document: Path | None,
) -> None:
    r"""Measure how fast H.264 is read, beside PyAV, torchcodec and OpenCV if they are installed.

    Key-frame intervals (--gop) and heights (--lines) may be given several times. All readers take turns in one process;
    one whose frames differ from ours is named, and not timed.

    \b
    Example:
      vidformats rivals --lines 120 --gop 12 --rounds 3
    """
    _check_outputs(json_file, None, document, "rivals")
    with progress() as bar:
        task = bar.add_task("", total=len(gops) * len(lines))
        result = libraries.measure(
            gops, lines, frames, rounds, threads, lambda step: bar.update(task, advance=1, description=step)
        )
    click.echo(beside.markdown(result))
    if json_file:
        json_file.write_text(json.dumps([result], indent=1) + "\n")
    if document:
        document.write_text(replace_block(document.read_text(), "rivals", beside.markdown(result)))


@contextlib.contextmanager
def _corpora(
    kinds: tuple[str, ...], names: list[str], frames: int, size: int, data: Path | None, steps: int
) -> Iterator[tuple[Path, list[str], Callable[[str], None]]]:
    """Yield a folder for the videos, the contents that are available, and a callback for each step of a content."""
    chosen = list(dict.fromkeys(kind for kind in map(_available, kinds) if kind))
    if not chosen:
        raise SystemExit(1)
    with tempfile.TemporaryDirectory(prefix="vidformats-") as temporary:
        root = data or Path(temporary)
        _check_disk(root, chosen, names, frames, size)
        with progress() as bar:
            task = bar.add_task("", total=len(chosen) * steps)
            try:
                yield root, chosen, lambda step: bar.update(task, advance=1, description=step)
            except corpus.AnotherCorpus as error:
                raise click.ClickException(str(error)) from None
            bar.update(task, completed=len(chosen) * steps, description="measured")


def _available(kind: str) -> str | None:
    """Return the content to measure, or None with one line of explanation if it is not available."""
    if kind == "natural":
        kind = "face" if _available("face") else "scene"
    if kind != "face":
        return kind
    try:
        content.clip()
    except content.ContentUnavailable as error:
        console.print(f"face is skipped: {error}", style="yellow", soft_wrap=True)
        return None
    return kind


def _check_outputs(json_file: Path | None, plot: Path | None, document: Path | None, block: str) -> None:
    """Check, before minutes of measuring, that the results can be written."""
    for file in (json_file, plot):
        if file and not file.absolute().parent.is_dir():
            raise click.ClickException(f"{file.parent}: no such folder")
    if plot and not find_spec("matplotlib"):
        raise click.ClickException(f"--plot requires matplotlib: {install('bench')}")
    if document:
        try:
            replace_block(document.read_text(), block, "")
        except ValueError as error:
            raise click.ClickException(f"{document}: {error}") from None


def _check_disk(root: Path, kinds: list[str], names: list[str], n_frames: int, size: int) -> None:
    """Warn about a tmpfs, and raise if the disk is too small, before anything is written."""
    folder = next(p for p in (root.absolute(), *root.absolute().parents) if p.exists())
    if is_tmpfs(folder):
        console.print(
            "The data folder is on tmpfs: its files are in memory, so nothing is read from a disk and less memory is "
            "left. Choose a folder on a disk with --data or TMPDIR.",
            style="yellow",
        )
    missing = [kind for kind in kinds if not (root / kind / "corpus.json").exists()]
    need = len(missing) * corpus.disk_needed(names, n_frames, size)
    if need > disk.free(folder):
        have = disk.free(folder) / 1e9
        raise click.ClickException(
            f"the videos need {need / 1e9:.1f} GB of disk, but {have:.1f} GB are free; choose another folder with "
            "--data or TMPDIR, or fewer --frames"
        )


def _print(result: dict[str, Any]) -> None:
    """Print both tables. A figure is never cut: columns that do not fit go into a table below, with the row's name."""
    console.print(report.title(result), style="bold", soft_wrap=True)
    for columns, rows in ((report.YOURS, report.yours(result)), (report.THEIRS, report.theirs(result))):
        for part in parts(columns, rows, console.width):
            console.print(part)
    console.print(report.NOTE, machine_line(result), sep="\n")


COMMANDS = (table, limits, rivals)
"""What the command line offers."""
