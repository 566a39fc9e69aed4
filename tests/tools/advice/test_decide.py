"""Ranking, ties, budgets, and what would change the answer, on made-up figures."""

import pytest

from tests.tools.advice.made import around, result
from vidformats.tools.advice import decide
from vidformats.tools.advice.candidates import AS_IS
from vidformats.tools.advice.decide import Wants, changes, choose, frontier, interval, misses, rate
from vidformats.tools.advice.report import tie

NPY = result("npy", around(1000), 10e9, plain=1)
H5 = result("h5", around(995), 10e9, plain=2)
JPG = result("jpg", around(600), 1e9, plain=3, psnr=40.0)
MP4 = result("mp4", around(300), 0.1e9, plain=4, psnr=33.0)


def test_the_fastest_wins_and_the_plainest_of_equals():
    choice = choose([MP4, H5, JPG, NPY], Wants())
    assert choice.winner is NPY
    assert {one.name for one in choice.equals} == {"npy", "h5"}
    assert [one.name for one in choice.ranked] == ["npy", "h5", "jpg"]
    assert [one.name for one in choice.others] == ["mp4"], "33 dB are below 38"


def test_of_equals_the_smallest_is_chosen():
    small = result("png", around(990), 3e9, plain=9)
    assert choose([NPY, H5, small], Wants()).winner is small


def test_a_tie_tells_why_it_went_to_this_one():
    behind = result("h5_frames", around(900, 0.15), 1e9, plain=3)
    choice = choose([NPY, H5, behind], Wants())
    assert (choice.winner, choice.equals) == (NPY, [NPY, H5, behind])
    assert tie(NPY, [H5, behind]).endswith(
        "h5, h5_frames: their intervals overlap, but what is smaller is more often slower"
    )
    assert tie(NPY, [H5]).endswith("of equals it is the smallest, or the plainest of one size")


def test_a_wide_interval_alone_does_not_win():
    doubtful = result("png", [500.0, 700.0, 1100.0], 1e9, plain=9)
    choice = choose([NPY, doubtful], Wants())
    assert choice.winner is NPY
    assert doubtful in choice.equals, "it cannot be told from the best, but its median is 30 % below"


def test_lossless_never_names_a_lossy_one():
    faster = result("jpg", around(5000), 1e9, psnr=60.0)
    choice = choose([faster, NPY], Wants(lossless=True))
    assert choice.winner is NPY
    assert faster in choice.others
    assert misses(faster, Wants(lossless=True)) == "loses bits"
    only = choose([faster], Wants(lossless=True))
    assert (only.winner, only.nearest) == (None, None)


@pytest.mark.parametrize(
    ("budget", "winner"), [(20e9, "npy"), (2e9, "jpg"), (0.5e9, None)], ids=["enough", "short", "unmeetable"]
)
def test_a_budget_is_kept_or_said_to_be_unmeetable(budget, winner):
    choice = choose([NPY, H5, JPG, MP4], Wants(budget=budget))
    assert (choice.winner and choice.winner.name) == winner
    if winner is None:
        assert choice.nearest is JPG, "the smallest of those that are good enough"


def test_if_none_is_good_enough_the_best_is_the_nearest():
    worse = result("mp4 worse", around(900), 0.05e9, psnr=30.0)
    choice = choose([MP4, worse], Wants(min_psnr=38))
    assert choice.winner is None
    assert choice.nearest is MP4


def test_what_training_cannot_use_does_not_count():
    choice = choose([NPY, JPG], Wants(need=500))
    assert choice.winner is JPG, "both are enough, and it is smaller"
    as_is = result(AS_IS, around(501, 0.001), 20e9, plain=0)
    assert choose([NPY, JPG, as_is], Wants(need=500)).winner is as_is, "nothing needs to be done"


def test_what_is_surely_enough_comes_before_what_may_be():
    doubtful = result("png", [300.0, 510.0, 900.0], 1e9, plain=9)
    assert choose([NPY, doubtful], Wants(need=500)).winner is NPY
    assert choose([doubtful], Wants(need=500)).winner is doubtful


