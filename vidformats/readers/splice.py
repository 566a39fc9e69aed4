"""Packets picked from a video, put together to a small AVI in memory, so that a decoder sees nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack


def chunk(name: bytes, *content: bytes | memoryview) -> bytes:
    """Return a RIFF chunk: name, size, content, and a byte more where that makes it even."""
    data = b"".join(content)
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def splice(
    packets: Sequence[bytes | memoryview], fourcc: bytes, size: tuple[int, int], extradata: bytes = b""
) -> bytes:
    """Return an AVI file of these packets.

    Parameters
    ----------
    packets : sequence of bytes-like
        One a frame, the first of them a key frame.
    fourcc : bytes
        Tag of the codec.
    size : tuple of int
        Height and width.
    extradata : bytes
        What the codec keeps outside its packets.
    """
    height, width, n = *size, len(packets)
    main = pack("<14I", 40_000, 0, 0, 0, n, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = pack("<4s4sIHHIIIIIIIIHHHH", b"vids", fourcc, 0, 0, 0, 0, 1, 25, 0, n, 0, 0, 0, 0, 0, width, height)
    picture = pack("<IiiHH4sIiiII", 40 + len(extradata), width, height, 1, 24, fourcc, 0, 0, 0, 0, 0)
    headers = chunk(b"strh", stream) + chunk(b"strf", picture, extradata)
    header = chunk(b"LIST", b"hdrl", chunk(b"avih", main), chunk(b"LIST", b"strl", headers))
    frames = [
        part
        for packet in packets
        for part in (b"00dc", len(packet).to_bytes(4, "little"), packet, b"\0" * (len(packet) % 2))
    ]
    return chunk(b"RIFF", b"AVI ", header, b"LIST", (4 + sum(map(len, frames))).to_bytes(4, "little"), b"movi", *frames)
