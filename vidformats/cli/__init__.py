"""The commands. Each is a thin layer over a function that a script can call."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure import corpus, disk
from vidformats.bench.measure.access import ACCESS
from vidformats.bench.measure.cache import is_tmpfs
from vidformats.bench.published import N_FRAMES, SIZE, get_row
from vidformats.bench.report import table as report
from vidformats.history.commands import COMMANDS

console = Console()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vf.__version__)
def main() -> None:
    """Store videos so that training reads them fast, in little memory and little disk."""


for _command in COMMANDS:
    main.add_command(_command)


content_option = click.option(
    "--content",
    "kinds",
    multiple=True,
    default=("noise",),
    show_default=True,
    type=click.Choice([*content.CONTENTS, "natural"]),
    help="What the video shows; may be given several times. natural is the face, or the scene where it can't be had.",
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


@main.command()
@content_option
@frames_option
@size_option
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Loads of each row, each way.")
@threads_option
@data_option
@json_option
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw time against disk here, as PNG.")
@click.option("--readme", type=click.Path(exists=True, path_type=Path), help="Put the tables into this document.")
def table(
    kinds: tuple[str, ...],
    frames: int,
    size: int,
    rounds: int,
    threads: int | None,
    data: Path | None,
    json_file: Path | None,
    plot: Path | None,
    readme: Path | None,
) -> None:
    """Measure the published table again, the published way and ours.

    Every load runs in a fresh process, all of them interleaved, and what it returns is compared with the
    source outside the clock.
    """
    _check_outputs(json_file, plot, readme, "table")
    with _corpora(kinds, report.FORMATS, frames, size, data, report.steps(rounds)) as (root, chosen, advance):
        results = [report.measure(root / kind, kind, frames, rounds, threads, size, advance) for kind in chosen]
    for result in results:
        _print(result)
    if json_file:
        json_file.write_text(json.dumps(results, indent=1) + "\n")
    if plot:
        from vidformats.bench.report.plot import time_against_disk

        time_against_disk(results, plot)
    if readme:
        tables = "\n".join(map(report.markdown, results))
        readme.write_text(report.replace_block(readme.read_text(), "table", tables))
    if any(run["pixels"] != "right" for r in results for row in r["rows"].values() for run in row["ours"]):
        console.print("[bold red]Ours delivered wrong pixels: please report this.")
        raise SystemExit(2)


@main.command()
@content_option
@frames_option
@size_option
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Loads of each case.")
@threads_option
@data_option
@json_option
@click.option(
    "--format", "names", multiple=True, type=click.Choice(vf.formats()), help="All by default; several times."
)
@click.option(
    "--access", "accesses", multiple=True, type=click.Choice(list(ACCESS)), help="All by default; several times."
)
@click.option("--cold", is_flag=True, help="Evict each file from the page cache before it is read, and verify that.")
@click.option("--add", is_flag=True, help="Keep what the --json file holds already, and add to it.")
@click.option("--document", type=click.Path(exists=True, path_type=Path), help="Put the tables into this document.")
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
) -> None:
    """Measure how near each format is to a copy of the same bytes, for each way in which training reads.

    All loads and the copy run interleaved in one process; lossless formats must give the source's pixels.
    """
    from vidformats.bench.report import limits as near

    _check_outputs(json_file, None, document, "limits")
    chosen, asked = list(names) or vf.formats(), list(accesses) or list(ACCESS)
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
        document.write_text(report.replace_block(document.read_text(), "limits", tables))


@contextlib.contextmanager
def _corpora(
    kinds: tuple[str, ...], names: list[str], frames: int, size: int, data: Path | None, steps: int
) -> Iterator[tuple[Path, list[str], Callable[[str], None]]]:
    """Lend a folder for the videos, the contents that can be had, and what to call after each step of a content."""
    chosen = list(dict.fromkeys(kind for kind in map(_available, kinds) if kind))
    if not chosen:
        raise SystemExit(1)
    with tempfile.TemporaryDirectory(prefix="vidformats-") as temporary:
        root = data or Path(temporary)
        _check_disk(root, chosen, names, frames, size)
        with _progress() as bar:
            task = bar.add_task("", total=len(chosen) * steps)
            try:
                yield root, chosen, lambda step: bar.update(task, advance=1, description=step)
            except corpus.AnotherCorpus as error:
                raise click.ClickException(str(error)) from None
            bar.update(task, completed=len(chosen) * steps, description="measured")


def _available(kind: str) -> str | None:
    """Return the content to measure; say so in one line where it can't be had."""
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
    """Find out, before minutes of measuring, whether the result has somewhere to go."""
    for file in (json_file, plot):
        if file and not file.absolute().parent.is_dir():
            raise click.ClickException(f"{file}: there is no such folder")
    if plot and not find_spec("matplotlib"):
        raise click.ClickException("plots need more: pip install 'vidformats[bench]'")
    if document:
        try:
            report.replace_block(document.read_text(), block, "")
        except ValueError as error:
            raise click.ClickException(f"{document}: {error}") from None


def _check_disk(root: Path, kinds: list[str], names: list[str], n_frames: int, size: int) -> None:
    """Warn of a tmpfs, and stop where the disk is too small, before anything is written."""
    folder = next(p for p in (root.absolute(), *root.absolute().parents) if p.exists())
    if is_tmpfs(folder):
        console.print(
            "The data folder is on tmpfs: files there lie in memory, so nothing is ever read from a disk and "
            "memory is short by their size. Name a folder on a disk by --data or TMPDIR.",
            style="yellow",
        )
    missing = [kind for kind in kinds if not (root / kind / "corpus.json").exists()]
    need = len(missing) * corpus.disk_needed(names, n_frames, size)
    if need > disk.free(folder):
        have = disk.free(folder) / 1e9
        raise click.ClickException(
            f"the videos need {need / 1e9:.1f} GB of disk, {have:.1f} are free; name another folder by --data or "
            "TMPDIR, or fewer --frames"
        )


def _progress() -> Progress:
    columns: list[Any] = [BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _print(result: dict[str, Any]) -> None:
    """Print one table, as wide as it needs: a table cut by a terminal's edge is no table."""
    sheet = Table(title=report.title(result), caption=report.machine_line(result), title_style="bold")
    for group, name in report.COLUMNS:
        align: Any = "left" if name in ("row", "pixels") else "right"
        sheet.add_column(f"{group}\n{name}" if group else f"\n{name}", justify=align)
    for label, found in result["rows"].items():
        sheet.add_row(*report.cells(get_row(label), found, result["payload"]))
    width = max(console.width, 80) if console.is_terminal else 230
    Console(width=width).print(sheet)
