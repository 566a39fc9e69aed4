"""A contact sheet: frames spread over a video, small, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from vidformats.errors import FormatError
from vidformats.video import Video

COLUMNS = 6
"""Frames in a row."""

HEIGHT, WIDTH = 120, 240
"""Pixels that a frame takes at most."""

LINE = 14
"""Pixels of a line of text."""


class Shot(NamedTuple):
    """A small frame and what is written below it.

    Attributes
    ----------
    picture : (H, W, 3) ndarray of uint8
    caption : str
    """

    picture: np.ndarray
    caption: str


def shots(path: str | os.PathLike[str], count: int = COLUMNS) -> list[Shot]:
    """Return frames from the first to the last, evenly spread.

    Raises
    ------
    FormatError
        If the file does not hold pictures.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> [shot.caption for shot in shots(vf.write(np.zeros((9, 1, 8, 8), "uint8"), "dark.npy"), 3)]
    ['0', '4', '8']
    """
    with Video(path, threads=1) as video:
        shape, times = video.shape, video.times
        if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[1] not in (1, 3)):
            raise FormatError(path, f"expected (T, 1 or 3, H, W) or (T, H, W) for a picture, got {shape}")
        found = []
        for k in np.unique(np.linspace(0, shape[0] - 1, count).round().astype(int)).tolist():
            frame = video[k]
            picture = Image.fromarray(_grey_or_rgb(frame if frame.ndim == 3 else frame[None]))
            picture.thumbnail((WIDTH, HEIGHT))
            caption = str(k) if times is None else f"{k}  {times[k]:.2f} s"
            found.append(Shot(np.asarray(picture.convert("RGB")), caption))
        return found


def _grey_or_rgb(frame: np.ndarray) -> np.ndarray:
    """Return ``(C, H, W)`` of any numbers as ``(H, W)`` or ``(H, W, 3)`` of uint8."""
    if frame.dtype != np.uint8:
        low, high = (0.0, 65535.0) if frame.dtype == np.uint16 else (np.nanmin(frame), np.nanmax(frame))
        scaled = (frame.astype(np.float64) - low) * 255 / max(float(high - low), 1e-12)
        frame = np.nan_to_num(scaled).astype(np.uint8)
    return np.ascontiguousarray(frame[0] if len(frame) == 1 else frame.transpose(1, 2, 0))


def draw(rows: Sequence[tuple[str, Sequence[Shot]]]) -> Image.Image:
    """Draw shots under the names of their files, `COLUMNS` in a row.

    Examples
    --------
    >>> import numpy as np
    >>> draw([("dark.mp4", [Shot(np.zeros((90, 160, 3), "uint8"), "0")] * 7)]).size
    (1000, 238)
    """
    lines: list[tuple[str, Sequence[Shot]]] = []
    for name, found in rows:
        lines += [(name if k == 0 else "", found[k : k + COLUMNS]) for k in range(0, len(found), COLUMNS)]
    cell = max((shot.picture.shape[1] for _, line in lines for shot in line), default=WIDTH)
    gap = 8
    tall = [max(shot.picture.shape[0] for shot in line) + LINE + gap + (LINE if name else 0) for name, line in lines]
    sheet = Image.new("RGB", (COLUMNS * (cell + gap) - gap, sum(tall)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for (name, line), height in zip(lines, tall, strict=True):
        at = top
        if name:
            pen.text((2, at), name.encode("ascii", "replace").decode(), fill="black")
            at += LINE
        for k, shot in enumerate(line):
            sheet.paste(Image.fromarray(shot.picture), (k * (cell + gap), at))
            pen.text((k * (cell + gap) + 2, at + shot.picture.shape[0]), shot.caption, fill="black")
        top += height
    return sheet
