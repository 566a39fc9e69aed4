"""Many packets decoded in one go by OpenCV: of small frames PyAV's threads spend more time waiting for each other.

PyAV gives up Python's lock three times per packet, OpenCV once. With two threads and MPEG-4 of 120 x 120 pixels, two
seconds of PyAV's time become 1.2. The packets are copied to an AVI file in memory, so that OpenCV sees nothing else and
never seeks. The k-th frame is that of the k-th packet if there are as many frames as packets, which is counted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.decoders.base import Packets, Parcel
from vidformats.opencv import cv2
from vidformats.storage.base import ByteSource, coalesce

TAGS = frozenset(("FMP4", "mp4v", "XVID", "DIVX", "DX50"))
"""Tags of the codecs whose packets can be picked: MPEG-4 Part 2, which keeps no count of frames across key frames."""

MOST = 2 << 20
"""Bytes of packets that are picked at once, at most."""

GAP, BLOCK = 4 << 10, 1 << 20
"""Bytes that are read over rather than read around, and that are read at a time."""


class Doubtful(Exception):
    """What came may not be the frames of the packets."""


def pictures(
    source: ByteSource, packets: Packets, parcel: Parcel, places: NDArray[np.int64], steps: list[int]
) -> Iterator[np.ndarray]:
    """Decode some packets and yield the pictures of some of them.

    Parameters
    ----------
    source : ByteSource
    packets : Packets
        All of the file, with their places.
    parcel : Parcel
    places : (N,) ndarray of int64
        Which packets are decoded, rising, the first of them a key frame.
    steps : list of int
        How many packets each picture lies behind the one before; their sum is N.

    Yields
    ------
    (H, W, 3) ndarray of uint8
        BGR. It is overwritten two pictures later.

    Raises
    ------
    Doubtful
        If packets made no frame or more than one, or if two pictures in a row are the same: OpenCV may have failed to
        convert them, of which it does not tell.
    """
    capture: Any = None
    try:
        video = _file_of(source, packets.offsets[places], packets.sizes[places], parcel)
        capture = cv2.VideoCapture(video, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])  # type: ignore[call-overload]
    except (TypeError, cv2.error):  # OpenCV before 4.12 opens files only
        raise Doubtful from None
    if not capture.isOpened():
        raise Doubtful
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    buffers: list[np.ndarray | None] = [None, None]
    before: np.ndarray | None = None
    for step in steps:
        for _ in range(step):
            if not capture.grab():
                raise Doubtful
        done, image = capture.retrieve(buffers[0])
        if not done or image.shape != (*parcel.size, 3) or (before is not None and _same(image, before)):
            raise Doubtful
        yield image
        before, buffers = image, [buffers[1], image]
    if capture.grab():
        raise Doubtful


def _same(image: np.ndarray, other: np.ndarray) -> bool:
    """Compare two pictures; most differ in their first lines."""
    return np.array_equal(image[:4], other[:4]) and np.array_equal(image, other)


def _file_of(source: ByteSource, offsets: NDArray[np.int64], sizes: NDArray[np.int64], parcel: Parcel) -> io.BytesIO:
    """Return an AVI file of these packets alone."""
    head, starts, size = _layout(sizes, parcel)
    avi = np.zeros(size, np.uint8)
    avi[: len(head)] = np.frombuffer(head, np.uint8)
    labels = np.empty(len(sizes), [("name", "S4"), ("size", "<u4")])
    labels["name"], labels["size"] = b"00dc", sizes
    avi[starts[:, None] + np.arange(-8, 0)] = labels.view(np.uint8).reshape(-1, 8)
    groups, to, at = coalesce(offsets, sizes, GAP, BLOCK), avi.data, 0
    places = np.stack([starts, starts + sizes, offsets, offsets + sizes], 1).tolist()
    bounds = zip(groups.begins.tolist(), groups.ends.tolist(), groups.bounds[1:].tolist(), strict=True)
    for begin, end, last in bounds:
        block = memoryview(source.read(end - begin, begin))
        for start, stop, first, behind in places[at:last]:
            to[start:stop] = block[first - begin : behind - begin]
        at = last
    return io.BytesIO(avi.data)


def _layout(sizes: NDArray[np.int64], parcel: Parcel) -> tuple[bytes, NDArray[np.int64], int]:
    """Return the headers of an AVI file, where each packet's bytes begin, and the file's size."""
    (height, width), n, tag = parcel.size, len(sizes), parcel.tag.encode("latin-1")
    main = pack("<14I", 40_000, 0, 0, 0, n, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = pack("<4s4sIHHIIIIIIIIHHHH", b"vids", tag, 0, 0, 0, 0, 1, 25, 0, n, 0, 0, 0, 0, 0, width, height)
    picture = pack("<IiiHH4sIiiII", 40 + len(parcel.extradata), width, height, 1, 24, tag, 0, 0, 0, 0, 0)
    track = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", picture + parcel.extradata))
    header = _list(b"hdrl", _chunk(b"avih", main) + track)
    taken = 8 + sizes + sizes % 2
    body = int(taken.sum()) + 4
    head = pack("<4sI4s", b"RIFF", 12 + len(header) + body, b"AVI ") + header + pack("<4sI4s", b"LIST", body, b"movi")
    return head, len(head) + np.cumsum(taken) - taken + 8, len(head) + body - 4


def _chunk(name: bytes, data: bytes) -> bytes:
    """Return a RIFF chunk: name, size, content, and one byte more if the content's length is odd."""
    return name + pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
