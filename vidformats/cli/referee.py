"""The command that judges readers: which gives the frame that was asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NoReturn

import click

from vidformats.bench.referee import clips, files, results
from vidformats.bench.referee.questions import ACCESSES, REQUESTS
from vidformats.bench.referee.roster import READERS, Reader, cache
from vidformats.bench.referee.trial import Cell
from vidformats.bench.report.document import replace_block
from vidformats.cli.measure import document_option
from vidformats.cli.show import console, parts, progress

NAMES = [clip.name for clip in clips.CLIPS]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@click.option("--clip", "names", multiple=True, type=click.Choice(NAMES), metavar="NAME", help="All by default.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(sorted({c.kind for c in clips.CLIPS})))
@click.option("--reader", "readers", multiple=True, type=click.Choice(list(READERS)), help="All by default.")
@click.option("--access", "accesses", multiple=True, type=click.Choice(list(ACCESSES)), help="All by default.")
@click.option(
    "--requests", default=REQUESTS, show_default=True, type=click.IntRange(1), help="Frames per clip and access."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the frames asked for.")
@click.option("--install", is_flag=True, help="Make an environment of its own for each reader that is not installed.")
@click.option("--clips", "folder", type=click.Path(file_okay=False, path_type=Path), help="Keep the clips here.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all cells here.")
@document_option
def referee(
    paths: tuple[Path, ...],
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    readers: tuple[str, ...],
    accesses: tuple[str, ...],
    requests: int,
    seed: int,
    install: bool,
    folder: Path | None,
    json_file: Path | None,
    document: Path | None,
) -> None:
    r"""Count how often readers of video return another frame than the one asked for.

    Without FILE, on clips of every awkward kind, made on the spot; FFmpeg's own program is the judge. With one clip
    and one reader, every wrong frame is listed:

    \b
        vidformats referee --reader opencv-seek --clip variable_rate.mkv --access frame
        vidformats referee holiday.mp4

    With FILE: which of the installed readers agree with FFmpeg on this file. Exit code 1: our own reader is wrong.
    """
    if paths:
        _report(paths, [READERS[name] for name in readers or READERS], seed)
    asked = list(accesses) or list(ACCESSES)
    chosen = [READERS[name] for name in readers or READERS]
    wanted = [clip for clip in clips.CLIPS if clip.name in (names or NAMES) and clip.kind in (kinds or clip.kind)]
    if document:
        try:
            for block in ("referee", "referee-answer"):
                replace_block(document.read_text(), block, "")
        except ValueError as error:
            raise click.ClickException(f"{document}: {error}") from None
    with progress() as bar:
        task = bar.add_task("", total=len(wanted) * (1 + len(chosen)))

        def advance(step: str) -> None:
            bar.update(task, advance=1, description=step)

        def keep(found: dict[str, Any]) -> None:
            if json_file:
                json_file.write_text(results.text(found))

        try:
            known = results.known(wanted, folder or cache() / f"clips-{_recipes()}", advance)
            found = results.measure(chosen, known, asked, requests, seed, install, advance, keep)
        except ImportError as error:
            raise click.ClickException(str(error)) from None
    keep(found)
    if len(wanted) * len(chosen) <= 4:
        _explain(found["cells"], requests, seed)
    else:
        _print(found)
    if document:
        text = replace_block(document.read_text(), "referee", results.markdown(found))
        document.write_text(replace_block(text, "referee-answer", results.answer(found)))
    ours = [row for row in results.rows_of(found) if row["reader"].startswith("vidformats")]
    raise SystemExit(int(any(row["wrong"] or row["hung"] or row["failed"] for row in ours)))


def _report(paths: tuple[Path, ...], readers: list[Reader], seed: int) -> NoReturn:
    """Print what each reader makes of the user's files, and end."""
    faults = False
    for path in paths:
        try:
            for told, fault in files.report(path, readers, seed):
                click.echo(told if told.startswith(str(path)) else f"  {told}")
                faults |= fault and told.startswith("vidformats")
        except (RuntimeError, ImportError) as error:
            click.echo(error, err=True)
            faults = True
    raise SystemExit(int(faults))


def _recipes() -> str:
    """Return what tells one state of the recipes from another."""
    return hashlib.sha256(Path(clips.__file__).read_bytes()).hexdigest()[:12]


def _explain(cells: list[Cell], requests: int, seed: int) -> None:
    """Print every cell in words, with each wrong frame and the command that shows it again."""
    for cell in cells:
        if cell.access == "length":
            said = cell.error or f"says {cell.length} frames, there are {cell.frames}"
            click.echo(f"{cell.clip}, {cell.reader}: {said}")
            continue
        counts = ", ".join(f"{getattr(cell, key)} {key}" for key in results.OUTCOMES if getattr(cell, key))
        click.echo(f"{cell.clip}, {cell.reader}, {ACCESSES[cell.access]}: {counts} of {cell.asked}")
        if cell.error:
            click.echo(f"    {cell.error}")
        for place, due, shown in cell.mistakes:
            click.echo(f"    frame {place}: expected number {due}, got {shown}")
        if cell.mistakes:
            click.echo(f"    again: {command(cell.reader, cell.clip, cell.access, requests, seed)}")


def command(reader: str, clip: str, access: str, requests: int, seed: int) -> str:
    """Return the command that repeats one cell."""
    return f"vidformats referee --clip {clip} --reader {reader} --access {access} --requests {requests} --seed {seed}"


def _print(found: dict[str, Any]) -> None:
    """Print the table, one line per reader."""
    for sheet in parts(results.COLUMNS, results.lines_of(found), console.width):
        console.print(sheet)
    for one in found["missing"].values():
        console.print(f"{one['title']} is not there: {one['why']}", soft_wrap=True)


COMMANDS = (referee,)
"""What the command line offers."""
