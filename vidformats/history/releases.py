"""A library's releases as the commits of a small generated repository, for asv as it is.

Every commit pins one release, is dated as the release and tagged with its name. One environment serves them
all, so that asv compares releases, draws them on its axis and names the one that changed a load.
"""

from __future__ import annotations

import datetime
import itertools
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from vidformats.history.suites.corpus import REPEAT

NUMPY = "1.26.4"
"""The NumPy beside every release of the other libraries: the last that the oldest of them can be imported with."""


@dataclass(frozen=True)
class Library:
    """What a library's history is made of.

    Parameters
    ----------
    name : str
        As pip knows it.
    suite : str
        The benchmarks, a module of `vidformats.history.suites`.
    releases : dict of str
        The day of each release, by version, in order of time: the youngest time stamp in its wheel.
    matrix : dict
        What else is installed.
    """

    name: str
    suite: str
    releases: dict[str, str]
    matrix: dict[str, list[str]] = field(default_factory=lambda: {"numpy": [NUMPY]})


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "h5py",
            "h5py_reads",
            {
                "3.8.0": "2023-01-20",
                "3.9.0": "2023-06-19",
                "3.10.0": "2023-10-09",
                "3.11.0": "2024-04-10",
                "3.12.1": "2024-09-26",
                "3.13.0": "2025-02-18",
                "3.14.0": "2025-06-06",
                "3.15.1": "2025-10-16",
                "3.16.0": "2026-03-06",
            },
        ),
        Library(
            "numpy",
            "numpy_reads",
            {
                "1.25.2": "2023-07-31",
                "1.26.4": "2024-02-05",
                "2.0.2": "2024-08-26",
                "2.1.3": "2024-11-02",
                "2.2.6": "2025-05-17",
                "2.3.5": "2025-11-16",
                "2.4.6": "2026-05-18",
            },
            {},
        ),
        Library(
            "opencv-python",
            "opencv_reads",
            {
                "4.8.1.78": "2023-09-27",
                "4.9.0.80": "2023-12-31",
                "4.10.0.84": "2024-06-17",
                "4.11.0.86": "2025-01-16",
                "4.12.0.88": "2025-07-04",
                "4.13.0.92": "2026-02-03",
                "5.0.0.93": "2026-07-01",
            },
        ),
    )
}


class ReleaseError(ValueError):
    """A release that can't be had or placed; the message says which and why."""


def expand(library: Library, versions: list[str]) -> list[str]:
    """Return the versions meant, with ``...`` filled by the known releases between its neighbours.

    Parameters
    ----------
    library : Library
    versions : list of str
        For example ``["3.8.0", "...", "3.16.0"]``.

    Returns
    -------
    versions : list of str
        In the order given, none twice.

    Raises
    ------
    ReleaseError
        Where ``...`` stands at an end or beside an unknown release.

    Examples
    --------
    >>> expand(LIBRARIES["h5py"], ["3.8.0", "...", "3.10.0"])
    ['3.8.0', '3.9.0', '3.10.0']
    """
    known = list(library.releases)
    meant: list[str] = []
    for place, version in enumerate(versions):
        if version != "...":
            meant.append(version)
            continue
        try:
            first, _, last = (known.index(near) if near != "..." else -1 for near in versions[place - 1 : place + 2])
        except ValueError:
            raise ReleaseError(f"... needs a known {library.name} release on either side: {', '.join(known)}") from None
        meant += known[first + 1 : last]
    return list(dict.fromkeys(meant))


