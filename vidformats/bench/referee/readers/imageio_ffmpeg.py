"""imageio by its FFmpeg plugin: `get_reader`, `get_data`, `count_frames`, iteration.

https://imageio.readthedocs.io/en/stable/_autosummary/imageio.plugins.ffmpeg.html. Read for imageio 2.38.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import imageio.v2 as iio


class Video:
    """A reader, which starts FFmpeg's program anew to go back."""

    def __init__(self, path: str) -> None:
        self.reader: Any = iio.get_reader(path, format="FFMPEG")

    def length(self) -> int:
        return int(self.reader.count_frames())

    def frame(self, i: int) -> Any:
        return self.reader.get_data(i)

    def scan(self) -> Iterator[Any]:
        return iter(self.reader)


open = Video
