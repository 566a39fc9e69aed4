"""Which frames a video shows: their packets in the order of presentation, their times, and where decoding can begin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.decoders.base import NONE, Decoder, Packets, Track

SINGLE = {
    "apng", "av1", "cfhd", "cinepak", "dnxhd", "dvvideo", "ffv1", "ffvhuff", "flv1", "gif", "h263", "h264", "hevc",
    "huffyuv", "jpeg2000", "magicyuv", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2",
    "msmpeg4v3", "png", "prores", "qtrle", "rawvideo", "theora", "utvideo", "v210", "vp8", "vp9", "wmv1", "wmv2",
}  # fmt: skip
"""Codecs of which each packet makes one frame, as far as `trusted` knows their exceptions."""

TIMED = {
    "apng", "asf", "avi", "flv", "gif", "ivf", "matroska", "mov", "mpeg", "mpegts", "mxf", "nut", "ogg", "yuv4mpegpipe",
}  # fmt: skip
"""Containers that say when a packet is shown; those of raw streams do not."""

TINY = 24
"""Bytes up to which an MPEG-4 packet may stand for "no change" and make no frame."""

USUAL_RATE = 25
"""Frames per second of a stream that says nothing of its time, as FFmpeg assumes."""

RATE_TOLERANCE = 0.005
"""Relative difference up to which the rate in a file's header is believed, rather than what the frames' times give."""


class Index(NamedTuple):
    """The frames of a video, in the order they are shown.

    Attributes
    ----------
    packets : (T,) ndarray of int64
        The packet of each frame.
    start : (T,) ndarray of int64
        The packet from which each frame is decoded.
    keys : (K,) ndarray of int64
        Packets that can be decoded on their own, rising.
    order : (N,) ndarray of int64
        For each packet a number that rises with the time it is shown.
    times : (T,) ndarray of float64, seconds
    duration : float, seconds
        From the first frame to the end of the last.
    fps : float
        Average rate.
    missing : int
        Frames that the file announces without having their bytes.
    """

    packets: NDArray[np.int64]
    start: NDArray[np.int64]
    keys: NDArray[np.int64]
    order: NDArray[np.int64]
    times: NDArray[np.float64]
    duration: float
    fps: float
    missing: int

    def without(self, key: int) -> Index:
        """Return the index without a key frame that turned out to be none."""
        keys = self.keys[self.keys != key]
        return self._replace(keys=keys, start=starts(self.packets, keys, self.order))


def starts(packets: NDArray[np.int64], keys: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the packet from which each frame is decoded: the last key frame before it in the file and in time.

    A frame that lies behind a key frame but is shown before it needs what comes before both.

    Examples
    --------
    >>> starts(np.array([0, 3, 2]), np.array([0, 2]), np.array([0, 9, 2, 1])).tolist()
    [0, 0, 2]
    """
    if not len(keys):
        return np.zeros_like(packets)
    at = np.searchsorted(keys, packets, "right") - 1
    at = np.where((at >= 0) & (order[packets] < order[keys[at]]), at - 1, at)
    return np.where(at < 0, 0, keys[at])


def trusted(packets: Packets, track: Track) -> bool:
    """Tell whether the packets that are not hidden are the frames, shown by their time stamps."""
    shown = ~packets.hidden
    pts = packets.pts[shown]
    if track.codec not in SINGLE or track.container not in TIMED or not len(pts) or (pts == NONE).any():
        return False
    if not np.diff(np.sort(pts)).all():  # two of one time; np.unique takes ten times as long
        return False
    dts = packets.dts[packets.dts != NONE]
    if (np.diff(dts) < 0).any():
        return False  # time jumps back: two recordings one after the other
    if track.container in ("avi", "asf") and (track.reorder or track.codec in ("h264", "hevc")):
        return False  # their stamps are those of decoding
    if track.container in ("mpegts", "mpeg") and track.codec == "h264" and track.interlaced:
        return False  # two packets may make one frame
    return not (track.codec == "mpeg4" and packets.sizes[shown].min() <= TINY)


