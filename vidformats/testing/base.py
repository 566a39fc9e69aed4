"""What all tests of a format start from: its name and options, the content, and a stored file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import vidformats as vf
from vidformats.registry import row_of

T, H, W = 23, 32, 40
SHAPE = (T, 3, H, W)
"""Of the video that most tests read."""

Frames = NDArray[np.uint8]


def natural(n_frames: int = T, size: tuple[int, int] = (H, W), channels: int = 3) -> Frames:
    """Return smooth moving content, ``(T, C, H, W)``: what lossy tolerances are stated for."""
    t, y, x = np.ogrid[:n_frames, : size[0], : size[1]]
    planes = [127 + 60 * np.sin((x + 2 * t) / 17 + c) + 50 * np.cos((y - t) / 13 - c) for c in range(channels)]
    frames: Frames = np.clip(np.stack(planes, axis=1), 0, 255).astype(np.uint8)
    return frames


Stored = tuple[str, Frames]
"""A file, and what a whole read of it gave."""


class Base:
    """A format under test.

    Attributes
    ----------
    name : str
        As in ``vf.formats(installed=True)``.
    options : dict
        For ``vf.write``.
    also : str
        Another format that the same bytes may be taken for, if the two are one layout.
    reference : bytes
        A file that was not made by the format's own `write`, but by other software or by hand: it must read as
        ``np.arange(48, dtype="u1").reshape(2, 3, 2, 4)``. It finds what `write` and `open` do wrong alike.
    hostile : sequence of bytes
        Files that lie about what they hold: each must be a `FormatError`.
    """

    name: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    also: ClassVar[str] = ""
    reference: ClassVar[bytes] = b""
    hostile: ClassVar[Sequence[bytes]] = ()

    @property
    def format(self) -> vf.Format:
        """The format under test."""
        return vf.get_format(self.name, **self.options)

    @classmethod
    def store(cls, video: Any, folder: Path, **options: Any) -> str:
        """Write `video` into a folder, and return its path."""
        path = folder / f"video{row_of(cls.name).suffix}"
        return vf.write(video, path, cls.name, threads=2, **cls.options, **options)

    def assert_same(self, got: np.ndarray, expected: np.ndarray) -> None:
        """Equal to the bit, or within the tolerance that the format names."""
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        if self.format.tolerance == 0:
            np.testing.assert_array_equal(got, expected)
        elif got.size:
            assert np.abs(got.astype(float) - expected).mean() <= self.format.tolerance

    @pytest.fixture(scope="class")
    @classmethod
    def stored(cls, tmp_path_factory: pytest.TempPathFactory) -> Stored:
        """Make a file of natural content; return it with what a whole read of it gave."""
        path = cls.store(natural(), tmp_path_factory.mktemp(cls.name))
        return path, vf.load(path)
