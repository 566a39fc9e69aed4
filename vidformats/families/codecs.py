"""Video files of the codecs in use, written by PyAV: H.264, HEVC, AV1, VP9, and without loss FFV1 and H.264 in RGB."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vidformats.families.movie import FASTEST, SMALLEST, Film, note, timing_for
from vidformats.source import Source
from vidformats.threads import ordinary_priority
from vidformats.timing import Timing

if importlib.util.find_spec("av") is None:  # importing it takes too long for a look at other files
    raise ImportError("No module named 'av'")

os.environ.setdefault("SVT_LOG", "1")  # AV1's encoder: errors only

TICK = Fraction(1, 90_000)
"""Unit of time stamps: it divides the rates of film, PAL and NTSC."""

TOLERANCE = 6.0
"""Half the resolution in colour, and coarse steps at the usual ``crf``, as MPEG-4 has them."""

SMALL = 64
"""Pixels of the shorter side below which threads of SVT-AV1 may wait for each other for good: it gets one then."""

LEAST = {"ffv1": 1, "libx265": 72}
"""Pixels of a side to which frames are padded. x265 corrupts its memory if a picture is one block of 64 x 64 or less:
most files of 300 frames of 32 to 60 pixels a side showed wrong pictures, none of 66 and more."""

UNTIMED = 2
"""Frames up to which x265 returns uninitialised memory as the decoding time, so that MP4's muxer failed at random: x265
learns how long frames are held back when a further one comes. So few frames are decoded in the order they are shown."""

LOSSLESS = {"ffv1": ("gray", "bgr0"), "libx264rgb": ("rgb24", "rgb24")}
"""Encoders that keep every bit, and their pixel formats for grey and for colour."""

CRF = {"libx264": 20, "libx265": 22, "libsvtav1": 28, "libvpx-vp9": 28}
"""Constant rate factors that look alike, where 0 is no loss: each encoder has a scale of its own."""

PRESET = {"libx264": "fast", "libx264rgb": "fast", "libx265": "fast", "libsvtav1": "9", "libvpx-vp9": "4"}
"""How much time an encoder takes: a name, or for AV1 (0 to 13) and VP9 (0 to 8) a number, higher is faster."""


ASKED = ("crf", "preset", "pix_fmt", "keyframe_interval", "tune")
"""Options that an encoder may refuse."""


@dataclass(frozen=True)
class Coded(Film):
    """A video file of one codec, written by PyAV in bounded memory; any file of any codec is opened.

    Parameters
    ----------
    codec : str
        FFmpeg's name of the encoder.
    crf : float, optional
        Constant rate factor: 0 is the best, higher is smaller. Lossless codecs have none.
    preset : str, optional
        Time that the encoder takes, such as ``"veryfast"``.
    keyframe_interval : int, optional
        Frames from one key frame to the next, at most; by default what the encoder takes, 250 for H.264.
    pix_fmt : str, optional
        FFmpeg's name of the pixel format, such as ``yuv444p``; by default ``yuv420p``, and RGB or grey without loss.
    fps : float, optional
        Frames per second; by default those of the source, else 25 with a warning.
    tune : str, optional
        What the encoder is tuned for, such as ``"fastdecode"``.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((8, 3, 32, 32), "uint8"), "dark.mp4", "h264", fps=30, keyframe_interval=4)
    >>> with vf.open(path) as video:
    ...     video.format, video.fps, video.info["keyframes"]
    ('h264', 30.0, 2)
    """

    codec: str = "libx264"
    fps: float | None = None
    crf: float | None = None
    preset: str | None = None
    keyframe_interval: int | None = None
    pix_fmt: str | None = None
    tune: str | None = None

    holds: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        """Refuse what would be ignored or fail late."""
        if self.crf is not None and self.codec in LOSSLESS:
            raise ValueError(f"{self.name or self.codec} keeps every bit; crf={self.crf} would lose some")
        if self.crf is not None and not np.isfinite(self.crf):
            raise ValueError(f"crf must be finite, got {self.crf}")
        if (every := self.keyframe_interval) is not None and not 1 <= every < 1 << 31:
            raise ValueError(f"keyframe_interval must be an integer >= 1, got {every!r}")
        if self.fps is not None and not 0 < self.fps < np.inf:
            raise ValueError(f"fps must be > 0, got {self.fps!r}")

    @property
    def tolerance(self) -> float:
        """Largest mean absolute error on natural content, in grey levels; 0 is bit-exact."""
        return 0.0 if self.codec in LOSSLESS and self.pix_fmt is None else TOLERANCE

    def check(self, video: Source) -> None:
        """Raise `ValueError` if this format cannot hold such a video, or this PyAV has no such encoder."""
        import av

        super().check(video)
        try:
            av.Codec(self.codec, "w")
            av.VideoFormat(self.pix_fmt or "yuv420p")
        except (av.codec.codec.UnknownCodecError, ValueError) as error:
            raise ValueError(
                f"PyAV {av.__version__} cannot write {self.codec}, {self.pix_fmt or 'yuv420p'}: {error}"
            ) from None

    def write(self, video: Source, path: Path) -> None:
        """Encode frame by frame."""
        import av

        channels, height, width = video.frame_shape
        grey = channels == 1
        pix_fmt = self.pix_fmt or LOSSLESS.get(self.codec, ("yuv420p", "yuv420p"))[0 if grey else 1]
        form = av.VideoFormat(pix_fmt)
        even = [2 // form.chroma_height(2), 2 // form.chroma_width(2)]
        least = LEAST.get(self.codec, SMALLEST)
        padded = [max(n + -n % step, least) for n, step in zip((height, width), even, strict=True)]
        timing = timing_for(self.fps, video)
        if timing.fps > FASTEST:
            raise ValueError(f"fps must be {FASTEST:,} at most in {self.name}, got {timing.fps:g}")
        times, rate = _ticks(timing), Fraction(timing.fps).limit_denominator(1001)  # 30000/1001 for 29.97002997
        given = "gray" if grey and pix_fmt.startswith("gray") else "rgb24"
        n = 0
        with av.open(str(path), "w") as file:
            out: Any = file.add_stream(self.codec, rate=rate, options=self._options(min(padded)))
            out.height, out.width, out.pix_fmt = *padded, pix_fmt
            out.codec_context.time_base = TICK if times is not None else 1 / rate
            out.codec_context.thread_count = self.threads
            if self.keyframe_interval:
                out.codec_context.gop_size = int(self.keyframe_interval)
            if self.codec == "libx265":
                out.codec_context.codec_tag = "hvc1"  # what Apple's players ask for
            try:
                with ordinary_priority():
                    file.start_encoding()
            except av.error.ArgumentError:
                asked = {key: value for key, value in vars(self).items() if value is not None and key in ASKED}
                raise ValueError(f"expected options that {self.codec} takes, got {asked} and {pix_fmt}") from None
            for block in video.blocks():
                for planes in block:
                    frame = av.VideoFrame.from_ndarray(_image(planes, padded, given), format=given)
                    frame.pts, frame.time_base = (n, 1 / rate) if times is None else (times[n], TICK)
                    file.mux(out.encode(frame))
                    n += 1
            last = out.encode(None)
            if self.codec == "libx265" and n <= UNTIMED:
                for packet in last:
                    packet.dts = packet.pts
            file.mux(last)
        note(path, (n, channels, height, width), timing)

    def _options(self, side: int) -> dict[str, str]:
        preset = self.preset or PRESET.get(self.codec)
        crf = self.crf if self.crf is not None else CRF.get(self.codec)
        options: dict[str, str | None] = {"crf": None if crf is None else str(crf), "tune": self.tune}
        options["cpu-used" if self.codec == "libvpx-vp9" else "preset"] = preset
        if self.codec == "libvpx-vp9":
            options |= {"b": "0", "row-mt": "1"}
        if self.codec == "libx264rgb":
            options["qp"] = "0"
        if self.codec == "libx265":
            # info=0: no note of the encoder itself in each file.
            options["x265-params"] = "log-level=none:info=0"
        if self.codec == "libsvtav1" and side < SMALL:
            options["svtav1-params"] = "lp=1"
        if self.codec == "ffv1":
            options |= {"level": "3", "slicecrc": "1"}
        return {name: value for name, value in options.items() if value is not None}


def _ticks(timing: Timing) -> list[int] | None:
    """Return when frames are shown, rising and from 0 or more on; None if their rate is even."""
    if timing.even or timing.times is None:
        return None
    ticks = [round(t / TICK) for t in (timing.times - min(0.0, timing.times[0])).tolist()]
    for k in range(1, len(ticks)):
        ticks[k] = max(ticks[k], ticks[k - 1] + 1)
    return ticks


def _image(planes: np.ndarray, size: Sequence[int], given: str) -> np.ndarray:
    """Return a frame with its channels last, its edges repeated up to `size`."""
    pads = [(0, size[0] - planes.shape[1]), (0, size[1] - planes.shape[2])]
    if any(after for _, after in pads):
        planes = np.pad(planes, [(0, 0), *pads], mode="edge")
    if given == "gray":
        return np.ascontiguousarray(planes[0])
    return np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])).transpose(1, 2, 0))
