"""``vidformats doctor`` as a user types it."""

import json

import pytest
from click.testing import CliRunner

from tests.tools.cases import CASES
from vidformats.cli import main


def run(*arguments, **environment):
    environment = {"GITHUB_ACTIONS": "", **environment}
    return CliRunner(env=environment).invoke(main, ["doctor", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path):
    """Make a data set whose faults are seen without opening a file, so that no child process starts."""
    for code in ("VF003", "VF007", "VF010"):
        (tmp_path / code).mkdir()
        CASES[code](tmp_path / code)
    return tmp_path


def test_text_and_exit_codes(folder):
    done = run(folder)
    assert done.exit_code == 1
    assert f"error VF003 {folder}/VF003/a.mp4: has 0 bytes\n" in done.stdout
    assert f"cure: rm {folder}/VF007/a.npy" in done.stdout
    assert "2 errors, 1 warning" in done.stdout
    done = run(folder, "--ignore", "vf003,VF007", "--ignore", "VF010")
    assert (done.exit_code, "nothing found" in done.stdout) == (0, True)


def test_json(folder):
    found = json.loads(run(folder, "--json").stdout)
    assert [one["code"] for one in found] == ["VF003", "VF007", "VF010"]
    assert set(found[0]) == {"code", "severity", "title", "path", "message", "why", "cure"}


def test_annotations(folder):
    wanted = f"::error file={folder}/VF003/a.mp4,title=VF003 empty file::has 0 bytes."
    assert wanted in run(folder, "--github").stdout
    assert wanted in run(folder, GITHUB_ACTIONS="true").stdout


@pytest.mark.parametrize("arguments", [[], ["none"], [".", "--ignore", "VF999"], [".", "--access", "sideways"]])
def test_what_is_not_understood_is_2(arguments):
    assert run(*arguments).exit_code == 2
