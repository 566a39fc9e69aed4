import json

import numpy as np
import pytest

from vidformats.bench.measure import train
from vidformats.bench.report import train as report

pytest.importorskip("torch", reason="an extra; what is measured is its DataLoader")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    train.build(folder, "scene", 96, 32)
    return folder


@pytest.mark.parametrize("name", train.WAYS)
def test_every_way_delivers_the_same(folder, name):
    try:
        train.check(folder, name)
    except ImportError as error:
        pytest.skip(f"not installed here: {error}")
    assert train.epoch(train.loader(folder, name, 0)) == 4 * 3 * 12, "three windows of 12 from each of four trials"


def test_a_wrong_way_is_found(folder, monkeypatch):
    way = train.WAYS["npy_mapped"]._replace(read=lambda path, frames: train.mapped(path, frames[::-1]))
    monkeypatch.setitem(train.WAYS, "backwards", way)
    with pytest.raises(AssertionError, match="backwards: window"):
        train.check(folder, "backwards")


def test_measures_and_their_table(tmp_path):
    result = train.measure(tmp_path, "noise", 96, 32, 2, ["npy", "npy_mapped"])
    assert {n: {name: len(s) for name, s in ways.items()} for n, ways in result["seconds"].items()} == {
        n: {"npy": 2, "npy_mapped": 2} for n in ("0", "1", "2")
    }
    assert all(held is None or held["pss"] >= held["file"] >= 0 for held in result["memory"].values())
    table = report.markdown(json.loads(json.dumps(result)))
    assert "| npy | ours |" in table
    speed = result["frames"] / np.median(result["seconds"]["2"]["npy"])
    assert f"{speed:,.0f}" in table
