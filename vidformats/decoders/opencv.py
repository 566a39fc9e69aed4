"""Decoding by OpenCV, the fallback: from the first frame on, and counted, because its seeks land where they like."""

from __future__ import annotations

import os
from collections.abc import Set
from fractions import Fraction
from typing import Any

import numpy as np

from vidformats.decoders.base import NONE, Colour, Decoder, Memo, Packets, Track, into_bgr
from vidformats.decoders.tracks import Tracks, tracks_of
from vidformats.errors import FormatError, install
from vidformats.opencv import cv2
from vidformats.storage.base import ByteSource

ATTEMPTS = 64
"""How often OpenCV must say that there is no further frame until it is believed: at damaged packets it says so, too."""

PROOF = 32
"""Pairs of neighbours that are compared at most for a picture that changes."""

UNKNOWN = -1
"""A property that OpenCV does not have: older versions do not tell when a video begins."""

REFUSES_FIELDS = (4, 13)
"""The version from which OpenCV gives raw memory instead of an interlaced frame, without an error."""

# A pause of the picture while the sound goes on is taken for the end of the file after 4,096 packets.
os.environ.setdefault("OPENCV_FFMPEG_READ_ATTEMPTS", str(10**9))
os.environ.setdefault("OPENCV_FFMPEG_DECODE_ATTEMPTS", str(10**9))


class OpenCVDecoder(Decoder):
    """A decoder of OpenCV.

    Parameters
    ----------
    source : ByteSource
    threads : int
    stream : int, optional
        Only 0, the first video track.

    Raises
    ------
    FormatError
        If no frame can be decoded, or if nothing proves that OpenCV delivers pictures.
    """

    def __init__(self, source: ByteSource, threads: int = 1, stream: int | None = None, memo: Memo | None = None):
        if stream:
            raise ValueError(f"{source.url}: stream={stream} requires PyAV: {install('codecs')}")
        self._source, self._path, self.threads = source, source.url, threads
        self.memo, self.damaged, self.key = memo or Memo(counts=True), set(), True
        self._image: np.ndarray | None = None
        self._open()
        tracks = self._tracks()
        self._stamped = tracks.stamped
        self._refuse_memory()
        cv = self._cv
        if self.next() is None:
            raise FormatError(self._path, f"no frame can be decoded by OpenCV; its codec is {self._codec!r}; {CURE}")
        self.size = self._retrieved().shape[:2]
        self.rotation = int(cv.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        pixels = int(cv.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(4, "little", signed=True)
        grey = pixels in (b"Y800", b"GREY", b"Y8  ")
        deep = pixels[:1] == b"Y" and pixels[2:] in (b"\0\x10", b"\x10\0")
        if deep:
            raise FormatError(self._path, f"holds grey of more than 8 bits, which OpenCV would cut; {CURE}")
        self.colour = Colour("gray" if grey else "unknown", 8, grey)
        rate = cv.get(cv2.CAP_PROP_FPS)
        facts: dict[str, Any] = {"decoder": f"OpenCV {cv2.__version__}", "stream": 0}
        # OpenCV counts time from the video's start, players from the file's: the same if the video begins at 0.
        if tracks.others and not (tracks.zero and cv.get(getattr(cv2, "CAP_PROP_PTS", UNKNOWN)) == 0):
            facts["untimed"] = f"other tracks may begin before its video, which OpenCV does not tell; {CURE}"
        self.track = Track(
            container="unknown",
            codec=self._codec,
            tick=Fraction(1, 1_000_000),
            rate=Fraction(rate).limit_denominator(1001) if 0 < rate < 10_000 else None,
            facts=facts,
        )

    def _open(self) -> None:
        if self._source.read(16, 0).startswith((b"#EXTM3U", b"ffconcat")):
            raise FormatError(self._path, "is a list of other files, not a video")
        name = self._source.as_path()
        try:
            os.fsencode(name).decode()
        except UnicodeDecodeError:
            raise FormatError(self._path, f"has a name that is not UTF-8, on which OpenCV crashes; {CURE}") from None
        settings = [cv2.CAP_PROP_N_THREADS, self.threads]
        self._cv = cv2.VideoCapture(name, cv2.CAP_FFMPEG, settings)
        if not self._cv.isOpened():
            fault = "it is empty, cut short, or of a kind that OpenCV cannot read"
            raise FormatError(self._path, f"holds no video that can be opened: {fault}; {CURE}")
        self._cv.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._codec = int(self._cv.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").strip("\0 ")
        self.fed, self.ended = 0, False

    def _tracks(self) -> Tracks:
        """Return the file's tracks; raise unless one is video: OpenCV takes the first, the ffmpeg program the best."""
        tracks = tracks_of(self._source)
        if tracks is None:
            raise FormatError(self._path, f"its tracks cannot be counted, and OpenCV may take a wrong one; {CURE}")
        if tracks.video > 1:
            raise FormatError(self._path, f"has {tracks.video} video tracks, among which OpenCV cannot choose; {CURE}")
        return tracks

    def _refuse_memory(self) -> None:
        """Raise unless a picture changes: if the conversion fails, every frame is the same piece of memory."""
        version = tuple(int(part) for part in cv2.__version__.split(".")[:2])
        if version < REFUSES_FIELDS:
            return
        before = None
        for _ in range(PROOF):
            if self.next() is None:
                break
            image = self._retrieved()
            if before is not None and not np.array_equal(image, before):
                break
            before = image.copy()
        else:
            raise FormatError(
                self._path,
                f"shows the same picture {PROOF} times: interlaced video, of which OpenCV gives memory? {CURE}",
            )
        self._open()

    def packets(self) -> Packets:
        """Decode the whole file: what is shown is what OpenCV delivers."""
        if self.memo.packets is None:
            self.seek(0)
            stamps = []
            while self.next() is not None:
                stamps.append(round(1000 * self._cv.get(cv2.CAP_PROP_POS_MSEC)))
            n = len(stamps)
            pts = np.array(stamps, np.int64)
            back = bool((np.diff(pts) < 0).any())
            if back and self._stamped:
                self.track.facts["untimed"] = f"its time stamps go back; {CURE}"
            if back or (n > 1 and not pts.any()):
                pts = np.full(n, NONE)  # AVI and raw streams have a rate only
            unknown = np.full(n, -1, np.int64)
            keys = np.arange(n) == 0
            self.memo.packets = Packets(pts, pts, 0 * unknown, keys, np.zeros(n, bool), unknown, unknown)
        return self.memo.packets

    def seek(self, packet: int) -> None:
        """Begin anew, and skip the frames before."""
        if packet < self.fed:
            self._open()
        while self.fed < packet and self.next() is not None:
            pass

    def next(self, stop: int | None = None, wanted: Set[int] | None = None) -> int | None:
        """Decode the next frame."""
        if self.ended or (stop is not None and self.fed > stop):
            return None
        for _ in range(ATTEMPTS):
            if self._cv.grab():
                self.fed += 1
                return self.fed - 1
        self.ended = True
        return None

    def _retrieved(self) -> np.ndarray:
        done, image = self._cv.retrieve(self._image)
        if not done or image is None:
            raise FormatError(self._path, f"frame {self.fed - 1} cannot be converted by OpenCV; {CURE}")
        self._image = image
        return image

    def into(self, out: np.ndarray, shown: tuple[int, int] | None = None) -> None:
        """Convert the last frame."""
        image = self._retrieved()
        if image.shape[:2] != self.size:
            raise FormatError(self._path, f"expected frames of {self.size}, got one of {image.shape[:2]}")
        into_bgr(image, out, shown)


CURE = f"PyAV may read it: {install('codecs')}"
