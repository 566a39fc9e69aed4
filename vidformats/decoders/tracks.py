"""Which tracks a video file has, from its own bytes: OpenCV says neither which it took nor what else there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from vidformats.storage.base import ByteSource

HEAD = 4 << 20
"""Bytes in which the tables of a streamed container are looked for."""

LARGEST = 256 << 20
"""Bytes that a table of MP4 takes at most."""


class Tracks(NamedTuple):
    """The tracks of a file.

    Attributes
    ----------
    video : int
        Tracks of pictures.
    others : int
        All others: sound, subtitles, data.
    zero : bool
        Whether the file's clock begins where its video begins, whatever the other tracks do.
    stamped : bool
        Whether the container says when a frame is shown, rather than decoded.
    """

    video: int
    others: int = 0
    zero: bool = False
    stamped: bool = True


def tracks_of(source: ByteSource) -> Tracks | None:
    """Return what tracks a file has; None if that cannot be told.

    Parameters
    ----------
    source : ByteSource

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> tracks_of(open_source(vf.write(np.zeros((8, 3, 32, 32), "uint8"), "dark.mp4", fps=64)))
    Tracks(video=1, others=0, zero=True, stamped=True)
    """
    head = source.read(min(16 << 10, source.size), 0)
    found = next((of(source) for mark, of in KINDS if re.match(mark, head, re.DOTALL)), None)
    return found if found and found.video else None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each box of MP4 that lies in `data`."""
    at = 0
    while at + 8 <= len(data):
        size, name, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if (size and size < head) or at + size > len(data):
            return
        yield name, data[at + head : at + size if size else len(data)]
        at += size or len(data)


def _inside(data: bytes, *path: bytes) -> list[bytes]:
    """Return the contents of all boxes at a path of names."""
    found = [data]
    for name in path:
        found = [content for one in found for box, content in _boxes(one) if box == name]
    return found


def _iso(source: ByteSource) -> Tracks | None:
    at = 0
    while at + 8 <= source.size:
        head = source.read(min(16, source.size - at), at)
        size, name = int.from_bytes(head[:4]), head[4:8]
        size = int.from_bytes(head[8:16]) if size == 1 else size or source.size - at
        if name == b"moov" and at + size <= source.size and size <= LARGEST:
            break
        if size < 8:
            return None
        at += size
    else:
        return None
    traks = _inside(source.read(size, at), b"moov", b"trak")
    kinds = [handler[8:12] for trak in traks for handler in _inside(trak, b"mdia", b"hdlr")]
    if len(kinds) != len(traks):
        return None
    # An edit that shows nothing at first delays the video; sound may begin before it.
    edits = [edit for trak, kind in zip(traks, kinds, strict=True) if kind == b"vide" for edit in _edits(trak)]
    video = kinds.count(b"vide")
    late = any(int.from_bytes(e[8 + 8 * e[0] : 16 + 8 * e[0]][4 : 8 + 4 * e[0]], signed=True) < 0 for e in edits)
    return Tracks(video, len(kinds) - video, not late)


def _edits(trak: bytes) -> list[bytes]:
    """Return each edit list that has an entry."""
    return [edit for edit in _inside(trak, b"edts", b"elst") if int.from_bytes(edit[4:8])]


def _number(data: bytes, at: int, mark: bool) -> tuple[int, int]:
    """Return a number of Matroska and where it ends; with its length's mark for names."""
    length = 9 - data[at].bit_length() if data[at] else 9
    value = int.from_bytes(data[at : at + length])
    return (value if mark else value & ((1 << 7 * length) - 1)), at + length


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield name and content of each element of Matroska; of one that goes on beyond `data`, what is there."""
    at = 0
    while at < len(data) - 1:
        name, at = _number(data, at, True)
        if at >= len(data):
            return
        start = at
        size, at = _number(data, at, False)
        endless = size == (1 << 7 * (at - start)) - 1
        yield name, data[at:] if endless else data[at : at + size]
        at = len(data) if endless else at + size


SEGMENT, TRACKS, ENTRY, TYPE = 0x18538067, 0x1654AE6B, 0xAE, 0x83
"""Names of Matroska's elements."""


def _matroska(source: ByteSource) -> Tracks:
    found = [source.read(min(HEAD, source.size), 0)]
    for wanted in (SEGMENT, TRACKS, ENTRY, TYPE):
        found = [content for data in found for name, content in _elements(data) if name == wanted]
    kinds = [int.from_bytes(kind) for kind in found]
    return Tracks(kinds.count(1), len(kinds) - kinds.count(1))