def fetch_wheel(library: Library, version: str, folder: Path) -> Path:
    """Fetch a release's wheel for this Python with pip, unless it is there, and return its path.

    Raises
    ------
    ReleaseError
        Where there is no wheel for this Python and system, or pip fails otherwise.
    """
    stem = f"{library.name.replace('-', '_')}-{version}-"
    if not any(folder.glob(f"{stem}*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, f"--dest={folder}", f"{library.name}=={version}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            if "No matching distribution" in done.stderr:
                raise ReleaseError(f"{library.name} {version} has no wheel for Python {python} on this system")
            said = done.stderr.strip().splitlines() or ["pip failed"]
            raise ReleaseError(f"{library.name} {version} can't be fetched: {said[-1]}")
    return next(folder.glob(f"{stem}*.whl"))


def wheel_date(wheel: Path) -> str:
    """Return the day a wheel was built, from the youngest time stamp in it, as ``YYYY-MM-DD``."""
    with zipfile.ZipFile(wheel) as archive:
        return str(datetime.date(*max(entry.date_time for entry in archive.infolist())[:3]))


def generate(library: Library, folder: Path, releases: dict[str, str]) -> dict[str, str]:
    """Make, or make again, the repository, the configuration and the benchmarks of a library's history.

    Parameters
    ----------
    library : Library
    folder : Path
        Gets ``repository.git``, ``asv.conf.json`` and ``benchmarks``; its ``results`` and ``env`` stay.
    releases : dict of str
        Day by version. The commits depend on nothing else: results recorded elsewhere fit.

    Returns
    -------
    commits : dict of str
        The commit of each version, in order of time.

    Raises
    ------
    ReleaseError
        For a day that is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    repository, benchmarks = folder / "repository.git", folder / "benchmarks"
    for stale in (repository, benchmarks):
        shutil.rmtree(stale, ignore_errors=True)
    ordered = sorted(releases, key=lambda version: (releases[version], list(releases).index(version)))
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", repository.name)
    _git(repository, "fast-import", "--quiet", given=_history(library, ordered, releases))
    commits = {version: _git(repository, "rev-parse", f"{library.name}-{version}").strip() for version in ordered}

    benchmarks.mkdir()
    source = resources.files("vidformats.history.suites")
    for name in ("__init__", "corpus", library.suite):
        (benchmarks / f"{name}.py").write_text((source / f"{name}.py").read_text())
    (folder / "asv.conf.json").write_text(json.dumps(_configuration(library), indent=4) + "\n")
    return commits


def _history(library: Library, ordered: list[str], releases: dict[str, str]) -> str:
    """Return the whole history for ``git fast-import``: the same text, hence the same commits, everywhere."""
    stream = []
    for mark, version in enumerate(ordered, 1):
        try:
            day = datetime.datetime.fromisoformat(f"{releases[version]}T12:00:00+00:00")
        except ValueError:
            raise ReleaseError(f"{releases[version]} is no day for {library.name} {version}: YYYY-MM-DD") from None
        signed = f"vidformats <vidformats@localhost> {int(day.timestamp())} +0000"
        message, pin = f"{library.name} {version}", f"{library.name}=={version}\n"
        stream += [
            *("commit refs/heads/main", f"mark :{mark}", f"author {signed}", f"committer {signed}"),
            *(f"data {len(message)}", message, "M 100644 inline pin.txt", f"data {len(pin)}", pin),
            *(f"reset refs/tags/{library.name}-{version}", f"from :{mark}", ""),
        ]
    return "\n".join(stream) + "\n"


def _git(folder: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _configuration(library: Library) -> dict:
    pip = "python -m pip"
    return {
        "version": 1,
        "project": library.name,
        "project_url": "#",
        "show_commit_url": "#",
        "repo": "repository.git",
        "branches": ["main"],
        "environment_type": "virtualenv",
        "pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
        "matrix": {"req": {**library.matrix, "pip+asv_runner": ["0.3.2"]}},
        "build_command": [],
        "install_command": [
            f"in-dir={{build_dir}} {pip} install --quiet --no-deps --only-binary=:all: "
            "--find-links={conf_dir}/wheels -r pin.txt"
        ],
        "uninstall_command": [f"return-code=any {pip} uninstall -y {library.name}"],
        "benchmark_dir": "benchmarks",
        "env_dir": "env",
        "results_dir": "results",
        "html_dir": "html",
        # A release is worth a word from a tenth on: the machines that record are shared.
        "regressions_thresholds": {".*": 0.1},
    }


def passes_recorded(results: Path, machine: str, commit: str) -> int:
    """Return how often every benchmark of a release has been run.

    Parameters
    ----------
    results : Path
        asv's folder of results.
    machine : str
        The machine that ran them.
    commit : str
        The release's commit.

    Returns
    -------
    passes : int
        0 where there is no result; benchmarks that failed or were skipped do not count.
    """
    from asv.results import iter_results_for_machine_and_hash

    fewest = 0
    for result in iter_results_for_machine_and_hash(str(results), machine, commit):
        taken = [
            len(samples)
            for key in result.get_all_result_keys()
            for samples in result.get_result_samples(key, result.get_result_params(key))
            if samples
        ]
        fewest = max(fewest, min(taken, default=0))
    return fewest // REPEAT


def markdown(results: Path, commits: dict[str, str]) -> str:
    """Return a table for a document: each case's milliseconds at each release.

    Parameters
    ----------
    results : Path
        asv's folder of results, of one machine.
    commits : dict of str
        As `generate` returns them.
    """
    from asv.results import iter_results

    found = {result.commit_hash: result for result in iter_results(str(results))}
    measured = {version: found[commit] for version, commit in commits.items() if commit in found}
    lines = [f"| case | {' | '.join(measured)} |", f"| --- |{' ---: |' * len(measured)}"]
    youngest = list(measured.values())[-1]
    for benchmark in sorted(youngest.get_all_result_keys()):
        params = youngest.get_result_params(benchmark)
        cases = list(itertools.product(*params))
        figures = [
            result.get_result_value(benchmark, params)
            if benchmark in result.get_all_result_keys()
            else [None] * len(cases)
            for result in measured.values()
        ]
        for (case,), row in zip(cases, zip(*figures, strict=True), strict=True):
            name = f"{benchmark.split('.')[1]}: {case.strip(chr(39))}"
            lines.append(f"| {name} | {' | '.join('-' if f is None else f'{1e3 * f:.3g}' for f in row)} |")
    return "\n".join(lines)
