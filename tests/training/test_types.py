"""What a user's ``mypy --strict`` says of a script that trains."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

USER = """
from typing import Any, assert_type

import numpy as np
import torch
import vidformats as vf
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from vidformats.training.collate import Sample
from vidformats.training.dataset import WindowDataset
from vidformats.training.grid import Window
from vidformats.training.windows import Windows

w = vf.windows({"trial": ["a"], "n_frames": [10]}, size=4, hop=3)
assert_type(w, Windows)
assert_type(w[3], Window[int, str])
assert_type(w[3].trial, str)
assert_type(w[[0, 1]].start, NDArray[np.int64])
assert_type(w["subject"], NDArray[Any])
ds = w.dataset(rate={"video": 16}, phase="random", options={"video": {"mapped": True}})
assert_type(ds, WindowDataset)
assert_type(ds[0], Sample)
plain: dict[str, Any] = ds[0]
base: Dataset[Sample] = ds
loader = DataLoader(ds, batch_size=4, collate_fn=ds.collate)
assert_type(loader, DataLoader[Sample])
assert_type(ds.collate([ds[0]]), dict[str, Tensor])
part = DataLoader(Subset(ds, [0]), batch_size=4)
out = w.restore()
out.add(w.rows, np.zeros((len(w), 4)))
out.add(w.rows, torch.zeros(len(w), 4))
assert_type(out["a"], NDArray[Any])
sampler = ds.sampler(seed=1)
resumed = DataLoader(ds, batch_size=4, sampler=sampler, collate_fn=ds.collate)
for batch in sampler.track(resumed):
    out.add(batch, batch["video"].float().mean((2, 3, 4)))
assert_type(sampler.state_dict(), dict[str, int])
table = vf.manifest("study", pattern="{subject}_{trial}")
assert_type(vf.windows(table, 4, 3).manifest.trials, list[str])
assert_type(w.dataset(w["subject"] == "Ann", crop={"video": (8, 8)})[0], Sample)
assert_type(w.dataset(slice(0, 3), transform={"video": np.negative})[0], Sample)
"""

WRONG = {
    "w[3].trial + 1": "Unsupported operand types",
    "w.dataset(stream=1)": 'Unexpected keyword argument "stream"',
    'ds.set_epoch("1")': "incompatible type",
}


def mypy(path):
    """Return what ``mypy --strict`` says of a file, and of nothing else."""
    pytest.importorskip("mypy", reason="it is the judge")
    pytest.importorskip("torch", reason="an extra; the script hands a dataset to its DataLoader")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", "--no-error-summary", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def test_a_strict_user_can_train_and_mistakes_are_found(tmp_path):
    script = tmp_path / "user.py"
    script.write_text(USER + "\n".join(WRONG) + "\n")
    found = [line for line in mypy(script).splitlines() if ": note:" not in line]
    first = len(USER.splitlines()) + 1
    assert len(found) == len(WRONG), found
    for number, (line, (statement, fault)) in enumerate(zip(found, WRONG.items(), strict=True), first):
        assert f":{number}: error:" in line, statement
        assert fault in line
