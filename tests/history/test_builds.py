"""Wheels on this disk and git references are measured like releases."""

import os
import subprocess
import zipfile
from importlib import metadata

import pytest

from vidformats.history.builds import ReleaseError, keep, known, wheel_date
from vidformats.history.releases import LIBRARIES, fetch, generate, parse
from vidformats.history.suites.corpus import check_pinned

H5PY = LIBRARIES["h5py"]
BACKEND = """import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    info, name = "h5py-9.0.dist-info/", "h5py-9.0-py3-none-any.whl"
    files = {"h5py.py": "", info + "METADATA": "Metadata-Version: 2.1\\nName: h5py\\nVersion: 9.0\\n",
             info + "RECORD": "",
             info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(path, day=(2026, 1, 2, 0, 0, 0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("h5py.py", day), "")
    return path


@pytest.fixture
def source(tmp_path):
    """A git repository of a package that needs nothing to be built."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(SYSTEM)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"], ["tag", "-a", "v9", "-m", "b"]):
        subprocess.run([*git, *command], check=True)
    return folder


def test_a_wheel_becomes_a_commit_beside_the_releases(tmp_path):
    given = wheel(tmp_path / "dist" / "h5py-3.16.0-py3-none-any.whl")
    short = keep(f"h5py@{given}", tmp_path / "wheels")
    library, (label,) = parse([short])
    assert (library, label.rpartition("+")[0]) == (H5PY, "3.16.0"), "a build of a version is not its release"
    missing, days = fetch(H5PY, [label], tmp_path / "wheels", {})
    assert not missing
    commits = generate(H5PY, tmp_path, days)
    pin = subprocess.run(
        ["git", "show", f"{short}:pin.txt"], cwd=tmp_path / "repository.git", check=True, capture_output=True, text=True
    ).stdout
    assert pin.startswith(f"h5py @ file://${{ASV_CONF_DIR}}/wheels/builds/{label}/{given.name}#sha256=")
    plain = generate(H5PY, tmp_path / "plain", H5PY.releases)
    assert {version: commits[version] for version in plain} == plain, "recorded results still fit"
    assert generate(H5PY, tmp_path, days) == commits


def test_sources_are_built_once_per_commit(source, tmp_path):
    by_tag = keep(f"h5py@git+file://{source}@v9", tmp_path / "wheels")
    assert by_tag.startswith("h5py-9.0+g")
    (built,) = known(tmp_path / "wheels").values()
    os.utime(built.wheel, (0, 0))
    assert keep(f"h5py@git+file://{source}", tmp_path / "wheels") == by_tag
    assert built.wheel.stat().st_mtime == 0
    assert keep(f"h5py@{source}", tmp_path / "wheels").startswith("h5py-9.0+")
    assert len(known(tmp_path / "wheels")) == 2


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("no.whl", "expected a wheel, got nothing"),
        ("other-1.0-py3-none-any.whl", "expected a wheel of h5py, got other-1.0"),
        ("text.whl", "expected a wheel, got another file"),
        ("nowhere", r"expected a wheel, a folder or an archive of the source, or git\+URL@REF; got nothing"),
        (
            "git+file://{}/source@nope",
            r"expected git\+URL@REF with a branch, a tag or a whole commit; git says: there is no",
        ),
        ("empty", "cannot build .*: ERROR"),
    ],
)
def test_what_is_no_build_is_told(source, tmp_path, monkeypatch, where, told):
    monkeypatch.chdir(tmp_path)
    wheel(tmp_path / "other-1.0-py3-none-any.whl")
    (tmp_path / "text.whl").write_text("text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match=told):
        keep(f"h5py@{where.format(tmp_path)}", tmp_path / "wheels")
    assert not known(tmp_path / "wheels")


def test_a_wheel_that_is_built_twice_alike_has_no_day(tmp_path):
    with pytest.raises(ReleaseError, match=r"does not tell its day: give it by --date"):
        wheel_date(wheel(tmp_path / "zarr-3.0.10-py3-none-any.whl", (2020, 2, 2, 0, 0, 0)))


def test_another_build_than_the_pinned_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pin.txt").write_text("numpy @ file://${ASV_CONF_DIR}/numpy.whl#sha256=0a1b\n")
    monkeypatch.setenv("ASV_ENV_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match="expected numpy sha256:0a1b, but numpy no wheel of one's own is installed"):
        check_pinned("numpy", metadata.version("numpy"))
