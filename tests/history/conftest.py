"""A project of six commits, measured by asv in this interpreter: its reader sleeps from the fourth on."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ENVIRONMENT = '''
import sys

from asv.environment import Environment, get_env_name


class Here(Environment):
    """This interpreter under as many names as the matrix has: nothing is installed, so no network is needed."""

    tool_name = "here"

    def __init__(self, conf, python, requirements, variables):
        self._python, self._requirements, self._tagged_env_vars = python, requirements, variables
        super().__init__(conf, python, requirements, variables)

    @property
    def name(self):
        return get_env_name("here", self._python, self._requirements, self._tagged_env_vars)

    @classmethod
    def matches(cls, python):
        return True

    def _setup(self):
        pass

    def find_executable(self, executable):
        return sys.executable

    def run(self, args, **options):
        return self.run_executable("python", args, **options)
'''

BENCHMARKS = """
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["ASV_ENV_DIR"], "project"))


class Reads:
    version = "1"
    number = rounds = 1
    repeat = 8
    warmup_time = 0

    def setup(self):
        import reader
        self.read = reader.read

    def time_read(self):
        self.read()
        time.sleep({"sleepy": 0.03}.get(os.environ["READER"], 0))

    def time_other(self):
        time.sleep(0.015)

    def track_broken(self):
        if os.environ["READER"] == "broken":
            raise OSError("no such codec")
        return 1.0


class Skipped:
    version = "1"

    def setup(self):
        if os.environ["READER"] != "plain":
            raise NotImplementedError

    def track_only_plain(self):
        return 1.0
"""

CONFIG = {
    "version": 1,
    "project": "planted",
    "project_url": "#",
    "show_commit_url": "#",
    "repo": "repository",
    "branches": ["main"],
    "environment_type": "here",
    "plugins": [".here"],
    "pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
    "matrix": {"env_nobuild": {"READER": ["plain", "same", "sleepy", "broken"]}},
    **{f"{step}_command": [] for step in ("build", "install", "uninstall")},
    "benchmark_dir": "benchmarks",
    **{f"{kind}_dir": kind for kind in ("env", "results", "html")},
}

PLAIN = f"here-py{CONFIG['pythons'][0]}-READERplain"

MACHINE = {"machine": "planted", "os": "Linux", "arch": "any", "cpu": "any", "num_cpu": "2", "ram": "any"}


@dataclass
class Project:
    """A folder with asv's configuration in it."""

    folder: Path
    home: Path

    def asv(self, *arguments):
        environment = os.environ | {"HOME": str(self.home)}
        return subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _git(folder, *arguments):
    identity = ("-c", "user.name=planted", "-c", "user.email=planted@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    project = Project(folder, folder / "home")
    for name in ("home", "benchmarks", "repository"):
        (folder / name).mkdir()
    (folder / "home" / ".asv-machine.json").write_text(json.dumps({"version": 1, "planted": MACHINE}))
    (folder / "here.py").write_text(ENVIRONMENT)
    (folder / "benchmarks" / "__init__.py").write_text("")
    (folder / "benchmarks" / "reads.py").write_text(BENCHMARKS)
    (folder / "asv.conf.json").write_text(json.dumps(CONFIG))
    _git(folder / "repository", "init", "--quiet", "--initial-branch=main")
    for number in range(1, 7):
        delay = 0.01 if number < 4 else 0.04
        (folder / "repository" / "reader.py").write_text(
            f"import time\n\n\ndef read():\n    time.sleep({delay})  # release {number}\n"
        )
        _git(folder / "repository", "add", "reader.py")
        stamp = f"2026-01-0{number}T12:00:00+00:00"
        os.environ["GIT_AUTHOR_DATE"] = os.environ["GIT_COMMITTER_DATE"] = stamp
        try:
            _git(folder / "repository", "commit", "--quiet", "--message", f"release {number}")
        finally:
            del os.environ["GIT_AUTHOR_DATE"], os.environ["GIT_COMMITTER_DATE"]
        _git(folder / "repository", "tag", f"v{number}")
    options = ["--machine=planted", "--record-samples"]
    history = project.asv("run", "ALL", "-E", PLAIN, *options)
    assert history.returncode == 0, history.stdout + history.stderr
    # A failing benchmark is planted too: asv tells of it by 2.
    latest = project.asv("run", "main^!", *options)
    assert latest.returncode == 2, latest.stdout + latest.stderr
    return project
