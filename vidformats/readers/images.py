"""One encoded image per frame: decoded in threads, split straight into the planes of the result."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.readers.image_headers import PNM, Header, read_header, tiff_tags
from vidformats.select import Crop, Plan, blocks
from vidformats.storage.base import ByteSource
from vidformats.threads import share

TURN = 16
"""Images that a thread takes at a time, at most: taking one needs a lock."""

CLOCKWISE = {3: 180, 6: 90, 8: 270}
"""Degrees by which the orientations that cameras write are turned."""

STRAIGHT = {6: 8, 8: 6}
"""Orientations that undo another one; all others undo themselves."""


class ImageReader(Reader):
    """Reader of images, each a file of its own.

    Parameters
    ----------
    folder : ByteSource
    names : list of str
        Of the files in it, in the order of the frames.
    depth : int, optional
        8 or 16: bits of a value. By default 8 for colour, and as stored for grey.
    rotate : bool
        Turn and mirror each image as its orientation says.
    info : dict, optional
        Further facts.

    Raises
    ------
    FormatError
        If the first image can't be read; the others are checked when they are.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> from vidformats.storage import open_source
    >>> folder = open_source(vf.write(np.zeros((2, 3, 32, 48), "uint8"), "dark", "png"))
    >>> reader = ImageReader(folder, ["0.png", "1.png"], depth=16)
    >>> reader.shape, reader.dtype.name, reader.info["codec"]
    ((2, 3, 32, 48), 'uint16', 'png')
    """

    def __init__(
        self,
        folder: ByteSource,
        names: list[str],
        depth: int | None = None,
        rotate: bool = True,
        info: dict[str, Any] | None = None,
    ):
        from vidformats.opencv import cv2  # takes longer to import than most folders to list

        if depth not in (None, 8, 16):
            raise ValueError(f"depth must be 8 or 16, got {depth!r}")
        self.source, self._names, self._rotate = folder, names, rotate
        data, path = self._bytes(0)
        first = self._first = _header(data, path)
        grey = first.grey and not first.alpha
        self._size = self._shown(first)
        self.shape = (len(names), 1 if grey else 3, *self._size)
        self.dtype = np.dtype(np.uint16 if (depth or (first.depth if grey else 8)) == 16 else np.uint8)
        self._check(first, data, path)
        self.rotation = CLOCKWISE.get(first.orientation, 0) if rotate else 0
        facts = {name: getattr(first, name) for name in ("codec", "depth", "alpha", "orientation")}
        self.info = {**facts, "names": list(names), **(info or {})}
        self._flags = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        expected: tuple[int, ...] = self._size if grey else (*self._size, 3)
        self._decoder = cv2, self._flags, expected

    def reduce(self, size: tuple[int, int]) -> None:
        """Decode JPEG to a half, a quarter or an eighth of its size if that is at least `size`: far less work."""
        cv2, flags, _ = self._decoder
        least = min(have // want for have, want in zip(self._size, size, strict=True))
        if self._first.codec == "jpeg" and least > 1:
            factor = 8 if least >= 8 else 4 if least >= 4 else 2
            small = -(-self._size[0] // factor), -(-self._size[1] // factor)
            self.shape = (*self.shape[:2], *small)
            part: int = getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{factor}")  # grey adds nothing to the bit of the factor
            self._decoder = cv2, flags | part, small if self.shape[1] == 1 else (*small, 3)

    def read(self, plan: Plan, out: np.ndarray, threads: int = 1) -> None:
        """Decode each wanted image once; a crop is split from the decoded image, which is never copied whole."""
        decode, n, crop = self._decode, len(plan.frames), plan.crop

        def work(mine: Iterator[slice]) -> None:
            for block in mine:
                for frame, row in zip(plan.frames[block].tolist(), plan.rows[block].tolist(), strict=True):
                    decode(frame, out[row], crop)

        share(work, blocks(n, min(TURN, n // (4 * threads))), min(threads, n))

    def fetch_one(self, frame: int, out: np.ndarray, threads: int = 1) -> None:
        """Decode one image."""
        self._decode(frame, out)

    def _decode(self, frame: int, out: np.ndarray, crop: Crop | None = None) -> None:
        cv2, flags, expected = self._decoder
        data, path = self._bytes(frame)
        header = _header(data, path)
        self._check(header, data, path)
        try:
            if header.codec == "jpeg":
                image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            else:
                image = DECODERS.get(header.codec, _by_opencv)(data, header, self._flags)
        except cv2.error as error:
            raise FormatError(path, f"cannot be decoded: {error.err}") from None
        except Exception as error:  # Pillow raises whatever damaged bytes lead it to
            raise FormatError(path, f"cannot be decoded: {error}") from None
        if image is None:
            raise FormatError(path, f"cannot be decoded: damaged, or a kind of {header.codec} that is not supported")
        if image.shape != expected or image.dtype != self.dtype or header.orientation > 1:
            image = self._fitted(image, header, path)
        if crop:
            image = image[crop[1:]]
        if len(out) == 3 == image.ndim and out.flags.c_contiguous:
            cv2.split(image, [out[2], out[1], out[0]])  # OpenCV decodes to BGR
        else:
            planes = np.atleast_3d(image).transpose(2, 0, 1)[::-1]
            out[...] = planes[crop[0]] if crop else planes

    def _fitted(self, image: np.ndarray, header: Header, path: str) -> np.ndarray:
        """Return an image as stored in the orientation, size, depth and colour of the video."""
        cv2, _, expected = self._decoder
        if self._rotate:
            image = turned(image, header.orientation)
        if image.shape[:2] not in (self._size, expected[:2]):
            raise FormatError(path, f"expected {self._size} pixels as its header says, got {image.shape[:2]}")
        if image.shape[:2] != expected[:2]:
            image = cv2.resize(np.ascontiguousarray(image), expected[1::-1], interpolation=cv2.INTER_AREA)
        if image.dtype != self.dtype:
            image = image.astype(np.uint16) * 257 if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
        if image.ndim < len(expected):
            image = np.repeat(image[..., None], 3, axis=2)
        return np.ascontiguousarray(image)

    def _bytes(self, frame: int) -> tuple[bytes, str]:
        """Return the content of a frame's file, and its path."""
        name = self._names[frame]
        return self.source.read_child(name), f"{self.source.url}/{name}"

    def _shown(self, header: Header) -> tuple[int, int]:
        """Return height and width as shown."""
        if header.orientation > 4 and self._rotate:
            return header.width, header.height
        return header.height, header.width

    def _check(self, header: Header, data: bytes, path: str) -> None:
        """Refuse what differs from the first image, or what the bytes can't hold, before a decoder allocates it."""
        height, width = size = self._shown(header)
        channels, first = self.shape[1], self._first
        if size != self._size:
            raise FormatError(path, f"has {height} x {width} pixels, the first image {self._size[0]} x {self._size[1]}")
        if header.depth != first.depth:
            raise FormatError(path, f"has {header.depth} bits per value, the first image {first.depth}")
        if channels == 1 and not header.grey:
            raise FormatError(path, "is in colour, the first image is grey")
        if header.inflation and height * width * channels > header.inflation * len(data) + (1 << 20):
            raise FormatError(path, f"claims {height} x {width} pixels in {len(data)} bytes")


