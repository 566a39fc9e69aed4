"""What an access on the command line means, and the batches it makes."""

import itertools

import pytest

from vidformats.tools.advice.access import Access


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("window=64,hop=32,stride=4", ("window", 64, 32, 4, 8)),
        ("window=16", ("window", 16, 16, 1, 8)),
        ("every=4", ("every", 64, 64, 4, 1)),
        ("full", ("full", 64, 64, 1, 1)),
        ("random", ("random", 1, 1, 1, 64)),
    ],
)
def test_every_access_has_a_meaning(text, fields):
    access = Access.parse(text)
    assert (access.kind, access.window, access.hop, access.stride, access.batch) == fields
    assert Access.parse(str(access)) == access


@pytest.mark.parametrize("text", ["", "window", "window=a", "window=0", "every=-1", "full=3", "hop=3", "random,hop=2"])
def test_other_words_are_refused(text):
    with pytest.raises(ValueError, match=r"expected window=64,hop=32,stride=4 or every=4 or full or random"):
        Access.parse(text)


def test_shuffled_windows_come_once_each_and_shapes_are_not_mixed():
    trials = [0] * 5 + [1] * 6 + [2] * 4
    groups = [0] * 11 + [2] * 4
    batches = Access.parse("window=4,hop=4", batch=3).batches(trials, groups, workers=2)
    assert sorted(itertools.chain(*batches)) == list(range(15))
    assert all(len({groups[row] for row in batch}) == 1 for batch in batches)
    assert list(itertools.chain(*batches)) != list(range(15))


def test_each_worker_reads_front_to_back():
    batches = Access.parse("full").batches([0] * 4 + [1] * 4, [0] * 8, workers=2)
    assert [batch[0] for batch in batches[0::2]] == [0, 1, 2, 3]
    assert [batch[0] for batch in batches[1::2]] == [4, 5, 6, 7]


def test_from_a_cold_disk_no_frame_is_read_twice():
    access = Access.parse("window=64,hop=32,stride=4", batch=1)
    rows = sorted(itertools.chain(*access.batches([0, 0, 0, 1, 1, 1], [0] * 6, workers=1, once=True)))
    assert rows == [0, 2, 3, 5]
