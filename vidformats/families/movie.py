"""Video files: any container is known by its content and read; MPEG-4 as published and motion JPEG are written."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.decoders import open_decoder
from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.stream import StreamReader
from vidformats.source import Source
from vidformats.storage import open_source
from vidformats.storage.base import ByteSource
from vidformats.timing import FACTS, Timing, set_time

TAG, TIMES = b"vidformats.shape", b"vidformats.times"
"""Begin the note at the end of a file, and the times of frames before it; 16 bytes, as a ``uuid`` box wants them."""

NOTE = 512
"""Bytes at the end of a file in which the note is."""

MARKS = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),  # MP4, QuickTime
    (0, b"\x1aE\xdf\xa3"),  # Matroska, WebM
    (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV
    (0, b"OggS"),
    (0, b"DKIF"),  # IVF
    (0, b"YUV4MPEG2"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),  # MXF
    (0, b"nut/multimedia container"),
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream: MPG, VOB
    (0, b"\x00\x00\x01\xb3"),  # MPEG-1 and -2 without container
    *((0, b"\0" * n + b"\0\0\1" + nal) for n in (0, 1) for nal in (b"\x67", b"\x27", b"\x09")),  # H.264 so
    *((0, b"\0" * n + b"\0\0\1" + nal) for n in (0, 1) for nal in (b"\x40\x01", b"\x46\x01")),  # HEVC so
)
"""Where in a file which bytes stand that only a video's container has there."""

PACKETS = ((0, 188), (4, 192), (0, 204))
"""Where the packets of a transport stream begin with 0x47, and their length: TS, M2TS, and TS with error correction."""

FASTEST = 1_000_000
"""Frames per second at most: containers count in ticks of 32 bits."""

USUAL_RATE = 25
"""Frames per second of frames that come without a rate."""

SMALLEST = 16
"""Frames are padded to this many pixels a side: OpenCV 5.0 corrupts the heap writing motion JPEG at 4 x 4."""

PROBE = 4 << 20
"""Bytes that are written to learn whether the disk is full: more than a frame takes."""

MPEG4_TOLERANCE, MJPEG_TOLERANCE = 6.0, 5.0
"""Half the resolution in colour, and coarse steps: `vidformats.bench.content.scene` suffers 3.8 and 2.9 at 120 x 120,
4.6 and 3.8 at 32 x 32, 3.1 and 2.2 at 360 x 360. White noise is hopeless: 53 and 45, of 64 for a grey frame."""


NAMES: dict[Any, str] = {
    **{name: name for name in ("h264", "hevc", "av1", "vp9", "ffv1")},
    **{("h264", pix_fmt): "h264_rgb" for pix_fmt in ("gbrp", "rgb24", "bgr24", "bgr0")},
}
"""What a file is called by its codec, or by codec and pixel format; others by the format that opened it."""


class Film(Format):
    """What all video files share: how they are opened."""

    holds = "images"
    keeps_time = True

    def open(
        self,
        source: ByteSource,
        stream: int | None = None,
        rotate: bool = True,
        depth: int | None = None,
        counted: bool = False,
        decoder: str | None = None,
    ) -> Reader:
        """Open a video file; see `StreamReader` for the options."""
        facts = facts_noted(source)
        shape = shape_noted(facts)
        reader = StreamReader(source, shape, stream, rotate, depth, counted, decoder)
        if name := NAMES.get((reader.info["codec"], reader.info.get("pix_fmt", "")), NAMES.get(reader.info["codec"])):
            reader.info["format"] = name
        reader.info |= {key: facts[key] for key in FACTS if key in facts}
        if shape and shape[0] == reader.shape[0] and "duration" in facts:
            set_time(reader, facts | {"times": _noted_times(source, shape[0])}, source.url)
        return reader


