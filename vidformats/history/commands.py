"""The commands of the histories: releases, compare, record and site."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from vidformats.history import runner
from vidformats.history.compare import ComparisonError, Outcome, find_pair
from vidformats.history.compare import compare as compare_results
from vidformats.history.releases import (
    LIBRARIES,
    Library,
    ReleaseError,
    expand,
    fetch_wheel,
    generate,
    passes_recorded,
    wheel_date,
)


@click.command()
@click.argument("library", type=click.Choice(list(LIBRARIES)))
@click.argument("versions", nargs=-1)
@click.option("--folder", type=click.Path(path_type=Path), help="Default: .asv/releases/LIBRARY.")
@click.option("--date", "dates", multiple=True, metavar="VERSION=YYYY-MM-DD", help="Day of a release.")
@click.option("--passes", default=2, show_default=True, help="Times each release is run, turn by turn, 6 samples each.")
@click.option("--machine", help="Name for this machine in the results. Default: its size, never its host name.")
@click.option("--publish", is_flag=True, help="Write the graphs into FOLDER/html.")
@click.option("--bench", metavar="REGEX", help="Only the benchmarks that match.")
def releases(
    library: str,
    versions: tuple[str, ...],
    folder: Path | None,
    dates: tuple[str, ...],
    passes: int,
    machine: str | None,
    publish: bool,
    bench: str | None,
) -> None:
    """Measure how releases of a LIBRARY read frames, each VERSION a commit that stock asv understands.

    `...` between two versions means the known releases between them. Without VERSIONS nothing is run: the
    repository is made anew beside the recorded results, for `asv compare h5py-3.11.0 h5py-3.16.0` in FOLDER.
    What is recorded is not run again. Exit code 1: a wheel is missing or a run failed.
    """
    runner.require_asv()
    chosen = LIBRARIES[library]
    folder = folder or Path(".asv", "releases", library)
    try:
        wanted = expand(chosen, list(versions))
        missing, days = _days(chosen, wanted, dict(pair.partition("=")[::2] for pair in dates), folder)
        commits = generate(chosen, folder, days)
    except ReleaseError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{len(commits)} releases of {library} as commits in {folder}")
    described = runner.machine_facts()
    if machine:
        described["machine"] = machine
    available = {version: commits[version] for version in wanted if version not in missing}
    failed = _record(available, folder, described, passes, bench) if available else []
    if publish:
        _publish(folder)
    for reason in [*missing.values(), *failed]:
        click.echo(reason, err=True)
    if missing or failed:
        raise SystemExit(1)


def _days(
    library: Library, wanted: list[str], given: dict[str, str], folder: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Fetch the wheels wanted; return what is missing with its reason, and the day of every release."""
    missing, days = {}, library.releases | given
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    for version in wanted:
        try:
            wheel = fetch_wheel(library, version, folder / "wheels")
        except ReleaseError as error:
            missing[version] = str(error)
        else:
            days.setdefault(version, wheel_date(wheel))
    return missing, days


def _record(commits: dict[str, str], folder: Path, described: dict[str, str], passes: int, bench: str | None) -> list:
    """Run what is not recorded yet, one pass over all releases after the other; return what failed."""
    machine = runner.describe_machine(described)
    failed = []
    for turn in range(1, passes + 1):
        for place, (version, commit) in enumerate(commits.items(), 1):
            label = f"{version} ({place} of {len(commits)}), pass {turn} of {passes}"
            if passes_recorded(folder / "results", machine, commit) >= turn:
                click.echo(f"{label}: recorded")
                continue
            append = ["--append-samples"] if turn > 1 else []
            only = [f"--bench={bench}"] if bench else []
            arguments = ["run", f"{commit}^!", f"--machine={machine}", "--record-samples", "--show-stderr"]
            code = runner.run_asv([*arguments, *append, *only], folder, label)
            click.echo(f"{label}: {'failed' if code else 'done'}")
            if code:
                failed.append(f"{version}: asv run ended with code {code}")
    return failed


def _publish(folder: Path) -> None:
    if runner.run_asv(["publish", "--no-pull"], folder, "publish"):
        raise click.ClickException("asv publish failed")
    click.echo(f"graphs in {folder / 'html'}")


@click.command()
@click.argument("before", metavar="ENV_A")
@click.argument("after", metavar="ENV_B")
@click.option("--commit", help="A commit, tag or branch. Default: the youngest that has both.")
@click.option("--machine", help="Whose results; needed where several machines have some.")
@click.option("--factor", default=1.1, show_default=True, type=click.FloatRange(1), help="What counts as a change.")
@click.option("--only-changed", is_flag=True, help="Leave out what stayed the same.")
@click.option("--sort", default="ratio", show_default=True, type=click.Choice(["ratio", "name", "default"]))
@click.option("--config", default="asv.conf.json", show_default=True, type=click.Path(path_type=Path))
def compare(
    before: str,
    after: str,
    commit: str | None,
    machine: str | None,
    factor: float,
    only_changed: bool,
    sort: str,
    config: Path,
) -> None:
    """Compare two environments of the matrix at one commit, for example h5py3.11.0 and h5py3.16.0.

    Exit code: 0 nothing slower or larger, 1 something is, 2 something fails in ENV_B that ENV_A measured, or
    the command was not understood, 3 the two have no measurement in common.
    """
    runner.require_asv()
    from asv.config import Config
    from asv.repo import NoSuchNameError, get_repo
    from asv.util import UserError

    with contextlib.chdir(config.absolute().parent):
        try:
            conf = Config.load(config.name)
            chosen = get_repo(conf).get_hash_from_name(commit) if commit else None
            pair = find_pair(Path(conf.results_dir), before, after, chosen, machine)
            outcome = compare_results(conf, pair, factor, only_changed, sort)
        except LookupError as error:
            click.echo(error.args[0], err=True)
            raise SystemExit(Outcome.NOTHING_MEASURED) from None
        except NoSuchNameError:
            raise click.UsageError(f"there is no commit {commit}") from None
        except (ComparisonError, UserError) as error:
            raise click.UsageError(str(error)) from None
    click.echo(
        f"{outcome.name.lower().replace('_', ' ')}: {before} and {after} at {pair.before.commit_hash[:8]}", err=True
    )
    raise SystemExit(outcome)


COMMANDS = (releases, compare)
"""What the command line takes up."""
