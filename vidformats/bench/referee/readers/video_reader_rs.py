"""video-reader-rs: `get_batch`, and `decode` for all frames.

``with_fallback``: by default the reader chooses by cost between seeking and decoding from the start; True always
decodes from the start, which is "safer to use when the video contains B-frames":
https://github.com/gcanat/video_reader-rs#-usage. Read for video-reader-rs 0.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from video_reader import PyVideoReader


class Video:
    """A reader; threads: automatic, as its default."""

    def __init__(self, path: str, with_fallback: bool | None = None) -> None:
        self.reader, self.fallback = PyVideoReader(path), with_fallback

    def length(self) -> int:
        return int(self.reader.get_shape()[0])

    def frame(self, i: int) -> Any:
        return self.frames([i])[0]

    def frames(self, indices: list[int]) -> Any:
        return self.reader.get_batch(indices, with_fallback=self.fallback)

    def scan(self) -> Iterator[Any]:
        return iter(self.reader.decode())


open = Video
