"""The table: nine rows both ways, from measurement to text."""

import json
import os
import socket

import pytest

from tests.bench.report.results import result, run
from vidformats.bench.published import ROWS
from vidformats.bench.report import table
from vidformats.bench.report.document import machine_line
from vidformats.bench.report.table import THEIRS, YOURS, faster, markdown, median, theirs, title, yours


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    said = []
    return table.measure(tmp_path_factory.mktemp("data"), "noise", 16, 1, 1, 32, said.append), said


def test_all_rows_are_measured_both_ways_and_ours_are_right(measured):
    found, said = measured
    assert list(found["rows"]) == [row.label for row in ROWS]
    for label, row in found["rows"].items():
        assert len(row["ours"]) == len(row["published"]) == 1
        assert {r["pixels"] for r in row["ours"]} == {"right"}, label
        assert all(r["result"] == 4 * 3 * 32 * 32 for r in row["ours"])
        assert row["disk"] > 0
    assert found["rows"]["mp4"]["published"][0]["pixels"] == "wrong: BGR"
    assert found["rows"]["binary"]["published"][0]["pixels"].startswith("wrong: float64")
    assert found["rows"]["npy 2"]["published"][0]["pixels"] == "nothing read: a lazy view"
    assert len(said) == table.steps(1)


def test_a_result_is_json_and_names_nobody(measured):
    text = json.dumps(measured[0])
    assert json.loads(text) == measured[0]
    for private in (socket.gethostname(), os.path.expanduser("~"), os.getcwd(), "/tmp/"):
        assert len(private) < 5 or private not in text  # a short one may be part of any word


def test_a_measured_result_makes_a_table(measured):
    assert markdown(measured[0]).count("\n| ") == 2 * (len(ROWS) + 2)


def test_median():
    assert median([run(3.0), run(1.0), run(2.0)], "time") == 2.0
    assert median([run(1.0, memory=None), run(1.0, memory=5)], "memory") == 5
    assert median([run(1.0, memory=None)], "memory") is None


def test_the_ratio_is_of_the_published_way_made_whole_round_by_round():
    row = {"published": [run(0, whole=2.0), run(0, whole=8.0)], "ours": [run(1.0), run(2.0)]}
    assert faster(row).median == 3.0
    assert 2.0 <= faster(row).low <= faster(row).high <= 4.0


def test_figures_of_a_row_are_of_one_load():
    found = result()
    mine, printed = dict(zip(YOURS, yours(found)[1], strict=False)), theirs(found)[1]
    # The memory beside the published way is that of the load with its copy, whose time is shown.
    assert yours(found)[1] == ["mp4", "41", "110.0", "20.0", "400", "220.0", mine["times faster"]]
    assert mine["times faster"].startswith("9.8 (")
    assert printed == ["mp4", "1578", "103", "36", "201", "110.0", "wrong: BGR"]
    assert len(printed) == len(THEIRS)


def test_a_lazy_views_memory_is_never_beside_a_whole_loads_time():
    """Recordings made before the copy's memory was measured leave it out."""
    found = result()
    for run_ in found["rows"]["npy 2"]["published"]:
        run_["memory"] = 20_000
        del run_["whole_memory"]
    assert yours(found)[-1][5] == "-"
    assert theirs(found)[-1][5] == "0.0"


def test_a_mapped_file_is_told_apart():
    found = result()
    for run_ in found["rows"]["mat"]["ours"]:
        run_ |= {"memory": 540_000_000, "anonymous": 108_000_000, "mapped": 432_000_000}
    assert yours(found)[3][2] == "108.0*"


def test_what_was_not_measured_is_a_dash():
    found = result()
    for way in ("ours", "published"):
        for run_ in found["rows"]["jpg"][way]:
            run_["memory"] = run_["whole_memory"] = None
    assert yours(found)[0].count("-") == 2
    assert theirs(found)[0].count("-") == 1


def test_title_and_machine():
    assert title(result()) == (
        "noise: every 4th of 10,000 frames of 3 x 120 x 120, 108 MB; warm page cache, 2 threads, median of 3 rounds"
    )
    assert "1 thread," in title(result(threads=1, rounds=1))
    assert "1 round" in title(result(rounds=1))
    assert machine_line(result()) == (
        "2 CPUs, 24 GiB, Linux 6.1, ext4, Python 3.11.7; numpy 2.4.0, h5py 3.16.0"
    )  # fmt: skip


def test_markdown_is_two_tables():
    lines = markdown(result()).splitlines()
    table_lines = [line for line in lines if line.startswith("|")]
    assert len(table_lines) == 2 * (len(ROWS) + 2)
    assert {line.count("|") for line in table_lines} == {len(YOURS) + 1}
    assert lines[0].startswith("**noise: ")
