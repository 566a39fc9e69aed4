"""A codec's stream: decoded from the nearest useful key frame, each frame known by its time stamp.

OpenCV can read a file's packets without decoding them. Sorted by time stamp they are the frames in the
order they are shown, so that a grabbed frame's stamp tells which one it is, wherever a seek landed. A
stream whose packets and frames disagree is decoded from its start and counted: slow, but never wrong.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vidformats.format import FormatError, Reader
from vidformats.select import in_order
from vidformats.threads import share

PREROLL = 16
"""Frames before its target at which OpenCV's seek looks for a key frame; it decodes from there, so a jump to
frame w costs about as much as grabbing ``w - last key frame before (w - 16)`` frames."""

JUMP = 4
"""What a seek costs besides, in frames grabbed; measured at 120 x 120."""

PARTS, PART = 4, 128
"""At most so many parts a thread, of at least so many grabbed frames: enough to even out the threads."""

IDLE = 4
"""Captures kept for the next read. Each holds a decoder's reference frames and one converted frame:
about 2 MB at 120 x 120, and 40 MB at 1920 x 1080."""

HEAD, TAIL = 16, 32 << 20
"""How much is decoded at open to see whether packets and frames agree: frames at the start, and at most
so many pixels from the last key frame to the end. What disagrees in between is found when it is read."""

TIMED = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Boxes that begin an MP4 or QuickTime file. They and Matroska give every packet the time it is shown; others
may only give the order of decoding."""


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
    """

    n_frames: int
    stamps: NDArray[np.float64]
    keys: NDArray[np.int64]
    closed: bool

    def start(self, frames: Any) -> Any:
        """Return the key frame at or before each of `frames`; 0 where there is none."""
        at = np.searchsorted(self.keys, frames, "right") - 1
        return np.where(at < 0, 0, self.keys[np.maximum(at, 0)]) if len(self.keys) else np.zeros_like(frames)

    def cost(self, frames: Any) -> Any:
        """Return what a jump to each of `frames` costs, in frames grabbed."""
        targets = frames if self.closed else self.start(frames)
        return frames - self.start(np.maximum(targets - PREROLL, 0)) + JUMP


class Lost(Exception):
    """The frame that was grabbed is not the one that the index expects."""


class Capture:
    """One decoder with its place in the stream: the frame grabbed last, -1 before the first."""

    def __init__(self, path: Path, *more: int):
        self.path, self.at = path, -1
        self.buffer: np.ndarray | None = None
        # One thread each: at small frames FFmpeg's own threading is 2 times slower than decoding two parts.
        self.cv = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *more])
        if not self.cv.isOpened():
            raise FormatError(
                path,
                "holds no video that can be opened: it is empty, cut short, or of a kind OpenCV can't read",
            )
        self.cv.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)

    def grab(self) -> float | None:
        """Decode the next frame and return its time stamp in milliseconds; None at the end."""
        return self.cv.get(cv2.CAP_PROP_POS_MSEC) if self.cv.grab() else None

    def step(self, index: Index) -> None:
        """Grab the frame that follows."""
        stamp = self.grab()
        self.at += 1
        if stamp is None or (len(index.stamps) and stamp != index.stamps[self.at]):
            raise Lost

    def image(self) -> np.ndarray:
        """Return the grabbed frame, ``(H, W, 3)`` in BGR, valid until the next."""
        shown, image = self.cv.retrieve(self.buffer)
        if not shown or (self.buffer is not None and image.shape != self.buffer.shape):
            fault = f"changes its size to {image.shape[:2]}" if shown else "can't be converted"
            raise FormatError(self.path, f"frame {self.at} {fault}")
        self.buffer = image
        return image


def packets(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return every packet's time stamp in milliseconds, in the file's order, and which are key frames."""
    cv = Capture(path, cv2.CAP_PROP_FORMAT, -1).cv
    found = []
    while cv.grab():
        found.append((cv.get(cv2.CAP_PROP_POS_MSEC), cv.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME)))
    table = np.array(found, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1] != 0


