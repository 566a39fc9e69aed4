import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vidformats.bench.report.document import replace_block
from vidformats.history import releases as module
from vidformats.history.builds import wheel_date
from vidformats.history.releases import (
    LIBRARIES,
    ReleaseError,
    fetch_wheel,
    generate,
    markdown,
    parse,
)
from vidformats.history.suites.corpus import REPEAT

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / ".asv" / "releases"
H5PY = LIBRARIES["h5py"]


def asv(folder, *arguments):
    command = [sys.executable, "-m", "asv", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=list(LIBRARIES))
def history(request, tmp_path_factory):
    """A library's generated repository beside its committed results."""
    folder = tmp_path_factory.mktemp("releases") / request.param
    shutil.copytree(RECORDED / request.param / "results", folder / "results")
    return (
        LIBRARIES[request.param],
        folder,
        generate(LIBRARIES[request.param], folder, LIBRARIES[request.param].releases),
    )


def recorded(folder):
    """Return the commits that have results."""
    return {path.name.partition("-")[0] for path in folder.glob("results/*/*-*.json")}


def test_the_known_releases_are_in_order_of_time():
    for library in LIBRARIES.values():
        assert list(library.releases.values()) == sorted(library.releases.values())


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("h5py-3.11.0", ["3.11.0"]),
        ("h5py-3.8.0 ... h5py-3.10.0", ["3.8.0", "3.9.0", "3.10.0"]),
        ("h5py-3.15.1 ... h5py-3.16.0 h5py-3.8.0 h5py-3.16.0", ["3.15.1", "3.16.0", "3.8.0"]),
        ("h5py", []),
    ],
)
def test_dots_mean_what_lies_between(given, meant):
    assert parse(given.split()) == (H5PY, meant)


def test_a_library_may_have_a_dash_in_its_name():
    library, versions = parse(["opencv-python-4.8.1.78"])
    assert (library.name, versions) == ("opencv-python", ["4.8.1.78"])


@pytest.mark.parametrize("given", ["h5py-3.8.0 ...", "... h5py-3.8.0", "h5py-0.1 ... h5py-3.8.0"])
def test_dots_need_known_releases_on_either_side(given):
    with pytest.raises(ReleaseError, match="either side"):
        parse(given.split())


@pytest.mark.parametrize("given", ["...", "", "h5py-3.8.0 numpy-2.4.6"])
def test_releases_are_of_one_library(given):
    with pytest.raises(ReleaseError, match="of one library"):
        parse(given.split())


@pytest.mark.parametrize("given", ["h5py3.8.0", "3.8.0", "tables-3.9"])
def test_a_name_is_library_and_version(given):
    with pytest.raises(ReleaseError, match=r"expected LIBRARY-VERSION, such as h5py-3\.11\.0"):
        parse([given])


def test_each_commit_pins_dates_and_tags_one_release(tmp_path):
    commits = generate(H5PY, tmp_path, H5PY.releases)
    assert list(commits) == list(H5PY.releases)
    repository = tmp_path / "repository.git"

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    assert git("rev-list", "--reverse", "main").split() == list(commits.values())
    for version, commit in commits.items():
        assert git("show", f"h5py-{version}:pin.txt") == f"h5py=={version}"
        assert git("log", "-1", "--format=%H %ad %s", "--date=short", f"h5py-{version}") == (
            f"{commit} {H5PY.releases[version]} h5py {version}"
        )


def test_a_new_release_leaves_the_commits_before_it(tmp_path):
    before = generate(H5PY, tmp_path / "a", H5PY.releases)
    after = generate(H5PY, tmp_path / "b", {**H5PY.releases, "9.0.0": "2030-01-01"})
    assert {version: after[version] for version in before} == before


def test_a_day_that_is_none_is_refused(tmp_path):
    with pytest.raises(ReleaseError, match="expected a day as YYYY-MM-DD, got 'yesterday'"):
        generate(H5PY, tmp_path, {"9.0.0": "yesterday"})


