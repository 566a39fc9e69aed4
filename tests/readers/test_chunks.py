import tracemalloc
import zlib
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidformats.codecs.deflate import Deflate, compress
from vidformats.errors import FormatError
from vidformats.readers import chunks as module
from vidformats.readers.chunk_grid import cuts
from vidformats.readers.chunks import ChunkReader
from vidformats.readers.extent import as_slice
from vidformats.select import plan
from vidformats.storage.base import coalesce
from vidformats.storage.local import LocalFile

shared = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def store(path, video, chunks, missing=(), order=None, pad=0, pack=lambda data: compress(data, 1)):
    """Write an array as chunks in any order, `pad` bytes apart; return offsets and sizes by grid position."""
    grid = tuple(-(-n // c) for n, c in zip(video.shape, chunks, strict=True))
    index = np.zeros((2, *grid), np.int64)
    places = list(product(*map(range, grid)))
    content = bytearray()
    for k in order if order is not None else range(len(places)):
        place = places[k]
        if place in missing:
            continue
        chunk = np.zeros(chunks, video.dtype)
        part = video[tuple(slice(p * c, p * c + c) for p, c in zip(place, chunks, strict=True))]
        chunk[tuple(slice(n) for n in part.shape)] = part
        data = pack(chunk.tobytes())
        content += bytes(pad)
        index[(0, *place)], index[(1, *place)] = len(content), len(data)
        content += data
    path.write_bytes(content)
    return index


def reader(path, video, chunks, fill=0, **options):
    offsets, sizes = store(path, video, chunks, **options)
    codecs = [Deflate(int(np.prod(chunks)) * video.dtype.itemsize)]
    return ChunkReader(LocalFile(path), offsets, sizes, chunks, video.shape, video.dtype, codecs, fill)


class Counting:
    """A codec that notes each chunk it decodes."""

    def __init__(self, codec, decoded):
        self.codec, self.decoded = codec, decoded

    def decode(self, buf, out=None):
        self.decoded.append(len(buf))
        return self.codec.decode(buf, out)


def ramp(shape, dtype="u1"):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


@st.composite
def cases(draw):
    shape = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5).map(lambda s: (s[0] * 3, *s[1:])))
    chunks = tuple(draw(st.integers(1, n + 2)) for n in shape)
    n_chunks = np.prod([-(-n // c) for n, c in zip(shape, chunks, strict=True)])
    frames = draw(
        st.one_of(
            st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=20),
            st.slices(shape[0]).map(lambda s: list(range(shape[0])[s])).filter(bool),
        )
    )
    crop = tuple(
        slice(a, b, draw(st.integers(1, 3)))
        for a, b in (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape[1:])
    )
    return {
        "video": ramp(shape, draw(st.sampled_from(["u1", "i2", ">f4", "c16"]))),
        "chunks": chunks,
        "order": draw(st.permutations(range(n_chunks))) if draw(st.booleans()) and n_chunks < 50 else None,
        "pad": draw(st.sampled_from([0, 7, module.GAP + 1])) if n_chunks < 50 else 0,
        "frames": np.array(frames, np.int64),
        "crop": draw(st.sampled_from([None, crop])),
    }


@given(cases(), st.integers(1, 3), st.sampled_from([64, 1000, 1 << 20]), st.booleans())
@shared
def test_any_chunks_any_index(tmp_path, case, threads, unit, large):
    video, frames, crop = case["video"], case.pop("frames"), case.pop("crop")
    expected = video[frames][(slice(None), *(crop or ()))]
    # Room around the result, so that its strides are not those of a fresh array.
    out = np.zeros([n + 1 for n in expected.shape], video.dtype.newbyteorder("="))
    inner = out[tuple(slice(n) for n in expected.shape)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "UNIT", unit)
        patch.setattr(module, "LARGE", 0 if large else 1 << 30)
        opened = reader(tmp_path / "v", **case)
        opened.read(plan(frames, crop), inner, threads)
        plan(frames).repeat(inner)
        np.testing.assert_array_equal(inner, expected)
        if crop is None:
            whole = np.empty(expected.shape, opened.dtype)
            opened.fetch(plan(frames), whole, threads)
            plan(frames).repeat(whole)
            np.testing.assert_array_equal(whole, expected)
    assert not out[-1].any()
    assert not out[..., -1].any()


@pytest.mark.parametrize("chunks", [(1, 6, 7), (2, 6, 7), (4, 3, 3)])
@pytest.mark.parametrize("step", [1, -1, 4])
def test_results_that_run_backwards(tmp_path, chunks, step):
    video = ramp((24, 6, 7))
    out = np.zeros((24, 6, 7), "u1")
    numbers = np.arange(24)[::step]
    reader(tmp_path / "v", video, chunks).read(plan(numbers), out[: len(numbers), ::-1, ::-1], 2)
    np.testing.assert_array_equal(out[: len(numbers)], video[::step, ::-1, ::-1])


@pytest.mark.parametrize("large", [False, True])
def test_missing_chunks(tmp_path, monkeypatch, large):
    monkeypatch.setattr(module, "LARGE", 0 if large else 1 << 30)
    video = ramp((7, 6, 5), "i4")
    missing = {(0, 0, 0), (2, 1, 1), (3, 0, 0), (3, 1, 1), (3, 0, 1), (3, 1, 0)}
    opened = reader(tmp_path / "v", video, (2, 3, 4), fill=-5, missing=missing)
    expected = video.copy()
    for a, b, c in missing:
        expected[2 * a : 2 * a + 2, 3 * b : 3 * b + 3, 4 * c : 4 * c + 4] = -5
    out = np.empty_like(video)
    opened.fetch(plan(np.arange(7)), out, 2)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[:9],
        lambda data: data[:20] + b"\xff" + data[21:],
        lambda data: zlib.compress(zlib.decompress(data) + b"x"),
        lambda data: zlib.compress(zlib.decompress(data)[1:]),
        lambda data: b"?" * len(data),
    ],
)
def test_damaged_chunks_are_named(tmp_path, monkeypatch, spoil, large):
    monkeypatch.setattr(module, "LARGE", 0 if large else 1 << 30)
    video, packed = ramp((8, 6, 5)), []

    def pack(data):
        packed.append(compress(data, 1))
        return packed[-1] if len(packed) != 6 else spoil(bytes(packed[-1]))

    opened = reader(tmp_path / "v", video, (2, 3, 5), pack=pack)
    out = np.empty_like(video)
    opened.fetch(plan(np.array([0, 1, 2, 3, 6, 7])), out[:6], 2)
    with pytest.raises(FormatError, match=r"v: chunk \(2, 1, 0\) at byte \d+ is damaged: ") as caught:
        opened.fetch(plan(np.arange(8)), out, 2)
    assert caught.value.path.endswith("v")


