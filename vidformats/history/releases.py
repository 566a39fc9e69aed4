"""A library's releases as the commits of a small generated repository, which asv measures, compares and draws.

Each commit pins one release, has the release's date, and is tagged with its name, such as ``h5py-3.11.0``. All
releases are measured in one environment.
"""

from __future__ import annotations

import datetime
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from vidformats.history import builds
from vidformats.history.builds import ReleaseError
from vidformats.history.runner import run_asv

NUMPY = "1.26.4"
"""The NumPy beside every release of the other libraries: the newest that the oldest of them works with."""


@dataclass(frozen=True)
class Library:
    """A library whose releases are measured.

    Parameters
    ----------
    name : str
        Its name for pip.
    title : str
        Its name for readers.
    suite : str
        The benchmarks, a module of `vidformats.history.suites`.
    releases : dict of str
        Version -> day of the release, in order of time: the newest time stamp in its wheel.
    matrix : dict
        Other packages in the environment, as in ``asv.conf.json``.
    readers : tuple of str
        Readers of video that the library is, by the referee's names: their wrong frames are counted as well.
    inside : dict of str
        Version -> the library below it that its wheel brings, which may be what changed.
    """

    name: str
    title: str
    suite: str
    releases: dict[str, str]
    matrix: dict[str, list[str]] = field(default_factory=lambda: {"numpy": [NUMPY]})
    readers: tuple[str, ...] = ()
    inside: dict[str, str] = field(default_factory=dict)

    def named(self, version: str) -> str:
        """Return the name of a release, with what its wheel brings: ``h5py-3.16.0 with HDF5 2.0.0``."""
        brings = self.inside.get(version)
        return f"{self.name}-{version}" + (f" with {brings}" if brings else "")

    @property
    def suites(self) -> list[str]:
        """The modules that are measured."""
        return list(dict.fromkeys([self.suite, *["frames"] * bool(self.readers)]))


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "h5py",
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
            inside={
                "3.8.0": "HDF5 1.12.2",
                "3.9.0": "HDF5 1.12.2",
                "3.10.0": "HDF5 1.14.2",
                "3.11.0": "HDF5 1.14.2",
                "3.12.1": "HDF5 1.14.4",
                "3.13.0": "HDF5 1.14.6",
                "3.14.0": "HDF5 1.14.6",
                "3.15.1": "HDF5 1.14.6",
                "3.16.0": "HDF5 2.0.0",
            },
        ),
        Library(
            "numpy",
            "NumPy",
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
            "OpenCV",
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
            readers=("opencv-seek", "opencv-sequential"),
        ),
        Library(
            "av",
            "PyAV",
            "frames",
            {
                "12.3.0": "2024-07-21",
                "15.1.0": "2025-08-30",
                "16.1.0": "2026-01-09",
                "17.1.0": "2026-06-07",
                "18.1.0": "2026-08-12",
            },
            readers=("pyav-seek", "pyav-sequential"),
        ),
        Library(
            "decord2",
            "decord2",
            "frames",
            {
                "1.0.0": "2025-06-14",
                "2.0.0": "2025-09-16",
                "3.0.0": "2025-12-18",
                "3.2.0": "2026-03-25",
                "3.4.0": "2026-05-30",
            },
            readers=("decord2",),
        ),
        Library(
            "imageio",
            "imageio",
            "frames",
            {"2.31.6": "2023-10-23", "2.34.2": "2024-06-24", "2.37.0": "2025-01-20", "2.38.1": "2026-10-08"},
            # One PyAV, so that what changes is imageio.
            {"numpy": [NUMPY], "pillow": ["10.4.0"], "av": ["12.3.0"]},
            readers=("imageio-pyav", "imageio-pyav-variable"),
        ),
        Library(
            "pillow",
            "Pillow",
            "pillow_reads",
            {
                "10.4.0": "2024-07-01",
                "11.0.0": "2024-10-15",
                "11.3.0": "2025-07-01",
                "12.0.0": "2025-10-15",
                "12.3.0": "2026-07-01",
                "13.0.0": "2026-10-16",
            },
        ),
        Library(
            "zarr",
            "Zarr",
            "zarr_reads",
            {"2.18.7": "2025-04-09", "3.0.10": "2025-07-03", "3.1.0": "2025-07-15", "3.1.6": "2026-03-23"},
            # All that either generation requires.
            {
                "numpy": ["2.2.6"],
                "numcodecs": ["0.15.1"],
                "asciitree": ["0.3.3"],
                "crc32c": ["2.9.post0"],
                "fasteners": ["0.20"],
                "donfig": ["0.8.1.post1"],
                "google-crc32c": ["1.9.0"],
                "packaging": ["26.4"],
                "pyyaml": ["6.0.4"],
                "typing_extensions": ["4.16.0"],
            },
        ),
    )
}


