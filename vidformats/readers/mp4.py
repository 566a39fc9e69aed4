"""Where an MP4 or QuickTime file has its packets, and when they are shown: the sample tables of its one video track.

Source: ISO/IEC 14496-12, 8.5 to 8.7.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Packets(NamedTuple):
    """The packets of a video track, in the order they lie in, are decoded in, and are shown in.

    Attributes
    ----------
    offsets, sizes : (N,) ndarray of int64, bytes
    stamps : (N,) ndarray of float64, milliseconds
        When each is shown, computed as FFmpeg and OpenCV do.
    keys : (N,) ndarray of bool
        Which are key frames.
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    stamps: NDArray[np.float64]
    keys: NDArray[np.bool_]


def packets_of(path: str | os.PathLike) -> Packets | None:
    """Return what the tables say; None where the file is of another kind, or they are not as plain as that.

    Nothing in it is trusted: tables that don't agree with each other, or with the file's size, are None too.
    """
    try:
        moov = _moov(Path(path))
        tracks = [dict(_boxes(content)) for kind, content in _boxes(moov) if kind == b"trak"]
        media = [(track, dict(_boxes(track[b"mdia"]))) for track in tracks]
        films = [(track, told) for track, told in media if told[b"hdlr"][8:12] == b"vide"]
        if len(films) != 1 or b"mvex" in dict(_boxes(moov)):  # several tracks; fragments, whose tables are elsewhere
            return None
        track, told = films[0]
        table = dict(_boxes(dict(_boxes(told[b"minf"]))[b"stbl"]))
        if b"ctts" in table or not _shown_whole(track):
            return None
        at = 20 if told[b"mdhd"][0] else 12
        return _placed(table, int.from_bytes(told[b"mdhd"][at : at + 4], "big"), os.path.getsize(path))
    except (ValueError, KeyError, IndexError):
        return None


def _lengths(head: bytes | memoryview, left: int, last: int = 0) -> tuple[int, int]:
    """Return the bytes of a box and of its header; a box of no size takes `last`, and `left` is what there is."""
    size, used = int.from_bytes(head[:4], "big"), 8
    if size == 1:
        size, used = int.from_bytes(head[8:16], "big"), 16
    size = size or last
    if not used <= size <= left:
        raise ValueError
    return size, used


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the content of each box in `data`."""
    at = 0
    while at + 8 <= len(data):
        size, used = _lengths(data[at : at + 16], len(data) - at)
        yield bytes(data[at + 4 : at + 8]), data[at + used : at + size]
        at += size


def _moov(path: Path) -> memoryview:
    """Return the content of the box that describes the tracks; empty where there is none."""
    end = path.stat().st_size
    with open(path, "rb") as file:
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size, used = _lengths(head, end - at, last=end - at)  # the last box of a file may say nothing
            if head[4:8] == b"moov":
                file.seek(at + used)
                return memoryview(file.read(size - used))
            at += size
    return memoryview(b"")


def _shown_whole(track: dict[bytes, memoryview]) -> bool:
    """Tell whether no edit list moves the track's start; where one cuts its end, decoding tells."""
    if b"edts" not in track:
        return True
    edits = dict(_boxes(track[b"edts"]))[b"elst"]
    return edits[0] == 0 and _numbers(edits, 4, columns=3)[:, 1].tolist() == [0]


def _numbers(data: memoryview, at: int, columns: int = 1, width: int = 4) -> NDArray[np.int64]:
    """Return a table that begins with its length, of big-endian numbers of `width` bytes."""
    n = int.from_bytes(data[at : at + 4], "big")
    table = np.frombuffer(data[at + 4 : at + 4 + n * columns * width], f">u{width}").astype(np.int64)
    return table.reshape(n, columns)


def _placed(table: dict[bytes, memoryview], ticks: int, end: int) -> Packets | None:
    each, n = (int.from_bytes(table[b"stsz"][at : at + 4], "big") for at in (4, 8))
    if not n or not ticks or each * n > end:
        return None
    sizes = np.full(n, each, np.int64) if each else _numbers(table[b"stsz"], 8)[:, 0]
    chunks = _numbers(table[b"stco"], 4)[:, 0] if b"stco" in table else _numbers(table[b"co64"], 4, width=8)[:, 0]
    first, count, described = _numbers(table[b"stsc"], 4, columns=3).T
    lasting = np.diff(first, append=len(chunks) + 1)  # one row stands for all chunks up to the next
    lengths, durations = _numbers(table[b"stts"], 4, columns=2).T
    fits = first[0] == 1 and lasting.min() > 0 and count.min() > 0 and (described == 1).all()
    if not fits or int((count * lasting).sum()) != n or int(lengths.sum()) != n:
        return None
    counts, before = np.repeat(count, lasting), np.cumsum(sizes) - sizes
    offsets = before + np.repeat(chunks - before[np.cumsum(counts) - counts], counts)
    if offsets.min() < 0 or offsets.max() > end or (offsets + sizes).max() > end:
        return None
    ends = np.cumsum(np.repeat(durations, lengths))
    stamps = np.concatenate(([0], ends[:-1])) * (1 / ticks) * 1000
    keys = np.ones(n, bool)
    if b"stss" in table:
        keys[:] = False
        keys[_numbers(table[b"stss"], 4)[:, 0] - 1] = True
    return Packets(offsets, sizes, stamps, keys)
