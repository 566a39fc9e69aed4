"""A pickled array. It is never unpickled: its opcodes are walked and none is executed."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.column_major import ColumnMajorReader
from vidformats.readers.extent import ExtentReader, TurnedReader
from vidformats.readers.opcodes import pickled_array
from vidformats.source import Source
from vidformats.storage.base import ByteSource


@dataclass(frozen=True)
class Pickle(Format):
    """One array, pickled with protocol 5."""

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know the first opcode, which tells the protocol."""
        return len(head) > 1 and head[0] == 0x80 and head[1] <= pickle.HIGHEST_PROTOCOL

    def write(self, video: Source, path: Path) -> None:
        """Pickle an array as it is; others get the same opcodes around their frames, which come in order."""
        with open(path, "wb") as file:
            if video.array is not None and video.array.flags.c_contiguous:
                pickle.dump(video.array, file, protocol=5)
                return
            head, _ = _around(0, video)
            file.write(head + bytes(8))
            n_frames = nbytes = 0
            for block in video.blocks():
                nbytes += file.write(block.data)
                n_frames += len(block)
            file.write(_around(n_frames, video)[1])
            file.seek(len(head))
            file.write(struct.pack("<Q", nbytes))

    def open(self, source: ByteSource) -> Reader:
        """Open a pickled array in either order of axes and of bytes; anything else is a `FormatError`."""
        path = source.url
        file, data, dtype, shape, fortran, axes = pickled_array(source)
        if int(np.prod(shape, dtype=object)) * dtype.itemsize != data.nbytes:
            raise FormatError(path, f"claims {shape} of {dtype} in {data.nbytes} bytes")
        if axes and axes[0] != 0:
            raise FormatError(
                path, "is a pickle of an array whose frames are strewn; pickle numpy.ascontiguousarray of it"
            )
        reader = (ColumnMajorReader if fortran and len(shape) > 1 else ExtentReader)(file, data.offset, shape, dtype)
        return TurnedReader(reader, axes) if axes else reader


class _Around:
    """Pickles as the array would whose bytes are one zero."""

    def __init__(self, n_frames: int, video: Source):
        reduced: Any = np.empty(0, video.dtype).__reduce_ex__(5)
        rebuild, (_, dtype, _, order) = reduced
        self.parts = rebuild, (pickle.PickleBuffer(bytearray(1)), dtype, (n_frames, *video.frame_shape), order)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def _around(n_frames: int, video: Source) -> tuple[bytes, bytes]:
    """Return the opcodes before the length of the payload, and those behind the payload."""
    whole = pickle.dumps(_Around(n_frames, video), protocol=5)
    at = whole.index(b"\x96" + struct.pack("<Q", 1)) + 1
    return whole[:2] + whole[11:at], whole[
        at + 9 :
    ]  # less the 9 bytes of the frame opcode, whose length would be wrong
