import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.history.conftest import PLAIN
from vidformats.cli import main
from vidformats.history.compare import ComparisonError, find_pair


def compare(project, *arguments):
    return CliRunner().invoke(main, ["compare", *arguments, f"--config={project.folder / 'asv.conf.json'}"])


def marks(table):
    """Return the mark of every benchmark in asv's table."""
    rows = re.findall(r"^\|\s*(\S?)\s*\|.*\|\s*(reads\.\S+)\s*\|$", table, re.MULTILINE)
    return {name: mark for mark, name in rows}


def test_a_sleeping_reader_is_named(planted):
    done = compare(planted, "READERplain", "READERsleepy")
    assert done.exit_code == 1, done.output
    found = marks(done.output)
    assert found["reads.Reads.time_read"] == "+"
    assert found["reads.Reads.time_other"] == ""
    assert "slower: READERplain and READERsleepy" in done.output


def test_the_table_tells_the_sides_apart(planted):
    done = compare(planted, "READERplain", "READERsleepy")
    assert re.search(r"Before \[(\w{8})\] <READERplain>.*After \[\1\] <READERsleepy>", done.output)


def test_the_other_way_round_nothing_is_slower(planted):
    done = compare(planted, "READERsleepy", "READERplain")
    assert done.exit_code == 0, done.output
    assert marks(done.output)["reads.Reads.time_read"] == "-"


def test_an_equal_pair_is_not_named(planted):
    done = compare(planted, "READERplain", "READERsame", "--factor=1.5", "--only-changed")
    assert done.exit_code == 0, done.output
    assert "time_read" not in done.output


def test_the_factor_says_what_counts(planted):
    assert compare(planted, "READERplain", "READERsleepy", "--factor=50").exit_code == 0


def test_a_failure_is_not_a_slowdown(planted):
    done = compare(planted, "READERplain", "READERbroken", "--factor=50")
    assert done.exit_code == 2
    assert marks(done.output)["reads.Reads.track_broken"] == "!"


def test_what_failed_before_is_no_news(planted):
    assert compare(planted, "READERbroken", "READERsame", "--factor=50").exit_code == 0


@pytest.mark.parametrize("arguments", [("READERplain", "nosuch1.0"), ("nosuch1.0", "READERplain")])
def test_nothing_measured(planted, arguments):
    done = compare(planted, *arguments)
    assert done.exit_code == 3
    assert "nosuch1.0; there are: here-" in done.output


def test_a_commit_measured_in_one_environment_only(planted):
    done = compare(planted, "READERplain", "READERsleepy", "--commit=v2")
    assert done.exit_code == 3
    assert "no results for both" in done.output


@pytest.mark.parametrize("wrong", [["--commit=nosuch"], ["--machine=nosuch"], ["--factor=0.5"]])
def test_not_understood(planted, wrong):
    done = compare(planted, "READERplain", "READERsleepy", *wrong)
    assert done.exit_code == (3 if "--machine=nosuch" in wrong else 2)


def test_stock_compare_names_it(planted):
    done = planted.asv("compare", "v1", "v6", "-E", PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\| \+ +\|.*reads\.Reads\.time_read", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^\| \+ +\|.*reads\.Reads\.time_other", done.stdout, re.MULTILINE)


def test_the_regressions_page_names_it_and_its_commit(planted):
    done = planted.asv("publish", "--no-pull")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((planted.folder / "html" / "regressions.json").read_text())["regressions"]
    assert {name for name, *_ in found} == {"reads.Reads.time_read"}
    index = json.loads((planted.folder / "html" / "index.json").read_text())
    jumps = found[0][-1]
    assert [index["tags"]["v4"]] == [jump[1] for jump in jumps]


class Measured:
    """A result as the search for a pair sees it."""

    def __init__(self, machine="m", date=1, commit="c", **requirements):
        self.params = {"machine": machine, "python": "3.11", **requirements}
        self.env_vars, self.date, self.commit_hash = {}, date, commit
        self.env_name = "-".join(f"{name}{version}" for name, version in requirements.items())


def pair(monkeypatch, results, *arguments, **options):
    monkeypatch.setattr("asv.results.iter_results", lambda folder: iter(results))
    found = find_pair("results", *arguments, **options)
    return found.before.env_name, found.after.env_name


MATRIX = [
    Measured(h5py="3.16.0", numpy="2.4.6"),
    Measured(h5py="3.11.0", numpy="2.4.6"),
    Measured(h5py="3.16.0", numpy="2.1.3"),
]


def test_the_two_that_differ_least_are_meant(monkeypatch):
    found = pair(monkeypatch, MATRIX, "h5py3.11.0", "h5py3.16.0")
    assert found == ("h5py3.11.0-numpy2.4.6", "h5py3.16.0-numpy2.4.6")


def test_a_part_of_a_version_is_not_meant(monkeypatch):
    with pytest.raises(LookupError, match=r"h5py3\.1;"):
        pair(monkeypatch, MATRIX, "h5py3.1", "h5py3.16.0")


def test_pairs_that_differ_as_little_are_not_guessed(monkeypatch):
    with pytest.raises(ComparisonError, match="name more"):
        pair(monkeypatch, [*MATRIX, Measured(h5py="3.11.0", numpy="2.1.3")], "h5py3.11.0", "h5py3.16.0")


def test_several_machines_are_not_mixed(monkeypatch):
    results = [*MATRIX, Measured("other", h5py="3.11.0")]
    with pytest.raises(ComparisonError, match="m, other"):
        pair(monkeypatch, results, "h5py3.11.0", "h5py3.16.0")
    assert pair(monkeypatch, results, "numpy2.1.3", "numpy2.4.6", machine="m")[0] == "h5py3.16.0-numpy2.1.3"


def test_the_youngest_commit_with_both_is_taken(monkeypatch):
    old = [Measured(h5py="1.0", date=1, commit="old"), Measured(h5py="2.0", date=1, commit="old")]
    new = [Measured(h5py="1.0", date=2, commit="new"), Measured(h5py="2.0", date=2, commit="new")]
    newest = [Measured(h5py="2.0", date=3, commit="newest")]
    monkeypatch.setattr("asv.results.iter_results", lambda folder: iter(newest + old + new))
    assert find_pair("results", "h5py1.0", "h5py2.0").before.commit_hash == "new"
    assert find_pair("results", "h5py1.0", "h5py2.0", commit="old").after.commit_hash == "old"


def test_our_own_recorded_environments_are_compared():
    """The results that the repository keeps: the matrix's base, and the same with another h5py."""
    config = Path(__file__).parents[2] / "asv.conf.json"
    done = CliRunner().invoke(main, ["compare", "h5py3.11.0", "h5py3.16.0", f"--config={config}"])
    assert done.exit_code in (0, 1), done.output
    assert re.search(r"Before \[(\w{8})\] <h5py3\.11\.0>.*After \[\1\] <h5py3\.16\.0>", done.output)
    assert len(re.findall(r"formats\.Ours\.time_load\('noise', '\w+'\)", done.output)) == 15
