import cv2
import numpy as np
import pytest

import vidformats as vf
from vidformats.readers.adapted import frames_at, resized, scaled
from vidformats.testing.numbered import numbered, numbers_of

N = 40


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return vf.write(numbered(N, (64, 96)), tmp_path_factory.mktemp("film") / "a.mp4", "mp4", fps=25.0)


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    return vf.write(numbered(N, (64, 96)), tmp_path_factory.mktemp("film") / "a.npy")


def test_time(film):
    with vf.open(film) as video:
        assert (video.fps, video.duration) == (25.0, N / 25)
        np.testing.assert_array_equal(video.times, np.arange(N) / 25)
        video.times[:] = 0  # a copy
        assert video.times[1] == 1 / 25


def test_at(film):
    with vf.open(film) as video:
        assert numbers_of(video.at([0, 0.04, 0.039, 1.0, 1.59])) == [0, 1, 0, 25, 39]
        assert numbers_of(video.at(video.times)) == list(range(N))
        assert video.at(0.5).shape == (3, 64, 96)
        assert video.at([[0.1, 0.2], [0.3, 0.4]]).shape == (2, 2, 3, 64, 96)
        for outside in (-0.01, 1.6, np.nan):
            with pytest.raises(ValueError, match=r"times must be in \[0, 1.6\) seconds, got"):
                video.at([0.0, outside])


def test_what_has_no_time_says_so(array):
    with vf.open(array) as video:
        assert (video.fps, video.times, video.duration) == (None, None, None)
        with pytest.raises(ValueError, match="npy has no time stamps"):
            video.at(0.5)
    with pytest.raises(ValueError, match="fps=5 requires a video with time stamps"):
        vf.open(array, fps=5)


@pytest.mark.parametrize("fps", [5, 12.5, 25, 24, 50, 60.0, 29.97])
def test_resampled(film, fps):
    with vf.open(film) as stored, vf.open(film, fps=fps) as video:
        k = np.arange(len(video))
        assert len(video) == np.ceil(stored.duration * fps - 1e-9)
        np.testing.assert_allclose(video.times, k / fps)
        assert (video.fps, video.duration) == (fps, pytest.approx(len(video) / fps))
        assert video.info["frames"] == len(video)
        expected = numbers_of(stored.at(stored.times[0] + k / fps))
        assert numbers_of(video[:]) == expected
        assert numbers_of(video[::-3]) == expected[::-3]
        assert numbers_of(video[[3, 3, 0]]) == [expected[i] for i in (3, 3, 0)]
        assert numbers_of(video.at(video.times)) == expected


def test_resampled_at_its_own_rate_it_is_the_same(film):
    with vf.open(film, fps=25) as video:
        assert numbers_of(video[:]) == list(range(N))


@pytest.mark.parametrize("name", ["film", "array"])
@pytest.mark.parametrize("size", [32, (32, 40), 64, (128, 100)])
@pytest.mark.parametrize("layout", [None, "THWC"])
def test_scaled_and_channels_last(name, size, layout, request):
    path = request.getfixturevalue(name)
    with vf.open(path) as stored, vf.open(path, size=size, layout=layout) as video:
        height, width = scaled(size, (64, 96))
        planes = stored[:]
        method = cv2.INTER_AREA if height <= 64 and width <= 96 else cv2.INTER_LINEAR
        expected = np.stack([[cv2.resize(p, (width, height), interpolation=method) for p in f] for f in planes])
        if layout:
            expected = expected.transpose(0, 2, 3, 1)
        assert video.shape == expected.shape
        np.testing.assert_array_equal(video[:], expected)
        np.testing.assert_array_equal(video[7], expected[7])
        np.testing.assert_array_equal(video[[5, 5, 1], 3:9, ::2], expected[[5, 5, 1], 3:9, ::2])
        assert video.format == stored.format


def test_grey_and_sixteen_bits(tmp_path):
    video = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 1, 8, 8) * 300
    stored = vf.open(vf.write(video, tmp_path / "a.npy"), size=4)
    np.testing.assert_array_equal(stored[1, 0], cv2.resize(video[1, 0], (4, 4), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be"),
        ({"size": (1, 2, 3)}, "size must be"),
        ({"size": "small"}, "size must be"),
        ({"layout": "HWC"}, "layout must be"),
        ({"depth": 8}, "npy cannot honour depth=8"),
        ({"stream": 0}, "npy cannot honour stream=0"),
        ({"rotate": False}, "npy cannot honour rotate=False"),
    ],
)
def test_what_can_not_be_honoured(array, options, message):
    with pytest.raises(ValueError, match=message):
        vf.open(array, **options)


def test_only_images_are_scaled(tmp_path):
    path = vf.write(np.zeros((3, 5), "float32"), tmp_path / "a.npy")
    for options in ({"size": 4}, {"layout": "THWC"}):
        with pytest.raises(ValueError, match="requires"):
            vf.open(path, **options)


def test_neutral_arguments_are_taken_by_all(array):
    with vf.open(array, rotate=True, layout="TCHW") as video:
        assert numbers_of(video[:]) == list(range(N))


@pytest.mark.parametrize("fps", [0, -1, float("inf"), float("nan")])
def test_a_wrong_rate(film, fps):
    with pytest.raises(ValueError, match="fps must be a number > 0"):
        vf.open(film, fps=fps)


def test_frames_at_floating_point_sums():
    times = np.arange(1000) * 1001 / 30000
    np.testing.assert_array_equal(
        frames_at(times, 1000 * 1001 / 30000, np.arange(1000) / (30000 / 1001)), np.arange(1000)
    )


def test_resized_keeps_the_dtype():
    assert resized(np.full((3, 8, 8), 7, np.uint8), (4, 4)).dtype == np.uint8
