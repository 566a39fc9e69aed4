"""Frames of a video file: decoded from the nearest key frame, each known by its packet, parts side by side."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.decoders import open_decoder, picked
from vidformats.decoders.base import Decoder, into_bgr
from vidformats.decoders.index import Index, index_of
from vidformats.errors import FormatError, install
from vidformats.format import Reader
from vidformats.select import Crop, Plan
from vidformats.storage.base import ByteSource
from vidformats.threads import behind, spread

LARGE = 300_000
"""Pixels of a frame from which a decoder gains by threads of its own: below, they cost more than they bring."""

MIDDLE, BEHIND, UNEVEN = 100_000, 2, 0.6
"""Pixels of a frame from which another thread converts while decoding goes on; from `LARGE` on, FFmpeg's own threads
have all CPUs busy. So many frames wait for it at most. It beats two parts if one has more than so much of the work."""

PARTS, PART = 4, 32
"""At most so many parts per thread, of at least so many packets: enough to even out the threads."""

PICKS, LEAST = 2, 128
"""Packets that are decoded in one go cost more to begin: so many parts per thread, and at least so many packets."""

IDLE = 64 << 20
"""Bytes that the decoders kept for the next read may take, at least one of each kind."""

NEARBY, FAR, SLACK = 16, 32, 64
"""A decoder stays where it is, rather than to be drained, after a request up to so many frames behind the last, or
which took more packets than `FAR`. It is drained if a frame has not come so many packets after its own."""

HELD = 12
"""Frames that a decoder holds: those that others depend on, and those in its pool."""

Later = Callable[[Crop | None, np.ndarray], object]
"""Converts the part of the last frame that is wanted into its place, now or later."""


@dataclass
class Lent:
    """A decoder that keeps its place between reads.

    Attributes
    ----------
    decoder : Decoder
    frame : int
        The frame that came last; -1 before the first.
    """

    decoder: Decoder
    frame: int = -1

    def reaches(self, frame: int, start: int) -> bool:
        """Tell whether decoding on comes to a frame that can be decoded from the packet `start` on."""
        return not self.decoder.ended and frame > self.frame and start <= self.decoder.fed


class StreamReader(Reader):
    """Reader of a video file.

    Parameters
    ----------
    source : ByteSource
    shape : tuple of int, optional
        ``(T, C, H, W)`` that was written, if the codec could not hold it: frames are cut to H and W, and
        C = 1 is grey. Ignored when it does not fit the stream.
    stream : int, optional
        Which video track, counted from 0; by default the one that the ffmpeg program takes.
    rotate : bool
        Turn frames as the file says that they are to be shown.
    depth : int, optional
        8 or 16: bits of a value. By default 8 for colour, and as stored for grey.
    counted : bool
        Decode from start to end to find the frames, rather than believe the file's packets.
    decoder : str, optional
        ``"pyav"`` or ``"opencv"``; by default the first that is installed.

    Raises
    ------
    FormatError
        If no frame can be decoded.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> reader = StreamReader(open_source(vf.write(np.zeros((8, 3, 32, 32), "uint8"), "dark.mp4", fps=64)))
    >>> reader.shape, reader.fps, reader.times[:2].tolist()
    ((8, 3, 32, 32), 64.0, [0.0, 0.015625])
    """

    def __init__(
        self,
        source: ByteSource,
        shape: tuple[int, ...] | None = None,
        stream: int | None = None,
        rotate: bool = True,
        depth: int | None = None,
        counted: bool = False,
        decoder: str | None = None,
    ):
        if depth not in (None, 8, 16):
            raise ValueError(f"depth must be 8 or 16, got {depth!r}")
        if decoder not in (None, "pyav", "opencv"):
            raise ValueError(f"decoder must be 'pyav' or 'opencv', got {decoder!r}")
        self.source, self._stream, self._name = source, stream, decoder
        first = open_decoder(source, 1, stream, decoder)
        self._index: Index = index_of(first, counted)
        n = len(self._index.packets)
        if not n:
            raise FormatError(source.url, f"no frame can be decoded; its codec is {first.track.codec!r}")
        colour, self._size = first.colour, first.size
        wide = depth == 16 or (depth is None and colour.grey and colour.depth > 8)
        if wide and 16 not in first.depths:
            raise ValueError(f"{source.url}: depth=16 requires PyAV: {install('codecs')}")
        self.dtype = np.dtype(np.uint16 if wide else np.uint8)
        channels, (height, width) = 1 if colour.grey else 3, self._size
        if shape and _fits(shape, (n, height, width)):
            channels, height, width = shape[1:]
        self.rotation = first.rotation if rotate else 0
        self._stored = (channels, height, width)
        self._shown: tuple[int, int] | None = None
        self.shape = (n, channels, *((width, height) if self.rotation % 180 else (height, width)))
        self.fps, self.duration = self._index.fps, self._index.duration
        self.times = None if "untimed" in first.track.facts else self._index.times
        self.weight = max(1, min(42, 42 * height * width // (1920 * 1080)))
        self.info = _info(first, self._index)
        if first.rotation and not rotate:
            self.info["as_stored"] = True
        self._memo, self._idle, self._lock = first.memo, [Lent(first)], threading.Lock()
        self._aside = first.aside

    def reduce(self, size: tuple[int, int]) -> None:
        """Let frames be scaled as they are decoded, if they are not turned: then none is kept in its full size."""
        channels, height, width = self._stored
        if not self.rotation and size != (height, width) and size[0] <= height and size[1] <= width:
            self._shown, self._stored = (height, width), (channels, *size)
            self.shape = (self.shape[0], *self._stored)

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Decode whole frames, each once, from front to back."""
        self.read(plan, out, threads)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Decode frames, each once, from front to back, and keep the part that is wanted."""
        wanted = plan.frames
        parts = self._parts(wanted, threads)
        inner = threads if len(parts) == 1 and self._pays(wanted) else 1
        spare = inner == len(parts) == 1 < len(wanted) and self._converts_aside(threads)

        def work(part: slice) -> None:
            piece = plan.part(part)
            if self._picked(piece, out):
                return
            with self._lend(int(wanted[part.start]), inner) as lent, self._converting(lent.decoder, spare) as later:
                self._deliver(lent, piece, out, later)

        spread(work, parts, min(threads, len(parts)))

    def _parts(self, wanted: NDArray[np.int64], threads: int) -> list[slice]:
        """Cut a request at key frames into parts that cost about the same, to be decoded side by side."""
        parcel = self._memo.parcel
        if len(wanted) == 1 or (threads == 1 and parcel is None):
            return [slice(0, len(wanted))]
        start, packets = self._index.start[wanted], self._index.packets[wanted]
        before = np.maximum.accumulate(np.concatenate(([-1], packets[:-1])))
        cuts = np.concatenate(([True], start[1:] > before[1:]))
        total = np.cumsum(packets + 1 - np.clip(np.maximum(start, before + 1), None, packets))
        n = min(threads * PARTS, max(int(total[-1]) // PART, threads))
        long = int(total[-1]) // LEAST
        if parcel is not None and long >= threads and (table := self._memo.packets) is not None:
            taken = int(table.sizes[packets[0] : packets[-1] + 1].sum())
            n = max(min(long, threads * PICKS), 2 * taken // picked.MOST)
        at = np.flatnonzero(cuts)
        goals = total[-1] * np.arange(1, n) / n
        chosen = np.unique(at[np.clip(np.searchsorted(total[at], goals), 0, len(at) - 1)])
        bounds = [0, *chosen[chosen > 0].tolist(), len(wanted)]
        longest = np.diff(np.concatenate(([0], total[np.array(bounds[1:]) - 1]))).max()
        if longest > UNEVEN * total[-1] and self._converts_aside(threads):
            return [slice(0, len(wanted))]
        return [slice(a, b) for a, b in pairwise(bounds)]

    def _pays(self, wanted: NDArray[np.int64]) -> bool:
        """Tell whether one decoder with threads of its own is worth it."""
        index = self._index
        packets = len(wanted) if len(wanted) > 1 else int(index.packets[wanted[0]] - index.start[wanted[0]])
        return self._size[0] * self._size[1] >= LARGE and packets > 2

    def _converts_aside(self, threads: int) -> bool:
        """Tell whether a thread that converts frames, while another decodes, is worth it."""
        return self._aside and threads > 1 and MIDDLE <= self._size[0] * self._size[1] < LARGE

    @contextmanager
    def _converting(self, decoder: Decoder, spare: bool) -> Iterator[Later]:
        """Yield what has a frame converted: at once, or by a spare thread while decoding goes on."""
        if not spare:
            yield lambda crop, out: self._convert(decoder.into, crop, out)
            return
        with behind(BEHIND) as later:
            yield lambda crop, out: later(partial(self._convert, decoder.held(), crop, out))

    def _deliver(self, lent: Lent, plan: Plan, out: np.ndarray, convert: Later) -> None:
        """Put each wanted frame into its row; if a frame does not come, find out why."""
        at, wanted = 0, plan.frames
        start, packets, most, ends = self._stretches(wanted)
        going_on = lent.reaches(int(wanted[0]), int(start[0]))
        nearby = 0 < wanted[0] - lent.frame <= NEARBY
        while at < len(wanted):
            end = int(ends[np.searchsorted(ends, at, "right")])
            key: int | None = None
            if not going_on:
                key = int(start[at])
                lent.decoder.seek(key)
                lent.frame = -1
            stop = int(most[end - 1])
            needed = set(packets[at:end].tolist())
            if end == len(wanted) and (going_on or nearby or stop - start[at] > FAR):
                needed |= self._ahead(int(packets[end - 1]), stop)
                stop += SLACK  # drained, it would have to begin at a key frame again
            part = plan.part(slice(at, end))
            came, proved = self._run(lent, key, packets[at:end].tolist(), part, stop, needed, out, convert)
            at += came
            if at < end:
                self._explain(int(wanted[at]), key, proved, going_on)
                start, packets, most, ends = self._stretches(wanted)  # the index may have lost a key frame
            going_on = False

    def _picked(self, plan: Plan, out: np.ndarray) -> bool:
        """Decode the packets of a part in one go, and its first frame the usual way too; tell whether all is right."""
        packets, parcel = self._memo.packets, self._memo.parcel
        if parcel is None or packets is None or len(plan.frames) < 2:
            return False
        start, places = self._index.start[plan.frames], self._index.packets[plan.frames]
        if (places[1:] <= places[:-1]).any():
            return False
        steps = places + 1 - np.maximum(start, np.concatenate(([-1], places[:-1])) + 1)
        needed = np.repeat(places + 1 - np.cumsum(steps), steps) + np.arange(steps.sum())
        if len(needed) < LEAST or packets.hidden[needed].any() or packets.sizes[needed].sum() > picked.MOST:
            return False
        with self._lend(int(plan.frames[0]), 1) as lent, self._converting(lent.decoder, False) as now:
            self._deliver(lent, plan.part(slice(1)), out, now)
        first, rows = out[plan.rows[0]].copy(), plan.rows.tolist()
        images = picked.pictures(self.source, packets, parcel, needed, steps.tolist())
        try:
            for row, image in zip(rows, images, strict=True):
                self._convert(partial(into_bgr, image), plan.crop, out[row])
                if row == rows[0] and not np.array_equal(out[row], first):
                    return False
        except picked.Doubtful:
            return False
        return True

    def _stretches(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Return where each frame is decoded from, its packet, the last packet so far, and where stretches end.

        Between two stretches are packets that need not be decoded.
        """
        start, packets = self._index.start[wanted], self._index.packets[wanted]
        most = np.maximum.accumulate(packets)
        ends = np.append(np.flatnonzero(start[1:] > most[:-1] + 1) + 1, len(wanted))
        return start, packets, most, ends

    def _ahead(self, packet: int, stop: int) -> set[int]:
        """Return what must not be skipped if the next request goes on: all packets of frames shown after this one."""
        begin, order = max(0, stop - SLACK), self._index.order
        return {*(begin + np.flatnonzero(order[begin:stop] > order[packet])).tolist(), *range(stop, stop + SLACK)}

    def _run(
        self,
        lent: Lent,
        key: int | None,
        packets: list[int],
        plan: Plan,
        stop: int,
        needed: set[int],
        out: np.ndarray,
        convert: Later,
    ) -> tuple[int, bool]:
        """Deliver frames without a jump; return how many came, and whether the key frame proved to be one."""
        decoder, proved = lent.decoder, key is None
        for k, packet in enumerate(packets):
            while (place := decoder.next(stop, needed)) != packet:
                if place is None:
                    return k, proved
                if place == key:
                    if not decoder.key:
                        return k, False
                    proved = True
            if place == key:
                if not decoder.key:
                    return k, False
                proved = True
            lent.frame = int(plan.frames[k])
            convert(plan.crop, out[plan.rows[k]])
        return len(packets), proved

    def _explain(self, frame: int, key: int | None, proved: bool, went_on: bool) -> None:
        """Find out why a frame did not come: if its key frame was none, decoding begins earlier; else it is damaged."""
        if went_on:
            return  # it is tried again from its key frame
        if not proved and key is not None and key != (self._index.keys[0] if len(self._index.keys) else 0):
            self._index = self._index.without(key)
            return
        fault = f"frame {frame} cannot be decoded: its packet, or one that it depends on, is damaged"
        raise FormatError(self.source.url, fault)

    def _convert(self, into: Callable[..., None], crop: Crop | None, out: np.ndarray) -> None:
        if not self.rotation and crop is None and out.flags.c_contiguous:
            into(out, self._shown)
            return
        whole = np.empty(self._stored, self.dtype)
        into(whole, self._shown)
        if self.rotation:
            whole = np.rot90(whole, -self.rotation // 90, axes=(1, 2))
        out[...] = whole if crop is None else whole[crop]

    @contextmanager
    def _lend(self, frame: int, threads: int) -> Iterator[Lent]:
        """Lend a decoder, the one nearest before `frame`; it is not taken back after an error."""
        start = int(self._index.start[frame])
        with self._lock:
            fit = [lent for lent in self._idle if lent.decoder.threads == threads]
            best = max(fit, key=lambda lent: (lent.reaches(frame, start), lent.decoder.fed), default=None)
            if best:
                self._idle.remove(best)
        if best is None:
            best = Lent(open_decoder(self.source, threads, self._stream, self._name, self._memo))
        yield best
        with self._lock:
            taken = HELD * 3 * self._size[0] * self._size[1] // 2
            if sum(lent.decoder.threads == threads for lent in self._idle) < max(1, min(4, IDLE // taken)):
                self._idle.append(best)

    @property
    def starts(self) -> Sequence[int]:
        """Key frames."""
        return self._index.keys.tolist()  # type: ignore[no-any-return]

    def rest(self) -> Reader:
        """Return a reader without decoders; the index stays, which takes longer to make."""
        resting = copy.copy(self)
        resting._idle, resting._lock = [], threading.Lock()
        del resting.source
        return resting


def _info(decoder: Decoder, index: Index) -> dict[str, Any]:
    gops = np.diff(np.append(index.keys, len(index.order)))
    info: dict[str, Any] = {
        "codec": decoder.track.codec,
        "container": decoder.track.container,
        "fps": index.fps,
        "duration": index.duration,
        "frames": len(index.packets),
        "keyframes": len(index.keys),
        "gop": int(np.median(gops)) if len(gops) else len(index.packets),
        "b_frames": bool((np.diff(index.packets) < 0).any()),
        "variable_rate": bool(len(index.times) > 2 and np.ptp(np.diff(index.times)) > 1.5 * decoder.track.tick),
        "rotation": decoder.rotation,
        "interlaced": decoder.track.interlaced,
        "depth": decoder.colour.depth,
        "alpha": decoder.colour.alpha,
        **decoder.track.facts,
    }
    if index.missing:
        info["missing"] = index.missing
    return info


def _fits(shape: tuple[int, ...], stream: tuple[int, int, int]) -> bool:
    """Tell whether frames of `shape` can lie in the padded ones of a stream ``(T, H, W)``."""
    n, channels, height, width = shape
    sides = zip((height, width), stream[1:], strict=True)
    # Frames are padded by less than 16 pixels, or for x265 up to 72.
    padded = all(0 < side <= whole and (whole - side < 16 or whole == 72) for side, whole in sides)
    return n == stream[0] and channels in (1, 3) and padded
