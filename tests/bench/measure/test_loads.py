"""One load in a process of its own: time, memory and whether the pixels were right."""

import sys

import pytest

import vidformats as vf
from vidformats.bench.measure import corpus, loads
from vidformats.bench.published import ROWS

N_FRAMES, SIZE = 64, 32
PAYLOAD = N_FRAMES // 4 * 3 * SIZE * SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus.build(folder, "noise", {row.format for row in ROWS}, N_FRAMES, SIZE)
    return str(folder)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ours_are_right_and_theirs_are_what_they_are(folder, row):
    ours = loads.measure(folder, "ours", row.format, 2)
    theirs = loads.measure(folder, "published", row.name)
    assert ours["pixels"] == "right"
    assert ours["result"] == PAYLOAD
    assert 0 < ours["time"] <= ours["whole"]
    assert theirs["pixels"].startswith(
        {"jpg": ("right", "wrong order"), "mp4": "wrong: BGR", "binary": "wrong", "npy 2": "nothing read"}.get(
            row.label, "right, but a view"
        )
    )
    for facts in (ours, theirs):
        assert set(facts) >= {"memory", "whole_memory", "anonymous", "mapped"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is known on Linux only")
def test_a_view_and_the_copy_of_it_have_their_own_memory(tmp_path):
    corpus.build(tmp_path, "noise", ["npy"], 400, 120)
    payload = 100 * 3 * 120 * 120
    found = loads.in_own_process(folder=str(tmp_path), way="published", name="npy_mapped")
    assert found["memory"] < payload / 2 < payload <= found["whole_memory"]
    ours = loads.in_own_process(folder=str(tmp_path), way="ours", name="npy", threads=1)
    assert ours["memory"] == ours["whole_memory"] >= payload


@pytest.mark.skipif(sys.platform != "linux", reason="memory is known on Linux only")
@pytest.mark.parametrize("name", ["mp4", "jpg"])
def test_code_that_a_first_load_brings_in_is_not_its_memory(folder, name):
    """A decoder's pages, 5 to 20 MB of them, would drown a payload of 50 KB."""
    for way in loads.WAYS:
        found = loads.in_own_process(folder=folder, way=way, name=name, threads=1)
        assert found["mapped"] < 2 << 20


def test_in_a_process_of_its_own(folder):
    found = loads.in_own_process(folder=folder, way="ours", name="npy", threads=1)
    assert (found["pixels"], found["result"]) == ("right", PAYLOAD)


def test_what_goes_wrong_there_is_told(folder):
    with pytest.raises(RuntimeError, match=r"(?s)ours h5_plane: .*no format is called 'h5_plane'"):
        loads.in_own_process(folder=folder, way="ours", name="h5_plane")


def test_wrong_pixels_of_a_lossless_format_are_found_however_near(folder, tmp_path):
    """A frame beside the right one, in content that hardly moves, is not right."""
    corpus.build(tmp_path, "noise", ["pickle"], 16, 16)
    video = vf.load(corpus.path_of(tmp_path, "pickle"))
    video[4] ^= 1
    vf.write(video, corpus.path_of(tmp_path, "pickle"))
    assert loads.measure(str(tmp_path), "ours", "pickle")["pixels"] != "right"
