"""The commands of the histories: record, compare, releases and site."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from vidformats.bench.report.document import replace_block
from vidformats.history import frames, runner, site
from vidformats.history import releases as history
from vidformats.history.builds import ReleaseError, keep

machine_option = click.option(
    "--machine", help="Name of this machine in the results. Default: its size, never its host name."
)
passes_option = click.option(
    "--passes", default=2, show_default=True, type=click.IntRange(1), help="Runs of each release, 6 samples each."
)


def _describe(machine: str | None) -> str:
    """Describe this machine to asv, under the name given or its own, and return that name."""
    return runner.describe_machine(runner.machine_facts() | ({"machine": machine} if machine else {}))


@click.command(context_settings={"ignore_unknown_options": True})
@machine_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="RANGE [OPTIONS OF asv run]...")
def record(machine: str | None, arguments: tuple[str, ...]) -> None:
    """Record results for commits of this repository with ``asv run``, in the base environment of the matrix.

    RANGE and all further options are those of asv run, for example: HEAD~50..HEAD --steps 8 --bench formats.
    With -E virtualenv all environments of the matrix are recorded. What is recorded is not run again, so an
    interrupted run can be repeated. Exit code 1: nothing matched, or a benchmark failed.
    """
    runner.require_asv()
    options = [f"--machine={_describe(machine)}", "--record-samples", "--skip-existing-successful", "--no-pull"]
    if not any(re.match(r"-E|--environment|--python", argument) for argument in arguments):
        # Of the matrix asv then takes the base alone, from which the others differ by one library.
        options.append(f"--environment=virtualenv:{sys.version_info.major}.{sys.version_info.minor}")
    raise SystemExit(int(runner.run_asv(["run", *arguments, *options], Path()) != 0))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RELEASE...")
@click.option("--folder", type=click.Path(path_type=Path), help="Default: .asv/releases/LIBRARY.")
@click.option("--date", "dates", multiple=True, metavar="VERSION=YYYY-MM-DD", help="Day of a release.")
@passes_option
@machine_option
@click.option("--publish", is_flag=True, help="Write the graphs into FOLDER/html.")
@click.option("--document", type=click.Path(exists=True, path_type=Path), help="Put the figures into this document.")
@click.option("--bench", metavar="REGEX", help="Only the benchmarks that match.")
def releases(
    names: tuple[str, ...],
    folder: Path | None,
    dates: tuple[str, ...],
    passes: int,
    machine: str | None,
    publish: bool,
    document: Path | None,
    bench: str | None,
) -> None:
    """Measure how releases of a library read frames, for example: h5py-3.8.0 ... h5py-3.16.0.

    Each RELEASE becomes a commit that asv can measure, compare and draw; `...` means the known releases in between.
    With the name of a library alone nothing is measured: its repository is written beside the recorded results.
    What is on no index is named LIBRARY@WHERE: h5py@dist/h5py-3.17.0-cp311-cp311-linux_x86_64.whl, h5py@../h5py or
    h5py@git+https://github.com/h5py/h5py@master; pip builds it if it is no wheel.
    What is recorded is not run again. Exit code 1: a wheel is missing or a benchmark failed.
    """
    runner.require_asv()
    try:
        library, versions, folder = _parse(names, folder)
        given = dict(pair.partition("=")[::2] for pair in dates)
        missing, days = history.fetch(library, versions, folder / "wheels", given)
        commits = history.generate(library, folder, days)
    except ReleaseError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{len(commits)} releases of {library.name} as commits in {folder}")
    wanted = [commits[version] for version in versions if version not in missing]
    only = [f"--bench={bench}"] if bench else []
    failed = bool(wanted) and _measure(library, wanted, folder, machine, passes, only) != 0
    if publish:
        site.publish_releases(library.name, folder, folder / "html")
    if document:
        text = replace_block(
            document.read_text(), library.name, history.markdown(folder / "results", commits, library.inside)
        )
        document.write_text(text)
    for reason in missing.values():
        click.echo(reason, err=True)
    raise SystemExit(int(failed or bool(missing)))


def _measure(
    library: history.Library,
    commits: list[str],
    folder: Path,
    machine: str | None,
    passes: int,
    options: Iterable[str] = (),
) -> int:
    """Measure releases, with the clips that a reader of video is asked about, and return asv's code."""
    if library.readers:
        try:
            frames.prepare(library.name, library.readers, folder)
        except ImportError as error:
            raise click.ClickException(str(error)) from None
    return history.measure(commits, folder, _describe(machine), passes, options)


