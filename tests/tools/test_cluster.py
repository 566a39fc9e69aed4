"""The recipes of docs/cluster.md, as they are printed there."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import vidformats as vf
from tests.tools.made import video
from vidformats.cli import main
from vidformats.tools import receipts

pytest.importorskip("xxhash")
ROOT = Path(__file__).parents[2]
SBATCH = """#!/bin/sh
# What Slurm does with an array: the script once for each number, here one after the other.
for script; do :; done
range=$(sed -n 's/^#SBATCH --array=//p' "$script")
for k in $(seq "${range%-*}" "${range#*-}"); do SLURM_ARRAY_TASK_ID=$k bash "$script" || exit 1; done
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with recordings, and programs of the names that the recipes use."""
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(("Ann_1", "Bo_1", "Cy_1")):
        video(Path("recordings", f"{name}.mp4"), 20 + k, (32, 48))
    programs = {"vidformats": f'#!/bin/sh\nexec "{sys.executable}" -m vidformats "$@"\n', "sbatch": SBATCH}
    for name, text in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def recipe(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs/cluster.md").read_text(), re.M | re.S)
    return text


def run(command):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_array_of_slurm_converts_every_source_once(desk):
    Path("convert.sbatch").write_text(recipe("slurm"))
    told = run("sbatch --wait convert.sbatch && vidformats convert --merge small")
    assert "0 converted, 3 done before, 0 failed" in told
    assert vf.windows("small/manifest.csv", 8, 8).manifest.trials == ["Ann_1", "Bo_1", "Cy_1"]


def test_make_converts_what_is_older_than_its_source(desk):
    Path("Makefile").write_text(recipe("make"))
    command = "make small/Ann_1.npy small/Bo_1.npy"
    assert "20 frames" in run(command)
    assert "frames" not in run(command)
    os.utime("recordings/Ann_1.mp4")
    assert "Ann_1" in run(command)
    assert "frames" not in run(command), "the same bytes: only the time was renewed"
    assert len(receipts.read(Path("small/Ann_1.npy")).stored) == 1


def test_dask_gives_the_same_receipts(desk):
    distributed = pytest.importorskip("distributed")
    vf.convert("recordings", "here", "h264" if "h264" in vf.formats() else "mp4", jobs=1)
    with distributed.LocalCluster(n_workers=2, processes=False, dashboard_address=None) as cluster:
        words = ["convert", "recordings", "there", "--to", "h264", "--dask", cluster.scheduler_address]
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    for target in receipts.targets(Path("here")):
        here, there = receipts.read(target), receipts.read(Path("there", target.name))
        assert (here.path, here.source, here.recipe, here.decoded) == (
            there.path,
            there.source,
            there.recipe,
            there.decoded,
        )


def test_a_worker_that_is_killed_costs_no_result(desk):
    distributed = pytest.importorskip("distributed")
    for k in range(12):
        video(Path("more", f"{k}.mp4"), 40 + k, (32, 48))
    vf.convert("more", "here", "npy", jobs=1)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        ThreadPoolExecutor(1) as aside,
    ):
        run = aside.submit(vf.convert, "more", "there", "npy", executor=client.get_executor())
        while not (list(Path("there").glob("*.npy")) or run.done()):
            time.sleep(0.01)
        os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
        assert run.result(timeout=100).failures == []
    for target in receipts.targets(Path("here")):
        assert receipts.read(target) == receipts.read(Path("there", target.name))


def test_a_scheduler_that_does_not_answer_is_told(desk, monkeypatch):
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        done = CliRunner().invoke(main, ["convert", "recordings", "x", "--to", "npy", "--dask", "tcp://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr


@pytest.mark.parametrize(("name", "first"), [("npy", 20), ("h5_frames", 20), ("mp4", 12)])
def test_a_lazy_array_reads_what_is_asked_for(desk, name, first, tmp_path):
    pytest.importorskip("dask")
    path = tmp_path / "a.mp4"
    vf.write(vf.load("recordings/Ann_1.mp4"), path, name, fps=25)
    with vf.open(path) as whole:
        lazy = whole.to_dask()
        assert lazy.shape == whole.shape
        assert lazy.dtype == whole.dtype
        assert np.array_equal(lazy[::3, :, 4:20].compute(), whole[::3, :, 4:20])
        assert np.array_equal(lazy.compute(scheduler="processes", num_workers=1), whole[:])