def parse(names: Sequence[str]) -> tuple[Library, list[str]]:
    """Return the library and the versions that names of releases mean.

    Parameters
    ----------
    names : sequence of str
        Such as ``["h5py-3.8.0", "...", "h5py-3.16.0"]``, where ``...`` means the known releases between its
        neighbours; or the name of a library alone, which means no version.

    Returns
    -------
    library : Library
    versions : list of str
        In the order given, without repeats.

    Raises
    ------
    ReleaseError
        If a name is not one of a known library, if there are several libraries, or if ``...`` has no known
        release on either side.

    Examples
    --------
    >>> library, versions = parse(["h5py-3.8.0", "...", "h5py-3.10.0"])
    >>> library.name, versions
    ('h5py', ['3.8.0', '3.9.0', '3.10.0'])
    """
    split = [_split(name) for name in names if name != "..."]
    if len({library.name for library, _ in split}) != 1:
        raise ReleaseError(f"expected releases of one library, got {' '.join(names) or 'nothing'}")
    library, known = split[0][0], list(split[0][0].releases)
    given = iter(version for _, version in split)
    wanted = ["..." if name == "..." else next(given) for name in names]
    meant: list[str] = []
    for place, version in enumerate(wanted):
        if version != "...":
            meant += [version] if version else []
            continue
        try:
            first, _, last = (known.index(near) if near != "..." else -1 for near in wanted[place - 1 : place + 2])
        except ValueError:
            raise ReleaseError(
                f"expected a known release of {library.name} on either side of ..., which are: {', '.join(known)}"
            ) from None
        meant += known[first + 1 : last]
    return library, list(dict.fromkeys(meant))


def _split(name: str) -> tuple[Library, str]:
    """Return the library of a release's name, and its version; an empty one if the name is the library's."""
    for library in LIBRARIES.values():
        if name == library.name:
            return library, ""
        if name.startswith(f"{library.name}-"):
            return library, name.removeprefix(f"{library.name}-")
    raise ReleaseError(f"expected LIBRARY-VERSION, such as h5py-3.11.0, of {', '.join(LIBRARIES)}; got {name!r}")


def fetch(
    library: Library, versions: Iterable[str], folder: Path, given: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Fetch the wheels of releases.

    Parameters
    ----------
    library : Library
    versions : iterable of str
    folder : Path
        Gets the wheels.
    given : mapping of str
        Version -> day, for releases that `library` does not know.

    Returns
    -------
    missing : dict of str
        Version -> why its wheel is not available.
    days : dict of str
        Version -> day, of all known and all fetched releases.
    """
    missing: dict[str, str] = {}
    days = library.releases | dict(given)
    folder.mkdir(parents=True, exist_ok=True)
    built = builds.known(folder)
    for version in (version for version in versions if version not in built):
        try:
            wheel = fetch_wheel(library, version, folder)
        except ReleaseError as error:
            missing[version] = str(error)
        else:
            days[version] = days.get(version) or builds.wheel_date(wheel)
    return missing, days


def fetch_wheel(library: Library, version: str, folder: Path) -> Path:
    """Return the path of a release's wheel for this Python; pip fetches it unless it is there.

    Raises
    ------
    ReleaseError
        If there is no wheel for this Python and system, or pip fails for another reason.
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
                raise ReleaseError(f"{library.name}-{version} has no wheel for Python {python} on this system")
            said = done.stderr.strip().splitlines() or ["pip failed"]
            raise ReleaseError(f"cannot fetch {library.name}-{version}: {said[-1]}")
    return next(folder.glob(f"{stem}*.whl"))


def generate(library: Library, folder: Path, releases: dict[str, str]) -> dict[str, str]:
    """Write the repository, the configuration and the benchmarks of a library's history, replacing earlier ones.

    Parameters
    ----------
    library : Library
    folder : Path
        Gets ``repository.git``, ``asv.conf.json`` and ``benchmarks``; its ``results`` and ``env`` stay.
    releases : dict of str
        Version -> day. The commits of releases depend on nothing else, so results recorded elsewhere fit. Builds of
        one's own that are in ``wheels`` get commits too.

    Returns
    -------
    commits : dict of str
        The commit of each version, in order of time.

    Raises
    ------
    ReleaseError
        If a day is not a date.
    """
    folder.mkdir(parents=True, exist_ok=True)
    repository, benchmarks = folder / "repository.git", folder / "benchmarks"
    for stale in (repository, benchmarks):
        shutil.rmtree(stale, ignore_errors=True)
    own = {label: build for label, build in builds.known(folder / "wheels").items() if build.name == library.name}
    releases = releases | {label: build.day for label, build in own.items()}
    pins = {version: f"{library.name}=={version}" for version in releases}
    pins |= {label: build.pin for label, build in own.items()}
    ordered = sorted(releases, key=lambda version: (releases[version], list(releases).index(version)))
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", repository.name)
    _git(repository, "fast-import", "--quiet", given=_history(library, ordered, releases, pins))
    commits = {version: _git(repository, "rev-parse", f"{library.name}-{version}").strip() for version in ordered}

    benchmarks.mkdir()
    source = resources.files("vidformats.history.suites")
    for name in ("__init__", "corpus", *library.suites):
        (benchmarks / f"{name}.py").write_text((source / f"{name}.py").read_text())
    (folder / "asv.conf.json").write_text(json.dumps(_configuration(library), indent=4) + "\n")
    return commits


def _history(library: Library, ordered: list[str], releases: dict[str, str], pins: dict[str, str]) -> str:
    """Return the whole history for ``git fast-import``: the same text, and so the same commits, on every machine."""
    stream = []
    for mark, version in enumerate(ordered, 1):
        try:
            day = datetime.datetime.fromisoformat(f"{releases[version]}T12:00:00+00:00")
        except ValueError:
            raise ReleaseError(
                f"{library.name}-{version}: expected a day as YYYY-MM-DD, got {releases[version]!r}"
            ) from None
        signed = f"vidformats <vidformats@localhost> {int(day.timestamp())} +0000"
        message, pin = f"{library.name} {version}", f"{pins[version]}\n"
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


def _configuration(library: Library) -> dict[str, Any]:
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
        # The machines that record are shared: changes below a tenth are noise.
        "regressions_thresholds": {".*": 0.1},
    }


