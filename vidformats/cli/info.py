"""The command that tells what a file is and what reading it costs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vidformats.errors import FormatError
from vidformats.readers.isolated import Child
from vidformats.tools import sheet
from vidformats.tools.advice.access import Access
from vidformats.tools.info import MEMORY, SECONDS, Info
from vidformats.tools.info import info as look


def access_of(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return accesses as they are spelled in full; a wrong one is a usage error."""
    try:
        return tuple(str(Access.parse(text)) for text in texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option(
    "--access",
    "accesses",
    multiple=True,
    callback=access_of,
    metavar="ACCESS",
    help="window=64,hop=32,stride=4 or every=4 or full or random; may be given several times. One of each by default.",
)
@click.option("--cold", is_flag=True, help="Measure from the disk: drop the file from the page cache before.")
@click.option(
    "--seconds",
    default=0.4,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="To measure each access for; 0 measures nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png", help="Draw a contact sheet here."
)
def info(
    paths: tuple[Path, ...], accesses: tuple[str, ...], cold: bool, seconds: float, as_json: bool, picture: Path | None
) -> None:
    r"""Tell what a file is, what each access to it costs on this machine, and what to beware of.

    PATH is a video, an array, or a folder of images. Times are those of one thread, as each worker of a loader has.

    \b
        vidformats info holiday.mp4
        vidformats info video.npy --access window=64,hop=32,stride=4 --picture sheet.png

    For a whole collection: vidformats doctor. Exit code 1: a file does not open.
    """
    found: list[Info] = []
    failed = False
    for path in paths:
        try:
            found.append(look(path, accesses, cold=cold, seconds=seconds))
        except (FormatError, OSError, ImportError, ValueError) as error:
            hint = f"\nFor a folder of many files: vidformats doctor {path}" if path.is_dir() else ""
            click.echo(f"{error}{hint}", err=True)
            failed = True
        else:
            if not as_json:
                click.echo(("" if len(found) == 1 else "\n") + str(found[-1]))
    if as_json:
        click.echo(json.dumps([one.record() for one in found], indent=1, default=str))
    if picture and found:
        failed |= not _draw([one.path for one in found], picture)
    raise SystemExit(int(failed))


def _draw(paths: list[str], picture: Path) -> bool:
    """Draw a contact sheet of all that hold pictures; return whether all do."""
    rows, count = [], sheet.COLUMNS * (4 if len(paths) == 1 else 1)
    with Child(MEMORY) as child:
        for path in paths:
            try:
                rows.append((Path(path).name, child.call(sheet.shots, path, count, seconds=SECONDS)))
            except (FormatError, OSError) as error:
                click.echo(str(error), err=True)
    if rows:
        sheet.draw(rows).save(picture, "PNG")
        click.echo(f"contact sheet: {picture}", err=True)
    return len(rows) == len(paths)


COMMANDS = (info,)
"""What the command line offers."""
