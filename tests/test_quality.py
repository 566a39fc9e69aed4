import re
import sys

import numpy as np
import pytest

from vidformats import quality
from vidformats.errors import install

RNG = np.random.default_rng(0)


def video(*shape, high=256, dtype=np.uint8):
    return RNG.integers(0, high, shape).astype(dtype)


def test_psnr_against_the_plain_formula():
    # Long enough for several blocks, the last one shorter.
    a, b = video(700, 3, 60, 60), video(700, 3, 60, 60)
    difference = a.astype(float) - b
    assert quality.psnr(a, b) == pytest.approx(10 * np.log10(255**2 / (difference**2).mean()))


def test_differences_do_not_wrap_round():
    a, b = np.zeros((2, 1, 8, 8), np.uint8), np.full((2, 1, 8, 8), 255, np.uint8)
    assert quality.psnr(a, b) == quality.psnr(b, a) == 0
    assert quality.ssim(a, b) < 0.01


def test_equal_videos():
    a = video(3, 1, 8, 8, high=1024, dtype=np.uint16)
    assert quality.psnr(a, a) == float("inf")
    assert quality.psnr(a, a + np.uint16(1), peak=1023) == pytest.approx(20 * np.log10(1023))
    assert quality.ssim(a, a, peak=1023) == 1


def test_more_noise_is_less_similar():
    a = np.broadcast_to(np.arange(64, dtype=np.uint8), (4, 3, 64, 64))
    near, far = (np.clip(a + RNG.normal(0, sigma, a.shape), 0, 255).astype(np.uint8) for sigma in (2, 20))
    assert 1 > quality.ssim(near, a) > quality.ssim(far, a) > 0
    assert quality.psnr(near, a) > quality.psnr(far, a)


@pytest.mark.parametrize("function", [quality.psnr, quality.ssim])
@pytest.mark.parametrize("other", [(4, 3, 8, 8), (5, 3, 8, 1), (0, 3, 8, 8)])
def test_only_videos_of_one_shape_are_compared(function, other):
    with pytest.raises(ValueError, match="expected two videos of one shape"):
        function(video(5 * bool(other[0]), 3, 8, 8), video(*other))


@pytest.mark.parametrize("function", [quality.psnr, quality.ssim])
def test_the_cure_for_a_missing_library_is_named(monkeypatch, function):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=re.escape(install("convert"))):
        function(video(1, 3, 8, 8), video(1, 3, 8, 8))
