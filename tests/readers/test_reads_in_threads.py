"""How many threads work on a read: counted, not timed."""

import numpy as np
import pytest

import vidformats as vf
from vidformats import format, threads
from vidformats.testing.numbered import numbered


@pytest.fixture
def counted(monkeypatch):
    """Return how many threads each read with more than one was given."""
    seen, real = [], threads._hand_over
    monkeypatch.setattr(threads, "cpus", lambda: 64)
    monkeypatch.setattr(format, "cpus", lambda: 64)

    def hand_over(*work):
        seen.append(1)
        real(*work)

    monkeypatch.setattr(threads, "_hand_over", hand_over)
    return seen


def used(counted, read):
    counted.clear()
    read()
    return len(counted) + 1


def test_no_more_threads_than_pay_off(tmp_path, counted):
    video = np.random.default_rng(0).integers(0, 255, (480, 3, 120, 120), np.uint8)
    path = vf.write(video, tmp_path / "a.npy")
    for n, index in ((1, slice(0, 20)), (5, slice(None, None, 4)), (20, slice(None))):
        with vf.open(path, threads=64) as stored:
            assert 1 <= used(counted, lambda stored=stored, index=index: stored[index]) <= n


@pytest.mark.parametrize("name", ["jpg", "png", "webp", "h5_plain", "h5_chunked", "npy", "mat"])
def test_a_crop_is_read_by_as_many_threads_as_whole_frames(tmp_path, counted, name):
    video = np.repeat(numbered(8, (64, 64)), 12, axis=2).repeat(20, axis=3)  # 768 x 1280
    path = vf.write(video, tmp_path / f"a{vf.registry.FORMATS[name].suffix}", name)
    with vf.open(path, threads=4) as stored:
        whole = used(counted, lambda: stored[:])
        crop = used(counted, lambda: stored[:, :, 4:760])
        assert whole > 1
        assert crop >= min(whole, 2)
        np.testing.assert_array_equal(stored[:, :, 4:760], stored[:][:, :, 4:760])


@pytest.mark.parametrize("name", ["h5_plain", "h5_chunked", "mat"])
def test_one_frame_is_read_by_as_many_threads_as_a_slice_of_one(tmp_path, counted, name):
    video = np.random.default_rng(0).integers(0, 60, (2, 3, 1080, 1920), np.uint8)
    path = vf.write(video, tmp_path / f"a{vf.registry.FORMATS[name].suffix}", name)
    with vf.open(path, threads=8) as stored:
        one, slice_of_one = (used(counted, lambda index=index: stored[index]) for index in (1, slice(1, 2)))
        assert one == slice_of_one > 1