def test_the_day_of_a_wheel_is_its_youngest_stamp(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name, stamp in (("a", (2024, 4, 9, 1, 2, 4)), ("b", (2024, 4, 10, 0, 0, 0))):
            wheel.writestr(zipfile.ZipInfo(name, stamp), "")
    assert wheel_date(tmp_path / "a.whl") == "2024-04-10"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: No matching distribution found for h5py==1.0", r"h5py-1\.0 has no wheel for Python 3\.\d+ on"),
        ("WARNING: a\nERROR: network is down", r"cannot fetch h5py-1\.0: ERROR: network is down"),
    ],
)
def test_a_missing_wheel_is_said_plainly(monkeypatch, tmp_path, said, told):
    failed = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(module.subprocess, "run", lambda *command, **options: failed)
    with pytest.raises(ReleaseError, match=told):
        fetch_wheel(H5PY, "1.0", tmp_path)


def test_recorded_results_fit_the_generated_commits(history):
    library, folder, commits = history
    assert recorded(folder) <= {commit[:8] for commit in commits.values()}
    assert len(recorded(folder)) >= {"h5py": 6, "numpy": 5}.get(library.name, 4)


def test_six_samples_a_side(history):
    """A statistical verdict takes at least six."""
    library, folder, _ = history
    if library.suite == "frames":
        pytest.skip("frames are counted: a count has no samples")
    for path in folder.glob("results/*/*-*.json"):
        found = json.loads(path.read_text())
        at = found["result_columns"].index("samples")
        taken = [s for result in found["results"].values() if len(result) > at for s in result[at] or () if s]
        assert taken
        assert min(map(len, taken)) >= REPEAT, path


def test_the_document_has_the_recorded_figures(history):
    library, folder, commits = history
    text = (ROOT / "docs" / "releases.md").read_text()
    assert replace_block(text, library.name, markdown(folder / "results", commits, library.inside)) == text


def test_stock_compare_between_releases(history):
    library, folder, commits = history
    tags = [f"{library.name}-{version}" for version in commits]
    done = asv(folder, "compare", tags[0], tags[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"<{tags[0]}>" in done.stdout
    assert f"<{tags[-1]}>" in done.stdout
    assert len(re.findall(r"^\|.*(_reads|frames)\.", done.stdout, re.MULTILINE)) >= 15


def test_stock_publish_between_releases(history):
    library, folder, commits = history
    done = asv(folder, "publish", "--no-pull")
    assert done.returncode == 0, done.stdout + done.stderr
    index = json.loads((folder / "html" / "index.json").read_text())
    assert set(index["tags"]) == {f"{library.name}-{version}" for version in commits}
    # A release that changed a load is named by its own commit, alone.
    hashes = {commit: version for version, commit in commits.items()}
    for *_, jumps in json.loads((folder / "html" / "regressions.json").read_text())["regressions"]:
        for before, after, *_ in jumps:
            assert before is None
            assert index["revision_to_hash"][str(after)] in hashes


def test_no_path_host_or_user_name_is_in_any_result():
    import getpass
    import socket

    # Of this machine's own names only those that are no word of the results by chance.
    names = [name for name in {socket.gethostname(), getpass.getuser()} if len(name) > 4 and name not in ("local",)]
    paths = r"/(home|root|Users|tmp|work|private|var|opt)/|[A-Z]:\\\\"
    files = [*(ROOT / ".asv").glob("results/**/*.json"), *RECORDED.glob("*/results/**/*.json")]
    assert files
    for path in files:
        text = path.read_text()
        assert not re.search(paths, text), path
        assert not any(name in text for name in names), path
        assert path.stat().st_size < 1_000_000
        if path.name not in ("machine.json", "benchmarks.json"):
            assert "existing" not in json.loads(text)["env_name"]
