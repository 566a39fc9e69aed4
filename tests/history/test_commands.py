import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from vidformats.cli import main
from vidformats.history import commands
from vidformats.history.environment import versions_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Five commits, and the matrix of this project."""
    git = ["git", "-c", "user.name=someone", "-c", "user.email=someone@localhost"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], cwd=tmp_path, check=True)
    for number in range(5):
        message = f"--message={number}"
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", message], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runs(monkeypatch):
    """The commands that asv would have been given."""
    given = []
    monkeypatch.setattr(commands.runner, "describe_machine", lambda described: described["machine"])
    monkeypatch.setattr(commands.runner, "run_asv", lambda arguments, folder, label: given.append(arguments) or 0)
    return given


@pytest.mark.parametrize(("count", "chosen"), [(1, "g"), (2, "ag"), (3, "adg"), (7, "abcdefg"), (20, "abcdefg")])
def test_commits_are_evenly_spread(count, chosen):
    assert commands.spread(list("abcdefg"), count) == list(chosen)


def test_record_runs_commits_in_the_base_environment(repository, runs):
    log = ["git", "rev-list", "--reverse", "HEAD"]
    hashes = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split()
    done = CliRunner().invoke(main, ["record", "--commits=3", "--environment=base", "--machine=m", "--bench=time"])
    assert done.exit_code == 0, done.output
    assert [run[1] for run in runs] == [f"{hashes[k]}^!" for k in (0, 2, 4)]
    for run in runs:
        assert {"--environment=base", "--machine=m", "--bench=time", "--skip-existing-successful"} <= set(run)


def test_record_all_environments_at_the_youngest_commit(repository, runs):
    done = CliRunner().invoke(main, ["record", "--all-environments"])
    assert done.exit_code == 0, done.output
    assert len(runs) == 1
    assert runs[0][1] == "HEAD^!"
    assert not any(option.startswith("--environment") for option in runs[0])


@pytest.mark.parametrize(("code", "exit_code"), [(0, 0), (2, 0), (1, 1), (-15, 1)])
def test_a_benchmark_that_fails_is_no_failed_run(repository, runs, monkeypatch, code, exit_code):
    monkeypatch.setattr(commands.runner, "run_asv", lambda *arguments: code)
    assert CliRunner().invoke(main, ["record", "--all-environments"]).exit_code == exit_code


def test_a_commit_that_is_none_is_said(repository, runs):
    done = CliRunner().invoke(main, ["record", "--since=nosuch"])
    assert done.exit_code == 2
    assert "nosuch" in done.output


def test_the_base_of_our_matrix_comes_first():
    conf = json.loads((ROOT / "asv.conf.json").read_text())
    base = versions_of(commands._base_environment(ROOT))
    assert {name: version for name, [version] in conf["matrix"]["req"].items() if name in base}.items() <= base.items()
    assert {"h5py", "numpy", "opencv-python"} <= base.keys()


def test_environments_differ_from_the_base_by_one_library():
    conf = json.loads((ROOT / "asv.conf.json").read_text())
    base = {name: versions[0] for name, versions in conf["matrix"]["req"].items()}
    varied = []
    for include in conf["include"]:
        assert include["req"].keys() == base.keys()
        varied += [name for name in base if include["req"][name] != base[name]]
    assert sorted(varied) == ["h5py", "numpy", "opencv-python"]
    # Only exact versions: asv makes "==3.10" of ">=3.10,<3.12".
    assert all(version[0].isdigit() for version in base.values())


def test_a_shallow_clone_is_warned_of(repository, tmp_path_factory, capsys):
    clone = tmp_path_factory.mktemp("shallow")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", repository.as_uri(), str(clone)], check=True)
    commands._warn_of_shallow(repository)
    assert capsys.readouterr().err == ""
    commands._warn_of_shallow(clone)
    assert "git fetch --unshallow" in capsys.readouterr().err
