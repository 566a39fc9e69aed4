"""`vidformats advise`: from tiny videos to the answer; what it writes, says and leaves behind."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import vidformats as vf
from vidformats.bench import content
from vidformats.cli import advise as cli
from vidformats.cli import main
from vidformats.tools.advice.candidates import CANDIDATES

QUICK = ("--access", "window=8,hop=4", "--workers", "0", "--time", "20")
FEW = [one for one in CANDIDATES if one.name in ("as is", "npy", "png", "jpg quality=90", "h264 crf=20")]


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(cli, "measure", functools.partial(cli.measure, candidates=FEW))


def run(*arguments):
    return CliRunner().invoke(main, ["advise", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secret-study")
    for k in range(3):
        vf.write(content.make("scene", 40 + 10 * k, 48, seed=k), folder / f"subject-Ann-{k}.mp4", "mp4", fps=25)
    return folder


@pytest.mark.timeout(120)
def test_from_a_folder_of_videos_to_the_answer(clips, tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    page, figures, shared = (tmp_path / name for name in ("a.html", "a.json", "share.json"))
    done = run(clips, "--on", place, *QUICK, "--lossless", "--html", page, "--json", figures, "--share", shared)
    assert done.exit_code == 0, done.output
    assert os.listdir(place) == []
    found = json.loads(figures.read_text())
    assert found["advised"] in {one["name"] for one in found["candidates"] if one["lossless"]}
    assert all(one["lossless"] for one in found["candidates"])
    assert (found["videos"], found["frames"]) == (3, 150)
    assert found["command"].startswith("vidformats convert ") or found["advised"] == "as is"
    assert found["answer"].split(":")[0] in done.output
    text = page.read_text()
    assert re.search(r"<svg viewBox", text)
    assert not re.search(r'(src|href)="|url\(|@import', text), "it needs no other file"
    numbers = shared.read_text()
    assert json.loads(numbers)["advised"] == found["advised"]
    for private in ("Ann", "secret", str(tmp_path), str(clips)):
        assert private not in numbers


def test_what_makes_no_sense_is_a_usage_error(clips, tmp_path):
    for arguments, fault in (
        (("--access", "sideways"), "expected window=64"),
        (("--budget", "much"), "expected a size such as 200GB"),
        (("--size", "0"), "expected 120 or 120x160"),
        (("--lossless", "--min-psnr", "40"), "exclude each other"),
        (("--time", "1"), "time"),
    ):
        done = run(clips, *arguments)
        assert done.exit_code == 2, done.output
        assert fault in done.output
    (tmp_path / "notes.bin").write_bytes(b"no video")
    done = run(tmp_path, "--on", tmp_path, *QUICK)
    assert done.exit_code == 1
    assert "none of 1 files could be opened as a video" in done.output
    assert [name for name in os.listdir(tmp_path) if name != "notes.bin"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_however_it_ends(number, clips, tmp_path):
    command = [sys.executable, "-m", "vidformats", "advise", str(clips), "--on", str(tmp_path), "--time", "60"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(Path(tmp_path).glob(".vidformats-*/*/*")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(60) != 0
    if number == signal.SIGKILL:
        assert os.listdir(tmp_path) != []
        # Helpers end by themselves; the next to write here sweeps.
        deadline = time.monotonic() + 60
        while os.listdir(tmp_path) != ["next.npy"]:
            assert time.monotonic() < deadline
            vf.write(content.make("noise", 2, 8), tmp_path / "next.npy")
            time.sleep(0.1)
    else:
        assert os.listdir(tmp_path) == []
