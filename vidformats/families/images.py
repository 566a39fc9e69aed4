"""A folder of numbered images, one a frame."""

from __future__ import annotations

import fnmatch
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.image_headers import GREY
from vidformats.readers.images import ImageReader, in_numbered_order, number_key
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.threads import spread

KINDS = {
    ".jpg": (".jpg", ".jpeg"),
    ".png": (".png", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"),
    ".webp": (".webp",),
}
"""Which files of a folder are its frames, by the suffix that is written."""

ENCODERS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""What Pillow calls them."""

TOLERANCE = {".jpg": 8.0, ".png": 0.0, ".webp": 8.0}
"""Mean absolute error in grey levels. Halved chroma and the default quantisation cost natural content 2 to 4
grey levels, and twice that where colour changes from pixel to pixel."""


@dataclass(frozen=True)
class Images(Format):
    """Images named ``0.jpg``, ``1.jpg``, ... in a folder.

    Attributes
    ----------
    suffix : str
        ``.jpg``, ``.png`` or ``.webp``.
    quality : int or None
        0 to 100; None is Pillow's default, 75 for JPEG and 80 for WebP. PNG has none.
    level : int, optional
        Of PNG's deflate, 0 to 9, by default 1.
    lossless : bool
        For WebP: keep every pixel.
    """

    suffix: str = ".jpg"
    quality: int | None = None
    level: int | None = None
    lossless: bool = False

    holds: ClassVar[str] = "images"
    folder: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        for option, given, kinds in (
            ("quality", self.quality is not None, (".jpg", ".webp")),
            ("level", self.level is not None, (".png",)),
            ("lossless", self.lossless, (".webp",)),
        ):
            if given and self.suffix not in kinds:
                raise ValueError(f"{self.name} has no {option}; it is for {' and '.join(kinds)}")

    @property
    def tolerance(self) -> float:
        """Largest mean absolute error on natural content, in grey levels."""
        return 0.0 if self.lossless else TOLERANCE[self.suffix]

    def sniff(self, head: bytes, names: Sequence[str]) -> bool:
        """Know a folder by its images, if they are all of one kind."""
        if head:
            return False
        extensions = {extension.lower() for extension in {name[name.rfind(".") :] for name in names}}
        return [kind for kind, known in KINDS.items() if not extensions.isdisjoint(known)] == [self.suffix]

    def stranger(self, path: Path) -> str | None:
        """Return the name of anything in a folder that is no image."""
        with os.scandir(path) as entries:
            for entry in entries:
                if not (entry.is_file() and entry.name.lower().endswith(tuple(chain(*KINDS.values())))):
                    return entry.name
        return None

    def write(self, video: Source, path: Path) -> None:
        """Encode in threads, a block of frames at a time."""
        from PIL import Image

        options: dict[str, Any] = {}
        if self.suffix == ".png":
            options["compress_level"] = 1 if self.level is None else self.level
        if self.suffix == ".webp":
            options["lossless"] = self.lossless
        if self.quality is not None:
            options["quality"] = self.quality
        if self.suffix == ".webp" and video.frame_shape[0] == 1:
            options["xmp"] = GREY
        path.mkdir()
        done = 0
        for block in video.blocks():
            first, frames = done, block

            def save(k: int, first: int = first, frames: np.ndarray = frames) -> None:
                pixels = frames[k, 0] if frames.shape[1] == 1 else np.ascontiguousarray(frames[k].transpose(1, 2, 0))
                encoded = io.BytesIO()  # not the file: Pillow does not notice if a full disk takes only a part of it
                Image.fromarray(pixels).save(encoded, ENCODERS[self.suffix], **options)
                (path / f"{first + k}{self.suffix}").write_bytes(encoded.getbuffer())

            spread(save, range(len(block)), self.threads)
            done += len(block)

    def open(
        self, source: ByteSource, *, names: str | None = None, depth: int | None = None, rotate: bool = True
    ) -> Reader:
        """Open a folder of images with any numbering; files of other kinds are ignored.

        Parameters
        ----------
        source : ByteSource
        names : str, optional
            Which files are frames, such as ``"left_*"``; by default all of the format's kinds, whose names then
            may differ in their numbers only.
        depth, rotate
            See `ImageReader`.
        """
        there = source.names()
        images = [name for name in there if name[0] != "." and name.lower().endswith(KINDS[self.suffix])]
        if names is not None:
            images = [name for name in images if fnmatch.fnmatchcase(name, names)]
        if not images:
            raise FormatError(source.url, f"expected a folder of {self.suffix} images, found {_summary(there, names)}")
        images = in_numbered_order(images)
        return ImageReader(source, images, depth, rotate, _numbering(source.url, images, names is not None))


def _summary(there: Sequence[str], pattern: str | None) -> str:
    """Return in a few words what there is instead of images."""
    extensions = sorted({os.path.splitext(name)[1] or name for name in there})
    have = ", ".join(extensions[:9]) or "no files"
    return f"none that match {pattern!r}; it holds {have}" if pattern else f"none, but {have}"


def _numbering(url: str, names: Sequence[str], chosen: bool) -> dict[str, Any]:
    """Return what is noteworthy of the numbers of sorted images.

    Raises
    ------
    FormatError
        If two have the same number, or if some belong to another series and the caller did not choose.
    """
    keys = [number_key(name) for name in names]
    for place, (key, following) in enumerate(pairwise(keys)):
        if key == following:
            raise FormatError(url, f"expected one image per number, got {names[place]} and {names[place + 1]}")
    stems = (name.rpartition(".")[0] for name in names)
    series = Counter(re.sub(r"[0-9]+", "#", "/".join(stems)).split("/"))
    if len(series) > 1 and not chosen:
        few = ", ".join(f"{n} like {name.replace('#', '1')!r}" for name, n in series.most_common(3))
        cure = "choose by names=, such as names='left_*', or take all by names='*'"
        raise FormatError(url, f"expected names that differ in their numbers only, got {few}; {cure}")
    numbers = [key[-1][1] for key in keys]
    uneven = len({after - before for before, after in pairwise(numbers)}) > 1
    return {"gaps": True} if uneven and len({key[:-1] for key in keys}) == 1 else {}
