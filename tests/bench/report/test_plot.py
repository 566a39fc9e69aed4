"""The picture of the answer."""

import re
import sys

import pytest
from PIL import Image

from tests.bench.report.results import result
from vidformats.bench.published import ROWS
from vidformats.bench.report.plot import times
from vidformats.errors import install


def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="plots require the extra bench")
    times(result(), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10
    assert (tmp_path / "plot.png").stat().st_size < 1 << 17


def test_every_row_has_its_name_and_both_times(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="plots require the extra bench")
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    times(result(), tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    for k, row in enumerate(ROWS[:-1], start=1):
        assert f">{row.label}, {10 * k} MB<" in drawn
        assert f">{200 * k}<" in drawn
        assert f">{20 * k + 1}<" in drawn


def test_without_matplotlib_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=re.escape(install("bench"))):
        times(result(), tmp_path / "plot.png")
