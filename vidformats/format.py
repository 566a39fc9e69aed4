"""The contract: what a format and a reader are.

A format is a frozen dataclass with two methods. Its fields are its options, so ``repr``, equality and
the record in a measurement come free::

    @dataclass(frozen=True)
    class Raw(Format):
        level: int = 9

        def write(self, video, path): ...
        def open(self, path): ...          # -> Reader
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.select import BLOCK, Crop, blocks, frames_in, in_order
from vidformats.source import Source


class Reader:
    """Frames of one open file.

    A subclass sets the attributes and implements `fetch`; `read` may be overridden where a crop can
    save work. Readers are safe to use from several threads at once, and close themselves when the last
    reference goes.

    Attributes
    ----------
    shape : tuple of int
        ``(T, ...)``.
    dtype : numpy.dtype
        Always in native byte order.
    info : dict
        Facts about the file, such as codec, chunks or frames per second. ``info["format"]``, where
        present, is the name the content turned out to have.
    weight : int
        How many open files it counts for among those a process keeps open.
    """

    weight: ClassVar[int] = 1
    shape: tuple[int, ...]
    dtype: np.dtype
    info: dict[str, Any]

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Read whole frames.

        Parameters
        ----------
        frames : (N,) ndarray of int64
            Within range, in any order, possibly repeated.
        out : (N, ...) ndarray
            Filled in the order of `frames`; C-contiguous, of the reader's dtype.
        threads : int
            How many threads may work, this one included.
        """
        raise NotImplementedError

    def fetch_one(self, frame: int, out: np.ndarray) -> None:
        """Read one whole frame into `out`, one frame's C-contiguous array: `read` without a plan."""
        self.read(np.array([frame], np.int64), out[None])

    def read(self, frames: NDArray[np.int64], out: np.ndarray, crop: Crop | None = None, threads: int = 1) -> None:
        """Read frames, or a part of each, into any array.

        Parameters
        ----------
        frames : (N,) ndarray of int64
            Within range, in any order, possibly repeated.
        out : (N, ...) ndarray
            Of the reader's dtype and the cropped shape; strides are free.
        crop : tuple of slice, optional
            One slice with a positive step for each axis of a frame; None takes the whole frame.
        threads : int
            How many threads may work, this one included.
        """
        if crop is None and out.flags.c_contiguous:
            self.fetch(frames, out, threads)
            return
        # Decoders know whole frames only: each is fetched once, and a block at a time is copied over.
        plan = in_order(frames)
        size = frames_in(BLOCK, self.shape[1:], self.dtype)
        scratch = np.empty((min(size, len(plan.frames)), *self.shape[1:]), self.dtype)
        for block in blocks(len(plan.frames), size):
            part = scratch[: block.stop - block.start]
            self.fetch(plan.frames[block], part, threads)
            out[plan.rows[block]] = part if crop is None else part[(slice(None), *crop)]
        plan.repeat(out)

    def rest(self) -> bool:
        """Give back files and decoders, but keep what makes the next read cheap, such as an index.

        Returns
        -------
        bool
            Whether the reader can go on afterwards; by default not, and the file has to be opened anew.
        """
        return False


def pick(path: str | os.PathLike, names: Sequence[str], wanted: str | None, option: str, usual: str = "video") -> str:
    """Return the array of a file to open: the one `wanted`, else the one with the `usual` name, or the only one.

    Raises
    ------
    FormatError
        Where that does not tell; the message lists what there is.
    """
    if (wanted or usual) in names:
        return wanted or usual
    if wanted is None and len(names) == 1:
        return names[0]
    have = ", ".join(sorted(names)[:20]) or "none of numbers"
    fault = f"has no {wanted!r}" if wanted is not None else f"needs {option}= to choose"
    raise FormatError(path, f"{fault}; it holds {have}")


@dataclasses.dataclass(frozen=True)
class Format:
    """A way to store a video; its fields are the options it writes with.

    Attributes
    ----------
    name : str
        Its key in the registry; set there, since one class may serve several rows.
    threads : int
        How many threads may encode.
    holds : str
        ``"arrays"`` for any ``(T, ...)`` of any numeric dtype, ``"images"`` for ``(T, 1 or 3, H, W)``
        of `pixels`.
    pixels : tuple of str
        The dtypes an image format holds.
    tolerance : float
        Largest mean absolute error, in grey levels of 255, that natural content may suffer; 0 is
        bit-exact. A named constant beside each lossy format gives the reason for its figure.
    sidecars : tuple of str
        Suffixes of further files that belong to ``path``.
    """

    name: str = dataclasses.field(default="", kw_only=True)
    threads: int = dataclasses.field(default=1, kw_only=True, repr=False, compare=False)

    holds: ClassVar[str] = "arrays"
    pixels: ClassVar[tuple[str, ...]] = ("uint8",)
    sidecars: ClassVar[tuple[str, ...]] = ()

    @property
    def tolerance(self) -> float:
        """Largest mean absolute error on natural content, in grey levels; 0 is bit-exact."""
        return 0.0

    def write(self, video: Source, path: Path) -> None:
        """Store `video` at `path`, which does not exist yet and is renamed afterwards."""
        raise NotImplementedError

    def open(self, path: Path) -> Reader:
        """Open the file or folder at `path`; further parameters are options of ``vf.open``."""
        raise NotImplementedError

    def check(self, video: Source) -> None:
        """Raise `ValueError` where this format can't hold such a video."""
        if self.holds == "arrays":
            return
        shape = video.shape
        if len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) < 1 or video.dtype.name not in self.pixels:
            raise ValueError(
                f"{self.name} holds (T, 1 or 3, H, W) of {' or '.join(self.pixels)}, not {shape} of {video.dtype}; "
                "an array format such as npy or h5 does"
            )
        if shape[0] == 0:
            raise ValueError(f"{self.name} can't hold a video without frames: its files would not tell the shape")

    def record(self) -> dict[str, Any]:
        """Return name and options, as kept with every measurement."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "threads"}