def index_of(path: Path, pixels: int) -> Index | None:
    """Return the index of a stream, or None where packets and frames disagree.

    Parameters
    ----------
    path : Path
    pixels : int
        Of one frame.
    """
    stamps, flags = packets(path)
    order = np.argsort(stamps, kind="stable")
    in_file, stamps, flags = stamps, stamps[order], flags[order]
    if not flags.any() or (np.diff(stamps) <= 0).any():
        return None
    with open(path, "rb") as file:
        head = file.read(4096)
    timed = head[4:8] in TIMED or (head.startswith(b"\x1aE\xdf\xa3") and b"V_MS/VFW" not in head)
    if not timed and not flags.all() and (np.diff(in_file) > 0).all():
        return None  # frames may be shown in another order than these stamps say

    capture = Capture(path)
    first = capture.grab()
    if first is None or first not in stamps:
        return None
    kept = stamps >= first  # an edit list may hide the frames before, and those after the last
    order, stamps, keys = order[kept], stamps[kept], np.flatnonzero(flags[kept])
    # A frame that is shown before a key frame, but follows it in the file, needs what comes before both.
    closed = (timed or bool(flags.all())) and bool((np.maximum.accumulate(order)[keys] == order[keys]).all())
    index, capture.at = Index(len(stamps), stamps, keys, closed), 0
    if not len(keys) or keys[0] != 0:
        return None
    last, n = int(keys[-1]), len(stamps)
    try:
        capture = go(capture, index, min(HEAD, n) - 1)
        if (n - last) * pixels > TAIL:
            return index
        capture = go(capture, index, max(last, capture.at))
        while (stamp := capture.grab()) is not None:
            capture.at += 1
            if capture.at == n or stamp != stamps[capture.at]:
                return None
    except Lost:
        return None
    n = capture.at + 1
    return Index(n, stamps[:n], keys[keys < n], closed)


def go(capture: Capture, index: Index, frame: int) -> Capture:
    """Bring a capture to where `frame` is the one grabbed last; return it, or one opened in its stead."""
    if frame < capture.at or frame - capture.at > index.cost(frame):
        capture = _jump(capture, index, frame)
    while capture.at < frame:
        capture.step(index)
    return capture


def _jump(capture: Capture, index: Index, frame: int) -> Capture:
    """Seek to `frame` or before it; after too late a landing from farther back, at last from the start."""
    goal, back = int(frame if index.closed else index.start(frame)), PREROLL
    target = goal
    while target > PREROLL and len(index.stamps):
        capture.cv.set(cv2.CAP_PROP_POS_MSEC, index.stamps[target])
        stamp = capture.grab()
        if stamp is None:
            break
        capture.at = int(np.searchsorted(index.stamps, stamp))
        if capture.at <= goal and index.stamps[capture.at] == stamp:
            return capture
        target, back = target - back, 2 * back
    fresh = Capture(capture.path)
    fresh.buffer = capture.buffer
    return fresh


def count(path: Path) -> int:
    """Return how many frames a decode from start to end delivers."""
    capture = Capture(path)
    while capture.grab() is not None:
        capture.at += 1
    return capture.at + 1


