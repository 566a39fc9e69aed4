"""From an index to frames: pure functions against NumPy."""

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidformats.select import blocks, frames_in, plan, runs, select
from vidformats.testing.conformance import indexes

SHAPE = (9, 3, 4, 5)
VIDEO = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def taken(video, index):
    """Read as a reader would."""
    chosen = select(index, video.shape)
    result = np.empty(chosen.shape, video.dtype)
    target = chosen.target(result)
    assert np.may_share_memory(target, result) or not result.size
    target[...] = video[chosen.frames][(slice(None), *(chosen.crop or ()))]
    return result


@given(indexes(SHAPE))
def test_every_index_means_what_numpy_means(index):
    expected = VIDEO[index]
    got = taken(VIDEO, index)
    assert got.shape == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@given(indexes(SHAPE))
def test_a_selection_is_within_the_video(index):
    chosen = select(index, SHAPE)
    assert chosen.frames.dtype == np.int64
    assert ((chosen.frames >= 0) & (chosen.frames < SHAPE[0])).all()
    for part, n in zip(chosen.crop or (), SHAPE[1:], strict=False):
        assert part.step >= 1
        assert 0 <= part.start <= part.stop <= n


@pytest.mark.parametrize(
    "index", [(), ..., slice(None), (..., slice(None)), (slice(None), slice(0, 3), slice(None, 99))]
)
def test_whole_frames_have_no_crop(index):
    assert select(index, SHAPE).crop is None


@pytest.mark.parametrize(
    "index",
    [9, -10, [9], [[0, 9]], 1.0, "a", [0.5], {1}, True, np.True_, [True] * 8, (0, 3), (0, [1]), (0, True),
     (0,) * 5, (..., ...), (0, 0, 1.5), slice(None, None, 0), np.zeros((9, 3), bool), object()],
)  # fmt: skip
def test_what_numpy_refuses_or_we_do_not_take_is_an_error(index):
    with pytest.raises((IndexError, ValueError)):
        select(index, SHAPE)


def test_integers_of_any_kind_are_integers():
    class Index:
        def __index__(self):
            return 3

    for index in (3, np.uint8(3), np.int64(3), np.array(3), Index(), -6):
        np.testing.assert_array_equal(taken(VIDEO, index), VIDEO[3])


@given(st.lists(st.integers(0, 40)))
def test_runs_are_the_longest_that_count_up(frames):
    frames = np.array(frames, np.int64)
    bounds = runs(frames).tolist()
    parts = [frames[a:b].tolist() for a, b in pairwise(bounds)]
    assert list(chain.from_iterable(parts)) == frames.tolist()
    assert all(part == list(range(part[0], part[0] + len(part))) for part in parts)
    assert all(a[-1] + 1 != b[0] for a, b in pairwise(parts))


@given(st.lists(st.integers(0, 40)))
def test_plan_reads_each_frame_once_and_copies_the_others(frames):
    frames = np.array(frames, np.int64)
    chosen = plan(frames)
    assert chosen.frames.tolist() == sorted(set(frames.tolist()))
    out = np.full(len(frames), -1)
    out[chosen.rows] = chosen.frames
    chosen.repeat(out)
    assert out.tolist() == frames.tolist()


@given(st.integers(0, 50), st.integers(-1, 20))
def test_blocks_cover_everything_once(n, size):
    parts = list(blocks(n, size))
    assert [k for part in parts for k in range(n)[part]] == list(range(n))
    assert all(part.stop - part.start <= max(size, 1) for part in parts)


def test_frames_in_is_at_least_one():
    assert frames_in(1000, (10, 10), np.dtype("u1")) == 10
    assert frames_in(1000, (10, 10), np.dtype("f8")) == 1
    assert frames_in(1000, (), np.dtype("f8")) == 125
    assert frames_in(1000, (0, 5), np.dtype("f8")) == 1000


@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 4, 3)])
@pytest.mark.parametrize("at", range(4))
def test_an_ellipsis_that_may_stand_for_no_axis(shape, at):
    """NumPy counts it as a separation all the same."""
    array = np.arange(np.prod(shape)).reshape(shape)
    for rest in ([], [2], [1, 2], [slice(None), 1], [None, 1]):
        for items in ([None, [0, 3], *rest], [[0, 3], *rest], [None, None, np.array([1]), *rest]):
            index = (*items[:at], Ellipsis, *items[at:])
            try:
                wanted = array[index].shape
            except IndexError:
                continue
            try:
                chosen = select(index, shape)
            except IndexError:
                continue  # an array behind the first axis
            assert chosen.shape == wanted, index