def _header(data: bytes, path: str) -> Header:
    try:
        return read_header(data)
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image as its orientation, 1 to 8 as EXIF counts them, says that it is shown.

    Examples
    --------
    >>> turned(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation > 4:
        image = image.swapaxes(0, 1)
    down, across = (slice(None, None, -1 if orientation in which else 1) for which in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return image[down, across]


def _by_opencv(data: bytes, header: Header, flags: int) -> np.ndarray | None:
    from vidformats.opencv import cv2

    deep = cv2.IMREAD_ANYDEPTH if header.depth > 8 else 0
    image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags | deep)
    return image


def _tiff(data: bytes, header: Header, flags: int) -> np.ndarray | None:
    """Decode a TIFF: by Pillow, which knows more of them; by OpenCV if Pillow would cut colour to 8 bits."""
    from PIL.Image import DecompressionBombError
    from PIL.TiffImagePlugin import TiffImageFile

    tags = tiff_tags(data)
    white_is_zero = header.depth > 8 and tags.get(262) == 0
    image: np.ndarray | None
    if header.depth > 8 and (not header.grey or (white_is_zero and data[:2] == b"MM")):
        if tags.get(284, 1) != 1 or 1 in tags.get(338, ()):
            raise ValueError("TIFF of 16 bits with separate planes or premultiplied alpha is not supported")
        image = _by_opencv(data, header, flags)
    else:
        try:
            with TiffImageFile(io.BytesIO(data)) as page:
                image = np.asarray(page if header.depth > 8 else page.convert("L" if header.grey else "RGB"))
        except DecompressionBombError:  # what a file can hold was checked
            image = _by_opencv(data, header, flags)
        else:
            image = image if header.grey else image[..., ::-1]
            if header.depth > 8 and (bits := max(tags[258])) < 16:
                image = image << (16 - bits) | image >> (2 * bits - 16)
    if image is None:
        return None
    image = image.astype(f"u{image.itemsize}", copy=False)  # the machine's byte order
    # Both turn it as it is shown.
    image = turned(image, STRAIGHT.get(header.orientation, header.orientation))
    return ~image if white_is_zero else image


def _pnm(data: bytes, header: Header, flags: int) -> np.ndarray:
    """Decode a PGM or PPM; OpenCV and Pillow are wrong for some largest values."""
    head: Any = PNM.match(data)  # as when its header was read
    shape = (header.height, header.width) if header.grey else (header.height, header.width, 3)
    n, white, at = int(np.prod(shape)), int(head[4]), head.end()
    dtype = np.dtype(">u2" if header.depth > 8 else "u1")
    values: np.ndarray
    if head[1] in b"23":
        values = np.array(data[at:].split(maxsplit=n)[:n], np.int64)
        rest = b""
    else:
        values = np.frombuffer(data, dtype, min(n, (len(data) - at) // dtype.itemsize), at)
        rest = data[at + n * dtype.itemsize :]
    if len(values) != n:
        raise ValueError(f"cut short: expected {n} values, got {len(values)}")
    if rest.lstrip()[:1] == b"P":
        raise ValueError("expected one image, got several")
    full = 65535 if header.depth > 8 else 255
    if white != full:
        values = (np.minimum(values, white).astype(np.uint32) * full + white // 2) // white
    image = values.astype(f"u{dtype.itemsize}", copy=False).reshape(shape)
    return image if header.grey else image[..., ::-1]


DECODERS = {"tiff": _tiff, "pnm": _pnm}
"""Those that OpenCV does not read right, or not all of."""


def in_numbered_order(names: list[str]) -> list[str]:
    """Sort names as people count: ``2.jpg`` before ``10.jpg``, whatever the padding.

    Examples
    --------
    >>> in_numbered_order(["10.jpg", "9.jpg", "007.jpg"])
    ['007.jpg', '9.jpg', '10.jpg']
    """
    return sorted(names, key=lambda name: (number_key(name), name))


def number_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return the numbers and the text between them of a file's name without its extension, in a form that sorts.

    Examples
    --------
    >>> number_key("left_007.jpg")
    ((1, 0, 'left_'), (0, 7, ''))
    """
    stem = name.rpartition(".")[0] or name
    if stem.isdecimal() and stem.isascii():  # by far the most frequent
        return ((0, int(stem), ""),)
    parts = re.split(r"(\d+)", stem)
    return tuple((0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p)
