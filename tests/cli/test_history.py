"""The commands of the histories: what they ask of asv, and how they end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asv.config import Config
from asv.environment import get_environments
from click.testing import CliRunner

from vidformats.cli import history, main
from vidformats.history import releases, runner
from vidformats.history.environment import versions_of

ROOT = Path(__file__).parents[2]
MACHINE = "x86_64-2cpu-24gib"


def run(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    return done.exit_code, done.output


class Asked(list):
    """The commands that asv would have been given, and the code that it ends with."""

    code = 0


@pytest.fixture
def asked(monkeypatch):
    given = Asked()

    def run_asv(arguments, folder):
        given.append(list(arguments))
        return given.code

    monkeypatch.setattr(runner, "describe_machine", lambda described: described["machine"])
    monkeypatch.setattr(runner, "run_asv", run_asv)
    monkeypatch.setattr(releases, "run_asv", run_asv)
    return given


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A folder with the recorded results of h5py's releases, where no wheel can be fetched."""
    shutil.copytree(ROOT / ".asv/releases/h5py/results", tmp_path / ".asv/releases/h5py/results")
    monkeypatch.chdir(tmp_path)

    def fetch_wheel(library, version, folder):
        raise releases.ReleaseError(f"{library.name}-{version} has no wheel")

    monkeypatch.setattr(releases, "fetch_wheel", fetch_wheel)


def test_record_is_asv_run_in_the_base_environment(asked, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, said = run("record", "--machine=m", "HEAD~9..HEAD", "--steps", "8", "--bench", "time")
    assert code == 0, said
    (command,) = asked
    assert command[:6] == ["run", "HEAD~9..HEAD", "--steps", "8", "--bench", "time"]
    assert {"--machine=m", "--record-samples", "--skip-existing-successful"} <= set(command)
    assert [option for option in command if option.startswith("--environment=virtualenv:3.")]


@pytest.mark.parametrize("option", ["-Evirtualenv", "--environment=base", "--python=3.12"])
def test_record_leaves_a_chosen_environment(asked, option):
    assert run("record", "--machine=m", "HEAD^!", option)[0] == 0
    assert sum(word.startswith(("-E", "--environment", "--python")) for word in asked[0]) == 1


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (2, 1), (-15, 1)])
def test_record_ends_with_1_on_any_failure(asked, code, expected):
    asked.code = code
    assert run("record", "--machine=m", "HEAD^!", "-E", "virtualenv")[0] == expected


def test_compare_asks_stock_asv_about_recorded_releases(recorded, asked):
    code, said = run("compare", "h5py-3.8.0", "h5py-3.16.0", f"--machine={MACHINE}", "--factor=1000")
    assert asked == [], "what is recorded is not measured again"
    assert code == 0, said
    assert "<h5py-3.8.0>" in said
    assert "<h5py-3.16.0>" in said
    assert "h5py_reads.Contiguous.time_read('slice')" in said


def test_compare_ends_with_1_if_something_is_slower(recorded, asked):
    assert run("compare", "h5py-3.8.0", "h5py-3.16.0", f"--machine={MACHINE}", "--factor=1.01")[0] == 1


def test_compare_measures_what_is_not_recorded(recorded, asked, monkeypatch):
    fetched = []
    monkeypatch.setattr(releases, "fetch_wheel", lambda library, version, folder: fetched.append(version))
    monkeypatch.setattr(history.subprocess, "run", lambda *command, **options: subprocess.CompletedProcess([], 0, ""))
    assert run("compare", "h5py-3.8.0", "h5py-3.16.0", "--machine=another")[0] == 0
    assert fetched == ["3.8.0", "3.16.0"]
    assert asked[0][0] == "run"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["h5py-3.8.0", "numpy-2.4.6"], "expected releases of one library"),
        (["h5py3.8.0", "h5py3.16.0"], "expected LIBRARY-VERSION, such as h5py-3.11.0"),
        (["h5py-3.8.0", "h5py-3.8.0"], "expected two releases"),
        (["h5py-3.8.0", "h5py-9.9.9"], "h5py-9.9.9 has no wheel"),
        (["h5py-3.8.0"], "Missing argument"),
    ],
)
def test_compare_is_not_understood(recorded, asked, arguments, said):
    code, output = run("compare", *arguments, f"--machine={MACHINE}")
    assert code == 2
    assert said in " ".join(output.replace("│", " ").split())


def test_releases_runs_all_in_passes_of_one_command(recorded, asked, monkeypatch):
    monkeypatch.setattr(releases, "fetch_wheel", lambda library, version, folder: None)
    code, said = run("releases", "h5py-3.8.0", "...", "h5py-3.10.0", "--machine=m", "--passes=3", "--bench=Lists")
    assert code == 0, said
    (command,) = asked
    assert {"--attribute=rounds=3", "--interleave-rounds", "--skip-existing-successful", "--bench=Lists"} <= set(
        command
    )
    commits = Path(".asv/releases/h5py/commits.txt").read_text().split()
    assert len(commits) == 3


def test_a_missing_wheel_is_said_and_the_rest_is_run(recorded, asked, monkeypatch):
    def fetch_wheel(library, version, folder):
        if version == "3.8.0":
            raise releases.ReleaseError("h5py-3.8.0 has no wheel")

    monkeypatch.setattr(releases, "fetch_wheel", fetch_wheel)
    code, said = run("releases", "h5py-3.8.0", "...", "h5py-3.10.0", "--machine=m")
    assert code == 1
    assert "h5py-3.8.0 has no wheel" in said
    assert len(Path(".asv/releases/h5py/commits.txt").read_text().split()) == 2


def test_a_library_alone_measures_nothing(recorded, asked):
    code, said = run("releases", "h5py")
    assert code == 0, said
    assert asked == []
    assert Path(".asv/releases/h5py/repository.git").is_dir()


def test_the_base_of_our_matrix_is_what_this_python_runs():
    conf = Config.load(str(ROOT / "asv.conf.json"))
    (base,) = get_environments(conf, [f"virtualenv:{sys.version_info.major}.{sys.version_info.minor}"])
    base = versions_of(base.name)
    matrix = {name: version for name, [version] in conf.matrix["req"].items()}
    assert {name: version for name, version in matrix.items() if name in base}.items() <= base.items()
    assert {"h5py", "numpy", "opencv-python"} <= base.keys()


def test_environments_differ_from_the_base_by_one_library():
    conf = json.loads((ROOT / "asv.conf.json").read_text())
    base = {name: versions[0] for name, versions in conf["matrix"]["req"].items()}
    varied = []
    for include in conf["include"]:
        assert include["req"].keys() == base.keys()
        varied += [name for name in base if include["req"][name] != base[name]]
    assert sorted(varied) == ["h5py", "numpy", "opencv-python"]
    # Only exact versions: asv reads ">=3.10,<3.12" as "==3.10".
    assert all(version[0].isdigit() for version in base.values())


def test_a_shallow_clone_is_warned_about(tmp_path, capsys):
    git = ["git", "-c", "user.name=someone", "-c", "user.email=someone@localhost"]
    subprocess.run([*git, "init", "--quiet", str(tmp_path / "whole")], check=True)
    for message in "ab":
        commit = [*git, "commit", "--quiet", "--allow-empty", f"--message={message}"]
        subprocess.run(commit, cwd=tmp_path / "whole", check=True)
    url, clone = (tmp_path / "whole").as_uri(), tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(clone)], check=True)
    history._warn_if_shallow(tmp_path / "whole")
    assert capsys.readouterr().err == ""
    history._warn_if_shallow(clone)
    assert "git fetch --unshallow" in capsys.readouterr().err
