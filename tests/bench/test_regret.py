"""The regret: what it means on made-up figures, and a case that is really measured."""

import json
import math

import pytest
from click.testing import CliRunner

import vidformats as vf
from tests.tools.advice.made import around, result
from vidformats.bench import content, regret
from vidformats.tools.advice.candidates import CANDIDATES
from vidformats.tools.advice.decide import Wants

NPY = result("npy", around(1000), 10e9)
JPG = result("jpg", around(500), 0.9e9, psnr=40.0)
MP4 = result("mp4", around(2000), 0.1e9, psnr=30.0)
EVERY = [NPY, JPG, MP4]


@pytest.mark.parametrize(
    ("wish", "advised", "expected"),
    [
        ("fast", "npy", ("npy", 1.0)),
        ("fast", "jpg", ("npy", 2.0)),
        ("a tenth", "jpg", ("jpg", 1.0)),
        ("lossless", "jpg", ("npy", None)),
        ("fast", "mp4", ("npy", None)),
        ("fast", None, ("npy", None)),
    ],
)
def test_the_best_that_fits_is_what_advice_is_measured_by(wish, advised, expected):
    assert regret.regret(advised, EVERY, regret.wants(wish, EVERY)) == expected


def test_that_nothing_fits_may_be_right():
    assert regret.regret(None, EVERY, Wants(budget=1.0)) == (None, 1.0)
    assert regret.regret("npy", EVERY, Wants(budget=1.0)) == (None, None)


def test_wrong_advice_counts_as_the_worst():
    found = [{"regret": ratio, "seconds": 1.0} for ratio in (1.0, 1.1, None)]
    assert regret.summary(found).startswith("In 2 of 3 cases")
    assert "worst inf" in regret.summary(found)


@pytest.mark.timeout(300)
def test_cases_are_measured_and_the_next_run_goes_on(tmp_path, monkeypatch):
    few = [one for one in CANDIDATES if one.name in ("as is", "npy", "png")]
    monkeypatch.setitem(regret.cases.__kwdefaults__, "candidates", few)
    monkeypatch.setitem(regret.cases.__kwdefaults__, "workers", 0)
    clip = vf.write(content.make("scene", 40, 48), tmp_path / "clip.mp4", "mp4", fps=25)
    place, file, page = tmp_path / "disk", tmp_path / "regret.json", tmp_path / "page.md"
    place.mkdir()
    page.write_text("<!-- regret -->\n<!-- end regret -->\n")

    def run(*options):
        words = [clip, "--on", place, "--time", "60", "--access", "full", "--json", file, "--document", page, *options]
        done = CliRunner().invoke(regret.main, list(map(str, words)), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(file.read_text())["cases"]

    (first,) = run()
    assert {one["name"] for one in first["measured"]} == {"as is", "npy", "png"}
    assert all(one["warm"] for one in first["measured"])
    assert first["best"] in {"as is", "npy", "png"}
    assert first["regret"] >= 1
    assert math.isfinite(first["regret"])
    again = run("--wish", "lossless", "--wish", "fast")
    assert [case["wish"] for case in again] == ["fast", "lossless"]
    assert again[0] == first
    assert "measured" not in again[1], "all candidates were measured before"
    assert page.read_text().count("| clip | full |") == 2
    assert list(place.iterdir()) == []
