"""Packets picked from a video, put together to a small AVI in memory, so that a decoder sees nothing else."""

from __future__ import annotations

from struct import pack

import numpy as np
from numpy.typing import NDArray


def chunk(name: bytes, *content: bytes) -> bytes:
    """Return a RIFF chunk: name, size, content, and a byte more where that makes it even."""
    data = b"".join(content)
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def splice(
    sizes: NDArray[np.int64], fourcc: bytes, size: tuple[int, int], extradata: bytes = b""
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return an AVI file with room for packets, and where each of them goes.

    Parameters
    ----------
    sizes : (N,) ndarray of int64
        Bytes of each packet: one a frame, the first of them a key frame.
    fourcc : bytes
        Tag of the codec.
    size : tuple of int
        Height and width.
    extradata : bytes
        What the codec keeps outside its packets.
    """
    height, width, n = *size, len(sizes)
    main = pack("<14I", 40_000, 0, 0, 0, n, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = pack("<4s4sIHHIIIIIIIIHHHH", b"vids", fourcc, 0, 0, 0, 0, 1, 25, 0, n, 0, 0, 0, 0, 0, width, height)
    picture = pack("<IiiHH4sIiiII", 40 + len(extradata), width, height, 1, 24, fourcc, 0, 0, 0, 0, 0)
    headers = chunk(b"strh", stream) + chunk(b"strf", picture, extradata)
    header = chunk(b"LIST", b"hdrl", chunk(b"avih", main), chunk(b"LIST", b"strl", headers))

    taken = 8 + sizes + sizes % 2
    movi = 4 + int(taken.sum())
    head = pack("<4sI4s", b"RIFF", 12 + len(header) + movi, b"AVI ") + header + pack("<4sI4s", b"LIST", movi, b"movi")
    avi = np.zeros(len(head) + movi - 4, np.uint8)
    avi[: len(head)] = np.frombuffer(head, np.uint8)
    starts = len(head) + np.cumsum(taken) - taken
    labels = np.empty(n, [("name", "S4"), ("size", "<u4")])
    labels["name"], labels["size"] = b"00dc", sizes
    avi[starts[:, None] + np.arange(8)] = labels.view(np.uint8).reshape(n, 8)
    return avi, starts + 8
