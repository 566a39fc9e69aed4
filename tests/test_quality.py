import cv2
import numpy as np
import pytest

from vidformats import quality
from vidformats.bench import content

RNG = np.random.default_rng(0)


def video(*shape, high=256, dtype=np.uint8):
    return RNG.integers(0, high, shape).astype(dtype)


def test_same_pixels():
    a = video(5, 3, 4, 4)
    assert quality.same_pixels(a, a.copy())
    b = a.copy()
    b[-1, -1, -1, -1] ^= 1
    assert not quality.same_pixels(a, b)
    assert not quality.same_pixels(a, a[:4])
    assert not quality.same_pixels(a, a.astype(np.int16))
    assert not quality.same_pixels(a, a.reshape(5, 48))
    assert quality.same_pixels(a[:0], a[:0])


def test_errors_against_plain_formulas():
    # Long enough for several blocks, with a last one that is shorter.
    a, b = video(700, 3, 60, 60), video(700, 3, 60, 60)
    difference = a.astype(float) - b
    assert quality.mean_abs_error(a, b) == pytest.approx(np.abs(difference).mean())
    assert quality.psnr(a, b) == pytest.approx(10 * np.log10(255**2 / (difference**2).mean()))


def test_differences_do_not_wrap_round():
    a, b = np.zeros((2, 1, 4, 4), np.uint8), np.full((2, 1, 4, 4), 255, np.uint8)
    assert quality.mean_abs_error(a, b) == quality.mean_abs_error(b, a) == 255
    assert quality.psnr(a, b) == 0
    wide = np.full((2, 3), 2**31 - 1, np.int32)
    assert quality.mean_abs_error(wide, -wide) == 2.0 * (2**31 - 1)


def test_equal_videos_have_no_noise():
    a = video(3, 1, 8, 8, high=1024, dtype=np.uint16)
    assert quality.psnr(a, a) == float("inf")
    assert quality.psnr(a, a + np.uint16(1), peak=1023) == pytest.approx(20 * np.log10(1023))
    assert quality.mean_abs_error(a, a) == 0


@pytest.mark.parametrize("function", [quality.psnr, quality.mean_abs_error, quality.rgb_order])
@pytest.mark.parametrize("other", [(4, 3, 8, 8), (5, 3, 8, 1), (0, 3, 8, 8)])
def test_only_videos_of_one_shape_are_compared(function, other):
    with pytest.raises(ValueError, match="can't be compared"):
        function(video(5 * bool(other[0]), 3, 8, 8), video(*other))


@pytest.mark.parametrize("name", ["noise", "scene"])
@pytest.mark.parametrize("fourcc", ["mp4v", "MJPG"])
def test_order_of_channels_survives_a_lossy_codec(tmp_path, name, fourcc):
    source = content.make(name, 40, 64)
    path = str(tmp_path / ("video" + {"mp4v": ".mp4", "MJPG": ".avi"}[fourcc]))
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*fourcc), 64, (64, 64))
    for frame in source:
        writer.write(np.ascontiguousarray(frame[::-1].transpose(1, 2, 0)))
    writer.release()
    capture = cv2.VideoCapture(path)
    as_published = np.stack([capture.read()[1].transpose(2, 0, 1) for _ in range(40)])
    assert quality.rgb_order(as_published, source) == "BGR"
    assert quality.rgb_order(as_published[:, ::-1], source) == "RGB"


def test_order_of_channels_where_there_is_none():
    grey = np.repeat(video(20, 1, 16, 16), 3, axis=1)
    assert quality.rgb_order(grey, grey) is None
    assert quality.rgb_order(video(100, 3, 16, 16), video(100, 3, 16, 16)) is None
