"""Windowed outputs put back on the time line of each trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.grid import Grid

FAINT = 1e-12
"""What a weight of 0 counts, as a part of the largest: a trial's first frame lies only under the very edge
of a taper, and still has an output, while beside any other weight the part vanishes."""


class Restored(Mapping[str, NDArray[Any]]):
    """Outputs of a network on their trials' own time lines: a mapping from trial to ``(T, ...)``.

    Made by ``windows.restore(...)``. Memory grows with the frames of the trials that were predicted,
    not with the windows.

    Parameters
    ----------
    windows : Grid
    reduce : {"mean", "last"} or (size,) array of float
        What becomes of a frame that several windows cover. ``mean`` averages; an array averages with these
        weights, one a sample, such as ``numpy.hanning(size)``; ``last`` keeps the output of the window
        with the highest row, the one that starts last, whatever the order of adding.
    missing : "error" or number
        What a frame gets that no window predicted; by default asking for its trial is an error.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> w = vf.windows({"trial": ["a"], "n_frames": [5]}, size=3, hop=2)
    >>> out = w.restore()
    >>> out.add([1, 0], np.array([[2.0, 3.0, 4.0], [0.0, 1.0, 4.0]]))
    >>> out["a"].tolist()
    [0.0, 1.0, 3.0, 3.0, 4.0]
    """

    def __init__(self, windows: Grid, reduce: str | ArrayLike = "mean", missing: Any = "error"):
        if isinstance(missing, str) and missing != "error":
            raise ValueError(f"missing is 'error' or a number, not {missing!r}")
        self._windows, self._missing = windows, missing
        self._last = isinstance(reduce, str) and reduce == "last"
        if isinstance(reduce, str):
            if reduce not in ("mean", "last"):
                raise ValueError(f"reduce is 'mean', 'last' or an array of weights, not {reduce!r}")
            weights = np.ones(windows.size)
        else:
            weights = np.asarray(to_numpy(reduce), np.float64)
            if weights.shape != (windows.size,) or not (weights >= 0).all() or not 0 < weights.max() < np.inf:
                raise ValueError(
                    f"weights are {windows.size} numbers from 0 on, one a sample, and not all 0; "
                    f"these have the shape {weights.shape}"
                )
            weights = np.maximum(weights, weights.max() * FAINT)
        self._weights = weights
        self._kind: tuple[tuple[int, ...], np.dtype] | None = None
        # Of each trial: the weighted sum and the weights, or the values and the rows they came from.
        self._totals: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, rows: ArrayLike, outputs: Any, per: str | None = None, offset: ArrayLike = 0) -> None:
        """Add the outputs for some windows, in any order, as often as there are batches.

        Parameters
        ----------
        rows : (B,) array or tensor of int
            The windows, as ``batch["row"]``.
        outputs : (B, size, ...) or (B, ...) array or tensor
            One output a sample, or one a window; padded samples are ignored.
        per : {"frame", "window"}, optional
            Which of the two. By default told by the shape: ``(B, size, ...)`` is one a sample, ``(B,)``
            and ``(B, K)`` are one a window. Where K happens to be `size`, say ``per="window"``. The output of
            a window holds for all frames it spans, those between its samples included.
        offset : int or (B,) array of int, frames
            Where the dataset's phase moved the samples to: ``dataset.offset(rows)``. It is 0 for
            windows of stride 1.

        Raises
        ------
        IndexError
            For a row that is not there.
        ValueError
            For outputs whose shape fits neither, or differs from what was added before.
        """
        rows, outputs = np.asarray(to_numpy(rows)), np.asarray(to_numpy(outputs))
        size, span, stride = self._windows.size, self._windows.span, self._windows.stride
        if rows.ndim != 1 or outputs.shape[:1] != rows.shape:
            raise ValueError(f"one output a window is due: rows are {rows.shape}, outputs {outputs.shape}")
        if outputs.dtype.kind not in "biuf":
            raise ValueError(f"outputs are real numbers, not {outputs.dtype}")
        if per is None:
            per = "frame" if outputs.ndim > 1 and outputs.shape[1] == size else "window"
            if per == "window" and outputs.ndim > 2:
                raise ValueError(
                    f"outputs of shape {outputs.shape} have no axis of {size} samples behind the first; "
                    "where they are one a window, say per='window'"
                )
        if per not in ("frame", "window"):
            raise ValueError(f"per is 'frame' or 'window', not {per!r}")
        if per == "frame" and outputs.shape[1:2] != (size,):
            raise ValueError(f"outputs for each frame are (B, {size}, ...), not {outputs.shape}")
        item = outputs.shape[1 + (per == "frame") :]
        if self._kind not in (None, (item, outputs.dtype)):
            raise ValueError(f"{item} of {outputs.dtype} a frame, where it was {self._kind} before")
        offset = np.broadcast_to(offset, rows.shape)
        if (offset < 0).any():
            raise ValueError("offset must be 0 or more")

        order = np.argsort(rows, kind="stable")  # the highest row comes last
        trials, starts = self._windows.locate(rows[order])
        starts = starts + offset[order]
        self._kind = item, outputs.dtype
        frames = self._windows.manifest.n_frames[trials]
        weights, step = self._weights, stride
        if per == "window":
            weights, step = np.repeat(weights, stride)[:span], 1
        for k, trial, start, n_frames in zip(
            order.tolist(), trials.tolist(), starts.tolist(), frames.tolist(), strict=True
        ):
            where = slice(start, min(start + span, n_frames), step)
            n = len(range(where.start, where.stop, step))
            value = outputs[k, :n] if per == "frame" else outputs[k][None]
            totals, seen = self._totals.get(trial) or self._start(trial, n_frames)
            if self._last:
                over = seen[where] <= rows[k]
                totals[where][over] = np.broadcast_to(value, (n, *item))[over]
                seen[where][over] = rows[k]
            else:
                totals[where] += weights[:n].reshape(n, *[1] * len(item)) * value
                seen[where] += weights[:n]

    def __getitem__(self, trial: str) -> NDArray[Any]:
        """Return a trial's outputs, ``(T, ...)``, T its ``n_frames``.

        ``last`` keeps the dtype of the outputs; averages are floats of at least 32 bits.

        Raises
        ------
        KeyError
            For a trial that is not in the manifest.
        ValueError
            When a frame was never predicted, and `missing` does not say what it gets instead.
        """
        place = self._windows.manifest.index.get(str(trial))
        if place is None:
            raise KeyError(f"the manifest has no trial {trial!r}")
        n_frames = int(self._windows.manifest.n_frames[place])
        totals, seen = self._totals.get(place) or self._empty(n_frames)
        gaps = np.flatnonzero(seen < 0 if self._last else seen == 0)
        if len(gaps) and isinstance(self._missing, str):
            count = f"{len(gaps)} of {n_frames} frames were not"
            raise ValueError(f"trial {trial!r}: frame {gaps[0]} was never predicted; {count}")
        if self._last:
            result = totals.copy()
        else:
            dtype = np.result_type(self._kind[1] if self._kind else float, np.float32)
            weights = np.where(seen == 0, 1, seen).reshape(-1, *[1] * (totals.ndim - 1))
            result = (totals / weights).astype(dtype, copy=False)
        if len(gaps):
            result = result.astype(np.result_type(result, np.asarray(self._missing)), copy=False)
            result[gaps] = self._missing
        return result

    def __iter__(self) -> Iterator[str]:
        """Go over the trials of which something was predicted, in the manifest's order."""
        return (self._windows.manifest.trials[place] for place in sorted(self._totals))

    def __len__(self) -> int:
        return len(self._totals)

    def __contains__(self, trial: object) -> bool:
        return self._windows.manifest.index.get(str(trial)) in self._totals

    def _empty(self, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
        item, dtype = self._kind or ((), np.dtype(float))
        if self._last:
            return np.zeros((n_frames, *item), dtype), np.full(n_frames, -1, np.int64)
        return np.zeros((n_frames, *item)), np.zeros(n_frames)

    def _start(self, place: int, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
        return self._totals.setdefault(place, self._empty(n_frames))

    def __repr__(self) -> str:
        return f"<Restored {len(self)} of {len(self._windows.manifest.trials)} trials>"


def to_numpy(data: Any) -> Any:
    """Return a tensor, of whatever device and graph, as an array; anything else as it is."""
    if not hasattr(data, "detach"):
        return data
    data = data.detach().cpu()
    return (data.float() if "bfloat16" in str(data.dtype) else data).numpy()  # NumPy has no bfloat16
