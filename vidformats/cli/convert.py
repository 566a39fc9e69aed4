"""The commands that convert collections of videos."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NoReturn, cast

import click

import vidformats as vf
from vidformats.cli.watch import Watch, asked
from vidformats.errors import install
from vidformats.tools import summary
from vidformats.tools.convert import convert_file, merge
from vidformats.tools.estimate import Estimate
from vidformats.tools.frames import Recipe
from vidformats.tools.receipts import Busy
from vidformats.tools.work import Receipts


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


RECIPE = (
    click.option("--to", metavar="FORMAT", type=click.Choice(vf.formats(installed=True)), help="The format to write."),
    click.option("--size", type=Parts("h,w", 1), help="Pixels of the shorter side; or height,width."),
    click.option("--crop", callback=cropping, metavar="x,y,w,h|TABLE", help="A box, or a table of boxes."),
    click.option("--center-crop", is_flag=True, help="The largest square in the middle."),
    click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames per second to take, by time stamps."),
    click.option("--every", default=1, type=click.IntRange(1), help="Take each frame of so many."),
    click.option("--grey", is_flag=True, help="One channel."),
    click.option(
        "-o", "--option", "options", multiple=True, callback=settings, metavar="NAME=VALUE", help="For writing."
    ),
    click.option("--open", "opened", multiple=True, callback=settings, metavar="NAME=VALUE", help="For reading."),
    click.option("--partial", is_flag=True, help="Take sources that end early for what they have."),
    click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For one source."),
)
"""What is to become of a source."""


def recipe(function: Any) -> Any:
    """Give a command the options that say what is to become of a source."""
    for option in reversed(RECIPE):
        function = option(function)
    return function


def _asked_for(
    to: str | None,
    size: tuple[int, ...] | None,
    crop: Any,
    center_crop: bool,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Return these options as the function has them."""
    if not to:
        raise click.UsageError("expected --to FORMAT")
    if center_crop and crop is not None:
        raise click.UsageError("--crop and --center-crop exclude each other")
    if taken := {"size", "crop", "fps", "every", "grey"} & options.keys():
        raise click.UsageError(f"-o {min(taken)}=: {min(taken)} of what is read is --{min(taken)}")
    scale = size[0] if size is not None and len(size) == 1 else size
    return {"to": to, "size": scale, "crop": "center" if center_crop else crop}


@click.command()
@click.argument("sources", nargs=-1, metavar="SRC...")
@click.argument("folder", metavar="DST", type=click.Path(file_okay=False, path_type=Path))
@recipe
@click.option("--windows", type=Parts("size,hop"), help="Write clips of so many frames.")
@click.option("--subject-pattern", metavar="PATTERN", help="What names look like: '{subject}_trial_*'.")
@click.option("--column", help="Of a manifest: which paths are the videos.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="CPUs to use, and so videos at once; all by default.")
@click.option("--dask", metavar="ADDRESS", help="Convert on this Dask cluster, such as tcp://host:8786.")
@click.option("--shard", type=Parts("k/n"), help="Only part k of n; end with --merge.")
@click.option("--merge", "merging", is_flag=True, help="Write the manifest of all shards in DST.")
@click.option("--anew", is_flag=True, help="Convert again what is done.")
@click.option("--dry-run", is_flag=True, help="Say what there is to do, and how much disk it will take.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def convert(
    sources: tuple[str, ...],
    folder: Path,
    to: str | None,
    size: tuple[int, ...] | None,
    crop: Any,
    center_crop: bool,
    options: dict[str, Any],
    time_limit: float | None,
    dask: str | None,
    merging: bool,
    as_json: bool,
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
        done, failed = asked(lambda: merge(folder))
        _end(Receipts([], done, failed), folder, as_json)
    if not sources:
        raise click.UsageError("expected SRC... DST --to FORMAT")
    given = _asked_for(to, size, crop, center_crop, options)
    with _cluster(dask) as executor, Watch(quiet=as_json) as watch:
        more: dict[str, Any] = {"executor": executor, "seconds": time_limit}
        more |= {"begin": watch.begin, "seen": watch.seen, "told": watch.told}
        result = asked(lambda: vf.convert(sources, folder, **given, **more, **rest, **options))
    _end(result, folder, as_json)


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[Executor | None]:
    """Lend the executor of a Dask cluster."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise click.ClickException(f"--dask requires distributed: {install('dask')} ({error})") from None
    try:
        client: Any = cast(Any, Client)(address)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        yield client.get_executor()


@click.command("convert-one")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@recipe
def convert_one(
    source: str,
    target: Path,
    to: str | None,
    size: tuple[int, ...] | None,
    crop: Any,
    center_crop: bool,
    options: dict[str, Any],
    time_limit: float | None,
    opened: dict[str, Any],
    **rest: Any,
) -> None:
    r"""Convert one video into FILE, with a receipt beside it: a rule for Make or Snakemake.

    \b
        vidformats convert-one recordings/a.mp4 small/a.npy --to npy --size 120

    FILE is there whole or not at all. If it was converted before, with the same options and from the same bytes, only
    its time is renewed. `vidformats convert --merge` makes the manifest of all.
    """
    given = _asked_for(to, size, crop, center_crop, options)
    if isinstance(given["crop"], Path):
        raise click.UsageError("convert-one takes a box, not a table of boxes")
    asked(lambda: vf.get_format(given["to"], **options))
    made = asked(lambda: Recipe(**given, **rest, opened=opened, options=options))
    try:
        receipt = convert_file(source, target, made, time_limit)
    except Busy:
        raise click.ClickException(f"{target}: another process is converting it") from None
    except Exception as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    click.echo(f"{target}: {receipt.n_frames:,} frames, {receipt.result['size'] / 1e6:,.1f} MB")


def _end(result: Receipts, folder: Path, as_json: bool) -> None:
    """Print what was done, and end."""
    every = [*result.new, *result.kept]
    if result.estimate is not None:
        _foresee(result, result.estimate, folder, as_json)
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
        for receipt in [receipt for receipt in every if "cut" in receipt.source][:20]:
            click.echo(f"  {receipt.path}: its source ends early: {receipt.source['cut']}", err=True)
        for failure in result.failures[:20]:
            click.echo(f"  {failure.source or failure.path}: {failure.error}", err=True)
        if result.failures and (folder / summary.FAILED).exists():
            more = f"{len(result.failures) - 20} more in " if len(result.failures) > 20 else "also in "
            click.echo(f"  {more}{folder / summary.FAILED}", err=True)
    raise SystemExit(int(bool(result.failures)))


def _foresee(result: Receipts, found: Estimate, folder: Path, as_json: bool) -> NoReturn:
    """Print what a dry run found, and end; exit code 1 if something would fail."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    short = found.nbytes > free
    if as_json:
        failed = [vars(failure) for failure in result.failures]
        facts = {**found._asdict(), "free": free, "kept": [r.path for r in result.kept], "failed": failed}
        click.echo(json.dumps(facts, indent=1))
    else:
        click.echo(f"{found.videos} to convert, {len(result.kept)} done before, {len(result.failures)} would fail")
        need = f"{found.frames:,} frames, about {found.nbytes / 1e6:,.1f} MB"
        click.echo(f"{need}; {free / 1e6:,.0f} MB are free" + (": too few" if short else ""))
        for failure in result.failures[:20]:
            click.echo(f"  {failure.source}: {failure.error}", err=True)
    raise SystemExit(int(bool(result.failures) or short))


COMMANDS = (convert, convert_one)
"""What the command line offers."""
