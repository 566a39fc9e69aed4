"""Every way of access reads the source's pixels from every format, and its cost is told beside a copy's."""

from math import prod

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench.measure import access, corpus
from vidformats.bench.measure.access import ACCESS
from vidformats.registry import FORMATS

CORE = [name for name, row in FORMATS.items() if not row.extra]
N_FRAMES = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus.build(folder, "scene", CORE, N_FRAMES, 32)
    return folder


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("way", list(ACCESS))
def test_every_access_gives_the_sources_pixels(folder, name, way):
    path = corpus.path_of(folder, name)
    source = np.load(corpus.path_of(folder, "npy"))
    if vf.get_format(name).tolerance:
        source = np.stack(list(corpus.decoded_elsewhere(name, path)))
        assert len(source) == N_FRAMES
    access.check(path, way, source, threads=2)


@pytest.mark.parametrize("n_frames", [4, 5, 63, 64, 65, 257, 10_000])
@pytest.mark.parametrize("way", list(ACCESS))
def test_requests_lie_within_any_video_and_are_the_same_every_time(way, n_frames):
    requests = ACCESS[way](n_frames)
    numbers = [np.atleast_1d(np.arange(n_frames)[request]) for request in requests]
    assert requests
    assert all(len(n) for n in numbers)
    again = [np.atleast_1d(np.arange(n_frames)[request]) for request in ACCESS[way](n_frames)]
    assert all(np.array_equal(a, b) for a, b in zip(numbers, again, strict=True))


def test_what_each_way_is():
    assert np.arange(10_000)[ACCESS["every_4th"](10_000)[0]].tolist() == list(range(0, 10_000, 4))
    assert np.concatenate([np.arange(1000)[r] for r in ACCESS["scan"](1000)]).tolist() == list(range(1000))
    windows = [np.arange(10_000)[r] for r in ACCESS["windows"](10_000)]
    assert len(windows) == 256
    assert all(len(w) == 64 and set(np.diff(w)) == {4} for w in windows)
    single, batches = ACCESS["random_frames"](10_000), ACCESS["random_batches"](10_000)
    assert len(single) == 2500
    assert sorted(single) == sorted(np.concatenate(batches).tolist())
    assert all((np.diff(batch) >= 0).all() for batch in batches)
    assert ACCESS["first_frame"](10_000) == [0]


def test_wrong_pixels_are_found(folder):
    source = np.load(corpus.path_of(folder, "npy"))
    with pytest.raises(AssertionError, match="wrong pixels"):
        access.check(corpus.path_of(folder, "npy"), "every_4th", source[::-1])
    with pytest.raises(AssertionError, match="wrong pixels"):
        access.check(corpus.path_of(folder, "npy"), "every_4th", source[:, :1])


def test_the_copy_moves_as_many_bytes(folder):
    for way in ACCESS:
        shapes, dtype = access.result_shapes(corpus.path_of(folder, "npy"), way)
        assert access.copy_of(corpus.path_of(folder, "npy"), way)().nbytes == prod(shapes[-1]) * dtype.itemsize


def test_against_a_copy(folder):
    paths = {name: corpus.path_of(folder, name) for name in ("npy", "h5_frames")}
    seconds = access.against_copy(paths, "windows", threads=1, rounds=2)
    assert {"copy", "h5_frames", "npy"} <= set(seconds)
    assert all(len(s) == 2 and min(s) > 0 for s in seconds.values())


def test_bytes_read_over_bytes_delivered(folder):
    for name, way in (("npy", "every_4th"), ("binary", "scan"), ("npy", "random_frames")):
        ratio = access.bytes_read_ratio(corpus.path_of(folder, name), way, threads=1)
        assert ratio is None or 1 <= ratio < 30
