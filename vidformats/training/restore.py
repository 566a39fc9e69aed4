"""Windowed outputs put back on the time line of each trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.training.grid import Grid
from vidformats.training.tables import first_few

FAINT = 1e-12
"""What a weight of 0 counts, as a part of the largest: a trial's first frame lies only under the very edge
of a taper, and still has an output, while beside any other weight the part vanishes."""


class Added(NamedTuple):
    """One call of `Restored.add`, its windows in order of rows.

    Attributes
    ----------
    rows, offset : (B,) ndarray of int64
    outputs : (B, ...) ndarray
    per : str
    """

    rows: NDArray[np.int64]
    offset: NDArray[np.int64]
    outputs: NDArray[Any]
    per: str


class Trial(NamedTuple):
    """What was predicted of one trial.

    Attributes
    ----------
    totals : (T, ...) ndarray
        The weighted sum of outputs, or with ``last`` the outputs.
    seen : (T,) ndarray
        The sum of weights, or with ``last`` the rows that the outputs came from, -1 for none.
    counted : (windows of the trial, stride) ndarray of bool
        Which windows were added, and with which offset.
    """

    totals: NDArray[Any]
    seen: NDArray[Any]
    counted: NDArray[np.bool_]


class Restored(Mapping[str, NDArray[Any]]):
    """Outputs of a network on their trials' own time lines: a mapping from trial to ``(T, ...)``.

    Made by ``windows.restore(...)``. Memory grows with the frames of the trials that were predicted, and with one
    byte per window. A window's outputs count once: rows that a distributed sampler repeats change nothing.

    Parameters
    ----------
    windows : Grid
    reduce : {"mean", "last"} or (size,) array of float
        What becomes of a frame that several windows cover. ``mean`` averages; an array averages with these
        weights, one per sample, such as ``numpy.hanning(size)``; ``last`` keeps the output of the window
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
            raise ValueError(f"missing must be 'error' or a number, got {missing!r}")
        self._windows, self._missing = windows, missing
        self._last = isinstance(reduce, str) and reduce == "last"
        if isinstance(reduce, str):
            if reduce not in ("mean", "last"):
                raise ValueError(f"reduce must be 'mean', 'last' or an array of weights, got {reduce!r}")
            weights = np.ones(windows.size)
        else:
            weights = np.asarray(to_numpy(reduce), np.float64)
            if weights.shape != (windows.size,) or not (weights >= 0).all() or not 0 < weights.max() < np.inf:
                raise ValueError(
                    f"weights must be {windows.size} numbers >= 0, one per sample, and not all 0; "
                    f"got the shape {weights.shape}"
                )
            weights = np.maximum(weights, weights.max() * FAINT)
        self._weights = weights
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        self._trials: dict[int, Trial] = {}
        # The last call waits here: a distributed sampler repeats rows only at its end, and `merge` must be able to
        # leave out what another process has counted.
        self._waiting: Added | None = None

    def add(
        self,
        batch: Mapping[str, Any] | ArrayLike,
        outputs: Any,
        per: str | None = None,
        offset: ArrayLike | None = None,
    ) -> None:
        """Add the outputs for some windows, in any order, as often as there are batches.

        Parameters
        ----------
        batch : dict, or (B,) array or tensor of int
            The batch, which says of which frames it is; or only its rows, ``batch["row"]``.
        outputs : (B, size, ...) or (B, ...) array or tensor
            One output per sample, or one per window; padded samples are ignored.
        per : {"frame", "window"}, optional
            Which of the two. By default told by the shape: ``(B, size, ...)`` is one per sample, ``(B,)``
            and ``(B, K)`` are one per window. If K happens to be `size`, say ``per="window"``. The output of
            a window holds for all frames it spans, those between its samples included.
        offset : int or (B,) array of int, frames
            With rows only: where the dataset's phase moved the samples to, ``dataset.offset(rows)``. Required for
            outputs per sample of windows with a stride, which would be misplaced without it.

        Raises
        ------
        IndexError
            For a row that is not there.
        ValueError
            For outputs whose shape fits neither, or differs from what was added before.
        """
        size, stride = self._windows.size, self._windows.stride
        if isinstance(batch, Mapping):
            if offset is not None or "row" not in batch or "frame" not in batch:
                raise ValueError("expected a batch with 'row' and 'frame', and no offset=, or rows and offset=")
            rows, frames = np.asarray(to_numpy(batch["row"])), np.asarray(to_numpy(batch["frame"]))
            offset = frames.reshape(len(frames), -1)[:, 0] - self._windows.locate(rows)[1] if rows.size else 0
        else:
            rows = np.asarray(to_numpy(batch))
        outputs = np.asarray(to_numpy(outputs))
        if rows.ndim != 1 or outputs.shape[:1] != rows.shape:
            raise ValueError(f"expected one output per window: got rows of {rows.shape} and outputs of {outputs.shape}")
        if outputs.dtype.kind not in "biuf":
            raise ValueError(f"outputs must be real numbers, got {outputs.dtype}")
        if per is None:
            per = "frame" if outputs.ndim > 1 and outputs.shape[1] == size else "window"
            if per == "window" and outputs.ndim > 2:
                raise ValueError(
                    f"expected outputs (B, {size}, ...), got {outputs.shape}; if they are one per window, "
                    "say per='window'"
                )
        if per not in ("frame", "window"):
            raise ValueError(f"per must be 'frame' or 'window', got {per!r}")
        if per == "frame" and outputs.shape[1:2] != (size,):
            raise ValueError(f"outputs for each frame must be (B, {size}, ...), got {outputs.shape}")
        if offset is None and stride > 1 and per == "frame":
            raise ValueError(
                f"a phase moves the samples of windows of stride {stride}: pass the batch instead of its rows, "
                "or offset=dataset.offset(rows), which is 0 for phase 0"
            )
        moved = np.broadcast_to(np.asarray(to_numpy(0 if offset is None else offset)), rows.shape)
        if rows.size and not 0 <= moved.min() <= moved.max() < stride:
            raise ValueError(f"offset must be from 0 to {stride - 1}, got {moved.min()} to {moved.max()}")
        order = np.argsort(rows, kind="stable")  # the highest row comes last
        self._windows.locate(rows)
        self._expect(outputs.shape[1 + (per == "frame") :], outputs.dtype)
        self._settle()
        self._waiting = Added(rows[order].astype(np.int64), moved[order].astype(np.int64), outputs[order], per)

    def _expect(self, item: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Take note of what outputs are; those of several precisions make one that holds all."""
        shape, before = self._kind or (item, dtype)
        if shape != item:
            raise ValueError(f"expected outputs of shape {shape} for a frame, as before, got {item}")
        common = np.result_type(before, dtype)
        if self._last and common != before:
            self._trials = {k: trial._replace(totals=trial.totals.astype(common)) for k, trial in self._trials.items()}
        self._kind = item, common

    def _settle(self) -> None:
        """Count the call that waits."""
        added, self._waiting = self._waiting, None
        if added is not None:
            for trial in np.unique(self._windows.locate(added.rows)[0]).tolist():
                self._trials[trial] = self._count(self._trials.get(trial) or self._empty(trial), trial, added)

    def _count(self, state: Trial, trial: int, added: Added) -> Trial:
        """Add to a trial what was added of it, but for windows that are counted already."""
        rows, n_frames = added.rows, int(self._windows.manifest.n_frames[trial])
        size, span, first = self._windows.size, self._windows.span, int(self._windows.first_rows[trial])
        here = np.flatnonzero((rows >= first) & (rows < self._windows.first_rows[trial + 1]))
        starts = self._windows.locate(rows[here])[1] + added.offset[here]
        weights, step = self._weights, self._windows.stride
        if added.per == "window":
            weights, step = np.repeat(weights, step)[:span], 1
        totals, seen, counted = state
        item = totals.shape[1:]
        for k, start in zip(here.tolist(), starts.tolist(), strict=True):
            row, offset = int(rows[k]), int(added.offset[k])
            if counted[row - first, offset]:
                continue
            counted[row - first, offset] = True
            where = slice(start, min(start + span, n_frames), step)
            n = len(range(where.start, where.stop, step))
            value = added.outputs[k, : min(n, size)] if added.per == "frame" else added.outputs[k][None]
            if self._last:
                over = seen[where] <= row
                totals[where][over] = np.broadcast_to(value, (n, *item))[over]
                seen[where][over] = row
            else:
                totals[where] += weights[:n].reshape(n, *[1] * len(item)) * value
                seen[where] += weights[:n]
        return state

    @classmethod
    def merge(cls, parts: Iterable[Restored]) -> Restored:
        """Put together what several processes restored, each of its own share of the same windows.

        A window that several of them have counts once, as with the rows that PyTorch's ``DistributedSampler``
        repeats to give each process as many. Its repetitions are at the end of a process's share, in the batch added
        last, and only there may windows of one part be found in another.

        Parameters
        ----------
        parts : iterable of Restored
            Sent by pickle, or by ``torch.distributed.all_gather_object``. They stay as they are.

        Returns
        -------
        Restored

        Raises
        ------
        ValueError
            If they are not of the same windows and reduction, or windows are in several parts.

        Examples
        --------
        >>> import numpy as np, vidformats as vf
        >>> w = vf.windows({"trial": ["a"], "n_frames": [6]}, size=2, hop=2)
        >>> parts = [w.restore(), w.restore()]
        >>> parts[0].add([0, 1], np.array([[0.0, 1.0], [2.0, 3.0]]))
        >>> parts[1].add([2, 0], np.array([[4.0, 5.0], [0.0, 1.0]]))
        >>> vf.Restored.merge(parts)["a"].tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        """
        parts = list(parts)
        if not parts:
            raise ValueError("expected at least one part to merge, got none")
        one = parts[0]
        if any(part._identity() != one._identity() for part in parts):
            raise ValueError("expected parts of the same windows, reduce and missing, got different ones")
        merged = cls(one._windows, "last" if one._last else one._weights, one._missing)
        for part in parts:
            if part._kind is not None:
                merged._expect(*part._kind)
        for part in parts:
            for k, trial in part._trials.items():
                state = merged._trials.get(k)
                state = merged._trials[k] = state if state is not None else merged._empty(k)
                if len(twice := np.flatnonzero((state.counted & trial.counted).any(1))):
                    found = first_few([str(row) for row in twice + merged._windows.first_rows[k]])
                    raise ValueError(f"windows {found} are in two parts, and in neither were they added last")
                if merged._last:
                    over = trial.seen > state.seen
                    state.totals[over], state.seen[over] = trial.totals[over], trial.seen[over]
                else:
                    state.totals[:] += trial.totals
                    state.seen[:] += trial.seen
                state.counted[:] |= trial.counted
        for part in parts:
            merged._settle()
            merged._waiting = part._waiting
        merged._settle()
        return merged

    def _identity(self) -> tuple[Any, ...]:
        windows, manifest = self._windows, self._windows.manifest
        shape = windows.size, windows.hop, windows.stride, windows.tail
        return (
            shape,
            manifest.trials,
            manifest.n_frames.tolist(),
            self._last,
            self._weights.tolist(),
            repr(self._missing),
        )

    def __getitem__(self, trial: str) -> NDArray[Any]:
        """Return a trial's outputs, ``(T, ...)``, T its ``n_frames``.

        ``last`` keeps the dtype of the outputs; averages are floats of at least 32 bits.

        Raises
        ------
        KeyError
            For a trial that is not in the manifest.
        ValueError
            If a frame was never predicted, and `missing` does not say what it gets instead.
        """
        place = self._windows.manifest.index.get(str(trial))
        if place is None:
            raise KeyError(f"the manifest has no trial {trial!r}")
        state = self._trials.get(place) or self._empty(place)
        if self._waiting is not None:  # it goes on waiting
            state = self._count(Trial(*(array.copy() for array in state)), place, self._waiting)
        totals, seen = state.totals, state.seen
        gaps = np.flatnonzero(seen < 0 if self._last else seen == 0)
        if len(gaps) and isinstance(self._missing, str):
            count = f"{len(gaps)} of {len(seen)} frames were not"
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
        return (self._windows.manifest.trials[place] for place in sorted(self._places()))

    def __len__(self) -> int:
        return len(self._places())

    def __contains__(self, trial: object) -> bool:
        return self._windows.manifest.index.get(str(trial)) in self._places()

    def _places(self) -> set[int]:
        waiting = [] if self._waiting is None else self._windows.locate(self._waiting.rows)[0].tolist()
        return {*self._trials, *waiting}

    def _empty(self, place: int) -> Trial:
        n_frames = int(self._windows.manifest.n_frames[place])
        item, dtype = self._kind or ((), np.dtype(float))
        n_windows = int(np.diff(self._windows.first_rows)[place])
        counted = np.zeros((n_windows, self._windows.stride), bool)
        if self._last:
            return Trial(np.zeros((n_frames, *item), dtype), np.full(n_frames, -1, np.int64), counted)
        return Trial(np.zeros((n_frames, *item)), np.zeros(n_frames), counted)

    def __repr__(self) -> str:
        return f"<Restored {len(self)} of {len(self._windows.manifest.trials)} trials>"


def to_numpy(data: Any) -> Any:
    """Return a tensor, of whatever device and graph, as an array; anything else as it is."""
    if not hasattr(data, "detach"):
        return data
    data = data.detach().cpu()
    return (data.float() if "bfloat16" in str(data.dtype) else data).numpy()  # NumPy has no bfloat16
