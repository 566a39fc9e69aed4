"""`verify` finds what is wrong, says what it is, invents nothing, and repairs."""

import os
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from tests.tools.planted import plant, scene, trial
from vidformats.tools import compare, receipts

pytest.importorskip("xxhash")
pytest.importorskip("av")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two videos, converted without loss."""
    monkeypatch.chdir(tmp_path)
    os.makedirs("study")
    for k, name in enumerate("ab"):
        vf.write(scene(80, k), f"study/{name}.npy", fps=25.0)
    vf.convert("study", "store", "h5_frames", jobs=1)
    return Path("store")


def found(*args, **options):
    return [(problem.path, problem.kind) for problem in vf.verify("store", *args, jobs=1, **options)]


@pytest.mark.parametrize("name", ["npy", "h264"])
def test_faults_of_every_kind_are_found_and_none_invented(name, tmp_path):
    planted, missed, alarms, _ = trial(tmp_path, name, 11, 0)
    assert len(planted) == 11
    assert alarms == []
    assert missed == []


@pytest.mark.parametrize(
    ("change", "frames", "words"),
    [
        (lambda v: v[[*range(30), 29, *range(31, 80)]], "30", "hold frame 29 instead"),
        (lambda v: np.concatenate([v[:40], v[40:, ::-1]]), "40-79", "have their channels reversed"),
        (lambda v: (v * (219 / 255) + 16).astype("uint8"), "0-79", "have their range narrowed"),
    ],
)
def test_each_bad_frame_is_named_and_explained(store, change, frames, words):
    vf.write(change(scene(80, 0)), "store/a.h5", "h5_frames", fps=25.0)
    problems = [problem for problem in vf.verify("store", against="study", jobs=1) if problem.kind == "pixels"]
    named = sorted(frame for problem in problems for frame in problem.frames)
    assert str(problems[0].path) == "a.h5"
    first, _, last = frames.partition("-")
    assert named == list(range(int(first), int(last or first) + 1))
    assert any(words in problem.text for problem in problems)


def test_without_sources_the_block_of_a_bad_frame_is_named(store):
    video = scene(80, 1)
    video[70, 0, 0, 0] ^= 1
    vf.write(video, "store/b.h5", "h5_frames", fps=25.0)
    problems = vf.verify("store", jobs=1)
    assert [problem.kind for problem in problems] == ["bytes", "pixels"]
    assert problems[1].frames == tuple(range(64, 80))
    assert found(quick=True)[-1] == ("b.h5", "pixels")


def test_what_is_not_there_or_not_converted_is_told(store):
    os.remove("store/a.h5")
    Path("study/c.mp4").write_bytes(b"nothing")
    assert found() == [("a.h5", "missing")]
    assert found("study") == [("a.h5", "missing"), ("c", "missing")]
    vf.convert("study", "store", "h5_frames", jobs=1)
    assert found() == [("c.h5", "failed")]
    Path("store/b.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    assert found() == [("b.h5", "bytes"), ("b.h5", "unreadable"), ("c.h5", "failed")]


def test_repair_converts_again_what_is_wrong(store):
    plant(store / "a.h5", lambda frames, k, rate: (frames[::-1].copy(), rate), False, __import__("random").Random(0))
    assert found() == []
    assert ("a.h5", "pixels") in found("study")
    assert found("study", repair=True) == []
    os.remove("store/b.h5")
    assert found(repair=True) == []
    assert np.array_equal(vf.load("store/a.h5"), vf.load("study/a.npy"))


def test_other_pixels_from_the_same_bytes_are_the_decoder_s(store):
    receipt = receipts.read(store / "a.h5")
    receipt.stored[0] = "0" * 32
    receipts.save(store / "a.h5", receipt)
    problems = vf.verify("store", jobs=1)
    assert [(problem.kind, problem.is_fault) for problem in problems] == [("decoder", False)]


def test_a_source_that_is_another_one_is_told(store):
    vf.write(scene(80, 7), "study/a.npy", fps=25.0)
    assert ("a.h5", "source") in found("study")


def test_bits_count_as_they_are():
    a = np.array([[0.0, np.nan], [1.0, 2.0]])
    assert compare.unequal(a, a.copy()) == []
    assert compare.unequal(a, np.array([[-0.0, np.nan], [1.0, 2.0]])) == [0]
