"""The contract of formats: errors, the choice among arrays, and options as a record."""

import pickle

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
def test_a_record_holds_the_options_and_no_threads(name):
    form = vf.get_format(name, threads=3)
    assert form == vf.get_format(name)
    assert "threads" not in form.record()
    assert form.record()["name"] == name
    assert hash(form) == hash(vf.get_format(name))
