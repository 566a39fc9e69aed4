"""The commands of the histories: releases, compare, record and site."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import click

from vidformats.bench.report.table import replace_block
from vidformats.history import runner, site
from vidformats.history.compare import ComparisonError, Outcome, find_pair
from vidformats.history.compare import compare as compare_results
from vidformats.history.releases import (
    LIBRARIES,
    Library,
    ReleaseError,
    expand,
    fetch_wheel,
    generate,
    markdown,
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
@click.option("--document", type=click.Path(exists=True, path_type=Path), help="Put the figures into this document.")
@click.option("--bench", metavar="REGEX", help="Only the benchmarks that match.")
def releases(
    library: str,
    versions: tuple[str, ...],
    folder: Path | None,
    dates: tuple[str, ...],
    passes: int,
    machine: str | None,
    publish: bool,
    document: Path | None,
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
        html_dir = folder / "html"
        _publish(folder, html_dir, site.navigation([], "index.html", alone=True), "")
        site.write_styles(html_dir)
    if document:
        document.write_text(replace_block(document.read_text(), library, markdown(folder / "results", commits)))
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
            days[version] = days.get(version) or wheel_date(wheel)
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


def _publish(folder: Path, html_dir: Path, nav: str, root: str) -> None:
    """Publish a library's history into a folder of pages, with the interface that needs no network."""
    if runner.run_asv(["publish", "--no-pull", f"--html-dir={html_dir.absolute()}"], folder, f"publish {folder.name}"):
        raise click.ClickException("asv publish failed")
    benchmarks = json.loads((html_dir / "index.json").read_text())["benchmarks"]
    site.install_interface(html_dir, benchmarks, folder / "repository.git", "index.html", nav, root)
    click.echo(f"graphs in {html_dir}")


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


@click.command()
@click.option("--commits", default=8, show_default=True, type=click.IntRange(1), help="How many, evenly spread.")
@click.option("--since", help="The oldest commit to consider. Default: the first.")
@click.option("--environment", "environments", multiple=True, help="As asv names it. Default: the matrix's base.")
@click.option("--all-environments", is_flag=True, help="Every environment, at the youngest commit.")
@click.option("--machine", help="Name for this machine in the results. Default: its size, never its host name.")
@click.option("--bench", multiple=True, metavar="REGEX", help="Only the benchmarks that match.")
def record(
    commits: int,
    since: str | None,
    environments: tuple[str, ...],
    all_environments: bool,
    machine: str | None,
    bench: tuple[str, ...],
) -> None:
    """Record results for commits of this repository, into .asv/results.

    What is recorded is not run again, so an interrupted run goes on where it stopped. Exit code 1: a run failed.
    """
    runner.require_asv()
    folder = Path()
    described = runner.machine_facts() | ({"machine": machine} if machine else {})
    runner.describe_machine(described)
    chosen = ["HEAD"] if all_environments else spread(_first_parents(since), commits)
    bases = [] if all_environments else list(environments) or [_base_environment(folder)]
    options = [f"--machine={described['machine']}", "--record-samples", "--skip-existing-successful", "--no-pull"]
    options += [f"--bench={regex}" for regex in bench] + [f"--environment={name}" for name in bases]
    failed = []
    for place, commit in enumerate(chosen, 1):
        label = f"{commit[:8]} ({place} of {len(chosen)})"
        # 2 tells that a benchmark failed, which on an older commit is no failure of the run.
        ended = {0: "done", 2: "done, some benchmarks failed"}
        code = runner.run_asv(["run", f"{commit}^!", *options], folder, label)
        click.echo(f"{label}: {ended.get(code, f'asv run ended with code {code}')}")
        failed += [] if code in ended else [commit]
    if failed:
        raise SystemExit(1)


def _first_parents(since: str | None) -> list[str]:
    """Return the commits of the checked-out branch, the oldest first."""
    scope = f"{since}^..HEAD" if since else "HEAD"
    command = ["git", "rev-list", "--first-parent", "--reverse", scope]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.UsageError(done.stderr.strip())
    return done.stdout.split()


def spread(commits: list[str], count: int) -> list[str]:
    """Return so many of the commits, the first and the last among them.

    Examples
    --------
    >>> spread(list("abcdefg"), 3)
    ['a', 'd', 'g']
    """
    last = len(commits) - 1
    return (
        [commits[-1]] if count == 1 else [commits[k] for k in sorted({last * i // (count - 1) for i in range(count)})]
    )


def _base_environment(folder: Path) -> str:
    """Return the first environment of the matrix: the others differ from it by one library."""
    from asv.config import Config
    from asv.environment import get_environments

    conf = Config.load(str(folder / "asv.conf.json"))
    return next(iter(get_environments(conf, None, verbose=False))).name


@click.command("site")
@click.option("--config", default="asv.conf.json", show_default=True, type=click.Path(path_type=Path, exists=True))
def make_site(config: Path) -> None:
    """Write all pages into asv's html_dir: which format, the history, and the history over releases.

    They need no network; any static server shows them.
    """
    runner.require_asv()
    from asv.config import Config

    folder = config.absolute().parent
    conf = Config.load(str(config))
    _warn_of_shallow(folder)
    if runner.run_asv(["publish", "--no-pull", f"--config={config.name}"], folder, "publish"):
        raise click.ClickException("asv publish failed")
    html_dir, results = folder / conf.html_dir, folder / conf.results_dir
    recorded = site.published_releases(results)
    for name in recorded:
        library, source = LIBRARIES[name], results.parent / "releases" / name
        generate(library, source, library.releases)
        page = f"releases/{name}/index.html"
        _publish(source, html_dir / page.rpartition("/")[0], site.navigation(recorded, page, "../../"), "../../")
    click.echo(f"python -m http.server --directory {html_dir.relative_to(folder)}")


def _warn_of_shallow(folder: Path) -> None:
    command = ["git", "rev-parse", "--is-shallow-repository"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.stdout.strip() == "true":
        click.echo(
            "This clone is shallow: results of commits it lacks are left out. git fetch --unshallow brings them.",
            err=True,
        )


COMMANDS = (releases, compare, record, make_site)
"""What the command line takes up."""
