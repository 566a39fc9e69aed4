"""What a worker does to a window before it is batched: crop, mirror, transform, the same for all its frames.

What is drawn depends on the seed, the epoch and the window's row alone, so that it is the same for any number of
workers, and for all streams of a window.
"""

from __future__ import annotations

import contextlib
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidformats.training.tables import whole


class Draw(NamedTuple):
    """What was drawn for one window: numbers from 0 to 1, and a seed."""

    flip: float
    top: float
    left: float
    seed: int


def draw(seed: int, epoch: int, row: int) -> Draw:
    """Draw for a window; the last word keeps these figures apart from those of its phase."""
    # SeedSequence promises the same figures in every version of NumPy; generators do not.
    words = np.random.SeedSequence((seed, epoch, row, 1)).generate_state(4, np.uint64)
    flip, top, left = (words[:3] >> np.uint64(11)).astype(np.float64) / 2.0**53
    return Draw(float(flip), float(top), float(left), int(words[3]))


class Augment:
    """Crop, mirror and transform the windows of one stream.

    Parameters
    ----------
    name : str
        Of the stream.
    crop : (height, width) or (top, left, height, width) of int, optional
        Of the two last axes. Without a corner, one is drawn for each window.
    flip : float or bool, optional
        With which probability a window is mirrored, left to right.
    transform : callable, optional
        Takes a window ``(size, ...)`` and returns one; those of a batch must be alike. A ``torch.nn.Module``, such
        as the transforms of ``torchvision.transforms.v2``, gets a tensor, anything else an array. An argument
        ``rng`` is a seeded `numpy.random.Generator`; the global generators of `random`, NumPy and PyTorch are seeded
        while it runs, and put back.
    """

    def __init__(
        self,
        name: str,
        crop: Sequence[int] | None = None,
        flip: float | None = None,
        transform: Callable[..., Any] | None = None,
    ):
        self.name, self.crop, self.flip, self.transform = name, None, float(flip or 0), transform
        if crop is not None:
            if isinstance(crop, str) or not isinstance(crop, Sequence) or len(crop) not in (2, 4):
                raise ValueError(f"crop of {name} must be (height, width) or (top, left, height, width), got {crop!r}")
            self.crop = tuple(whole(side, f"crop of {name}") for side in crop)
            if min(self.crop) < 0 or min(self.crop[-2:]) < 1:
                raise ValueError(f"crop of {name} must lie in the frame, got {crop!r}")
        if isinstance(flip, str) or not 0 <= self.flip <= 1:
            raise ValueError(f"flip of {name} must be a probability from 0 to 1, got {flip!r}")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform of {name} must be callable, got {type(transform).__name__}")
        self._takes_rng = transform is not None and _takes_rng(transform)

    @property
    def random(self) -> bool:
        """Whether anything is drawn."""
        drawn = self.crop is not None and len(self.crop) == 2
        return drawn or self.flip > 0 or self.transform is not None

    def __call__(self, window: NDArray[Any], drawn: Draw) -> NDArray[Any]:
        """Return what becomes of a window: a view of it, or what the transform returned."""
        if self.crop is not None:
            height, width = self.crop[-2:]
            if window.ndim < 3 or height > window.shape[-2] or width > window.shape[-1]:
                frame = window.shape[1:]
                raise ValueError(f"crop of {self.name} must lie in its frames of {frame}, got {self.crop}")
            free = window.shape[-2] - height, window.shape[-1] - width
            top, left = self.crop[:2] if len(self.crop) == 4 else _corner(free, drawn)
            if top > free[0] or left > free[1]:
                frame = window.shape[1:]
                raise ValueError(f"crop of {self.name} must lie in its frames of {frame}, got {self.crop}")
            window = window[..., top : top + height, left : left + width]
        if drawn.flip < self.flip:
            window = window[..., ::-1]
        return window if self.transform is None else self._transformed(window, drawn)

    def _transformed(self, window: NDArray[Any], drawn: Draw) -> NDArray[Any]:
        torch = sys.modules.get("torch")
        module = torch is not None and isinstance(self.transform, torch.nn.Module)
        given: Any = np.ascontiguousarray(window)
        if module:
            given = torch.from_numpy(given)  # type: ignore[union-attr]
        more = {"rng": np.random.default_rng(drawn.seed)} if self._takes_rng else {}
        with seeded(drawn.seed, torch):
            result = self.transform(given, **more)  # type: ignore[misc]
        return result.detach().cpu().numpy() if hasattr(result, "detach") else np.asarray(result)


def _corner(free: tuple[int, int], drawn: Draw) -> tuple[int, int]:
    """Return a corner of those that leave so much free below and to the right."""
    return int(drawn.top * (free[0] + 1)), int(drawn.left * (free[1] + 1))


def _takes_rng(transform: Callable[..., Any]) -> bool:
    try:
        return "rng" in inspect.signature(transform).parameters
    except (TypeError, ValueError):  # some functions in C have no signature
        return False


@contextlib.contextmanager
def seeded(seed: int, torch: Any = None) -> Iterator[None]:
    """Seed the global generators of random, NumPy and PyTorch, and put their states back at the end."""
    plain, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's transform may draw from it
    tensors = torch.random.get_rng_state() if torch is not None else None
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        if torch is not None:
            torch.random.default_generator.manual_seed(seed % 2**63)
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(legacy)  # noqa: NPY002
        if torch is not None:
            torch.random.set_rng_state(tensors)
