"""A codec's stream: decoded from the nearest useful key frame, each frame known by its time stamp.

OpenCV can read a file's packets without decoding them. Sorted by time stamp they are the frames in the
order they are shown, so that a grabbed frame's stamp tells which one it is, wherever a seek landed. A
stream whose packets and frames disagree is decoded from its start and counted: slow, but never wrong.

Where packets lie in the order they are shown, those that a request needs are picked out, and a decoder
gets nothing else: of a stream of key frames just the wanted ones.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.opencv import cv2
from vidformats.readers.mp4 import Packets, packets_of
from vidformats.readers.splice import splice
from vidformats.select import Plan, frames_in, runs
from vidformats.storage.base import ByteSource
from vidformats.threads import spread

PREROLL = 16
"""Frames before its target at which OpenCV's seek looks for a key frame; it decodes from there, so a jump to
frame w costs about as much as grabbing ``w - last key frame before (w - 16)`` frames."""

JUMP, OPEN, PICK, PICK_TOLD = 4, 20, 1.35, 1.05
"""What a seek costs besides, what opening picked packets does, and what decoding one costs with picking it, the
latter where the file tells their places: in frames grabbed, measured at 120 x 120."""

PARTS, PART = 4, 64
"""At most so many parts a thread, of at least so many grabbed frames: enough to even out the threads."""

PICKED = 512 << 10
"""Bytes of packets that are picked out at a time, by each thread."""

TOGETHER = 256 << 10
"""Bytes of decoded frames that are put into the planes of the result at a time: they stay in the caches."""

IDLE = 4
"""Captures of a kind kept for the next read. Each holds a decoder's reference frames and one converted
frame: about 2 MB at 120 x 120, and 40 MB at 1920 x 1080."""

HEAD, TAIL = 16, 32 << 20
"""How much is decoded at open to see whether packets and frames agree: frames at the start, and at most
so many pixels from the last key frame to the end. What disagrees in between is found when it is read."""

TIMED = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Boxes that begin an MP4 or QuickTime file. They and Matroska give every packet the time it is shown; others
may only give the order of decoding."""

ALONE = ("FMP4", "mp4v", "XVID", "DIVX", "MJPG", "mjpg", "FFV1", "ffv1", "VP80", "VP90")
"""Codecs whose packets need nothing but those from the key frame on, as tests show. H.264 counts its frames
across key frames, and does not like gaps."""


