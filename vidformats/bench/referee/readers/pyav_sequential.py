"""PyAV without seeking: every frame is decoded from the start until the one that is wanted.

``for frame in container.decode(video=0)``, threads ``AUTO``: https://pyav.basswood-io.com/docs/stable/cookbook/basics.html.
Read for PyAV 18.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av


class Video:
    """A path that is opened again whenever a frame lies behind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._restart()

    def length(self) -> int:
        with av.open(self.path) as container:
            return sum(1 for _ in container.decode(video=0))

    def frame(self, i: int) -> Any:
        if i < self.next:
            self._restart()
        for frame in self.decoded:
            self.next += 1
            if self.next > i:
                return frame.to_ndarray(format="rgb24")
        self._restart()
        raise IndexError(f"the video ends before frame {i}")

    def frames(self, indices: list[int]) -> list[Any]:
        found = {i: self.frame(i) for i in sorted(set(indices))}
        return [found[i] for i in indices]

    def scan(self) -> Iterator[Any]:
        with av.open(self.path) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")

    def _restart(self) -> None:
        self.container = av.open(self.path)
        self.container.streams.video[0].thread_type = "AUTO"
        self.decoded, self.next = self.container.decode(video=0), 0


open = Video