def index_of(decoder: Decoder, counted: bool = False) -> Index:
    """Return the index of a video.

    Parameters
    ----------
    decoder : Decoder
        Just opened.
    counted : bool
        Decode everything, rather than to believe the packets.
    """
    packets, track = decoder.packets(), decoder.track
    keys = np.flatnonzero(packets.keys)
    if decoder.memo.counts:
        frames = np.arange(len(packets.pts))
        return _timed(
            Index(frames, 0 * frames, keys[:1], frames, *_NO_TIME, packets.missing), packets, track, packets.pts
        )
    if not counted and trusted(packets, track):
        shown = np.flatnonzero(~packets.hidden)
        frames = shown[np.argsort(packets.pts[shown], kind="stable")]
        order = packets.pts
        frames = _without_head(decoder, frames, keys, order)
    else:
        frames = _walked(decoder)
        if decoder.memo.counts:
            order, keys = frames, keys[:0]
        else:
            order = np.full(len(packets.pts), -1, np.int64)
            order[frames] = np.arange(len(frames))
    index = Index(frames, starts(frames, keys, order), keys, order, *_NO_TIME, packets.missing)
    return _timed(index, packets, track, packets.pts[frames] if len(packets.pts) > frames.max(initial=-1) else None)


_NO_TIME = (np.empty(0), 0.0, 0.0)


def _without_head(
    decoder: Decoder, frames: NDArray[np.int64], keys: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Drop frames at the start that depend on what the file does not have: decoding tells which these are."""
    first = int(keys[0]) if len(keys) else len(order)
    if first == len(order):
        return frames
    doubtful = (frames < first) | (order[frames] < order[first])
    if not doubtful.any() or first in set(np.flatnonzero(order == NONE).tolist()):
        return frames
    last = int(order[first])
    seen = set()
    decoder.seek(0)
    while (packet := decoder.next()) is not None:
        seen.add(packet)
        if order[packet] > last and packet > first:
            break
    certain: NDArray[np.int64] = frames[~doubtful | np.isin(frames, list(seen | decoder.damaged))]
    return certain


def _walked(decoder: Decoder) -> NDArray[np.int64]:
    """Decode everything; return the packets of the frames in the order they came, damaged ones in their place."""
    frames: list[int] = []
    decoder.seek(0)
    while (packet := decoder.next()) is not None:
        frames.append(packet)
    if len(set(frames)) < len(frames) or min(frames, default=0) < 0:
        decoder.memo.counts = True
        return np.arange(len(frames))
    order = np.array(frames, np.int64)
    # What follows a damaged packet may not come either, until the next key frame: it keeps its place, too.
    keys = np.append(np.flatnonzero(decoder.packets().keys), len(decoder.packets().pts))
    ends = keys[np.searchsorted(keys, sorted(decoder.damaged), "right").clip(max=len(keys) - 1)].tolist()
    lost = {packet for start, end in zip(sorted(decoder.damaged), ends, strict=True) for packet in range(start, end)}
    for packet in sorted(lost - set(frames)):
        before = np.flatnonzero(order < packet)
        order = np.insert(order, before[np.argmax(order[before])] + 1 if len(before) else 0, packet)
    return order


def _timed(index: Index, packets: Packets, track: Track, pts: NDArray[np.int64] | None) -> Index:
    """Fill in times, duration and rate."""
    n = len(index.packets)
    if not n:
        return index
    ticks = pts
    if ticks is None or (ticks == NONE).any() or (track.container == "avi" and track.reorder):
        dts = packets.dts[~packets.hidden]
        ticks = np.sort(dts)[:n] - dts.min() + track.start if len(dts) >= n and not (dts == NONE).any() else None
    rate = track.rate
    if ticks is None:
        fps = float(rate or USUAL_RATE)
        return index._replace(times=np.arange(n) / fps, duration=n / fps, fps=fps)
    steps = np.diff(ticks)
    usual = int(np.median(steps)) if n > 1 else 0
    if (steps < 0).any():  # recordings one after the other: each goes on where the last one ended
        ticks = ticks + np.concatenate(([0], np.cumsum(np.where(steps < 0, usual - steps, 0))))
    times = (ticks - track.start) * track.tick.numerator / track.tick.denominator
    known = packets.durations[index.packets[-1]] if index.packets[-1] < len(packets.durations) else 0
    last = float(known * track.tick) if known > 0 else float(usual * track.tick)
    if last <= 0:
        last = 1 / float(rate or USUAL_RATE)
    duration = float(times[-1] - times[0]) + last
    average = n / duration if duration > 0 else float(rate or USUAL_RATE)
    fits = rate is not None and abs(float(rate) / average - 1) < max(RATE_TOLERANCE, 1.5 * float(track.tick) / duration)
    return index._replace(times=times, duration=duration, fps=float(rate) if fits and rate else average)
