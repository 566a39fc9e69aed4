"""How near decoded pixels are to those that were written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidformats.select import BLOCK, blocks, frames_in


def same_pixels(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two videos are equal in shape, dtype and every value."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(all(np.array_equal(x, y) for x, y in _pairs(a, b)))


def mean_abs_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean absolute difference of two videos, in grey levels.

    Parameters
    ----------
    a, b : (T, ...) ndarray
        Of one shape; compared a block of frames at a time, without a copy of the whole.

    Raises
    ------
    ValueError
        For different shapes, and for empty videos.
    """
    return sum(float(np.abs(x - y).sum(dtype=np.float64)) for x, y in _floats(a, b)) / a.size


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio of two videos in dB, infinite where they are equal.

    Parameters and errors as in `mean_abs_error`; `peak` is the largest value a pixel may have.
    """
    error = sum(float(np.square(x - y).sum(dtype=np.float64)) for x, y in _floats(a, b)) / a.size
    return float("inf") if error == 0 else float(10 * np.log10(peak * peak / error))


def rgb_order(decoded: np.ndarray, source: np.ndarray) -> str | None:
    """Tell the order of a decoded video's channels from the video it was made of.

    Parameters
    ----------
    decoded, source : (T, 3, H, W) ndarray
        `source` is RGB.

    Returns
    -------
    order : str or None
        ``"RGB"`` or ``"BGR"``: the order that is nearer to `source` in nearly every frame; None where neither
        is, since the video is grey, or since it is another one.
    """
    closer = 0
    for x, y in _floats(decoded, source):
        as_rgb, as_bgr = (np.abs(x[:, order] - y).mean((1, 2, 3)) for order in (slice(None), slice(None, None, -1)))
        closer += int(np.sign(as_bgr - as_rgb).sum())
    return None if abs(closer) < 0.9 * len(source) else "RGB" if closer > 0 else "BGR"


def _pairs(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((a[part], b[part]) for part in blocks(len(a), frames_in(BLOCK, a.shape[1:], a.dtype)))


def _floats(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"videos of shapes {a.shape} and {b.shape} can't be compared")
    exact = np.float32 if max(a.dtype.itemsize, b.dtype.itemsize) <= 2 else np.float64
    return ((x.astype(exact), y.astype(exact)) for x, y in _pairs(a, b))
