"""HDF5 as it is written: contiguous and chunked datasets, the published two among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from vidformats.codecs.deflate import compress
from vidformats.format import Format, Reader
from vidformats.readers.hdf5 import open_dataset
from vidformats.select import BLOCK
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.storage.deferred import DeferredErrors
from vidformats.threads import spread

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class H5(Format):
    """HDF5.

    Parameters
    ----------
    layout : str
        ``"contiguous"``; ``"automatic"``, written at once in chunks that h5py chooses; ``"growing"``,
        grown by one frame at a time, in such chunks; or ``"frames"``, whole frames in each chunk.
    level : int, optional
        Of gzip, 0 to 9, by default 4; contiguous data can't be compressed.
    dataset : str
        Name of the dataset written.
    frames_per_chunk : int, optional
        For the layout ``"frames"``, by default 1.
    """

    keeps_time: ClassVar[bool] = True

    layout: str = "contiguous"
    level: int | None = None
    dataset: str = "video"
    frames_per_chunk: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        if self.layout not in _WRITERS:
            raise ValueError(f"{self.name}: layout must be one of {', '.join(_WRITERS)}, got {self.layout!r}")
        if self.level is not None and (self.layout == "contiguous" or self.level not in range(10)):
            fits = "contiguous data can't be compressed" if self.layout == "contiguous" else "level must be 0 to 9"
            raise ValueError(f"{self.name}: {fits}, got level={self.level}")
        if self.frames_per_chunk is not None and (self.layout != "frames" or not 0 < self.frames_per_chunk < 1 << 31):
            fits = "must be >= 1" if self.layout == "frames" else "is for h5_frames"
            raise ValueError(f"{self.name}: frames_per_chunk {fits}, got {self.frames_per_chunk}")

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know HDF5's signature, at the start or behind a user block; MATLAB's user block makes it a ``.mat``."""
        at = (0, *(512 << k for k in range(7)))
        return any(head.startswith(SIGNATURE, k) for k in at) and not head.startswith(b"MATLAB ")

    def write(self, video: Source, path: Path) -> None:
        """Store the dataset; only ``"automatic"`` needs the whole video at once."""
        with DeferredErrors(path) as disk, h5py.File(disk, "w") as file:
            for _ in _WRITERS[self.layout](self, video, file):
                disk.check()
            if video.timing:
                for key, value in video.timing.record(video.written).items():
                    if key == "times":  # attributes end at 64 KB
                        file[f"{self.dataset}_{key}"] = value
                    else:
                        file[self.dataset].attrs[key] = value
                disk.check()

    def open(self, source: ByteSource, dataset: str | None = None, links: bool = False) -> Reader:
        """Open a dataset of any HDF5 file.

        Parameters
        ----------
        source : ByteSource
        dataset : str, optional
            By default `video`, or the only one with numbers in it.
        links : bool
            Trust external links, virtual datasets and external storage that lead out of the folder of the file.
        """
        return open_dataset(source, dataset, links)


# Each writer yields now and then, for a look whether the disk still takes what it gets.


def _write_contiguous(form: H5, video: Source, file: h5py.File) -> Iterator[None]:
    video.need_length(form.name)
    stored, at = file.create_dataset(form.dataset, video.shape, video.dtype), 0
    for block in video.blocks():
        stored[at : at + len(block)] = block
        at += len(block)
        yield


def _write_automatic(form: H5, video: Source, file: h5py.File) -> Iterator[None]:
    whole, level = video.whole(form.name), _level(form)
    file.create_dataset(form.dataset, data=whole, compression="gzip", compression_opts=level)
    yield


def _write_growing(form: H5, video: Source, file: h5py.File) -> Iterator[None]:
    stored = _growable(form, video, file, True)
    for block in video.blocks():
        for frame in block:
            stored.resize(len(stored) + 1, axis=0)
            stored[-1] = frame
            yield


def _write_frames(form: H5, video: Source, file: h5py.File) -> Iterator[None]:
    n, level = form.frames_per_chunk or 1, _level(form)
    stored = _growable(form, video, file, (n, *video.frame_shape) if 0 not in video.frame_shape else True)
    nbytes = n * stored.dtype.itemsize * int(np.prod(video.frame_shape, dtype=np.int64))
    for block in video.blocks(max(1, BLOCK // max(1, nbytes)) * nbytes):
        first = len(stored)
        stored.resize(first + len(block), axis=0)
        if not block.size:
            continue
        packed: dict[int, Any] = {}

        def pack(at: int, block: np.ndarray = block, packed: dict[int, Any] = packed) -> None:
            chunk = block[at : at + n]
            if len(chunk) < n:  # chunks are stored whole
                chunk = np.resize(chunk, (n, *chunk.shape[1:]))
            packed[at] = compress(chunk, level)

        spread(pack, range(0, len(block), n), form.threads)
        for at in range(0, len(block), n):
            stored.id.write_direct_chunk((first + at,) + (0,) * (block.ndim - 1), packed.pop(at))
        yield


def _growable(form: H5, video: Source, file: h5py.File, chunks: Any) -> h5py.Dataset:
    shape = video.frame_shape
    stored = file.create_dataset(
        form.dataset,
        (1, *shape),
        video.dtype,
        maxshape=(None, *shape),
        chunks=chunks,
        compression="gzip",
        compression_opts=_level(form),
    )
    stored.resize(0, axis=0)  # created with a first frame, as published: from none h5py guesses other chunks
    return stored


def _level(form: H5) -> int:
    return 4 if form.level is None else form.level


_WRITERS: dict[str, Callable[[H5, Source, h5py.File], Iterator[None]]] = {
    "contiguous": _write_contiguous,
    "automatic": _write_automatic,
    "growing": _write_growing,
    "frames": _write_frames,
}