def recorded(folder: Path, machine: str, commit: str) -> bool:
    """Tell whether a machine has results of a release."""
    return any((folder / "results" / machine).glob(f"{commit[:8]}-*.json"))


def measure(commits: Iterable[str], folder: Path, machine: str, passes: int, options: Iterable[str] = ()) -> int:
    """Run the benchmarks of some releases, as many times as there are passes over all of them, and return asv's code.

    Parameters
    ----------
    commits : iterable of str
        As `generate` returns them. What is recorded is not run again.
    folder : Path
        As `generate` made it.
    machine : str
        Its name in the results.
    passes : int
        A slow hour of the machine then does not fall on one release alone.
    options : iterable of str
        Further options of ``asv run``.
    """
    (folder / "commits.txt").write_text("\n".join(commits) + "\n")
    repeated = ["--interleave-rounds", f"--attribute=rounds={passes}", "--record-samples", "--show-stderr"]
    chosen = ["HASHFILE:commits.txt", f"--machine={machine}", "--skip-existing-successful"]
    return run_asv(["run", *chosen, *repeated, *options], folder)


def markdown(results: Path, commits: dict[str, str], inside: Mapping[str, str] | None = None) -> str:
    """Return a table for a document: the milliseconds of each case at each release, or the frames that are counted.

    What is counted and is 0 in every release is left out.

    Parameters
    ----------
    results : Path
        asv's folder of results, of one machine.
    commits : dict of str
        As `generate` returns them.
    inside : dict of str, optional
        Version -> the library that its wheel brings: a row of its own.
    """
    from asv.results import iter_results

    found = {result.commit_hash: result for result in iter_results(str(results))}
    measured = {version: found[commit] for version, commit in commits.items() if commit in found}
    lines = [f"| case | {' | '.join(measured)} |", f"| --- |{' ---: |' * len(measured)}"]
    if inside:
        lines.append(f"| with | {' | '.join(inside.get(version, '-') for version in measured)} |")
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
            counted = benchmark.split(".")[-1].startswith("track_")
            if counted and not any(f for f in row if f == f):
                continue  # nothing to tell: no release had one
            what = (
                benchmark.split(".")[2].removeprefix("track_").replace("_", " ") if counted else benchmark.split(".")[1]
            )
            told = ["-" if f is None or f != f else f"{f:.0f}" if counted else _milliseconds(f) for f in row]
            lines.append(f"| {what}: {case.strip(chr(39))} | {' | '.join(told)} |")
    return "\n".join(lines)


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"
