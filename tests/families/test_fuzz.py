"""Files of strangers: whatever is damaged, a `FormatError` names the file, and memory stays small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vidformats as vf

CASES = 200
MEMORY = 50 << 20
VARIANTS = [(name, {}) for name in vf.formats()] + [("npz", {"compressed": True})]
PROJECT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_damaged_files_are_format_errors(name, options):
    """In a process of its own, so that a crash of a decoder is a failure and not the end of all tests."""
    try:
        vf.get_format(name)
    except ImportError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "tests.fuzz", name, str(CASES), json.dumps(options)]
    silent = {"OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=os.environ | silent, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["refused"] > CASES / 5  # else nothing was damaged
    assert found["anonymous"] is None or found["anonymous"] < MEMORY
