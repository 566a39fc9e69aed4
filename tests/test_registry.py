"""Names to formats, and contents to names."""

import os

import numpy as np
import pytest

import vidformats as vf
from vidformats import registry
from vidformats.registry import FORMATS, Row, format_of, get_format, name_for

VIDEO = np.random.default_rng(0).integers(0, 250, (7, 3, 16, 18), np.uint8)
LAYOUT_ONLY = {"h5_plain": "h5", "h5_chunked": "h5", "h5_frames": "h5", "mat_frames": "mat"}
"""Formats that a suffix or first bytes do not tell apart: one row opens all of them, and says which it was."""


def test_names_are_sorted_and_the_table_is_too():
    assert vf.formats() == sorted(FORMATS) == list(FORMATS)


def test_every_row_can_be_made():
    for name, row in FORMATS.items():
        try:
            form = get_format(name)
        except ImportError as error:
            assert row.extra
            assert "pip install" in str(error)
            continue
        assert form.name == name
        assert form.holds in ("arrays", "images")
        for option, value in row.options.items():
            assert getattr(form, option) == value


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match="no format is called 'mp5'; there are"):
        get_format("mp5")
    with pytest.raises(TypeError, match=r"npy: .*colour"):
        get_format("npy", colour=1)
    with pytest.raises(TypeError):
        get_format("npy", name="npz")


def test_a_missing_extra_names_its_cure(monkeypatch):
    monkeypatch.setitem(FORMATS, "made_up", Row("vidformats.no_such_module:Thing", "", ".x", extra="codecs"))
    with pytest.raises(ImportError, match=r"made_up needs more: pip install 'vidformats\[codecs\]'"):
        get_format("made_up")
    monkeypatch.setitem(FORMATS, "broken", Row("vidformats.no_such_module:Thing", "", ".x"))
    with pytest.raises(ImportError, match="no_such_module"):
        get_format("broken")


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if not row.extra])
def test_the_content_tells_the_format_whatever_the_ending(tmp_path, name):
    path = vf.write(VIDEO, tmp_path / f"video{FORMATS[name].suffix}", name)
    assert format_of(path) == LAYOUT_ONLY.get(name, name)
    if name == "binary":
        return  # nothing but its sidecar tells
    os.rename(path, tmp_path / "video.data")
    assert format_of(tmp_path / "video.data") == LAYOUT_ONLY.get(name, name)
    with vf.open(tmp_path / "video.data") as video:
        # For h5py, automatic chunks of small frames may be whole frames.
        assert video.format in (name, "h5_frames" if name == "h5_chunked" else name)
        assert video.shape == VIDEO.shape


def test_what_nothing_knows(tmp_path):
    (tmp_path / "a.txt").write_text("a text")
    with pytest.raises(vf.FormatError, match="pass shape= and dtype="):
        vf.open(tmp_path / "a.txt")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(vf.FormatError):
        vf.open(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        format_of(tmp_path / "none")


@pytest.mark.parametrize("name", sorted({*registry.SUFFIXES, *(r.suffix for r in FORMATS.values() if r.suffix)}))
def test_endings_for_writing(tmp_path, name):
    for ending in (name, name.upper()):
        form = name_for(tmp_path / f"video{ending}")
        assert form in FORMATS


def test_published_endings():
    assert [name_for(registry.Path(f"a{s}")) for s in (".mp4", ".npy", ".h5", ".mat", ".pickle", ".pkl", ".bin")] == [
        "mp4", "npy", "h5", "mat", "pickle", "pickle", "binary",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["video", "video.xyz", ".npy", "folder/"])
def test_an_ending_that_tells_nothing(tmp_path, path):
    with pytest.raises(ValueError, match="the ending does not tell the format"):
        vf.write(VIDEO, tmp_path / path)
    assert os.listdir(tmp_path) == []
