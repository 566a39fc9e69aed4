"""Windows over many videos of different lengths, their folds, and the way back: by arithmetic alone.

A window is a row number. Which trial it belongs to and where it starts are computed when asked for,
from one figure a trial, so a million windows cost no more than their trials.

>>> import vidformats as vf
>>> w = vf.windows({"trial": ["a", "b"], "n_frames": [10, 3]}, size=4, hop=3)
>>> w[w.rows].start.tolist(), w[3]
([0, 3, 6, 0], Window(row=3, trial='b', start=0, stop=4))
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.dataset import WindowDataset
from vidformats.training.manifest import Manifest
from vidformats.training.restore import Restored

TAILS = ("anchor", "pad", "drop")


class Window(NamedTuple):
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

    row: Any
    trial: Any
    start: Any
    stop: Any


class Windows:
    """Overlapping windows over the trials of a manifest; see `windows` for the parameters.

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
            f"<Windows {len(self)} of size={self.size}, hop={self.hop}, stride={self.stride}, "
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

    def split(
        self, splitter: Any, by: str = "subject", y: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield rows for training and rows for testing, fold after fold.

        Parameters
        ----------
        splitter : object with ``split(X, y, groups)``
            Any of scikit-learn's, such as ``GroupKFold(5)``, ``LeaveOneGroupOut()`` or
            ``StratifiedGroupKFold(5)``.
        by : str
            The column whose entries must not be in both training and test.
        y : str, optional
            The column with the classes, for splitters that stratify.

        Yields
        ------
        train, test : ndarray of int64
            Rows, rising.

        Raises
        ------
        ValueError
            When the splitter puts windows of one subject on both sides; the message names them.

        Examples
        --------
        >>> import vidformats as vf
        >>> from sklearn.model_selection import LeaveOneGroupOut
        >>> table = {"trial": ["a", "b"], "subject": ["Ann", "Bo"], "n_frames": [8, 4]}
        >>> w = vf.windows(table, size=4, hop=4)
        >>> [(train.tolist(), test.tolist()) for train, test in w.split(LeaveOneGroupOut())]
        [([2], [0, 1]), ([0, 1], [2])]
        """
        names, groups = np.unique(self[by], return_inverse=True)
        for train, test in splitter.split(self.rows, None if y is None else self[y], groups):
            train, test = np.sort(np.asarray(train)), np.sort(np.asarray(test))
            both = names[np.intersect1d(groups[train], groups[test])]
            if len(both):
                raise ValueError(
                    f"{type(splitter).__name__} puts windows of the same {by} into training and test: "
                    f"{', '.join(map(str, both[:10]))}{', ...' if len(both) > 10 else ''}; "
                    "use a splitter by groups, such as GroupKFold"
                )
            yield train, test

    def dataset(self, rows: ArrayLike | None = None, **options: Any) -> WindowDataset:
        """Return the windows `rows`, or all, as a dataset for a DataLoader; see `WindowDataset`."""
        return WindowDataset(self, self.rows if rows is None else rows, **options)

    def restore(self, reduce: str | ArrayLike = "mean", missing: Any = "error") -> Restored:
        """Return an empty `Restored`, which puts windowed outputs back on the time lines of the trials."""
        return Restored(self, reduce, missing)


def windows(
    manifest: str | os.PathLike | Mapping | list | Any,
    size: int,
    hop: int,
    stride: int = 1,
    tail: str = "anchor",
    *,
    root: str | os.PathLike | None = None,
) -> Windows:
    """Cut trials of different lengths into overlapping windows, without touching a file.

    Parameters
    ----------
    manifest : path-like, dict of columns, list of dicts, or DataFrame
        One row a trial: ``trial``, ``subject``, ``n_frames``, ``fps`` and one column of paths a stream
        (``path`` where there is only one); see `Manifest`. ``n_frames`` and ``fps`` describe the time
        line on which windows are cut and outputs restored.
    size : int
        Samples in a window.
    hop : int
        Samples from the start of a window to that of the next.
    stride : int
        Frames from one sample to the next: 4 takes every fourth frame. A window then spans
        ``(size - 1) * stride + 1`` frames and the next starts ``hop * stride`` frames later.
    tail : {"anchor", "pad", "drop"}
        What becomes of frames behind the last whole window. ``anchor``: one more window that ends with the
        trial's last frame. ``pad``: one more that starts where the next would, and is padded. ``drop``:
        nothing. A trial shorter than a window becomes one padded window, or with ``drop`` none.
    root : path-like, optional
        The folder relative paths start from; by default the manifest's.

    Returns
    -------
    Windows
        ``w[row]`` tells where a window lies, ``w.split`` makes folds, ``w.dataset`` reads, and
        ``w.restore`` puts outputs back.

    Raises
    ------
    FormatError
        When the manifest is not what it should be.

    Examples
    --------
    >>> import vidformats as vf
    >>> w = vf.windows({"trial": ["a", "b"], "n_frames": [1000, 120]}, size=300, hop=200)
    >>> w[w.rows].start.tolist()
    [0, 200, 400, 600, 700, 0]
    """
    return Windows(Manifest(manifest, root), size, hop, stride, tail)
