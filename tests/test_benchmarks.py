"""The whole suite on tiny data: every benchmark runs, and a wrong pixel in one of ours fails it."""

import json
import os
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
    config = json.loads((ROOT / "asv.conf.json").read_text()) | {"plugins": [], "repo": str(ROOT)}
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


def test_benchmarks_are_well_formed(asv):
    done = asv("check", "-E", f"existing:{sys.executable}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_benchmark_runs(asv):
    quick = ("--quick", "--dry-run", "--show-stderr", "--machine", "test")
    done = asv("run", *quick, "-E", f"existing:{sys.executable}")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    for name in ("formats.Ours.time_load", "formats.Published.time_load", "load.ColdNatural.track_times_copy"):
        assert name in done.stdout
    assert "failed" not in done.stdout
    # What an older commit lacks is skipped; this one lacks nothing.
    assert "No module named" not in done.stdout + done.stderr
