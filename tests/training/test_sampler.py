"""A training that was stopped goes on with the very batches it would have had."""

import itertools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import vidformats as vf

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*files are longer than it says", "ignore:This DataLoader will create", "ignore:.*set_vital"
)

torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    path = tmp_path_factory.mktemp("sampler") / "ramp.npy"
    vf.write(np.arange(2400)[:, None], path)
    return vf.windows({"trial": ["a"], "n_frames": [150], "path": [path]}, size=4, hop=2)


def started(w, rank=0, world=1, workers=0, batch=5, **options):
    """Return the sampler and the loader of a process that has just begun."""
    ds = w.dataset(rate=16, phase="random", seed=2)
    sampler = ds.sampler(seed=3, rank=rank, world=world, **options)
    context = "fork" if workers else None
    loader = torch.utils.data.DataLoader(
        ds, batch, sampler=sampler, num_workers=workers, collate_fn=ds.collate, multiprocessing_context=context
    )
    return sampler, loader


def epochs(sampler, loader, last):
    """Yield batches as figures until the end of an epoch: which rows, and what was read of them."""
    while sampler.epoch <= last:
        for batch in sampler.track(loader):
            yield batch["row"].tolist(), batch["video"].ravel().tolist()


@pytest.mark.parametrize("workers", [0, 2, 4])
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("stop", [7, 16])
def test_the_very_batches_that_would_have_come(w, workers, world, stop):
    for rank in range(world):
        whole = list(epochs(*started(w, rank, world), last=1))
        sampler, loader = started(w, rank, world, workers)
        first = list(itertools.islice(epochs(sampler, loader, last=1), stop))
        state = json.loads(json.dumps(sampler.state_dict()))
        assert list(state) == ["epoch", "delivered"]
        sampler, loader = started(w, rank, world, workers)
        sampler.load_state_dict(state)
        sampler.set_epoch(state["epoch"])  # as a loop over epochs does
        assert first + list(epochs(sampler, loader, last=1)) == whole


def test_the_state_is_the_same_in_all_processes_and_for_another_number_of_them(w):
    n = len(w)
    samplers = [started(w, rank, 2) for rank in range(2)]
    parts = [list(itertools.islice(epochs(*pair, last=0), 3)) for pair in samplers]
    state = samplers[0][0].state_dict()
    assert state == samplers[1][0].state_dict() == {"epoch": 0, "delivered": 30}
    seen = [row for part in parts for rows, _ in part for row in rows]
    alone, loader = started(w, 0, 1)
    alone.load_state_dict(state)
    assert len(alone) == n - 30
    seen += [row for rows, _ in epochs(alone, loader, last=0) for row in rows]
    assert sorted(seen) == list(range(n))


@pytest.mark.parametrize("world", [1, 2, 3, 7, 80])
def test_shares_are_those_that_pytorchs_sampler_deals(w, world):
    ds, n = w.dataset(), len(w)
    shares = [list(ds.sampler(seed=5, rank=rank, world=world)) for rank in range(world)]
    plain = [list(ds.sampler(False, rank=rank, world=world)) for rank in range(world)]
    assert plain == [list(torch.utils.data.DistributedSampler(ds, world, rank, shuffle=False)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert set(itertools.chain(*shares)) == set(range(n))
    once = [list(ds.sampler(rank=rank, world=world, pad=False)) for rank in range(world)]
    assert sorted(itertools.chain(*once)) == list(range(n))
    sampler = ds.sampler(seed=5)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(tuple(sampler))
    assert len(set(orders)) == 3
    assert tuple(ds.sampler(seed=6)) != orders[0]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [4, 15])
def test_the_stateful_loader_of_torchdata(w, workers, stop):
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="a library of its own")

    def begun():
        ds = w.dataset(rate=16, phase="random", seed=2)
        context = "fork" if workers else None
        return stateful.StatefulDataLoader(
            ds,
            5,
            sampler=ds.sampler(seed=3),
            num_workers=workers,
            collate_fn=ds.collate,
            multiprocessing_context=context,
        )

    def figures(loader):
        return [(batch["row"].tolist(), batch["video"].ravel().tolist()) for batch in loader]

    whole, loader = figures(begun()), begun()
    batches = iter(loader)
    first = figures(itertools.islice(batches, stop))
    state = loader.state_dict()
    again = begun()
    again.load_state_dict(state)
    assert first + figures(again) == whole


SCRIPT = """
import json, os, sys, time
import vidformats as vf
from tests.training.test_sampler import epochs, started
w = vf.windows({"trial": ["a"], "n_frames": [150], "path": [sys.argv[1]]}, size=4, hop=2)
sampler, loader = started(w, workers=2)
if os.path.exists("state.json"):
    sampler.load_state_dict(json.load(open("state.json")))
with open("log.jsonl", "a") as log:
    for figures in epochs(sampler, loader, last=1):
        log.write(json.dumps(figures) + "\\n"), log.flush()
        json.dump(sampler.state_dict(), open("new.json", "w"))
        os.replace("new.json", "state.json")
        if len(sys.argv) > 2 and sampler.delivered == int(sys.argv[2]):
            print("here", flush=True), time.sleep(60)
"""


def test_a_training_that_is_killed_goes_on(w, tmp_path):
    path = w.manifest.path("path", 0)
    command = [sys.executable, "-c", SCRIPT, path]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    options = {"cwd": tmp_path, "env": environment}
    with subprocess.Popen([*command, "35"], stdout=subprocess.PIPE, text=True, **options) as training:
        assert training.stdout.readline() == "here\n"
        training.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, timeout=120, **options)
    seen = [tuple(json.loads(line)) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert seen == list(epochs(*started(w), last=1))


def test_ranks_are_found(w, monkeypatch):
    distributed = torch.distributed
    for name, value in (("is_available", True), ("is_initialized", True), ("get_rank", 1), ("get_world_size", 3)):
        monkeypatch.setattr(distributed, name, lambda value=value: value, raising=False)
    sampler = w.dataset().sampler(shuffle=False)
    assert (sampler.rank, sampler.world) == (1, 3)
    assert list(sampler)[:3] == [1, 4, 7]
    assert list(w.dataset().sampler(shuffle=False, rank=0, world=1))[:3] == [0, 1, 2]


def test_bad_arguments(w):
    ds = w.dataset()
    for arguments in ({"rank": 2, "world": 2}, {"rank": 0.5}, {"seed": "1"}):
        with pytest.raises((TypeError, ValueError), match="must be"):
            ds.sampler(**arguments)
    with pytest.raises(TypeError, match=r"epoch must be an integer, got 1.5"):
        ds.sampler().set_epoch(1.5)
    with pytest.raises(TypeError, match="delivered must be an integer, got None"):
        ds.sampler().load_state_dict({"epoch": 0, "delivered": None})
