"""Frames that carry their own number in their pixels: wrong seeks and wrong order show, whatever the codec.

>>> from vidformats.testing.numbered import number_of, numbered
>>> number_of(numbered(300, 32)[299])
299
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

GRID = 4
"""Blocks a side: 16 bits, so 65,536 frames. From 32 x 32 on each covers 8 x 8 pixels, as codecs see them."""


def numbered(n_frames: int, size: int | tuple[int, int] = (32, 32), channels: int = 3, start: int = 0) -> Frames:
    """Return ``(n_frames, channels, H, W)`` uint8: frame `i` shows ``start + i`` in black and white blocks.

    `size` is H and W, or one figure for both; at least 4, and at least 32 if the codec is lossy.
    """
    height, width = (size, size) if isinstance(size, int) else size
    numbers = np.arange(start, start + n_frames)
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    bits = rows[:, None] * GRID + columns
    white = (numbers[:, None, None] >> bits) & 1
    return np.repeat((white * 255).astype(np.uint8)[:, None], channels, axis=1)


def number_of(frame: Frames) -> int:
    """Return the number that a frame ``(C, H, W)`` shows, read in the middle of each block."""
    _, height, width = frame.shape
    brightness = frame.mean(axis=0)
    number = 0
    for bit in range(GRID * GRID):
        row, column = divmod(bit, GRID)
        top, bottom = -(-row * height // GRID), -(-(row + 1) * height // GRID)
        left, right = -(-column * width // GRID), -(-(column + 1) * width // GRID)
        rim_y, rim_x = (bottom - top) // 4, (right - left) // 4
        block = brightness[top + rim_y : bottom - rim_y, left + rim_x : right - rim_x]
        number |= int(block.mean() > 127) << bit
    return number


def numbers_of(frames: Iterable[Frames]) -> list[int]:
    """Return the numbers of many frames ``(N, C, H, W)``, as a list."""
    return [number_of(frame) for frame in frames]


def red(n_frames: int, size: int | tuple[int, int] = (32, 32)) -> Frames:
    """Return ``(n_frames, 3, H, W)`` uint8 of pure red: blue if channels are swapped."""
    height, width = (size, size) if isinstance(size, int) else size
    video = np.zeros((n_frames, 3, height, width), np.uint8)
    video[:, 0] = 255
    return video
