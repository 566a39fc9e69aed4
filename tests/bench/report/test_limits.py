"""How near formats are to a copy: measured small, and as a document shows it."""

import json
import sys

import pytest

from vidformats.bench.report import limits


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    accesses = ["every_4th", "random_batches"]
    return limits.measure(folder, "scene", ["npy", "mp4"], accesses, n_frames=64, size=32, rounds=3, threads=2)


def test_everything_is_timed_in_every_round_and_fit_for_json(measured):
    assert json.loads(json.dumps(measured)) == measured
    for seconds in measured["seconds"].values():
        assert set(seconds) == {"npy", "mp4", "npy mapped", "npy, mapped=True", "copy"}
        assert all(len(rounds) == 3 and min(rounds) > 0 for rounds in seconds.values())


@pytest.mark.skipif(sys.platform != "linux", reason="memory is known on Linux only")
def test_memory_is_told_of_our_loads(measured):
    assert set(measured["memory"]) == {"npy", "mp4"}
    assert all(ratio > 0 for ratio in measured["memory"].values())


def test_not_of_other_accesses(tmp_path):
    one = limits.measure(tmp_path, "scene", ["npy"], ["first_frame"], n_frames=16, size=16, rounds=1)
    assert one["memory"] == {}
    assert "memory" not in limits.markdown(one)


def test_figures_in_the_table_are_those_measured(measured):
    rows = [line.split("|")[1:-1] for line in limits.markdown(measured).splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in rows[0]][:3] == ["format", "every 4th", "random batches"]
    assert {len(row) for row in rows} == {4 if measured["memory"] else 3}
    npy = next(row for row in rows if row[0].strip() == "npy")
    seconds = measured["seconds"]["every_4th"]
    ratios = sorted(a / b for a, b in zip(seconds["npy"], seconds["copy"], strict=True))
    assert npy[1].split()[0] == f"{ratios[1]:.3g}"
    mapped = next(row for row in rows if row[0].strip() == "npy mapped")
    assert mapped[-1].strip() == "" or not measured["memory"]
