"""One content in every format, built once, and what it takes of a disk."""

import os
import subprocess
import sys

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure import corpus, disk
from vidformats.bench.published import STEP

NAMES = ["jpg", "mp4", "binary", "npy", "h5_frames"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("corpus") / "new" / "noise", []
    corpus.build(folder, "noise", NAMES, 16, 24, progress=said.append)
    return folder, said


def test_every_format_holds_the_same_video(built):
    folder, _ = built
    source = content.make("noise", 16, 24)
    for name in NAMES:
        got = vf.load(corpus.path_of(folder, name))
        assert got.shape == source.shape
        if not vf.get_format(name).tolerance:
            np.testing.assert_array_equal(got, source)


def test_progress_names_each_format_but_the_source(built):
    assert sorted(built[1]) == sorted(set(NAMES) - {"npy"})


def test_expected_is_what_another_library_decodes(built):
    folder, _ = built
    for name in NAMES:
        wanted = corpus.expected(folder, name)
        got = vf.load(corpus.path_of(folder, name), slice(None, None, STEP))
        assert wanted.shape == got.shape == (4, 3, 24, 24)
        near = 2 if vf.get_format(name).tolerance else 0
        assert np.abs(got.astype(int) - wanted).mean() <= near


def test_what_is_there_is_kept(built):
    folder, _ = built
    times = {name: os.stat(corpus.path_of(folder, name)).st_mtime_ns for name in NAMES}
    said = []
    corpus.build(folder, "noise", [*NAMES, "pickle"], 16, 24, progress=said.append)
    assert said == ["pickle"]
    assert times == {name: os.stat(corpus.path_of(folder, name)).st_mtime_ns for name in NAMES}


def test_an_interrupted_build_is_finished(built):
    folder, _ = built
    os.unlink(folder / "mp4.expected.npy")
    said = []
    corpus.build(folder, "noise", NAMES, 16, 24, progress=said.append)
    assert said == ["mp4"]
    assert (folder / "mp4.expected.npy").exists()


def test_another_corpus_is_refused(built):
    for kind, n_frames, size in (("scene", 16, 24), ("noise", 17, 24), ("noise", 16, 25)):
        with pytest.raises(ValueError, match="holds another corpus"):
            corpus.build(built[0], kind, NAMES, n_frames, size)


def test_a_format_that_can_not_be_written_is_named(tmp_path):
    corpus.build(tmp_path, "noise", [], 4, 8)
    (tmp_path / "jpg").mkdir()
    (tmp_path / "jpg" / "thesis.tex").write_text("")
    (tmp_path / "binary.bin").mkdir()
    (tmp_path / "binary.bin" / "thesis.tex").write_text("")
    (tmp_path / "jpg.expected.npy").unlink(missing_ok=True)
    with pytest.raises(RuntimeError, match="jpg could not be written"):
        corpus.build(tmp_path, "noise", ["jpg"], 4, 8)


def test_it_needs_no_more_disk_than_it_says(built):
    folder, _ = built
    assert disk.size(folder) - disk.size(corpus.path_of(folder, "npy")) < corpus.disk_needed(NAMES, 16, 24) + 20_000
    every = corpus.disk_needed(vf.formats(), 10_000, 120)
    assert 10 * 432e6 < every < 30 * 432e6


def test_writing_happens_in_another_process(tmp_path, monkeypatch):
    """So that a decoder's crash or its memory is not ours."""
    calls, real = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **k: calls.append(command) or real(command, **k))
    corpus.build(tmp_path, "noise", ["pickle"], 4, 8)
    assert calls == [[sys.executable, "-m", "vidformats.bench.measure.corpus", str(tmp_path), "pickle"]]
