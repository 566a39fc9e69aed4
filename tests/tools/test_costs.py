"""What is read when an access is measured."""

import itertools

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench.measure import cache
from vidformats.tools.advice.access import Access
from vidformats.tools.costs import indexes, measure


def test_front_to_back_reads_every_frame_once():
    read = [np.arange(150)[index] for index in indexes(Access.parse("full"), 150)]
    np.testing.assert_array_equal(np.concatenate(read), np.arange(150))


def test_every_fourth():
    read = [np.arange(700)[index] for index in indexes(Access.parse("every=4"), 700)]
    np.testing.assert_array_equal(np.concatenate(read), np.arange(0, 700, 4))


def test_windows_lie_within_the_video_and_have_their_length():
    access = Access.parse("window=8,hop=4,stride=3")
    for index in itertools.islice(indexes(access, 30), 50):
        frames = np.arange(30)[index]
        assert len(frames) == 8
        assert set(np.diff(frames)) == {3}


def test_a_window_longer_than_the_video_is_what_there_is():
    assert len(np.arange(5)[next(indexes(Access.parse("window=64"), 5))]) == 5


@pytest.mark.parametrize("access", ["full", "every=4", "window=64", "random"])
def test_a_video_of_one_frame(access, tmp_path):
    path = vf.write(np.zeros((1, 3, 8, 8), np.uint8), tmp_path / "a.npy")
    cost = measure(path, [access], seconds=0.005)[1]
    assert cost.frames == cost.reads >= 1


def test_cold_reads_evict_first(tmp_path, monkeypatch):
    path, asked = vf.write(np.zeros((9, 3, 8, 8), np.uint8), tmp_path / "a.npy"), []
    monkeypatch.setattr(cache, "evict", lambda path: asked.append(path) or True)
    measure(path, ["full", "random"], seconds=0.005, cold=True)
    assert asked == [path] * 3
    monkeypatch.setattr(cache, "evict", lambda path: False)
    with pytest.raises(ValueError, match="page cache"):
        measure(path, ["full"], cold=True)
