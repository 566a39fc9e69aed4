"""vidformats, as README.md of this repository shows: `vf.open`, an index, `at`. Version: this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import vidformats as vf
import vidformats.decoders.pyav  # now, rather than when the first video is opened


class Video:
    """A video opened by vidformats."""

    CLOCK = "player"

    def __init__(self, path: str, decoder: str = "pyav") -> None:
        if decoder == "opencv":
            sys.modules["av"] = None  # type: ignore[assignment]  # as on a machine without PyAV
        self.video = vf.open(path, layout="THWC")

    def length(self) -> int:
        return len(self.video)

    def frame(self, i: int) -> Any:
        return self.video[i]

    def frames(self, indices: list[int]) -> Any:
        return self.video[indices]

    def scan(self) -> Iterator[Any]:
        return (self.video[i] for i in range(len(self.video)))

    def at(self, seconds: float) -> Any:
        return self.video.at([seconds])[0]


open = Video