class StreamReader(Reader):
    """Reader of a video file.

    Parameters
    ----------
    path : path-like
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
    >>> reader = StreamReader(vf.write(np.zeros((8, 3, 32, 32), "uint8"), "dark.mp4"))
    >>> reader.shape, reader.info["fps"]
    ((8, 3, 32, 32), 64.0)
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, path: str | os.PathLike, shape: tuple[int, ...] | None = None, counted: bool = False):
        self._path = Path(path)
        with open(self._path, "rb") as file:
            if file.read(8).startswith((b"#EXTM3U", b"ffconcat")):
                raise FormatError(path, "is a list of other files, not a video")
        capture = Capture(self._path)
        if capture.grab() is None:
            raise FormatError(path, f"no frame can be decoded; its codec is {_fourcc(capture.cv)!r}")
        capture.at = 0
        height, width = capture.image().shape[:2]
        index = None if counted else index_of(self._path, height * width)
        self._index = index or self._counted()
        n = self._index.n_frames
        if shape is None or not _fits(shape, (n, height, width)):
            shape = (n, 3, height, width)
        self.shape = tuple(shape)
        self.info: dict[str, Any] = {
            "codec": _fourcc(capture.cv),
            "fps": capture.cv.get(cv2.CAP_PROP_FPS),
            "frames": n,
            "keyframes": len(self._index.keys),
            "indexed": len(self._index.stamps) > 0,
        }
        self._idle, self._lock = [capture], threading.Lock()

    def fetch(self, frames: NDArray[np.int64], out: np.ndarray, threads: int) -> None:
        """Decode whole frames, each once, from front to back."""
        plan = in_order(frames)
        index = self._index

        def work(parts: Iterator[slice]) -> None:
            for part in parts:
                with self._capture(int(plan.frames[part.start])) as held:
                    for frame, row in zip(plan.frames[part].tolist(), plan.rows[part].tolist(), strict=True):
                        held[0] = capture = go(held[0], index, frame)
                        self._convert(capture.image(), out[row])

        try:
            share(work, self._parts(plan.frames, threads), threads if len(index.stamps) else 1)
        except Lost:
            if not len(index.stamps):
                raise FormatError(self._path, "delivers fewer frames than when it was opened") from None
            self._index = self._counted()
            if self._index.n_frames != self.shape[0]:
                fault = f"has packets for {self.shape[0]} frames, but {self._index.n_frames} can be decoded"
                raise FormatError(self._path, f"{fault}; open it with counted=True to read those") from None
            self.fetch(frames, out, threads)
            return
        plan.repeat(out)

    def close(self) -> None:
        """Close the captures at rest."""
        self._idle = []

    def _counted(self) -> Index:
        return Index(count(self._path), np.empty(0), np.empty(0, np.int64), False)

    def _parts(self, frames: NDArray[np.int64], threads: int) -> list[slice]:
        """Cut the request into parts that cost about the same, to be decoded side by side."""
        if threads == 1 or len(frames) < 2 or not len(self._index.stamps):
            return [slice(0, len(frames))]
        jumps = self._index.cost(frames)
        total = np.cumsum(np.minimum(np.diff(frames, prepend=frames[0]), jumps) + 1)
        n = int(min(threads * PARTS, total[-1] // PART + 1))
        cuts = np.unique(np.searchsorted(total, total[-1] * np.arange(n + 1) / n))
        cuts[-1] = len(frames)
        return [slice(a, b) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]

    @contextmanager
    def _capture(self, frame: int) -> Iterator[list[Capture]]:
        """Lend a capture, the one nearest before `frame`; it is not taken back after an error."""
        with self._lock:
            best = max(self._idle, key=lambda c: (c.at <= frame, c.at), default=None)
            if best is not None:
                self._idle.remove(best)
        held = [best or Capture(self._path)]
        yield held
        with self._lock:
            if len(self._idle) < IDLE:
                self._idle.append(held[0])

    def _convert(self, image: np.ndarray, out: np.ndarray) -> None:
        """Put a BGR image into the planes of `out`, without a temporary."""
        _, height, width = out.shape
        image = image[:height, :width]
        if len(out) == 1:
            cv2.extractChannel(image, 1, out[0])
        else:
            cv2.split(image, [out[2], out[1], out[0]])


def _fourcc(cv: cv2.VideoCapture) -> str:
    return int(cv.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").strip("\0 ")


def _fits(shape: tuple[int, ...], stream: tuple[int, int, int]) -> bool:
    """Tell whether frames of `shape` can lie in the padded ones of a stream ``(T, H, W)``."""
    n, channels, height, width = shape
    pads = (stream[1] - height, stream[2] - width)
    return n == stream[0] and channels in (1, 3) and height > 0 < width and min(pads) >= 0 and max(pads) < 16
