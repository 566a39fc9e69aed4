"""Where windows lie in trials of different lengths: by arithmetic alone.

A window is a row number. Which trial it belongs to and where it starts are computed when asked for,
from one figure per trial, so a million windows cost no more than their trials.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.manifest import Manifest

TAILS = ("anchor", "pad", "drop")

N = TypeVar("N")
S = TypeVar("S")


class Window(NamedTuple, Generic[N, S]):
    """One window, or, asked for many rows at once, an array in each place.

    Attributes
    ----------
    row : int
    trial : str
    start : int, frames
        The first frame.
    stop : int, frames
        Behind the last one. Beyond the trial's end where the window is padded.
    """

    row: N
    trial: S
    start: N
    stop: N


class Grid:
    """Overlapping windows over the trials of a manifest; see `vidformats.windows` for the parameters.

    Attributes
    ----------
    manifest : Manifest
    size, hop, stride : int
    tail : str
    span : int, frames
        From a window's first frame to its last: ``(size - 1) * stride + 1``.
    first_rows : (N + 1,) ndarray of int64
        The row of each trial's first window, and the number of all windows.
    """

    def __init__(self, manifest: Manifest, size: int, hop: int, stride: int, tail: str):
        for name, value in (("size", size), ("hop", hop), ("stride", stride)):
            if operator.index(value) < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if tail not in TAILS:
            raise ValueError(f"tail is one of {', '.join(TAILS)}, not {tail!r}")
        self.manifest, self.size, self.hop, self.stride, self.tail = manifest, size, hop, stride, tail
        self.span = (size - 1) * stride + 1
        self._step = hop * stride
        frames = manifest.n_frames
        whole = np.maximum((frames - self.span) // self._step + 1, 0)
        ends = np.where(whole > 0, (whole - 1) * self._step + self.span, 0)
        begun = whole * self._step < frames  # the next window would have at least its first frame
        more = {"drop": False, "anchor": ends < frames, "pad": (ends < frames) & begun}[tail]
        self.first_rows = np.concatenate(([0], np.cumsum(whole + more, dtype=np.int64)))

    def __len__(self) -> int:
        return int(self.first_rows[-1])

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {len(self)} of size={self.size}, hop={self.hop}, stride={self.stride}, "
            f"tail={self.tail!r} over {len(self.manifest.trials)} trials of {self.manifest.source!r}>"
        )

    @property
    def rows(self) -> NDArray[np.int64]:
        """All rows: trial after trial in the manifest's order, each from its start to its end."""
        return np.arange(len(self))

    def locate(self, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the trial's place in the manifest and the first frame of each of `rows`.

        Raises
        ------
        IndexError
            For a row that is not there.
        """
        rows = np.asarray(rows)
        if rows.dtype.kind not in "iu" and rows.size:
            raise IndexError(f"rows of windows are integers, not {rows.dtype}")
        rows = rows.astype(np.int64, copy=False)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} are not all among the {len(self)} windows")
        trials = np.searchsorted(self.first_rows, rows, side="right") - 1
        starts = (rows - self.first_rows[trials]) * self._step
        if self.tail == "anchor":
            starts = np.minimum(starts, np.maximum(self.manifest.n_frames[trials] - self.span, 0))
        return trials, starts

    @overload
    def __getitem__(self, index: str) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Window[int, str]: ...
    @overload
    def __getitem__(self, index: Sequence[int] | NDArray[Any]) -> Window[NDArray[np.int64], NDArray[np.str_]]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return where windows lie, or what the manifest says of them.

        Parameters
        ----------
        index : int, array of int, or str
            A row or rows: a `Window`. A column's name: its entry for each row, ``(len(self),)``.
        """
        if isinstance(index, str):
            return np.repeat(self.manifest.values(index), np.diff(self.first_rows), axis=0)
        rows = np.asarray(index)
        if rows.ndim == 0 and rows.dtype.kind == "i" and rows < 0:
            rows = rows + len(self)
        trials, starts = self.locate(rows)
        if rows.ndim == 0:
            start = int(starts)
            return Window(int(rows), self.manifest.trials[int(trials)], start, start + self.span)
        return Window(rows, np.array(self.manifest.trials)[trials], starts, starts + self.span)
