"""What `vidformats.windows` returns: windows over many videos, their folds, datasets, and the way back.

>>> import vidformats as vf
>>> w = vf.windows({"trial": ["a", "b"], "n_frames": [10, 3]}, size=4, hop=3)
>>> w[w.rows].start.tolist(), w[3]
([0, 3, 6, 0], Window(row=3, trial='b', start=0, stop=4))
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.dataset import Options, WindowDataset
from vidformats.training.grid import Grid
from vidformats.training.manifest import Manifest
from vidformats.training.restore import Restored
from vidformats.training.tables import first_few


class Windows(Grid):
    """Overlapping windows over the trials of a manifest, and what is made of them; see `windows`."""

    def split(
        self, splitter: Any, by: str = "subject", y: str | None = None, rows: ArrayLike | slice | None = None
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
        rows : (N,) array of int, (len(self),) array of bool, or slice, optional
            The windows to split, all by default: the training rows of an outer fold, for one to validate with.

        Yields
        ------
        train, test : ndarray of int64
            Rows, rising.

        Raises
        ------
        TypeError
            If the splitter is none.
        ValueError
            If the splitter puts windows of one subject on both sides; the message names them.
        FormatError
            If a trial has no entry in the column `by`.

        Examples
        --------
        >>> import vidformats as vf
        >>> from sklearn.model_selection import LeaveOneGroupOut
        >>> table = {"trial": ["a", "b"], "subject": ["Ann", "Bo"], "n_frames": [8, 4]}
        >>> w = vf.windows(table, size=4, hop=4)
        >>> [(train.tolist(), test.tolist()) for train, test in w.split(LeaveOneGroupOut())]
        [([2], [0, 1]), ([0, 1], [2])]
        """
        if not callable(getattr(splitter, "split", None)) or isinstance(splitter, (str, type)):
            raise TypeError(f"splitter must have split(X, y, groups), such as GroupKFold(5), got {splitter!r}")
        chosen = self.rows if rows is None else self.select(rows)
        column = np.repeat(self.manifest.identities(by), np.diff(self.first_rows))[chosen]
        names, groups = np.unique(column, return_inverse=True)
        for train, test in splitter.split(chosen, None if y is None else self[y][chosen], groups):
            train, test = np.sort(np.asarray(train)), np.sort(np.asarray(test))
            both = names[np.intersect1d(groups[train], groups[test])]
            if len(both):
                raise ValueError(
                    f"{type(splitter).__name__} puts windows of the same {by} into training and test: "
                    f"{first_few(both.tolist(), 10)}; use a splitter by groups, such as GroupKFold"
                )
            yield chosen[train], chosen[test]

    def dataset(self, rows: ArrayLike | slice | None = None, **options: Unpack[Options]) -> WindowDataset:
        """Return the windows `rows`, or all, as a dataset for a DataLoader; see `WindowDataset`."""
        return WindowDataset(self, self.rows if rows is None else rows, **options)

    def restore(self, reduce: str | ArrayLike = "mean", missing: Any = "error") -> Restored:
        """Return an empty `Restored`, which puts windowed outputs back on the time lines of the trials."""
        return Restored(self, reduce, missing)


def windows(
    manifest: str | os.PathLike[str] | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Any,
    size: int,
    hop: int,
    stride: int = 1,
    tail: str = "anchor",
    *,
    root: str | os.PathLike[str] | None = None,
) -> Windows:
    """Cut trials of different lengths into overlapping windows, without touching a file.

    Parameters
    ----------
    manifest : path-like, dict of columns, list of dicts, DataFrame, or Manifest
        One row per trial: ``trial``, ``subject``, ``n_frames``, ``fps`` and one column of paths per stream
        (``path`` if there is only one); see `Manifest`. ``n_frames`` and ``fps`` describe the time
        line on which windows are cut and outputs restored.
    size : int
        Samples in a window.
    hop : int
        Samples from the start of a window to that of the next.
    stride : int
        Frames from one sample to the next: 4 takes every fourth frame. A window then spans
        ``(size - 1) * stride + 1`` frames and the next starts ``hop * stride`` frames later.
    tail : {"anchor", "pad", "drop"}
        What becomes of frames after the last whole window. ``anchor``: one more window that ends with the
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
        If the manifest is not what it should be.

    Examples
    --------
    >>> import vidformats as vf
    >>> w = vf.windows({"trial": ["a", "b"], "n_frames": [1000, 120]}, size=300, hop=200)
    >>> w[w.rows].start.tolist()
    [0, 200, 400, 600, 700, 0]
    """
    table = manifest if isinstance(manifest, Manifest) else Manifest(manifest, root)
    return Windows(table, size, hop, stride, tail)
