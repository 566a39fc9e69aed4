"""OpenCV without seeking: `grab` until the frame that is wanted, `retrieve` that one.

"Grabs the next frame", "Decodes and returns the grabbed video frame":
https://docs.opencv.org/4.x/d8/dfe/classcv_1_1VideoCapture.html. Read for OpenCV 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2


class Video:
    """A path that is opened again whenever a frame lies behind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._restart()

    def length(self) -> int:
        capture, count = self._opened(), 0
        while capture.grab():
            count += 1
        return count

    def frame(self, i: int) -> Any:
        if i < self.next:
            self._restart()
        while self.next <= i:
            if not self.capture.grab():
                self._restart()
                raise IndexError(f"the video ends before frame {i}")
            self.next += 1
        there, image = self.capture.retrieve()
        if not there:
            raise OSError("retrieve() returned no frame")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def frames(self, indices: list[int]) -> list[Any]:
        found = {i: self.frame(i) for i in sorted(set(indices))}
        return [found[i] for i in indices]

    def scan(self) -> Iterator[Any]:
        capture = self._opened()
        while True:
            there, image = capture.read()
            if not there:
                return
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _opened(self) -> Any:
        capture = cv2.VideoCapture(self.path)
        if not capture.isOpened():
            raise OSError("VideoCapture did not open the file")
        return capture

    def _restart(self) -> None:
        self.capture, self.next = self._opened(), 0


open = Video
