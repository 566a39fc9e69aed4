"""What a video decoder is: packets without decoding, frames in the order they are shown, each known by its packet.

A frame is known by its *packet's place* in the file, not by a time stamp: raw streams and AVI have no stamps, broken
files have doubled ones, and every decoder of FFmpeg hands a frame the number that came in with its packet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.opencv import cv2

NONE = int(np.iinfo(np.int64).min)
"""The time stamp of a packet that has none."""


class Packets(NamedTuple):
    """The packets of one video track, in the file's order.

    Attributes
    ----------
    pts, dts, durations : (N,) ndarray of int64, ticks
        When each is shown and decoded, and for how long it is shown; `NONE` if the file does not say.
    keys : (N,) ndarray of bool
        Which are key frames, as the file says.
    hidden : (N,) ndarray of bool
        Which make no frame that is shown: cut away by an edit list, marked as invisible, or empty.
    offsets : (N,) ndarray of int64, bytes
        Where each lies; -1 if unknown.
    sizes : (N,) ndarray of int64, bytes
    missing : int
        How many more the file announces whose bytes it does not have.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    durations: NDArray[np.int64]
    keys: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    missing: int = 0


@dataclass(frozen=True)
class Track:
    """What a file says of its video track.

    Attributes
    ----------
    container, codec : str
        FFmpeg's names.
    tick : Fraction, seconds
        Unit of the packets' time stamps.
    start : int, ticks
        When the file begins: the earliest stamp of all its tracks.
    rate : Fraction or None
        Frames per second, as the file says.
    reorder : int
        Frames that the decoder holds back to put them in order; 0 if packets are shown in the file's order.
    interlaced : bool
        Whether a frame may consist of two fields.
    facts : dict
        More for ``info``: profile, pixel format, colour, other streams.
    """

    container: str
    codec: str
    tick: Fraction = Fraction(1, 1000)
    start: int = 0
    rate: Fraction | None = None
    reorder: int = 0
    interlaced: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


class Colour(NamedTuple):
    """How pixels are stored.

    Attributes
    ----------
    pix_fmt : str
        FFmpeg's name.
    depth : int
        Bits of a component.
    grey, alpha : bool
        Whether there is brightness only, and transparency.
    """

    pix_fmt: str
    depth: int = 8
    grey: bool = False
    alpha: bool = False


class Parcel(NamedTuple):
    """What a decoder needs besides packets.

    Attributes
    ----------
    tag : str
        Four characters that name the codec in an AVI file.
    extradata : bytes
        What the codec keeps outside its packets.
    size : tuple of int
        Height and width.
    """

    tag: str
    extradata: bytes
    size: tuple[int, int]


@dataclass
class Memo:
    """What one decoder of a file finds out, and the others of the same file need not find out again.

    Attributes
    ----------
    packets : Packets or None
    places : dict or None
        The place of each packet that can be told from all others.
    seekable : bool
        Whether seeks have come where they should.
    counts : bool
        Whether frames are numbered as they come, because their packets cannot be told.
    depth : int
        Frames that a decoder held back at most.
    direct : bool
        Whether packets are their bytes in the file, and may be read past the demuxer.
    parcel : Parcel or None
        What many packets need to be decoded in one go, if they can be; see `picked`.
    """

    packets: Packets | None = None
    places: dict[tuple[int | None, ...], int] | None = None
    seekable: bool = True
    counts: bool = False
    depth: int = 0
    direct: bool = False
    parcel: Parcel | None = None


class Decoder(ABC):
    """One decoder with its place in a video track.

    A decoder is used by one thread at a time.

    Attributes
    ----------
    track : Track
    size : tuple of int
        ``(H, W)`` of a frame as it is stored.
    rotation : int, degrees
        By how much a frame is turned clockwise to be shown: 0, 90, 180 or 270.
    colour : Colour
    threads : int
    memo : Memo
    fed : int
        The packet that is decoded next.
    ended : bool
        Whether no more frames come before the next `seek`.
    key : bool
        Whether the last frame was decoded on its own.
    damaged : set of int
        Packets that could not be decoded.
    depths : tuple of int
        Bits of a value that `into` can deliver.
    aside : bool
        Whether frames can be converted while decoding goes on.
    """

    depths: ClassVar[tuple[int, ...]] = (8,)
    aside: ClassVar[bool] = False

    track: Track
    size: tuple[int, int]
    rotation: int
    colour: Colour
    threads: int
    memo: Memo
    fed: int
    ended: bool
    key: bool
    damaged: set[int]

    @abstractmethod
    def packets(self) -> Packets:
        """Return all packets without decoding them."""

    @abstractmethod
    def seek(self, packet: int) -> None:
        """Go on with this packet, a key frame; 0 is the start of the file."""

    @abstractmethod
    def next(self, stop: int | None = None, wanted: Set[int] | None = None) -> int | None:
        """Decode up to the next frame and return the place of its packet.

        Parameters
        ----------
        stop : int, optional
            The last packet that is needed: after it, the frames still held back come out, and then None.
        wanted : set of int, optional
            Packets whose frames are wanted: before `stop`, others that nothing depends on may be skipped.

        Returns
        -------
        int or None
            None after the last frame.
        """

    @abstractmethod
    def into(self, out: np.ndarray, shown: tuple[int, int] | None = None) -> None:
        """Convert the last frame into `out`, ``(C, H, W)`` RGB or grey planes; a smaller `out` takes its upper left.

        Parameters
        ----------
        out : ndarray
        shown : tuple of int, optional
            Height and width of the upper left part that is scaled by area into a smaller `out`.

        Raises
        ------
        FormatError
            If the frame has another size than the first one, or cannot be converted.
        """

    def held(self) -> Callable[..., None]:
        """Return `into` for the last frame, which another thread may call while this one decodes on, if `aside`."""
        return self.into


def split(image: np.ndarray, out: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Copy an image ``(H, W, C)`` into the planes of `out`, or green alone into a single one.

    To another `size` it is scaled by area, all channels at once: the same values as plane by plane, in less time.
    """
    if size is not None:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    if image.ndim == 2:
        out[0] = image
    elif len(out) == 1:
        cv2.extractChannel(image, image.shape[2] // 2, out[0])
    else:
        # From lines with padding between them, OpenCV splits 20 times slower than a copy takes.
        cv2.split(np.ascontiguousarray(image), list(out))


def into_bgr(image: np.ndarray, out: np.ndarray, shown: tuple[int, int] | None = None) -> None:
    """Put a picture ``(H, W, 3)`` of OpenCV, BGR, into the planes of `out`, as `Decoder.into` does."""
    height, width = shown or out.shape[1:]
    split(image[:height, :width], out[::-1], out.shape[1:] if shown else None)
