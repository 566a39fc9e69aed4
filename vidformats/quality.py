"""How near decoded pixels are to those that were written: a thin layer over scikit-image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from vidformats.errors import install
from vidformats.select import BLOCK, blocks, frames_in


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio of two videos in dB, from the mean squared error over all frames.

    Parameters
    ----------
    a, b : (T, ...) ndarray
        Videos of one shape. They are compared a block of frames at a time.
    peak : float
        The largest value that a pixel may have.

    Returns
    -------
    psnr : float, dB
        Infinite if the videos are equal.

    Raises
    ------
    ImportError
        Without scikit-image; the message names the cure.
    ValueError
        If the shapes differ, or the videos are empty.

    Examples
    --------
    >>> psnr(np.zeros((2, 3, 8, 8), np.uint8), np.full((2, 3, 8, 8), 255, np.uint8))
    0.0
    """
    metrics = _metrics()
    error = sum(metrics.mean_squared_error(x, y) * x.size for x, y in _blocks(a, b)) / a.size
    return float(10 * np.log10(peak * peak / error)) if error else float("inf")


def ssim(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Return the structural similarity of two videos, 1 for equal ones: the mean over the frames.

    Parameters
    ----------
    a, b : (T, C, H, W) ndarray
        Videos of one shape, at least 7 pixels high and wide.
    peak : float
        The largest value that a pixel may have.

    Returns
    -------
    ssim : float

    Raises
    ------
    ImportError
        Without scikit-image; the message names the cure.
    ValueError
        If the shapes differ, or the videos are empty or too small.

    Examples
    --------
    >>> frames = np.arange(2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 3, 8, 8)
    >>> ssim(frames, frames)
    1.0
    """
    compare, options = _metrics().structural_similarity, {"data_range": peak, "channel_axis": 0}
    frames = ((x, y) for block in _blocks(a, b) for x, y in zip(*block, strict=True))
    return float(np.mean([compare(x, y, **options) for x, y in frames]))


def _metrics() -> Any:
    try:
        from skimage import metrics
    except ImportError as error:
        raise ImportError(f"PSNR and SSIM require scikit-image: {install('convert')}") from error
    return metrics


def _blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"expected two videos of one shape with at least one frame, got {a.shape} and {b.shape}")
    return ((a[part], b[part]) for part in blocks(len(a), frames_in(BLOCK, a.shape[1:], a.dtype)))
