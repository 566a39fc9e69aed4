"""torchcodec: `get_frame_at`, `get_frames_at` for batches, `get_frame_played_at`; exact and approximate seeking.

https://docs.pytorch.org/torchcodec/stable/generated/torchcodec.decoders.VideoDecoder.html and
https://docs.pytorch.org/torchcodec/stable/generated_examples/decoding/approximate_mode.html. Read for torchcodec 0.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchcodec.decoders import VideoDecoder


class Video:
    """A decoder of the best stream, as is its default."""

    CLOCK = "stream"

    def __init__(self, path: str, seek_mode: str = "exact") -> None:
        # Threads: FFmpeg decides, which its documentation recommends for one decoder alone.
        self.decoder = VideoDecoder(path, seek_mode=seek_mode, dimension_order="NHWC", num_ffmpeg_threads=0)

    def length(self) -> int:
        return len(self.decoder)

    def frame(self, i: int) -> Any:
        return self.decoder.get_frame_at(i).data.numpy()

    def frames(self, indices: list[int]) -> Any:
        return self.decoder.get_frames_at(indices).data.numpy()

    def scan(self) -> Iterator[Any]:
        return (frame.numpy() for frame in self.decoder)

    def at(self, seconds: float) -> Any:
        return self.decoder.get_frame_played_at(seconds).data.numpy()


open = Video