def test_an_index_beyond_the_file(tmp_path):
    video = ramp((4, 5))
    offsets, sizes = store(tmp_path / "v", video, (1, 5))
    file = LocalFile(tmp_path / "v")
    for bad in (offsets + 1, offsets - 1, offsets + (1 << 62), offsets - (1 << 62)):
        with pytest.raises(FormatError, match="beyond"):
            ChunkReader(file, bad, sizes, (1, 5), (4, 5), "u1", [Deflate(5)])
    with pytest.raises(FormatError, match="beyond"):
        ChunkReader(file, offsets, sizes * -1, (1, 5), (4, 5), "u1", [Deflate(5)])


def test_only_wanted_chunks_are_decoded_each_once(tmp_path):
    video, decoded = ramp((40, 4, 9)), []
    opened = reader(tmp_path / "v", video, (10, 2, 3))
    opened._codecs = [Counting(codec, decoded) for codec in opened._codecs]
    out = np.empty((9, 1, 3), "u1")
    wanted = plan(np.array([1, 5, 9, 5, 22, 1, 0, 29, 21]), (slice(1, 2, 1), slice(4, 7, 1)))
    opened.read(wanted, out, 2)
    wanted.repeat(out)
    assert len(decoded) == 2 * 1 * 2


def test_neighbours_are_read_together(tmp_path):
    video, reads = ramp((64, 9)), []
    opened = reader(tmp_path / "v", video, (1, 3))
    read_into = opened.source.read_into
    opened.source.read_into = lambda *a: reads.append(a[0]) or read_into(*a)
    opened.fetch(plan(np.arange(64)), np.empty_like(video), 1)
    assert len(reads) == 1