def _avi(source: ByteSource) -> Tracks:
    head = source.read(min(HEAD, source.size), 0)
    tables = head.partition(b"movi")[0]
    kinds = re.findall(rb"strh[\x30-\x48]\0\0\0(vids|auds|mids|txts|iavs)", tables)
    video = sum(kind in (b"vids", b"iavs") for kind in kinds)
    return Tracks(video, len(kinds) - video, zero=True, stamped=False)  # FFmpeg lets every track of AVI begin at 0


def _asf(source: ByteSource) -> Tracks:
    head = source.read(min(HEAD, source.size), 0)
    properties = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
    video = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
    kinds = re.findall(re.escape(properties) + rb".{8}(.{16})", head, re.DOTALL)
    return Tracks(kinds.count(video), len(kinds) - kinds.count(video))


def _flash(source: ByteSource) -> Tracks:
    return Tracks(1, source.read(5, 0)[4] >> 2 & 1)


def _ogg(source: ByteSource) -> Tracks:
    head = source.read(min(HEAD, source.size), 0)
    firsts = re.findall(rb"OggS\0[\2\3].{20}(.).?(\x80theora|BBCD\0|\x01video|.)", head, re.DOTALL)
    video = sum(len(kind) > 1 for _, kind in firsts)
    return Tracks(video, len(firsts) - video)


def _program(source: ByteSource) -> Tracks:
    """Count a program stream's tracks by the numbers of its packets."""
    head = source.read(min(HEAD, source.size), 0)
    numbers = set(re.findall(rb"\0\0\x01([\xbd\xc0-\xef\xfd])", head, re.DOTALL))
    video = sum(number >= b"\xe0" for number in numbers)
    return Tracks(video, len(numbers) - video)


PICTURES = {0x01, 0x02, 0x10, 0x1B, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xEA}
"""What a program's map of a transport stream calls video."""


def _transport(length: int, skip: int) -> Callable[[ByteSource], Tracks | None]:
    """Return what reads the maps of a transport stream with packets of `length` bytes."""

    def read(source: ByteSource) -> Tracks | None:
        data = source.read(min(HEAD, source.size), 0)
        maps: set[int] = set()
        kinds: dict[int, int] = {}
        for at in range(skip, len(data) - 187, length):
            packet = data[at : at + 188]
            number = int.from_bytes(packet[1:3]) & 0x1FFF
            if packet[0] != 0x47 or not packet[1] & 0x40 or not packet[3] & 0x10 or (number and number not in maps):
                continue
            body = packet[5 + packet[4] if packet[3] & 0x20 else 4 :]
            table = body[1 + body[0] :] if body else b""
            if len(table) < 12:
                continue
            end = 3 + (int.from_bytes(table[1:3]) & 0xFFF) - 4
            if end > len(table):
                return None  # goes on in the next packet
            if number == 0:
                maps |= {int.from_bytes(table[i + 2 : i + 4]) & 0x1FFF for i in range(8, end, 4)}
            elif table[0] == 2:
                i = 12 + (int.from_bytes(table[10:12]) & 0xFFF)
                while i < end:
                    kinds[int.from_bytes(table[i + 1 : i + 3]) & 0x1FFF] = table[i]
                    i += 5 + (int.from_bytes(table[i + 3 : i + 5]) & 0xFFF)
        video = sum(kind in PICTURES for kind in kinds.values())
        return Tracks(video, len(kinds) - video)

    return read


def _alone(source: ByteSource) -> Tracks:
    return Tracks(1)


KINDS: tuple[tuple[bytes, Callable[[ByteSource], Tracks | None]], ...] = (
    (rb".{4}(ftyp|moov|mdat|wide|free|skip|pnot|moof|styp)", _iso),
    (rb"\x1aE\xdf\xa3", _matroska),
    (rb"RIFF.{4}AVI ", _avi),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _asf),
    (rb"FLV\x01", _flash),
    (rb"OggS", _ogg),
    (rb"\0\0\x01\xba", _program),
    (rb"\x47.{187}\x47.{187}\x47", _transport(188, 0)),
    (rb".{4}\x47.{191}\x47.{191}\x47", _transport(192, 4)),
    (rb"\x47.{203}\x47.{203}\x47", _transport(204, 0)),
    (rb"DKIF|YUV4MPEG2|GIF8|\x89PNG|\xff\xd8\xff|\0?\0\0\x01", _alone),
)
"""How a container begins, and what reads its tracks; the last have a single one."""
