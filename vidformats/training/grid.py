"""Where windows lie in trials of different lengths: by arithmetic alone.

A window is a row number. Which trial it belongs to and where it starts are computed when asked for,
from one figure per trial, so a million windows cost no more than their trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.manifest import Manifest
from vidformats.training.tables import whole

TAILS = ("anchor", "pad", "drop")

N = TypeVar("N")
S = TypeVar("S")
Many = Sequence[int] | NDArray[Any] | slice


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
            if not 1 <= whole(value, name) < 1 << 40:
                raise ValueError(f"{name} must be at least 1 and below 2**40, got {value}")
        if tail not in TAILS:
            raise ValueError(f"tail must be one of {', '.join(TAILS)}, got {tail!r}")
        self.manifest, self.size, self.hop, self.stride, self.tail = manifest, size, hop, stride, tail
        self.span = (size - 1) * stride + 1
        self._step = hop * stride
        frames = manifest.n_frames
        complete = np.maximum((frames - self.span) // self._step + 1, 0)
        ends = np.where(complete > 0, (complete - 1) * self._step + self.span, 0)
        begun = complete * self._step < frames  # the next window would have at least its first frame
        more = {"drop": False, "anchor": ends < frames, "pad": (ends < frames) & begun}[tail]
        self.first_rows = np.concatenate(([0], np.cumsum(complete + more, dtype=np.int64)))

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

    def select(self, rows: ArrayLike | slice) -> NDArray[np.int64]:
        """Return rows as numbers: integers as they are, a boolean mask over all windows or a slice as NumPy does.

        Raises
        ------
        IndexError
            For a row that is not there, or a mask of another length.
        """
        if isinstance(rows, slice):
            return self.rows[rows]
        chosen = np.array(rows, ndmin=1)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise IndexError(f"expected a mask of the {len(self)} windows, got one of shape {chosen.shape}")
            return np.flatnonzero(chosen)
        if chosen.ndim != 1:
            raise IndexError(f"rows must be a list of integers, a boolean mask or a slice, got shape {chosen.shape}")
        self.locate(chosen)
        return chosen.astype(np.int64)

    def locate(self, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the trial's place in the manifest and the first frame of each of `rows`.

        Raises
        ------
        IndexError
            For a row that is not there.
        """
        rows = np.asarray(rows)
        if rows.dtype.kind not in "iu" and rows.size:
            raise IndexError(f"rows must be integers, got {rows.dtype}")
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows must be from 0 to {len(self) - 1}, got {rows.min()} to {rows.max()}")
        rows = rows.astype(np.int64, copy=False)
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
    def __getitem__(self, index: Many) -> Window[NDArray[np.int64], NDArray[np.str_]]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return where windows lie, or what the manifest says of them.

        Parameters
        ----------
        index : int, array of int or bool, slice, or str
            A row or rows, as in `select`: a `Window`. A column's name: its entry for each row, ``(len(self),)``;
            of the columns ``trial`` and ``subject`` as text.
        """
        if isinstance(index, str):
            return np.repeat(self.manifest.values(index), np.diff(self.first_rows), axis=0)
        if not isinstance(index, slice) and np.ndim(index) == 0:
            row = whole(index, "row")
            row += len(self) if row < 0 else 0
            trial, start = (int(place) for place in self.locate(row))
            return Window(row, self.manifest.trials[trial], start, start + self.span)
        rows = self.select(index)
        trials, starts = self.locate(rows)
        return Window(rows, np.array(self.manifest.trials)[trials], starts, starts + self.span)
