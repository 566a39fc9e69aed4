"""The formats and options that advise tries: a table, the plainest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from vidformats.registry import FORMATS, get_format

AS_IS = "as is"
"""The candidate that leaves the user's files as they are."""


class Candidate(NamedTuple):
    """One way to store a video.

    Attributes
    ----------
    name : str
        As tables show it.
    format : str
        One of `vidformats.formats`; empty for `AS_IS`.
    options : dict
        For `vidformats.write`.
    """

    name: str
    format: str
    options: dict[str, Any] = {}

    @property
    def lossless(self) -> bool:
        """Whether every bit is kept."""
        return not self.format or get_format(self.format, **self.options).tolerance == 0


def _named(form: str, **options: Any) -> Candidate:
    return Candidate(" ".join([form, *(f"{name}={value}" for name, value in options.items())]), form, options)


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(AS_IS, ""),
    _named("npy"),
    _named("h5"),
    _named("safetensors"),
    _named("jpg", quality=75),
    _named("jpg", quality=90),
    _named("jpg", quality=95),
    _named("tar"),
    _named("lmdb"),
    _named("png"),
    _named("webp", quality=80),
    _named("webp", quality=95),
    _named("webp", lossless=True),
    _named("h5_frames", level=1),
    _named("h5_frames", level=4),
    _named("h5_frames", level=1, frames_per_chunk=8),
    _named("h5_chunked"),
    _named("h5_plain"),
    _named("h5_blosc"),
    _named("zarr"),
    _named("blosc2"),
    _named("h264_fast", crf=16),
    _named("h264_fast", crf=20),
    _named("h264_fast", crf=26),
    _named("h264", crf=16),
    _named("h264", crf=20),
    _named("h264", crf=26),
    _named("h264", crf=20, keyframe_interval=1),
    _named("h264", crf=20, keyframe_interval=8),
    _named("h264", crf=20, keyframe_interval=32),
    _named("h264_fast", crf=16, pix_fmt="yuv444p"),
    _named("h264", crf=16, pix_fmt="yuv444p"),
    _named("h264_rgb", keyframe_interval=1),
    _named("h264_rgb", keyframe_interval=8),
    _named("ffv1"),
    _named("mp4"),
    _named("avi_mjpg"),
    _named("hevc", crf=20, keyframe_interval=8),
    _named("hevc", crf=22),
    _named("av1", crf=24, keyframe_interval=8),
    _named("av1", crf=28),
    _named("vp9", crf=28, keyframe_interval=8),
    _named("vp9", crf=28),
)
"""All candidates; of equals the first is the plainest. binary, pickle, npz and mat_frames read as npy does."""


def available(
    lossless: bool = False, names: tuple[Candidate, ...] = CANDIDATES
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates that can be written here, and why others cannot.

    Parameters
    ----------
    lossless : bool
        Leave out those that lose a bit; they are not reported.
    names : tuple of Candidate

    Returns
    -------
    list of Candidate
    dict of str to str
        Name -> reason.

    Examples
    --------
    >>> found, missing = available(lossless=True)
    >>> "npy" in [candidate.name for candidate in found]
    True
    """
    found, missing = [], {}
    for candidate in names:
        if candidate.format and candidate.format not in FORMATS:
            continue
        try:
            keeps = candidate.lossless
        except ImportError as error:
            missing[candidate.name] = str(error)
            continue
        if keeps or not lossless:
            found.append(candidate)
    return found, missing
