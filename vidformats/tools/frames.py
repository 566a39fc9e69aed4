"""The frames of a source as they are to be stored: chosen in time, cropped, scaled, grey; read a block at a time."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError, install
from vidformats.readers.adapted import resampled, resized, scaled
from vidformats.readers.isolated import report
from vidformats.select import BLOCK, blocks, frames_in
from vidformats.tools.checks.ends import ends_early
from vidformats.video import Video

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the source, as it is shown."""

EACH = 64
"""Frames of which one digest is kept."""


@dataclass(frozen=True)
class Recipe:
    """What becomes of a source.

    Attributes
    ----------
    to : str
        Name of the format.
    size : int or (int, int), optional
        As for ``vf.open``: the shorter side, or height and width. Applied after `crop`.
    fps : float, optional
        Take the frames shown at this rate, by the source's time stamps.
    every : int
        Take each frame of so many.
    grey : bool
    crop : Box, tuple of Box, "center" or None
        A box for all frames, or one for each frame of the source; ``"center"`` is the largest square in the middle.
    clip : (int, int), optional
        First frame and end of a part, counted after `fps` and `every`.
    partial : bool
        Take a source that ends early for what it has.
    opened, options : dict
        What ``vf.open`` and ``vf.write`` take besides.
    """

    to: str
    size: int | tuple[int, int] | None = None
    fps: float | None = None
    every: int = 1
    grey: bool = False
    crop: Box | tuple[Box, ...] | str | None = None
    clip: tuple[int, int] | None = None
    partial: bool = False
    opened: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.every < 1:
            raise ValueError(f"every must be >= 1, got {self.every}")
        if self.fps is not None and self.every != 1:
            raise ValueError("expected fps= or every=, got both")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ValueError(f"fps must be > 0 and finite, got {self.fps}")
        boxes = self.crop if isinstance(self.crop, tuple) and isinstance(self.crop[0], tuple) else (self.crop,)
        if self.crop not in (None, "center") and not all(isinstance(box, tuple) and len(box) == 4 for box in boxes):
            raise ValueError(f"crop must be a box (x, y, w, h) or 'center', got {self.crop!r}")

    def plain(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON holds it."""
        usual = {f.name: f.default for f in fields(self)} | {"opened": {}, "options": {}}
        return {name: _listed(value) for name, value in asdict(self).items() if value != usual[name]}

    @staticmethod
    def of(plain: dict[str, Any]) -> Recipe:
        """Return the recipe that `plain` made."""
        found: dict[str, Any] = {n: value if isinstance(value, dict) else _tupled(value) for n, value in plain.items()}
        return Recipe(**found)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


class Frames:
    """Frames of a source as they are to be stored, which ``vf.write`` takes like an array on disk.

    Parameters
    ----------
    path : path-like
        The source.
    recipe : Recipe
    threads : int, optional

    Attributes
    ----------
    shape, dtype
        Of the result.
    fps : float or None
    times : (T,) ndarray of float64 or None, seconds
    duration : float or None, seconds
    info : dict
        Of the source, what still holds.
    cut : str or None
        What the source lacks if it ends early.

    Raises
    ------
    FormatError
        If the source is broken or ends early.
    ValueError
        If the recipe does not fit it.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((9, 3, 40, 60), "uint8"), "dark.npy")
    >>> with Frames(path, Recipe("npy", size=20, every=4, crop="center")) as frames:
    ...     frames.shape, frames[0:2].shape
    ((3, 3, 20, 20), (2, 3, 20, 20))
    """

    def __init__(self, path: str, recipe: Recipe, threads: int | None = None):
        whole = recipe.crop is None
        self.video = Video(path, threads=threads, size=recipe.size if whole else None, **recipe.opened)
        self.cut = _cut(path, self.video)
        if self.cut and not recipe.partial:
            raise FormatError(path, f"ends early: {self.cut}; partial=True (--partial) takes what is there")
        self.numbers, self.times, self.fps, self.duration = _chosen(self.video, recipe)
        if not len(self.numbers):
            raise FormatError(path, "expected at least one frame, got none")
        self.info = self.video.info if recipe.fps is None else {}
        self.dtype, shape = self.video.dtype, self.video.shape[1:]
        image = len(shape) == 3 and shape[0] in (1, 3) and self.dtype.kind == "u" and self.dtype.itemsize <= 2
        if (recipe.grey or not whole) and not image:
            raise ValueError(f"{path}: expected images, to crop them or make them grey, got {shape} of {self.dtype}")
        self._boxes, self._size = None if whole else _boxes(recipe.crop, self.video), None
        if self._boxes is not None:
            found = {scaled(recipe.size, box[:1:-1]) if recipe.size else box[:1:-1] for box in self._boxes}
            if len(found) > 1:
                raise ValueError(f"{path}: boxes of different shapes require size=(H, W), got {sorted(found)[:3]}")
            shape = (shape[0], *found.pop())
            self._size = shape[1:] if recipe.size else None
        self._grey = recipe.grey and shape[0] == 3
        self.shape = (len(self.numbers), *((1, *shape[1:]) if self._grey else shape))

    def __getitem__(self, block: slice) -> np.ndarray:
        """Read consecutive frames."""
        numbers = self.numbers[block]
        if self._boxes is None and not self._grey:
            return self.video[_index(numbers)]
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for part in blocks(len(numbers), frames_in(2 * BLOCK, self.video.shape[1:], self.dtype)):
            if self._boxes is None:
                out[part] = _grey(self.video[_index(numbers[part])])
            else:
                self._cropped(numbers[part], out[part])
        return out

    def _cropped(self, numbers: NDArray[np.int64], out: np.ndarray) -> None:
        boxes = self._boxes or []
        if len(boxes) == 1:
            x, y, w, h = boxes[0]
            cut = iter(self.video[_index(numbers), :, y : y + h, x : x + w])
        else:
            pairs = zip(self.video[_index(numbers)], (boxes[number] for number in numbers), strict=True)
            cut = (frame[:, y : y + h, x : x + w] for frame, (x, y, w, h) in pairs)
        for k, frame in enumerate(cut):
            if self._size and frame.shape[1:] != self._size:
                frame = resized(np.ascontiguousarray(frame), self._size)
            out[k] = _grey(frame) if self._grey else frame

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *error: object) -> None:
        self.video.close()


def _cut(path: str, video: Video) -> str | None:
    """Return what a source lacks at its end; None if nothing, or if its container does not tell."""
    if missing := video.info.get("missing"):
        return f"{missing} of its {missing + len(video)} frames are not in the file"
    return ends_early(path) if os.path.isfile(path) else None


def _chosen(
    video: Video, recipe: Recipe
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, float | None, float | None]:
    """Return which frames of a video a recipe takes, when they are shown, at which rate and how long."""
    numbers, times, rate, duration = np.arange(len(video)), video.times, video.fps, video.duration
    if recipe.fps is not None:
        numbers, times = resampled(times, duration, recipe.fps, video.path)
        rate, duration = float(recipe.fps), len(times) / recipe.fps
    else:
        numbers, times = numbers[:: recipe.every], None if times is None else times[:: recipe.every]
        rate = rate and rate / recipe.every
    if recipe.clip is not None:
        start, stop, _ = slice(*recipe.clip).indices(len(numbers))
        if times is not None and duration is not None and start < stop:
            ends = [*times[1:], times[0] + duration]
            times, duration = times[start:stop] - times[start], float(ends[stop - 1] - times[start])
        numbers = numbers[start:stop]
    return numbers, times, rate, duration


def _boxes(crop: Any, video: Video) -> list[Box]:
    """Return the box of all frames, or one for each frame of the source, each within its frame."""
    height, width = video.shape[2:]
    if crop == "center":
        side = min(height, width)
        return [((width - side) // 2, (height - side) // 2, side, side)]
    boxes = list(crop) if crop and isinstance(crop[0], tuple) else [crop]
    if len(boxes) not in (1, len(video)):
        raise ValueError(f"{video.path}: expected one box, or one for each of {len(video)} frames, got {len(boxes)}")
    for k, (x, y, w, h) in enumerate(boxes):
        if not (w > 0 and h > 0 and x >= 0 and y >= 0 and x + w <= width and y + h <= height):
            where = f" of frame {k}" if len(boxes) > 1 else ""
            fault = f"expected a box within the {width} x {height} pixels of a frame, got x={x}, y={y}, w={w}, h={h}"
            raise ValueError(f"{video.path}: {fault}{where}")
    return boxes


def _index(numbers: NDArray[np.int64]) -> Any:
    """Return frame numbers as a slice if they are one, which is read fastest."""
    steps = np.diff(numbers)
    if len(numbers) > 1 and steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1, int(steps[0]))
    return numbers


def _grey(frames: np.ndarray) -> np.ndarray:
    """Return the brightness of RGB, ``(..., 3, H, W)``, by ITU-R 601 as Pillow rounds it."""
    red, green, blue = (np.asarray(frames[..., k, :, :], np.uint32) for k in range(frames.shape[-3]))
    level = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    grey: np.ndarray = level.astype(frames.dtype)[..., None, :, :]
    return grey


class Digests:
    """XXH3 of each `EACH` frames, as they come.

    Examples
    --------
    >>> digests = Digests()
    >>> for n in (40, 40):
    ...     digests.update(np.zeros((n, 2), "uint8"))
    >>> len(digests.all())
    2
    """

    def __init__(self) -> None:
        try:
            from xxhash import xxh3_128
        except ImportError as error:
            raise ImportError(f"receipts require xxhash: {install('convert')} ({error})") from None
        self._new, self._done = xxh3_128, list[str]()
        self._hash, self._n = xxh3_128(), 0

    def update(self, frames: np.ndarray) -> None:
        """Take the next frames."""
        at = 0
        while at < len(frames):
            part = np.ascontiguousarray(frames[at : at + EACH - self._n])
            if part.size:
                self._hash.update(part.reshape(-1).view(np.uint8).data)
            self._n, at = self._n + len(part), at + len(part)
            if self._n == EACH:
                self._done.append(self._hash.hexdigest())
                self._hash, self._n = self._new(), 0

    def all(self) -> list[str]:
        """Return the digests, that of a last shorter block among them."""
        return [*self._done, *([self._hash.hexdigest()] if self._n else [])]


def digests_of(video: Any) -> list[str]:
    """Return the digests of a video, read a part at a time."""
    digests = Digests()
    for part in blocks(len(video), _at_once(video)):
        digests.update(video[part])
    return digests.all()


def _at_once(video: Any) -> int:
    """Return how many frames to read at a time: whole blocks of `EACH`, if they are not large."""
    n = frames_in(2 * BLOCK, video.shape[1:], video.dtype)
    return n // EACH * EACH or n


class Watched:
    """Frames whose digests are taken as they are read, each once and in order, by ``vf.write``.

    A child process tells its caller how many were read, and of how many.
    """

    def __init__(self, frames: Frames):
        self._frames, self.digests, self._next = frames, Digests(), 0
        self.shape, self.dtype = frames.shape, frames.dtype
        self.fps, self.times, self.duration, self.info = frames.fps, frames.times, frames.duration, frames.info

    def __getitem__(self, block: slice) -> np.ndarray:
        """Read the next frames."""
        if block.start == 0:  # a format that reads twice
            self.digests, self._next = Digests(), 0
        if block.start != self._next:
            raise RuntimeError(f"expected to be asked for frame {self._next}, got {block.start}")
        read = self._frames[block]
        self._next += len(read)
        self.digests.update(read)
        report((self._next, self.shape[0]))
        return read
