"""HDF5 as it is written: contiguous and chunked datasets, the published two among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vidformats.codecs.deflate import compress
from vidformats.format import Format, Reader
from vidformats.readers.hdf5 import open_dataset
from vidformats.select import BLOCK
from vidformats.source import Source
from vidformats.storage.base import ByteSource
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
    level : int
        Of gzip, 0 to 9; contiguous data can't be compressed.
    dataset : str
        Name of the dataset written.
    frames_per_chunk : int
        For the layout ``"frames"``.
    """

    layout: str = "contiguous"
    level: int = 4
    dataset: str = "video"
    frames_per_chunk: int = 1

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know HDF5's signature, at the start or behind a user block; MATLAB's user block makes it a ``.mat``."""
        at = (0, *(512 << k for k in range(7)))
        return any(head.startswith(SIGNATURE, k) for k in at) and not head.startswith(b"MATLAB ")

    def write(self, video: Source, path: Path) -> None:
        """Store the dataset; only ``"automatic"`` needs the whole video at once."""
        with h5py.File(path, "w") as file:
            _WRITERS[self.layout](self, video, file)

    def open(self, source: ByteSource, dataset: str | None = None) -> Reader:
        """Open a dataset of any HDF5 file: the one named, or `video`, or the only one with numbers in it."""
        return open_dataset(source, dataset)


def _write_contiguous(form: H5, video: Source, file: h5py.File) -> None:
    video.need_length(form.name)
    stored, at = file.create_dataset(form.dataset, video.shape, video.dtype), 0
    for block in video.blocks():
        stored[at : at + len(block)] = block
        at += len(block)


def _write_automatic(form: H5, video: Source, file: h5py.File) -> None:
    file.create_dataset(form.dataset, data=video.whole(form.name), compression="gzip", compression_opts=form.level)


def _write_growing(form: H5, video: Source, file: h5py.File) -> None:
    stored = _growable(form, video, file, True)
    for block in video.blocks():
        for frame in block:
            stored.resize(len(stored) + 1, axis=0)
            stored[-1] = frame


def _write_frames(form: H5, video: Source, file: h5py.File) -> None:
    n = form.frames_per_chunk
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
            packed[at] = compress(chunk, form.level)

        spread(pack, range(0, len(block), n), form.threads)
        for at in range(0, len(block), n):
            stored.id.write_direct_chunk((first + at,) + (0,) * (block.ndim - 1), packed.pop(at))


def _growable(form: H5, video: Source, file: h5py.File, chunks: Any) -> h5py.Dataset:
    shape = video.frame_shape
    stored = file.create_dataset(
        form.dataset,
        (1, *shape),
        video.dtype,
        maxshape=(None, *shape),
        chunks=chunks,
        compression="gzip",
        compression_opts=form.level,
    )
    stored.resize(0, axis=0)  # created with a first frame, as published: from none h5py guesses other chunks
    return stored


_WRITERS = {
    "contiguous": _write_contiguous,
    "automatic": _write_automatic,
    "growing": _write_growing,
    "frames": _write_frames,
}
