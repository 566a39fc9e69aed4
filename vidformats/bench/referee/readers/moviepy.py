"""moviepy, which asks by time: `get_frame`, and `iter_frames` for all.

https://zulko.github.io/moviepy/reference/reference/moviepy.Clip.Clip.html: "t: moment of the clip whose frame will be
returned". A frame is asked for by the middle of its time. Read for moviepy 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moviepy import VideoFileClip


class Video:
    """A clip without sound."""

    CLOCK = "player"

    def __init__(self, path: str) -> None:
        self.clip = VideoFileClip(path, audio=False)

    def length(self) -> int:
        return int(self.clip.n_frames)

    def frame(self, i: int) -> Any:
        return self.clip.get_frame((i + 0.5) / self.clip.fps)

    def scan(self) -> Iterator[Any]:
        return self.clip.iter_frames()

    def at(self, seconds: float) -> Any:
        return self.clip.get_frame(seconds)


open = Video
