"""Which format is fastest for what, from made-up figures."""

import pytest

from vidformats.bench.report import answers

RAW = 100 * 3 * 10 * 10


def result(seconds, disk, **more):
    run = {"content": "noise", "n_frames": 100, "size": 10, "threads": 2, "cold": False}
    return run | {"seconds": {"every_4th": seconds}, "disk": disk} | more


SECONDS = {"npy": [0.1] * 3, "h5": [0.2] * 3, "png": [0.5] * 3, "jpg": [1.0] * 3, "mp4": [1.25] * 3, "copy": [0.01] * 3}
DISK = {"npy": RAW, "h5": RAW, "png": RAW // 2, "jpg": RAW // 5, "mp4": RAW // 10}


def test_each_column_names_its_fastest_format_with_frames_per_second():
    (row,) = answers.rows([result(SECONDS, DISK)])
    assert row[:4] == ["noise", "10 x 10", "warm", "every 4th"]
    assert row[4:] == ["npy: 250/s, 0.03 MB", "png: 50/s, 0.015 MB", "jpg: 25/s, 0.006 MB"]


def test_overlapping_spreads_are_ties():
    (row,) = answers.rows([result(SECONDS | {"h5": [0.09, 0.11, 0.12]}, DISK)])
    assert row[4].startswith("h5 = npy: 250/s") or row[4].startswith("npy = h5: 250/s")


def test_nothing_is_made_up_for_what_was_not_measured():
    (row,) = answers.rows([result({"npy": [0.1], "copy": [0.1]}, {"npy": RAW})])
    assert row[5:] == ["none measured", "none measured"]
    old = result(SECONDS, DISK)
    del old["disk"]
    assert answers.rows([old, result(SECONDS, DISK, threads=1)]) == []


@pytest.mark.parametrize("cold", [False, True])
def test_results_of_one_case_are_one_row_and_states_are_apart(cold):
    more = result({"binary": [0.05] * 3}, {"binary": RAW}, cold=cold)
    rows = answers.rows([result(SECONDS, DISK), more])
    assert len(rows) == 1 + cold
    assert rows[-1][4] == "binary: 500/s, 0.03 MB"