def test_cuts_follow_the_definition():
    for n, chunk, start, stop, step in product((1, 5, 12), (1, 3, 5, 20), (0, 2), (1, 4, 12), (1, 2, 5)):
        wanted = range(start, min(stop, n), step)
        found = cuts(slice(start, min(stop, n), step), n, chunk)
        seen = [cut.number * chunk + k for cut in found for k in range(chunk)[cut.source]]
        assert seen == list(wanted)
        assert [k for cut in found for k in range(len(wanted))[cut.target]] == list(range(len(wanted)))


@pytest.mark.parametrize("numbers", [[3], [1, 2, 3], [0, 4, 8], [8, 4, 0], [5, 3], [1, 2, 4], [2, 2]])
def test_as_slice(numbers):
    chosen = as_slice(np.array(numbers))
    assert np.arange(20)[chosen].tolist() == numbers
    assert isinstance(chosen, slice) == (numbers not in ([1, 2, 4], [2, 2]))


@pytest.mark.parametrize("step", [1, 64, 1000])
def test_overlapping_claims_take_no_more_memory_than_the_file(tmp_path, step):
    # Large and tiny claims in turn: grouped by the gap to the one before, each would begin a group of its own.
    size, n = 4 << 20, 400
    (tmp_path / "v").write_bytes(bytes(size))
    offsets, sizes = np.zeros(n, np.int64), np.ones(n, np.int64)
    offsets[0::2] = np.arange(n // 2) * (module.GAP + step) % (size // 2)
    offsets[0::2].sort()
    offsets[1::2] = offsets[0::2] + 1
    sizes[0::2] = size - offsets[0::2]
    with pytest.raises(FormatError, match="claims"):
        ChunkReader(LocalFile(tmp_path / "v"), offsets, sizes, (1,), (n,), "u1", [Deflate(1)])
    sizes[0::2] = np.minimum(sizes[0::2], module.SLACK)  # what may be claimed
    opened = ChunkReader(LocalFile(tmp_path / "v"), offsets, sizes, (1,), (n,), "u1", [Deflate(1)])
    tracemalloc.start()
    with pytest.raises(FormatError, match="damaged"):
        opened.read(plan(np.arange(n)), np.empty(n, np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * module.BLOCK


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=30), st.integers(0, 40), st.integers(1, 200)
)
def test_coalesce_by_definition(ranges, gap, most):
    ranges = sorted(ranges)
    offsets, sizes = (np.array([r[k] for r in ranges], np.int64) for k in (0, 1))
    groups = coalesce(offsets, sizes, gap, most)
    bounds = groups.bounds.tolist()
    assert bounds[0] == 0
    assert bounds[-1] == len(ranges)
    for k, (a, b) in enumerate(pairwise(bounds)):
        begin, end = int(groups.begins[k]), int(groups.ends[k])
        assert a < b
        assert begin == offsets[a]
        assert end == max(o + s for o, s in ranges[a:b])
        assert b - a == 1 or end - begin <= most
        # All in it is within the gap of what lies before, and the next would be too far or too much.
        for j in range(a + 1, b):
            assert offsets[j] - max(o + s for o, s in ranges[:j]) <= gap
        if b < len(ranges):
            following = max(end, ranges[b][0] + ranges[b][1])
            assert offsets[b] - end > gap or following - begin > most


@pytest.mark.parametrize("nbytes", [4 << 10, module.LARGE, module.LARGE + 4096])
@pytest.mark.parametrize("wrong", [lambda n: 1, lambda n: n // 2, lambda n: n - 1, lambda n: n + 1])
def test_an_unfiltered_chunk_of_another_size_is_refused(tmp_path, nbytes, wrong):
    """Else the rest of the result would be memory that nobody filled, and other objects of the process be in it."""
    path = tmp_path / "v"
    path.write_bytes(bytes(2 * nbytes))
    offsets, sizes = np.array([[0], [nbytes - 1]]), np.array([[nbytes], [wrong(nbytes)]])
    with pytest.raises(FormatError, match=f"unfiltered chunks that are not of {nbytes} bytes"):
        ChunkReader(LocalFile(path), offsets, sizes, (1, nbytes), (2, nbytes), "u1")
