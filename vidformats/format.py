"""The contract: what a format and a reader are.

A format is a frozen dataclass with two methods. Its fields are its options, so ``repr``, equality and
hash come free::

    @dataclass(frozen=True)
    class Raw(Format):
        level: int = 9

        def write(self, video, path): ...
        def open(self, source): ...        # -> Reader
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.select import BLOCK, Plan, blocks, frames_in
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.threads import cpus, share
from vidformats.timing import KEYS


class Reader:
    """Frames of one open file.

    A subclass sets the attributes and implements `fetch`; `read` may be overridden if a crop can save
    work. Readers are safe to use from several threads at once, and close themselves when the last
    reference goes.

    Attributes
    ----------
    shape : tuple of int
        ``(T, ...)``.
    dtype : numpy.dtype
        Always in native byte order.
    info : dict
        Facts about the file, such as codec, chunks or frames per second. ``info["format"]``, if
        present, is the name of the format that the content turned out to have.
    source : ByteSource
        What it reads; set by ``vf.open`` if the reader has not set it.
    weight : int
        How many open files it counts for among those a process keeps open.
    locks : bool
        Whether reading may hold a lock of some library, so that a fork in another thread has to wait for its end.
    maps : bool
        Whether it reads from memory if its source is kept mapped.
    fps : float or None
        Average rate; like `times` and `duration` None if the format has no time.
    times : (T,) ndarray of float64 or None, seconds
        When each frame begins to be shown.
    duration : float or None, seconds
        From the first frame to the end of the last.
    rotation : int, degrees
        By which frames were turned clockwise, because the file says that they are shown so.
    """

    fps: float | None = None
    times: NDArray[np.float64] | None = None
    duration: float | None = None
    rotation: int = 0
    weight: int = 1
    maps: bool = False
    shape: tuple[int, ...]
    locks: bool = True
    dtype: np.dtype[Any]
    info: dict[str, Any]
    source: ByteSource

    @property
    def starts(self) -> Sequence[int]:
        """Frames at which a part of the file begins that is read as a whole, such as a chunk; rising."""
        chunks: tuple[int, ...] = self.info.get("chunks") or ()
        return range(0, self.shape[0], chunks[0] if len(chunks) == len(self.shape) else 1)

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Read whole frames: ``out[plan.rows[k]]`` is frame ``plan.frames[k]``.

        Parameters
        ----------
        plan : Plan
            Frames within range, each once and in rising order, and their rows; its crop is None.
        out : (N, ...) ndarray
            C-contiguous, of the reader's dtype.
        threads : int
            How many threads may work, this one included.
        """
        raise NotImplementedError

    def fetch_one(self, frame: int, out: np.ndarray, threads: int = 1) -> None:
        """Read one whole frame into `out`, one frame's C-contiguous array."""
        self.read(_one(frame), out[None], threads)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Read frames, or a part of each, into any array.

        Parameters
        ----------
        plan : Plan
            Frames within range, each once and in rising order, their rows, and the crop.
        out : (N, ...) ndarray
            Of the reader's dtype and the cropped shape; strides are free.
        threads : int
            How many threads may work, this one included.
        """
        if plan.crop is None and out.flags.c_contiguous:
            self.fetch(plan, out, threads)
            return
        # `fetch` knows whole frames only: each thread reads some into memory of its own, and copies the part over.
        size = frames_in(BLOCK, self.shape[1:], self.dtype)
        part = (slice(None), *(plan.crop or ()))

        def work(mine: Iterator[slice]) -> None:
            scratch = np.empty((min(size, len(plan.frames)), *self.shape[1:]), self.dtype)
            for block in mine:
                frames = plan.frames[block]
                whole = scratch[: len(frames)]
                self.fetch(Plan(frames, np.arange(len(frames)), plan.copies[:0]), whole, 1)
                out[plan.rows[block]] = whole[part]

        threads = min(threads, cpus())
        size = max(1, min(size, -(-len(plan.frames) // threads)))
        share(work, blocks(len(plan.frames), size), min(threads, -(-len(plan.frames) // size)))

    def reduce(self, size: tuple[int, int]) -> None:
        """Let frames come smaller, but no smaller than `size`, if that takes less work; by default they do not.

        Called once, by ``size=``, before anything is read; `shape` then is what comes.
        """

    def rest(self) -> Reader | None:
        """Return a reader without decoders and source that keeps what makes the next read cheap, such as an index.

        It gets its `source`, opened anew, before it reads. This reader stays as it is for the reads that other
        threads have under way, and is closed with the last of them.

        Returns
        -------
        Reader or None
            By default None: the file has to be opened anew.
        """
        return None


_NO_ROWS, _NO_COPIES = np.zeros(1, np.int64), np.empty((0, 2), np.int64)


def _one(frame: int) -> Plan:
    return Plan(np.array([frame], np.int64), _NO_ROWS, _NO_COPIES)


def pick(
    path: str | os.PathLike[str], names: Sequence[str], wanted: str | None, option: str, usual: str = "video"
) -> str:
    """Return the array of a file to open: the one `wanted`, else the one with the `usual` name, or the only one.

    Arrays like ``NAME_fps``, which keep the time of another one, are left out.

    Raises
    ------
    FormatError
        Where that does not tell; the message lists what there is.
    """
    if (wanted or usual) in names:
        return wanted or usual
    records = {f"{name}_{key}" for name in names for key in KEYS}
    names = [name for name in names if name not in records]
    if wanted is None and len(names) == 1:
        return names[0]
    have = ", ".join(sorted(names)[:20]) or "none of numbers"
    fault = f"has no {wanted!r} that can be read" if wanted is not None else f"needs {option}= to choose"
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
    folder : bool
        Whether it writes a folder; only such a format ever replaces one.
    sidecars : tuple of str
        Suffixes of further files that belong to ``path``.
    keeps_time : bool
        Whether `write` and `open` keep the time record of a video, ``video.timing``, themselves. If not, it is in
        ``NAME.json`` beside the data, without any code of the format's.
    extension : str
        Of its files, for a format that comes through an entry point; those built in have theirs in the registry.
    """

    name: str = dataclasses.field(default="", kw_only=True)
    threads: int = dataclasses.field(default=1, kw_only=True, repr=False, compare=False)

    holds: ClassVar[str] = "arrays"
    pixels: ClassVar[tuple[str, ...]] = ("uint8",)
    folder: ClassVar[bool] = False
    sidecars: ClassVar[tuple[str, ...]] = ()
    keeps_time: ClassVar[bool] = False
    extension: ClassVar[str] = ""

    @property
    def tolerance(self) -> float:
        """Largest mean absolute error on natural content, in grey levels; 0 is bit-exact."""
        return 0.0

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Tell whether a file or folder is of this format.

        Parameters
        ----------
        head : bytes
            The first 64 KiB of a file, or all of a shorter one; empty for a folder.
        names : sequence of str
            What is in a folder, a zip or a tar; empty for other files.
        """
        return False

    def stranger(self, path: Path) -> str | None:
        """Return what keeps the folder or sidecar at `path` from being replaced; None if it is this format's own.

        An empty folder may be filled; whatever else is there has to be recognised by the format that wrote it.
        """
        return next(iter(os.listdir(path)), None) if path.is_dir() else path.name

    def write(self, video: Source, path: Path) -> None:
        """Store `video` at `path`, which does not exist yet and is renamed afterwards."""
        raise NotImplementedError

    def open(self, source: ByteSource) -> Reader:
        """Read the frames of an open file or folder; further parameters are options of ``vf.open``."""
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