@dataclass(frozen=True)
class Movie(Film):
    """A video file of any codec that OpenCV writes; any that FFmpeg reads is opened.

    Parameters
    ----------
    fourcc : str
        The codec: ``mp4v`` is MPEG-4 part 2, ``MJPG`` motion JPEG.
    fps : float, optional
        Frames per second; by default the source's average, and if it has none, 25 with a warning.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> vf.load(vf.write(np.full((8, 3, 32, 32), 200, "uint8"), "grey.mp4")).shape
    (8, 3, 32, 32)
    """

    fourcc: str = "mp4v"
    fps: float | None = None

    @property
    def tolerance(self) -> float:
        """Largest mean absolute error on natural content, in grey levels."""
        return MJPEG_TOLERANCE if self.fourcc.upper() == "MJPG" else MPEG4_TOLERANCE

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know AVI, for the row of motion JPEG, or else any other container of video."""
        if self.fourcc.upper() == "MJPG":
            return head[:4] == b"RIFF" and head[8:12] == b"AVI "
        if any(head.startswith(mark, at) for at, mark in MARKS):
            return True
        if head.startswith(b"\x89PNG") and b"acTL" in head.partition(b"IDAT")[0]:
            return True
        return any(len(marks := head[at::step][:5]) > 1 and set(marks) == {0x47} for at, step in PACKETS)

    def write(self, video: Source, path: Path) -> None:
        """Encode frame by frame.

        Raises
        ------
        OSError
            When OpenCV has no such encoder, or did not write every frame.
        """
        from vidformats.opencv import cv2

        channels, height, width = video.frame_shape
        pad = [max(height + height % 2, SMALLEST) - height, max(width + width % 2, SMALLEST) - width]
        size = (width + pad[1], height + pad[0])
        fourcc = cv2.VideoWriter.fourcc(*self.fourcc)
        timing = timing_for(self.fps, video)
        if (fps := timing.fps) > FASTEST:
            raise ValueError(f"fps must be {FASTEST:,} at most in {self.name}, got {fps:g}")
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, size, True)
        if not writer.isOpened():
            _ask_the_disk(path)
            asked = f"{self.fourcc!r} at {fps} fps into {path.suffix or 'a file without ending'}"
            raise OSError(f"{path}: OpenCV can't write {asked}; try 'mp4v' into .mp4 or 'MJPG' into .avi")
        n_frames = 0
        for block in video.blocks():
            for frame in block:
                image = cv2.merge([frame[-1], frame[len(frame) // 2], frame[0]])
                writer.write(
                    cv2.copyMakeBorder(image, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE) if any(pad) else image
                )
            n_frames += len(block)
        writer.release()
        try:
            written = len(open_decoder(open_source(path)).packets().pts)
        except FormatError:  # not even its headers
            written = 0
        if written != n_frames:
            _ask_the_disk(path)
            raise OSError(f"{path}: {written} of {n_frames} frames were written; is the disk full?")
        if not timing.even:
            fault = f"{self.name} holds one rate: other players than vidformats show the frames at {fps:g} a second"
            warnings.warn(f"{path.name}: {fault}; h264 keeps the time of each", stacklevel=4)
        note(path, (n_frames, channels, height, width), timing)


def _ask_the_disk(path: Path) -> None:
    """Raise the system's error if it takes no more bytes: OpenCV does not say why it could not write."""
    with open(path, "ab") as file:
        file.write(bytes(PROBE))


def timing_for(fps: float | None, video: Source) -> Timing:
    """Return the time to write: the rate asked for, else what the source knows, else the usual rate and a warning."""
    if fps is not None:
        return Timing(float(fps))
    if video.timing:
        return video.timing
    warnings.warn(f"the frames have no rate: {USUAL_RATE} per second are assumed; pass fps=", stacklevel=5)
    return Timing(float(USUAL_RATE), facts={"fps_assumed": True})


def note(path: Path, shape: tuple[int, ...], timing: Timing) -> None:
    """Append a note of the true shape, which codecs of even sizes and three channels can't hold.

    And of the time, before it, if a container that holds one rate, or counts from 0 in ticks of its own, can't. A box
    or chunk of a kind that players skip, named as the container names its own.
    """
    facts: dict[str, Any] = {"shape": [int(n) for n in shape], **timing.facts}
    if not timing.even:
        record = timing.record(shape[0])
        _append(path, TIMES + np.asarray(record.pop("times"), "<f8").tobytes())
        facts |= record
    _append(path, TAG + json.dumps(facts).encode())


def _append(path: Path, text: bytes) -> None:
    text += b" " * (len(text) % 2)
    with open(path, "r+b") as file:
        head = file.read(8)
        file.seek(0, os.SEEK_END)
        if head.startswith(b"RIFF"):
            file.write(b"\0" * (file.tell() % 2) + b"JUNK" + len(text).to_bytes(4, "little") + text)
        elif head.startswith(b"\x1aE\xdf\xa3"):
            file.write(b"\xec\x01" + len(text).to_bytes(7, "big") + text)
        else:
            file.write((len(text) + 8).to_bytes(4, "big") + b"uuid" + text)


def shape_noted(facts: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the shape among the `facts_noted`; None if there is none, as in files made elsewhere."""
    try:
        t, c, h, w = facts["shape"]
    except (ValueError, TypeError, KeyError):
        return None
    return (t, c, h, w) if all(type(n) is int and n > 0 for n in (t, c, h, w)) else None


def facts_noted(source: ByteSource) -> dict[str, Any]:
    """Return the facts noted at the end of a file; none in files made elsewhere."""
    text = source.read(NOTE, max(0, source.size - NOTE)).rpartition(TAG)[2]
    try:
        facts = json.loads(text)  # if nothing was found, the text is no JSON
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _noted_times(source: ByteSource, n: int) -> NDArray[np.float64]:
    """Return the times of `n` frames that stand before the note; fewer if it has none."""
    data = source.read(2 * NOTE + 8 * n, max(0, source.size - 2 * NOTE - 8 * n)).rpartition(TIMES)[2]
    return np.frombuffer(data[: len(data) // 8 * 8][: 8 * n], "<f8").astype(np.float64)
