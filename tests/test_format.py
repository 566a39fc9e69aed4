"""The contract of formats: errors, the choice among arrays, and options as a record."""

import pickle
import re

import pytest

import vidformats as vf
from vidformats.format import pick
from vidformats.registry import FORMATS

every = pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if not row.extra])


def test_a_format_error_survives_pickling_and_a_loaders_rebuilding():
    error = vf.FormatError("a.npy", "is wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.path, copy.fault) == ("a.npy: is wrong", "a.npy", "is wrong")
    assert isinstance(error, ValueError)
    assert str(type(error)("message of a worker")) == "message of a worker"


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "nul\0", "\udcff", "\u202eturned"])
def test_no_file_writes_to_a_terminal(name):
    error = vf.FormatError(f"folder/{name}.npy", f"has no {name}")
    for text in (str(error), str(pickle.loads(pickle.dumps(error)))):
        assert text.isprintable()
        assert text.encode()
        assert name.encode("unicode_escape").decode() in text
    assert error.path == f"folder/{name}.npy"
    assert len(str(vf.FormatError("a", "x" * 100_000))) < 2000


def test_pick():
    assert pick("f", ["a", "video"], None, "member") == "video"
    assert pick("f", ["a"], None, "member") == pick("f", ["a", "b"], "a", "member") == "a"
    for names, wanted, fault in (
        (["a", "b"], None, "needs member="),
        (["a"], "b", "has no 'b'"),
        ([], None, "none of"),
    ):
        with pytest.raises(vf.FormatError, match=fault):
            pick("f", names, wanted, "member")


@every
def test_threads_are_no_option(name):
    form = vf.get_format(name, threads=3)
    assert form == vf.get_format(name)
    assert "threads" not in repr(form)
    assert f"name={name!r}" in repr(form)
    assert hash(form) == hash(vf.get_format(name))


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("h5", {"level": 4}, "contiguous data can't be compressed, got level=4"),
        ("h5", {"frames_per_chunk": 2}, "is for h5_frames"),
        ("h5_plain", {"frames_per_chunk": 2}, "is for h5_frames"),
        ("h5_frames", {"frames_per_chunk": 0}, "must be >= 1, got 0"),
        ("h5_frames", {"level": 10}, "level must be 0 to 9, got level=10"),
        ("h5", {"layout": "nonsense"}, "layout must be one of contiguous, automatic, growing, frames, got 'nonsense'"),
        ("jpg", {"level": 3}, "jpg has no level; it is for .png"),
        ("jpg", {"lossless": True}, "jpg has no lossless; it is for .webp"),
        ("png", {"quality": 50}, "png has no quality; it is for .jpg and .webp"),
        ("webp", {"level": 1}, "webp has no level"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path, name, options, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        vf.get_format(name, **options)
