"""The asv suite on tiny data: the recorded series go on, every benchmark runs, and a wrong pixel of ours fails it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def asv(tmp_path):
    """Return a function that runs asv in a home of its own, with corpus and results in a temporary folder.

    Even a dry run writes what machine and which benchmarks it found beside the results.
    """
    config = json.loads((ROOT / "asv.conf.json").read_text()) | {"repo": str(ROOT)}
    config |= {
        "benchmark_dir": str(ROOT / "benchmarks"),
        "results_dir": "results",
        "env_dir": "env",
        "html_dir": "html",
    }
    (tmp_path / "asv.conf.json").write_text(json.dumps(config))
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "VIDFORMATS_PROFILE": "tiny"}

    def run(*arguments):
        command = [sys.executable, "-m", "asv", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    run("machine", "--yes", "--machine", "test")
    return run


@pytest.fixture
def environment():
    return "-E", f"existing:{sys.executable}"


RECORDED = json.loads((ROOT / ".asv" / "results" / "benchmarks.json").read_text())

SAMPLE = [
    r"formats\.Ours\.(?!track_alloc).*\('noise', 'jpg'\)",
    r"formats\.Ours\.track_allocated\('noise', 'npy'\)",
    r"formats\.Published\..*\('noise', 'mp4'\)",
    r"formats\.Baseline\.",
    r"load\..*\('windows', 'npy'\)",
    r"referee\..*\('vidformats-pyav', 'small.mp4'\)",
    r"train\..*\('npy', '2'\)",
    r"videos\..*\('h264', '2', '120'\)",
]
"""One case of each benchmark."""


def discovered(folder, profile):
    """Return asv's list of benchmarks under a profile of sizes."""
    done = subprocess.run(
        [sys.executable, "-m", "asv.benchmark", "discover", str(ROOT / "benchmarks"), str(folder / "found.json")],
        env=os.environ | {"VIDFORMATS_PROFILE": profile},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {found["name"]: found for found in json.loads((folder / "found.json").read_text())}


def test_recorded_series_go_on(tmp_path):
    """A benchmark that is renamed, or whose parameters or version change, begins a new series."""
    found, recorded = discovered(tmp_path, "full"), {k: v for k, v in RECORDED.items() if k != "version"}
    assert found.keys() >= recorded.keys()
    for name, benchmark in recorded.items():
        for key in ("params", "param_names", "version", "unit", "type"):
            assert found[name][key] == benchmark[key], (name, key)


def test_benchmarks_are_well_formed(asv, environment):
    done = asv("check", *environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(400)  # a process or two for each benchmark, on a machine that may be busy
def test_every_benchmark_runs(asv, environment, tmp_path):
    chosen = [f"--bench={pattern}" for pattern in SAMPLE]
    quick = ("--quick", "--dry-run", "--show-stderr", "--machine", "test")
    done = asv("run", *quick, *environment, *chosen)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    ran = set(re.findall(r"([a-z]+\.\w+\.\w+) +", done.stdout))
    assert ran >= discovered(tmp_path, "tiny").keys()
    assert "failed" not in done.stdout
    # Only what an older commit lacks is skipped; this one lacks nothing.
    assert "this commit has no" not in done.stdout + done.stderr