def test_a_collection_beyond_memory_is_read_from_the_disk():
    npy, jpg = (
        result("npy", around(1000), 100e9, plain=1, cold=[100.0]),
        result("jpg", around(600), 10e9, plain=3, psnr=40.0, cold=[400.0]),
    )
    assert choose([npy, jpg], Wants(ram=200e9)).winner is npy
    assert choose([npy, jpg], Wants(ram=20e9)).winner is jpg
    assert rate(npy, Wants(ram=50e9)).middle == pytest.approx(1 / (0.5 / 1000 + 0.5 / 100))
    assert choose([npy, jpg], Wants(ram=200e9, cache="cold")).winner is jpg


def test_intervals_narrow_with_the_rounds():
    one, some, many = (interval([100.0, 90.0, 110.0, 95.0, 105.0, 100.0, 98.0, 102.0][:n]) for n in (1, 3, 8))
    assert (one.low, one.high) == (70, 140)
    assert (some.low, some.high) == (90, 110)
    assert 95 <= many.low < 100 < many.high <= 105


def test_the_frontier_holds_what_nothing_beats():
    behind = result("png", around(500), 5e9)
    assert [one.name for one in frontier([MP4, behind, JPG, NPY, H5], Wants())] == ["npy", "jpg", "mp4"]


def told(results, wants, workers=2, cpus=2, per_frame=None):
    choice = choose(results, wants)
    scale = per_frame or {one.name: one.nbytes / 1e5 for one in results}
    return changes(choice, wants, workers, cpus, scale)


def test_what_would_change_the_answer():
    lines = told([NPY, H5, JPG, MP4], Wants())
    assert "with a budget below 10.0 GB: jpg, 600 frames/s in 1.00 GB" in lines
    assert any(
        line.startswith("if every bit must be kept: npy") for line in told([JPG, NPY], Wants(budget=20e9, need=100))
    )
    assert "with 10.0 GB of disk: npy, 1,000 frames/s" in told([NPY, JPG], Wants(budget=2e9))


def test_a_cold_disk_that_turns_the_ranking_is_told():
    npy = result("npy", around(1000), 10e9, plain=1, cold=[100.0])
    jpg = result("jpg", around(600), 1e9, psnr=40.0, cold=[500.0])
    assert "if every epoch came from the disk: jpg, 500 frames/s" in told([npy, jpg], Wants())
    assert told([NPY, JPG], Wants(cache="warm"))[0].startswith("with a budget"), "nothing was read from the disk"


def test_more_workers_turn_the_ranking_where_the_disk_is_full():
    # A frame of npy takes 100 kB, of jpg 10; the disk gave 60 MB/s at most.
    npy = result("npy", around(1000), 100e9, plain=1, cold=[600.0])
    jpg = result("jpg", around(300), 10e9, psnr=40.0, cold=[290.0])
    choice, bytes_per_frame = choose([npy, jpg], Wants(ram=0.0)), {"npy": 1e5, "jpg": 1e4}
    assert choice.winner is npy
    told = decide.more_workers(choice, Wants(ram=0.0), 2, 2, bytes_per_frame)
    assert told == "from 5 workers on, each with a CPU of its own, by a model: jpg", "5 / 2 * 300 > 1.1 * 600"
    assert decide.more_workers(choice, Wants(), 2, 2, bytes_per_frame) == "", "memory holds all: workers add up alike"


def test_sizes_that_hardly_differ_are_one_size():
    for nbytes in (1e9, 1.04e9, 1.09e9):
        choice = choose(
            [result("h5", around(1000), nbytes, plain=2), result("npy", around(1000), 1e9, plain=1)], Wants()
        )
        assert choice.winner.name == "npy"


def test_smaller_budgets_are_told_in_steps_that_matter():
    tiny = result("webp", around(500), 0.98e9, plain=9, psnr=40.0)
    lines = [line for line in told([NPY, JPG, tiny], Wants()) if "budget" in line]
    assert lines == ["with a budget below 10.0 GB: jpg, 600 frames/s in 1.00 GB"]
