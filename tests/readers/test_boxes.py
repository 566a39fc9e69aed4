import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidformats.readers import boxes as module
from vidformats.readers.boxes import BoxReader
from vidformats.select import plan


class Stored:
    """An array that is read by slices, and counts how often each of its chunks is touched."""

    def __init__(self, array, chunks=None):
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, chunks
        self.touched, self.largest = {}, 0

    def __getitem__(self, box):
        assert all(part.step in (None, 1) for part in box)
        part = self.array[box]
        self.largest = max(self.largest, part.nbytes)
        if self.chunks:
            spans = [range(s.start // c, -(-s.stop // c)) for s, c in zip(box, self.chunks, strict=True)]
            for place in np.ndindex(*map(len, spans)):
                key = tuple(span[k] for span, k in zip(spans, place, strict=True))
                self.touched[key] = self.touched.get(key, 0) + 1
        return part.copy()


@given(st.data(), st.booleans(), st.sampled_from([50, 1000, 4 << 20]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_as_numpy_would_each_chunk_once(data, reverse, block):
    shape = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=4).map(tuple))
    array = np.arange(np.prod(shape), dtype="i4").reshape(shape)
    chunks = data.draw(st.one_of(st.none(), st.tuples(*(st.integers(1, n) for n in shape))))
    stored, video = Stored(array, chunks), array.T if reverse else array
    frames = np.array(data.draw(st.lists(st.integers(0, len(video) - 1), min_size=1, max_size=9)), np.int64)
    crop = tuple(
        slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))), data.draw(st.integers(1, 3)))
        for n in video.shape[1:]
    )
    crop = data.draw(st.sampled_from([None, crop]))
    expected = video[frames][(slice(None), *(crop or ()))]
    out = np.full(expected.shape, -1, "i4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        wanted = plan(frames, crop)
        BoxReader(stored, reverse=reverse).read(wanted, out)
        wanted.repeat(out)
    np.testing.assert_array_equal(out, expected)
    assert all(n == 1 for n in stored.touched.values())


def test_boxes_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    stored = Stored(np.zeros((40, 30, 20, 50), "u1"), (10, 5, 5, 2))
    out = np.empty((50, 20, 30, 40), "u1")
    BoxReader(stored, reverse=True).fetch(plan(np.arange(50)), out, 1)
    assert stored.largest <= 1000
    assert max(stored.touched.values()) == 1
