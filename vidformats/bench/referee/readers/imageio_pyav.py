"""imageio by its PyAV plugin: `imopen`, ``read(index=i)`` and `iter`.

``constant_framerate``: "If False, the video is reset before each read and searched from the beginning. If None
(default), this value will be read from the container format":
https://imageio.readthedocs.io/en/stable/_autosummary/imageio.plugins.pyav.html. Read for imageio 2.38.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import imageio.v3 as iio


class Video:
    """A file opened by the plugin."""

    def __init__(self, path: str, constant_framerate: bool | None = None) -> None:
        self.path, self.constant = path, constant_framerate
        self.file: Any = iio.imopen(path, "r", plugin="pyav")

    def length(self) -> int:
        count = self.file.properties().n_images
        if not count:
            raise ValueError("n_images is 0, which stands for unknown")
        return int(count)

    def frame(self, i: int) -> Any:
        return self.file.read(index=i, constant_framerate=self.constant)

    def scan(self) -> Iterator[Any]:
        return iio.imiter(self.path, plugin="pyav")


open = Video
