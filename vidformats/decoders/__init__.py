"""Video decoders: PyAV if it is installed, else OpenCV; one interface for both."""

from __future__ import annotations

import importlib.util

from vidformats.decoders.base import Decoder, Memo
from vidformats.storage.base import ByteSource


def installed() -> str:
    """Return the name of the decoder that is used: ``"pyav"`` or ``"opencv"``."""
    return "pyav" if importlib.util.find_spec("av") else "opencv"


def open_decoder(
    source: ByteSource, threads: int = 1, stream: int | None = None, name: str | None = None, memo: Memo | None = None
) -> Decoder:
    """Open a video file for decoding.

    Parameters
    ----------
    source : ByteSource
    threads : int
        Threads that decode several frames at once.
    stream : int, optional
        Which video track, counted from 0; by default the one that the ffmpeg program takes.
    name : str, optional
        ``"pyav"`` or ``"opencv"``; by default the first that is installed.
    memo : Memo, optional
        Of another decoder of the same file.

    Raises
    ------
    FormatError
        If the file holds no video that can be decoded.
    """
    if (name or installed()) == "pyav":
        from vidformats.decoders.pyav import PyAVDecoder

        return PyAVDecoder(source, threads, stream, memo)
    from vidformats.decoders.opencv import OpenCVDecoder

    return OpenCVDecoder(source, threads, stream, memo)
