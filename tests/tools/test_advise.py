"""The command that `advise` prints is one that `vidformats convert` takes."""

import shlex

import pytest

from tests.tools.advice.made import result
from vidformats.cli.convert import convert
from vidformats.registry import get_format
from vidformats.tools.advice.candidates import AS_IS, CANDIDATES, available
from vidformats.tools.advice.decide import Choice
from vidformats.tools.advise import _command


def command(candidate, options):
    winner = result(candidate.name, [1.0])
    winner.format, winner.options = candidate.format, candidate.options
    return _command(Choice(winner, [], [], [], None), ["my clips", "b.mp4"], options)


@pytest.mark.parametrize("candidate", available()[0], ids=lambda candidate: candidate.name)
def test_convert_takes_the_command(candidate):
    text = command(candidate, {"size": (120, 160), "fps": 12.5})
    if candidate.name == AS_IS:
        assert text == ""
        return
    words = shlex.split(text)
    assert words[:2] == ["vidformats", "convert"]
    taken = convert.make_context("convert", words[2:]).params
    assert (taken["sources"], str(taken["folder"])) == (("my clips", "b.mp4"), "converted")
    assert (taken["to"], taken["size"], taken["fps"]) == (candidate.format, (120, 160), 12.5)
    assert taken["options"] == candidate.options
    get_format(taken["to"], **taken["options"])


def test_one_number_scales_the_shorter_side():
    taken = convert.make_context("convert", shlex.split(command(CANDIDATES[1], {"size": 120}))[2:]).params
    assert taken["size"] == (120,)
    assert taken["fps"] is None
