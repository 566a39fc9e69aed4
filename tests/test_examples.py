"""The examples run as the documents show them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.test_docs import commands

ROOT = Path(__file__).parents[1]
SHOWN = [command for _, command in commands(ROOT / "docs" / "training.md") if command.startswith("python examples/")]


def lose_labels(folder):
    """Write labels as tables instead, in two of which cells are empty."""
    manifest = folder / "manifest.csv"
    for k, path in enumerate(sorted(folder.glob("*-label.npy"))):
        lost = {0: (3, 20, 21, 22, 149), 1: (0, 7)}.get(k, ())
        cells = ["" if frame in lost else f"{value}" for frame, value in enumerate(np.load(path).tolist())]
        rows = "".join(f"{frame / 4},{cell}\n" for frame, cell in enumerate(cells))
        path.with_suffix(".csv").write_text("time,valence\n" + rows)
        manifest.write_text(manifest.read_text().replace(path.name, f"{path.stem}.csv"))


def test_training_learns_the_planted_signal_and_takes_a_folder(tmp_path):
    for library in ("torch", "sklearn", "matplotlib"):
        pytest.importorskip(library, reason=f"the example needs {library}")
    made, own = SHOWN
    for command in (made, own):
        if command == own:
            lose_labels(tmp_path / "trained" / "data")
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "train.py"), *command.split()[2:]],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        words = done.stdout.splitlines()[-1].split()
        assert words[0] == "agreement"
        least = 0.6 if command == made else -1  # 1 is the signal itself, 0 is chance; an epoch on gaps teaches little
        assert float(words[1]) > least, "NaN is above nothing"
        assert "nan" not in done.stdout
    for folder in (tmp_path / "trained", tmp_path / "mine"):
        assert (folder / "outputs.png").read_bytes().startswith(b"\x89PNG")
        outputs = sorted(folder.glob("*.npy"))
        assert len(outputs) == 6
        for path in outputs:
            label = np.load(tmp_path / "trained" / "data" / f"{path.stem}-label.npy")
            assert np.load(path).shape == (len(label), 1)