class Index(NamedTuple):
    """Which frames a stream holds.

    Attributes
    ----------
    n_frames : int
    stamps : (T,) ndarray of float64, milliseconds
        When each is shown, strictly rising; empty where stamps can't tell the frames apart.
    keys : (K,) ndarray of int64
        The key frames.
    closed : bool
        No frame shown before a key frame comes after it in the file: whatever a seek delivers is whole.
    plain : bool
        The packets are the frames, in their order.
    """

    n_frames: int
    stamps: NDArray[np.float64] = np.empty(0)
    keys: NDArray[np.int64] = np.empty(0, np.int64)
    closed: bool = False
    plain: bool = False

    def start(self, frames: Any) -> Any:
        """Return the key frame at or before each of `frames`; 0 where there is none."""
        if not len(self.keys):
            return np.zeros_like(frames)
        at = np.searchsorted(self.keys, frames, "right") - 1
        return np.where(at < 0, 0, self.keys[at])

    def jump(self, frames: Any) -> Any:
        """Return what a jump to each of `frames` costs, in frames grabbed."""
        targets = frames if self.closed else self.start(frames)
        return frames - self.start(np.maximum(targets - PREROLL, 0)) + JUMP

    def first(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the packet from which each of the rising `frames` is decoded, after the one before it."""
        return np.maximum(self.start(frames), np.concatenate(([0], frames[:-1] + 1)))


class Lost(Exception):
    """The frame that was grabbed is not the one that the index expects."""


class Capture:
    """One decoder with its place in the stream: the frame grabbed last, -1 before the first.

    Parameters
    ----------
    path : Path
    raw : bool
        Deliver packets as they are, and decode nothing.
    data : buffer, optional
        Read from this instead of the file.
    """

    def __init__(self, path: Path, raw: bool = False, data: Any = None):
        self.path, self.raw, self.at = path, raw, -1
        self.images: np.ndarray | None = None
        # One thread each: at small frames FFmpeg's own threading is 2 times slower than decoding two parts.
        settings = [cv2.CAP_PROP_N_THREADS, 1, *((cv2.CAP_PROP_FORMAT, -1) if raw else ())]
        source: Any = os.path.abspath(path) if data is None else io.BytesIO(data)
        self.cv = cv2.VideoCapture(source, cv2.CAP_FFMPEG, settings)
        if not self.cv.isOpened():
            if data is not None:
                raise Lost
            fault = "it is empty, cut short, or of a kind that OpenCV can't read"
            raise FormatError(os.path.realpath(path), f"holds no video that can be opened: {fault}")
        self.cv.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)

    def grab(self) -> float | None:
        """Decode the next frame and return its time stamp in milliseconds; None at the end."""
        return self.cv.get(cv2.CAP_PROP_POS_MSEC) if self.cv.grab() else None

    def skip(self, n: int) -> None:
        """Decode the next `n` frames."""
        grab = self.cv.grab
        for _ in range(n):
            if not grab():
                raise Lost
        self.at += n

    def go(self, index: Index, frame: int, jump: int) -> None:
        """Grab frames until `frame` was the last one; seek where that beats `jump`, what a seek costs."""
        if frame == self.at:
            return
        if frame < self.at or frame - self.at > jump:
            self._seek(index, frame)
        self.skip(frame - self.at)
        if len(index.stamps) and self.cv.get(cv2.CAP_PROP_POS_MSEC) != index.stamps[frame]:
            raise Lost

    def _seek(self, index: Index, frame: int) -> None:
        """Come to `frame` or before it; after too late a landing from farther back, at last from the start."""
        goal, back = int(frame if index.closed else index.start(frame)), PREROLL
        target = goal
        while target > PREROLL and len(index.stamps):
            self.cv.set(cv2.CAP_PROP_POS_MSEC, index.stamps[target])
            stamp = self.grab()
            if stamp is None:
                break
            self.at = int(np.searchsorted(index.stamps, stamp))
            if self.at <= goal and index.stamps[self.at] == stamp:
                return
            target, back = target - back, 2 * back
        self.cv, self.at = Capture(self.path, self.raw).cv, -1

    def image(self, buffer: np.ndarray | None = None) -> np.ndarray:
        """Return the grabbed frame, ``(H, W, 3)`` in BGR, in `buffer` where one is given."""
        done, image = self.cv.retrieve(buffer)
        if not done or (buffer is not None and image.shape != buffer.shape):
            fault = f"changes its size to {image.shape[:2]}" if done else "can't be converted"
            raise FormatError(os.path.realpath(self.path), f"frame {self.at} {fault}")
        return image

    def packet(self) -> memoryview:
        """Return the grabbed packet's bytes."""
        return self.cv.retrieve()[1].data.cast("B")

    def extradata(self) -> bytes:
        """Return what the codec keeps outside its packets."""
        found, data = self.cv.retrieve(flag=int(self.cv.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
        return data.tobytes() if found and data is not None else b""


def packets(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return every packet's time stamp in milliseconds, in the file's order, and which are key frames."""
    cv = Capture(path, raw=True).cv
    found = []
    while cv.grab():
        found.append((cv.get(cv2.CAP_PROP_POS_MSEC), cv.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME)))
    table = np.array(found, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1] != 0


def shown(path: Path) -> NDArray[np.float64]:
    """Return the time stamps in milliseconds of all frames, by decoding them."""
    capture = Capture(path)
    return np.array(list(iter(capture.grab, None)), np.float64)


def index_of(path: Path, pixels: int, told: Packets | None = None) -> Index:
    """Return the index of a stream.

    Parameters
    ----------
    path : Path
    pixels : int
        Of one frame.
    told : Packets, optional
        By the file's own tables, which saves to walk through all packets if they prove right.
    """
    index = agreed(path, pixels, told.stamps, told.keys) if told else None
    return index or agreed(path, pixels, *packets(path)) or Index(len(shown(path)))


def agreed(path: Path, pixels: int, stamps: NDArray[np.float64], flags: NDArray[np.bool_]) -> Index | None:
    """Return the index that packets make, in the file's order; None where decoding does not agree with it."""
    order = np.argsort(stamps, kind="stable")
    ordered = bool((np.diff(order) > 0).all())
    stamps, flags = stamps[order], flags[order]
    if not flags.any() or (np.diff(stamps) <= 0).any():
        return None
    with open(path, "rb") as file:
        head = file.read(4096)
    timed = head[4:8] in TIMED or (head.startswith(b"\x1aE\xdf\xa3") and b"V_MS/VFW" not in head)
    if not timed:
        # Packets may lie in one order and be shown in another, without a word about it: decoding tells.
        frames = shown(path) if ordered and not flags.all() else stamps
        if not np.array_equal(frames, stamps):
            return Index(len(frames))

    capture = Capture(path)
    first = capture.grab()
    kept = np.flatnonzero(stamps == first)
    if not len(kept):
        return None
    hidden = int(kept[0])  # an edit list may hide the frames before, and some at the end
    order, stamps, keys = order[hidden:], stamps[hidden:], np.flatnonzero(flags[hidden:])
    # A frame that is shown before a key frame, but follows it in the file, needs what comes before both.
    # And a seek in MPEG's own streams may land between key frames.
    closed = bool((np.maximum.accumulate(order)[keys] == order[keys]).all()) and (timed or head[:4] == b"RIFF")
    n, last = len(stamps), int(keys[-1]) if len(keys) else 0
    index, capture.at = Index(n, stamps, keys, closed, ordered and not hidden), 0
    try:
        capture.go(index, min(HEAD, n) - 1, n)
        if (n - last) * pixels > TAIL:
            return index
        capture.go(index, max(last, capture.at), int(index.jump(last)))
        while (stamp := capture.grab()) is not None:
            capture.at += 1
            if capture.at == n or stamp != stamps[capture.at]:
                raise Lost
    except Lost:
        return None
    n = capture.at + 1
    return Index(n, stamps[:n], keys[keys < n], closed, index.plain and n == len(stamps))


class StreamReader(Reader):
    """Reader of a video file.

    Parameters
    ----------
    source : ByteSource
    shape : tuple of int, optional
        ``(T, C, H, W)`` that was written, where the codec could not hold it: frames are cut to H and W, and
        C = 1 is grey. Ignored when it does not fit the stream.
    counted : bool
        Decode from start to end to count the frames, as a damaged file needs it.

    Raises
    ------
    FormatError
        Where no frame can be decoded.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> reader = StreamReader(open_source(vf.write(np.zeros((8, 3, 32, 32), "uint8"), "dark.mp4")))
    >>> reader.shape, reader.info["fps"]
    ((8, 3, 32, 32), 64.0)
    """

    dtype = np.dtype(np.uint8)
    weight = 16  # at 1920 x 1080 a capture holds 40 MB

    def __init__(self, source: ByteSource, shape: tuple[int, ...] | None = None, counted: bool = False):
        self.source, self._path, path = source, Path(source.as_path()), source.url
        if source.read(8, 0).startswith((b"#EXTM3U", b"ffconcat")):
            raise FormatError(path, "is a list of other files, not a video")
        capture = Capture(self._path)
        self._codec = int(capture.cv.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
        codec = self._codec.decode("latin-1").strip("\0 ")
        if capture.grab() is None:
            raise FormatError(path, f"no frame can be decoded; its codec is {codec!r}")
        capture.at, self._size = 0, capture.image().shape[:2]
        pixels = self._size[0] * self._size[1]
        told = packets_of(self._path) if hasattr(cv2, "CAP_PROP_PTS") else None  # OpenCV before 4.11 can't confirm it
        index = Index(len(shown(self._path))) if counted else index_of(self._path, pixels, told)
        n = index.n_frames
        self._index = index._replace(plain=index.plain and codec in ALONE and hasattr(cv2, "IStreamReader"))
        self._places = (told.offsets, told.sizes) if told and self._index.plain and len(told.sizes) == n else None
        self._mean = source.size // n
        self.shape = shape if shape and _fits(shape, (n, *self._size)) else (n, 3, *self._size)
        self.info: dict[str, Any] = {
            "codec": codec,
            "fps": capture.cv.get(cv2.CAP_PROP_FPS),
            "frames": n,
            "keyframes": len(index.keys),
            "indexed": len(index.stamps) > 0,
        }
        self._idle, self._lock = [capture], threading.Lock()

    def fetch(self, plan: Plan, out: np.ndarray, threads: int) -> None:
        """Decode whole frames, each once, from front to back."""
        index, wanted, self._path = self._index, plan.frames, Path(self.source.as_path())
        near = max((c.at for c in list(self._idle) if not c.raw and c.at <= wanted[0]), default=-1)
        jumps, picked = index.jump(wanted), wanted - index.first(wanted) + 1
        grabbed = np.minimum(np.diff(wanted, prepend=near), jumps)
        each = PICK_TOLD if self._places else PICK
        by_picking = index.plain and each * picked.sum() + OPEN < grabbed.sum()
        if not len(index.stamps):
            parts = [slice(0, len(wanted))]
        elif by_picking:
            parts = cut(picked, threads, int(picked.sum()) * self._mean // PICKED)
        else:
            parts = cut(grabbed, threads)

        def go(part: slice, capture: Capture) -> Iterator[None]:
            for frame, jump in zip(wanted[part].tolist(), jumps[part].tolist(), strict=True):
                capture.go(index, frame, jump)
                yield

        def grab(part: slice) -> None:
            with self._capture(int(wanted[part.start]), raw=False) as capture:
                self._deliver(capture, go(part, capture), plan.rows[part], out)

        def pick(part: slice) -> None:
            steps = wanted[part] - index.first(wanted[part]) + 1
            packets = np.repeat(wanted[part] + 1 - np.cumsum(steps), steps) + np.arange(steps.sum())
            capture = Capture(self._path, data=self._spliced(packets))
            self._deliver(capture, map(capture.skip, steps.tolist()), plan.rows[part], out)
            if capture.grab() is not None:
                raise Lost

        work = pick if by_picking else grab
        try:
            spread(work, parts, min(threads, len(parts)))
        except Lost:
            self._distrust(by_picking)
            self.fetch(plan, out, threads)

    def _spliced(self, packets: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a video of these packets alone, read from where they lie, or one by one where that is unknown."""
        if self._places:
            offsets, sizes = (column[packets] for column in self._places)
            video, starts = splice(sizes, self._codec, self._size, self._extradata)
            flat, stops = video.data, (starts + sizes).tolist()
            pieces = zip(offsets.tolist(), starts.tolist(), stops, strict=True)
            self.source.read_ranges((offset, flat[start:stop]) for offset, start, stop in pieces)
            return video
        data = []
        with self._capture(int(packets[0]), raw=True) as capture:
            for packet in packets.tolist():
                capture.go(self._index, packet, PREROLL + JUMP)
                data.append(capture.packet())
        sizes = np.array([len(packet) for packet in data], np.int64)
        video, starts = splice(sizes, self._codec, self._size, self._extradata)
        for start, packet in zip(starts.tolist(), data, strict=True):
            video.data[start : start + len(packet)] = packet
        return video

    @cached_property
    def _extradata(self) -> bytes:
        capture = Capture(self._path, raw=True)
        capture.grab()
        return capture.extradata()

    def rest(self) -> bool:
        """Close the captures; the index stays, which takes 20 times as long to make as a capture."""
        self._idle = []
        return True

    def _distrust(self, picked: bool) -> None:
        """After a wrong frame, give up what it was found by; raise where no way is left."""
        if not len(self._index.stamps):
            raise FormatError(self._path, "delivers fewer frames than when it was opened")
        if picked:
            self._index = self._index._replace(plain=False)
            return
        n = len(shown(self._path))
        if n != self.shape[0]:
            fault = f"has packets for {self.shape[0]} frames, but {n} can be decoded"
            raise FormatError(self._path, f"{fault}; open it with counted=True to read those")
        self._index = Index(n)

    @contextmanager
    def _capture(self, frame: int, raw: bool) -> Iterator[Capture]:
        """Lend a capture, the one nearest before `frame`; it is not taken back after an error."""
        with self._lock:
            fit = [c for c in self._idle if c.raw == raw]
            capture = max(fit, key=lambda c: (c.at <= frame, c.at), default=None)
            if capture:
                self._idle.remove(capture)
        capture = capture or Capture(self._path, raw)
        yield capture
        with self._lock:
            if sum(c.raw == raw for c in self._idle) < IDLE:
                self._idle.append(capture)

    def _deliver(self, capture: Capture, arrivals: Iterator[None], rows: NDArray[np.int64], out: np.ndarray) -> None:
        """Put each frame that `capture` arrives at into its row; neighbours together, since each call has its price."""
        if capture.images is None:
            capture.images = np.empty((frames_in(TOGETHER, (*self._size, 3), self.dtype), *self._size, 3), np.uint8)
        bounds = np.union1d(runs(rows), np.arange(0, len(rows), len(capture.images))).tolist()
        for start, stop in pairwise(bounds):
            images = capture.images[: stop - start]
            for image in images:
                next(arrivals)
                capture.image(image)
            self._convert(images, out[rows[start] : rows[start] + stop - start])

    def _convert(self, images: np.ndarray, out: np.ndarray) -> None:
        """Put BGR images into the planes of `out`, without a temporary."""
        n, channels, height, width = out.shape
        if channels == 3 and self._size == (height, width):
            planes = out.reshape(n, 3, height * width)
            cv2.split(images.reshape(n, height * width, 3), [planes[:, 2], planes[:, 1], planes[:, 0]])
            return
        for image, planes in zip(images[:, :height, :width], out, strict=True):
            if channels == 1:
                cv2.extractChannel(image, 1, planes[0])
            else:
                cv2.split(image, [planes[2], planes[1], planes[0]])


def cut(costs: NDArray[np.int64], threads: int, at_least: int = 0) -> list[slice]:
    """Cut frames into parts that cost about the same, to be decoded side by side."""
    if len(costs) == 1:
        return [slice(0, 1)]
    total = np.cumsum(costs + 1)
    n = max(at_least + 1, min(threads * PARTS, int(total[-1]) // PART) if threads > 1 else 1)
    n += -n % threads if n > threads else 0  # none is left for one thread alone
    ends = np.unique(np.searchsorted(total, total[-1] * np.arange(1, n + 1) / n) + 1).clip(max=len(costs)).tolist()
    return [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]


def _fits(shape: tuple[int, ...], stream: tuple[int, int, int]) -> bool:
    """Tell whether frames of `shape` can lie in the padded ones of a stream ``(T, H, W)``."""
    n, channels, height, width = shape
    pads = (stream[1] - height, stream[2] - width)
    return n == stream[0] and channels in (1, 3) and height > 0 < width and min(pads) >= 0 and max(pads) < 16
