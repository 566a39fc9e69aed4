"""The picture of time against disk."""

import builtins

import pytest
from PIL import Image

from tests.bench.report.results import result
from vidformats.bench.report.plot import time_against_disk


def test_a_panel_for_each_content(tmp_path):
    pytest.importorskip("matplotlib", reason="plots are of the extra bench")
    sizes = []
    for contents in (["noise"], ["noise", "scene"]):
        time_against_disk([result(content) for content in contents], tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            sizes.append(image.size)
            assert len(image.convert("RGB").getcolors(1 << 24)) > 10
    assert sizes[1][0] > 1.5 * sizes[0][0]
    assert (tmp_path / "plot.png").stat().st_size < 1 << 20


def test_files_of_one_size(tmp_path):
    """As on noise, where five formats take 432 MB and their names must not lie upon each other."""
    pytest.importorskip("matplotlib", reason="plots are of the extra bench")
    found = result()
    for row in found["rows"].values():
        row["disk"] = 432_000_000
    time_against_disk([found], tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


def test_without_matplotlib_the_cure_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name == "matplotlib":
            raise ImportError("No module named 'matplotlib'")
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'vidformats\[bench\]'"):
        time_against_disk([result()], tmp_path / "plot.png")