def _parse(names: Iterable[str], folder: Path | None = None) -> tuple[history.Library, list[str], Path]:
    """Return the library, the versions and the folder of releases; builds of one's own are made and kept there."""
    libraries = {name.partition("@")[0] if "@" in name else name for name in names}
    library, _ = history.parse(sorted(libraries - {"..."}))
    folder = folder or Path(".asv", "releases", library.name)
    return *history.parse([keep(name, folder / "wheels") for name in names]), folder


@click.command()
@click.argument("before", metavar="RELEASE_A")
@click.argument("after", metavar="RELEASE_B")
@click.option("--factor", default=1.1, show_default=True, type=click.FloatRange(1), help="Smallest ratio that counts.")
@click.option("--only-changed", is_flag=True, help="Leave out what stayed the same.")
@passes_option
@machine_option
def compare(before: str, after: str, factor: float, only_changed: bool, passes: int, machine: str | None) -> None:
    """Compare how two releases of a library read frames, for example h5py-3.11.0 and h5py-3.16.0.

    A release may be a build of your own: h5py@dist/h5py-3.17.0-cp311-cp311-linux_x86_64.whl, h5py@../h5py, or
    h5py@git+https://github.com/h5py/h5py@master.

    What is measured is the library itself, not our readers, some of which read past it. Releases that are not
    recorded are measured first, then ``asv compare`` prints its table. Exit code: 0 nothing is slower, 1 something is
    slower or fails, 2 the command was not understood.
    """
    runner.require_asv()
    try:
        library, versions, folder = _parse([before, after])
        if len(versions) != 2:
            raise ReleaseError(f"expected two releases, such as h5py-3.11.0 h5py-3.16.0; got {before} {after}")
        name = machine or runner.machine_facts()["machine"]
        unknown = [version for version in versions if version not in library.releases]
        missing, days = history.fetch(library, unknown, folder / "wheels", {})
        commits = history.generate(library, folder, days)
        new = [v for v in versions if v not in missing and not history.recorded(folder, name, commits[v])]
        missing |= history.fetch(library, new, folder / "wheels", {})[0]
        if missing:
            raise ReleaseError("; ".join(missing.values()))
    except ReleaseError as error:
        raise click.UsageError(str(error)) from None
    wanted = [commits[version] for version in new]
    failed = bool(wanted) and _measure(library, wanted, folder, machine, passes) != 0
    options = [f"--factor={factor}", f"--machine={name}", "--sort=ratio", *["--only-changed"] * only_changed]
    tags = [f"{library.name}-{version}" for version in versions]
    command = [sys.executable, "-m", "asv", "compare", *options, *tags]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    click.echo(f"{library.named(versions[0])}, {library.named(versions[1])}\n{done.stdout}")
    # asv compare ends with 0 even if something is slower: its marks are + for slower and ! for failing.
    slower = re.search(r"^\|\s*[+!]\s*\|", done.stdout, re.MULTILINE)
    raise SystemExit(int(failed or done.returncode != 0 or slower is not None))


@click.command("site")
@click.option("--config", default="asv.conf.json", show_default=True, type=click.Path(path_type=Path, exists=True))
def make_site(config: Path) -> None:
    """Write all pages into asv's html_dir: which format, the history, and the histories of releases.

    They need no network; any static server shows them.
    """
    runner.require_asv()
    folder = config.absolute().parent
    _warn_if_shallow(folder)
    html_dir = site.publish(folder, config.name)
    click.echo(f"python -m http.server --directory {html_dir.relative_to(folder)}")


def _warn_if_shallow(folder: Path) -> None:
    command = ["git", "rev-parse", "--is-shallow-repository"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.stdout.strip() == "true":
        click.echo(
            "This clone is shallow: results of commits that it lacks are left out. To get them: git fetch --unshallow",
            err=True,
        )


COMMANDS = (record, compare, releases, make_site)
"""What the command line offers."""
