"""decord, and decord2, which has the same interface: ``video[i]``, and `get_batch` for several frames.

https://github.com/dmlc/decord#usage and https://github.com/johnnynunez/decord2.
Read for decord 0.6.0 and decord2 3.4.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from decord import VideoReader, cpu


class Video:
    """A reader on the CPU."""

    def __init__(self, path: str) -> None:
        self.reader = VideoReader(path, ctx=cpu(0))

    def length(self) -> int:
        return len(self.reader)

    def frame(self, i: int) -> Any:
        return self.reader[i].asnumpy()

    def frames(self, indices: list[int]) -> Any:
        return self.reader.get_batch(indices).asnumpy()

    def scan(self) -> Iterator[Any]:
        return (self.reader[i].asnumpy() for i in range(len(self.reader)))


open = Video
