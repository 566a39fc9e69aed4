"""The commands. Each is a thin layer over a function that a script can call."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import vidformats as vf
from vidformats import content
from vidformats.history.commands import COMMANDS
from vidformats.measure import corpus, disk
from vidformats.measure.cache import is_tmpfs
from vidformats.published import N_FRAMES, SIZE, get_row
from vidformats.report import table as report

console = Console()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vf.__version__)
def main() -> None:
    """How should I store my videos so that training reads them fast, in little memory and little disk?"""


for _command in COMMANDS:
    main.add_command(_command)


@main.command()
@click.option(
    "--content",
    "kinds",
    multiple=True,
    default=("noise",),
    show_default=True,
    type=click.Choice([*content.CONTENTS, "natural"]),
    help="What the video shows; may be given several times. natural is the face, or the scene where it can't be had.",
)
@click.option("--frames", default=N_FRAMES, show_default=True, type=click.IntRange(4), help="Length of the video.")
@click.option("--size", default=SIZE, show_default=True, type=click.IntRange(8), help="Height and width in pixels.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Loads of each row, each way.")
@click.option("--threads", type=click.IntRange(1), help="For our way; all CPUs by default.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Keep the videos here, to measure again.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
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
    chosen = [kind for kind in map(_available, dict.fromkeys(kinds)) if kind]
    if not chosen:
        raise SystemExit(1)
    with tempfile.TemporaryDirectory(prefix="vidformats-") as temporary:
        root = data or Path(temporary)
        _check_disk(root, chosen, frames, size)
        results = []
        with _progress() as bar:
            task = bar.add_task("", total=len(chosen) * report.steps(rounds))

            def advance(step: str) -> None:
                bar.update(task, advance=1, description=step)

            for kind in chosen:
                results.append(report.measure(root / kind, kind, frames, rounds, threads, size, advance))
            bar.update(task, completed=len(chosen) * report.steps(rounds), description="measured")
    for result in results:
        _print(result)
    if json_file:
        json_file.write_text(json.dumps(results, indent=1) + "\n")
    if plot:
        from vidformats.report.plot import time_against_disk

        time_against_disk(results, plot)
    if readme:
        tables = "\n".join(map(report.markdown, results))
        readme.write_text(report.replace_block(readme.read_text(), "table", tables))
    if any(run["pixels"] != "right" for r in results for row in r["rows"].values() for run in row["ours"]):
        console.print("[bold red]Ours delivered wrong pixels: please report this.")
        raise SystemExit(2)


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


def _check_disk(root: Path, kinds: list[str], n_frames: int, size: int) -> None:
    """Warn of a tmpfs, and stop where the disk is too small, before anything is written."""
    folder = next(p for p in (root.absolute(), *root.absolute().parents) if p.exists())
    if is_tmpfs(folder):
        console.print(
            "The data folder is on tmpfs: files there lie in memory, so nothing is ever read from a disk and "
            "memory is short by their size. Name a folder on a disk by --data or TMPDIR.",
            style="yellow",
        )
    missing = [kind for kind in kinds if not (root / kind / "corpus.json").exists()]
    need = len(missing) * corpus.disk_needed(report.FORMATS, n_frames, size)
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


if __name__ == "__main__":
    main()
