"""PyAV, by seeking: to the key frame before the time that the index has at the average rate, then decoding forward.

PyAV has no index of frames. Its documentation of `seek`: stay with ``backward=True`` and ``any_frame=False`` and decode
to the position that you want: https://pyav.basswood-io.com/docs/stable/api/container.html. Threads: ``AUTO``, as its
cookbook says: https://pyav.basswood-io.com/docs/stable/cookbook/basics.html. Read for PyAV 18.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av


class Video:
    """A container and its first video stream."""

    CLOCK = "stream"

    def __init__(self, path: str) -> None:
        self.container: Any = av.open(path)
        self.stream: Any = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"

    def length(self) -> int:
        """Return the count in the header, or that of the duration if the header has none."""
        if self.stream.frames:
            return int(self.stream.frames)
        if self.stream.duration:
            return round(self.stream.duration * self.stream.time_base * self._rate())
        if self.container.duration:
            return round(self.container.duration / av.time_base * self._rate())
        raise ValueError("PyAV tells no count of frames and no duration")

    def frame(self, i: int) -> Any:
        start = (self.stream.start_time or 0) * self.stream.time_base
        # Half a frame early, so that rounding in the file's time stamps does not skip to the next.
        return self._first(start + (i - 0.5) / self._rate(), ends=False)

    def scan(self) -> Iterator[Any]:
        return (frame.to_ndarray(format="rgb24") for frame in self.container.decode(self.stream))

    def at(self, seconds: float) -> Any:
        return self._first(seconds, ends=True)

    def _rate(self) -> Any:
        if not self.stream.average_rate:
            raise ValueError("PyAV tells no average rate, by which frames are numbered")
        return self.stream.average_rate

    def _first(self, seconds: float, ends: bool) -> Any:
        """Return the first frame that begins, or ends, after a time."""
        self.container.seek(max(0, int(seconds / self.stream.time_base)), stream=self.stream)
        shown = None
        for frame in self.container.decode(self.stream):
            if frame.time > seconds:
                return (shown if ends and shown is not None else frame).to_ndarray(format="rgb24")
            shown = frame
        if ends and shown is not None:
            return shown.to_ndarray(format="rgb24")
        raise IndexError(f"no frame at {seconds} seconds")


open = Video
