"""OpenCV, by seeking with ``CAP_PROP_POS_FRAMES`` and ``CAP_PROP_POS_MSEC``.

"0-based index of the frame to be decoded/captured next": https://docs.opencv.org/4.x/d4/d15/group__videoio__flags__base.html.
Read for OpenCV 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2


class Video:
    """A capture."""

    CLOCK = "player"

    def __init__(self, path: str) -> None:
        self.capture = cv2.VideoCapture(path)
        if not self.capture.isOpened():
            raise OSError("VideoCapture did not open the file")

    def length(self) -> int:
        return int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def frame(self, i: int) -> Any:
        self.capture.set(cv2.CAP_PROP_POS_FRAMES, i)
        return self._read()

    def scan(self) -> Iterator[Any]:
        while True:
            there, image = self.capture.read()
            if not there:
                return
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def at(self, seconds: float) -> Any:
        self.capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * seconds)
        return self._read()

    def _read(self) -> Any:
        there, image = self.capture.read()
        if not there:
            raise OSError("read() returned no frame")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


open = Video
