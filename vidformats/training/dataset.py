"""Windows as a map-style dataset for ``torch.utils.data.DataLoader``, without importing torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.errors import FormatError
from vidformats.shared import Pool, SharedInteger
from vidformats.training.collate import Sample, Samples, collate, tell_torch
from vidformats.training.grid import Grid
from vidformats.video import Video

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

    _Dataset = Dataset[Sample]
else:
    _Dataset = object  # a DataLoader asks for the methods only, a type checker for the class

FINEST = 1001
"""Largest denominator of a rate: 30000/1001 frames a second is the oddest that cameras make."""


class Stream(NamedTuple):
    """One kind of data of all trials.

    Attributes
    ----------
    column : str
        Where the manifest has its paths.
    rate : Fraction
        Its frames for each frame of the time line.
    shift : int, frames of the stream
    options : dict
        What `vidformats.open` takes.
    """

    column: str
    rate: Fraction
    shift: int
    options: dict[str, Any]


class WindowDataset(_Dataset):
    """Windows that a DataLoader batches, read when asked for; made by ``windows.dataset(rows, ...)``.

    A sample is a dict: ``(size, ...)`` for each stream, in the dtype of its files; ``mask``, ``(size,)``
    bool, False where a sample is padded; and ``row``, the window's row, with which its outputs are
    restored. Padding repeats the trial's last frame (or first, before the start), in its own dtype.

    Frame `t` of the time line is met by frame ``floor(t * rate) + shift`` of a stream. What is read
    depends on the row, the seed and the epoch alone, so batches are the same for any number of workers.

    Parameters
    ----------
    windows : Grid
    rows : (N,) array of int
        The windows of this dataset; sample `i` is window ``rows[i]``.
    streams : dict of str to str, optional
        Name in the sample to column of paths; ``{"video": "path"}`` by default.
    rate : dict of str to number, optional
        Frames of a stream for each frame of the time line, 1 by default: with labels at 4 Hz and video at
        64 frames a second, ``n_frames`` counts labels and the rate of the video is 16.
    phase : int or "random"
        Where in a stride the samples lie, counted in frames of the fastest stream: one of `n_phases`. With
        ``rate={"video": 16}``, phase 5 reads frames 5, 21, 37, ... ``"random"`` draws it for each window and
        epoch.
    seed : int
        Of the phases.
    shift : dict of str to int, optional
        Frames by which a stream is read later, in its own frames and over the whole trial: 8 pairs frame 0
        of the time line with the stream's frame 8. What would lie beyond its ends is padded and masked.
    threads : int, optional
        As for `vidformats.open`: by default all CPUs, and 1 in a worker.
    options : dict of str to dict, optional
        For a stream, what `vidformats.open` takes, such as ``{"label": {"dataset": "valence"}}``.

    Attributes
    ----------
    rows : (N,) ndarray of int64
    n_phases : int
        Phases there are: the stride times the fastest rate.

    Raises
    ------
    FileNotFoundError
        When a trial's file is not there.
    FormatError
        While reading, when a file is damaged, changed, shorter than the manifest says, or of another frame
        shape than the others of a batch.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.arange(160).reshape(160, 1), "sixteen.npy")
    >>> w = vf.windows({"trial": ["a"], "n_frames": [10], "path": [path]}, size=4, hop=3)
    >>> ds = w.dataset(rate={"video": 16}, phase=5)
    >>> ds[1]["video"].ravel().tolist(), ds[1]["mask"].all(), ds[1]["row"]
    ([53, 69, 85, 101], np.True_, 1)
    """

    def __init__(
        self,
        windows: Grid,
        rows: ArrayLike,
        streams: Mapping[str, str] | None = None,
        rate: Mapping[str, Any] | None = None,
        phase: int | str = 0,
        seed: int = 0,
        shift: Mapping[str, int] | None = None,
        threads: int | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.windows, self.rows = windows, np.array(rows, ndmin=1)
        trials = np.unique(windows.locate(self.rows)[0])
        streams = {"video": "path"} if streams is None else dict(streams)
        rate, shift, options = rate or {}, shift or {}, options or {}
        if unknown := {*rate, *shift, *options} - set(streams):
            raise ValueError(f"there is no stream {', '.join(sorted(unknown))}; there are {', '.join(streams)}")
        if reserved := {"mask", "row"} & set(streams):
            raise ValueError(f"a sample has its own {reserved.pop()!r}; name the stream otherwise")
        self.streams = {}
        for name, column in streams.items():
            settings = {"threads": threads, **options.get(name, {})}
            self.streams[name] = Stream(column, _rate(name, rate.get(name, 1)), int(shift.get(name, 0)), settings)
            for trial in trials.tolist():
                path = windows.manifest.path(column, trial)
                if not os.path.exists(path):
                    owner = windows.manifest.trials[trial]
                    raise FileNotFoundError(f"{path}: the {name} of trial {owner!r} is not there")
        self._finest = max([Fraction(1), *[stream.rate for stream in self.streams.values()]])
        self.n_phases = int(windows.stride * self._finest)
        if phase != "random" and not (isinstance(phase, (int, np.integer)) and 0 <= phase < self.n_phases):
            raise ValueError(f"phase is 'random' or one of 0 to {self.n_phases - 1}, not {phase!r}")
        self.phase, self.seed = phase, seed
        self._epoch = SharedInteger() if phase == "random" else None
        self._videos: dict[tuple[str, int], Video] = {}
        self._pool = Pool()
        tell_torch()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        tell_torch()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Return the samples of one batch, with a single planned read of each file.

        They are parts of one array a stream; whoever keeps one sample for long should copy it.
        """
        return Samples(*self._batch(indices), self._pool)

    def _batch(self, indices: Sequence[int]) -> tuple[dict[str, np.ndarray], NDArray[np.int64]]:
        """Return the batch in order of rows, and for each of its samples the place it was asked at."""
        rows = self.rows[np.asarray(indices, np.int64)]
        order = np.argsort(rows, kind="stable")  # by trial, and in a trial by time
        trials, starts = self.windows.locate(rows[order])
        time, mask = self._time(rows[order], trials, starts)
        batch = {name: self._read(name, trials, time, mask) for name in self.streams}
        return batch | {"mask": mask, "row": rows[order]}, order

    def collate(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Make a batch of tensors without a copy: ``DataLoader(ds, ..., collate_fn=ds.collate)``.

        The batch was read into memory that a worker and the training process share, and that is used again
        once the tensors are gone. Its samples come in order of their rows, whatever order they were drawn in;
        the default collate keeps that order, by one copy more.

        Parameters
        ----------
        samples : list of dict
            What `__getitems__` returned.

        Returns
        -------
        dict of str to tensor
            ``(B, size, ...)`` for each stream, ``mask`` ``(B, size)`` and ``row`` ``(B,)``.
        """
        return collate(samples, self._pool)

    def set_epoch(self, epoch: int) -> None:
        """Draw other random phases from now on; call it before each epoch, with its number.

        Persistent workers see it too: the number lies in memory that they share with this process.
        """
        if self._epoch is not None:
            self._epoch.set(epoch)

    def phases(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the phase with which each of `rows` is read in this epoch, ``(B,)``."""
        rows = np.asarray(rows, np.int64)
        if self._epoch is None:
            return np.full(rows.shape, self.phase, np.int64)
        epoch = self._epoch.get()
        # SeedSequence promises the same figures in every version of NumPy; generators do not.
        seeds = [np.random.SeedSequence((self.seed, epoch, row)) for row in rows.tolist()]
        draws = np.array([seed.generate_state(1, np.uint64)[0] for seed in seeds], np.uint64)
        return (draws % np.uint64(self.n_phases)).astype(np.int64)

    def offset(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return by how many frames of the time line each window's phase moves its samples, ``(B,)``."""
        return self.phases(rows) * self._finest.denominator // self._finest.numerator

    def _time(
        self, rows: NDArray[np.int64], trials: NDArray[np.int64], starts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return when each sample is, ``(B, size)``, in ticks, and which are within their trial.

        A tick divides the time line as finely as the fastest stream, so that all of it is whole numbers.
        """
        ticks, finest = self._finest.numerator, self._finest
        samples = starts[:, None] + self.windows.stride * np.arange(self.windows.size)
        time = samples * ticks + (self.phases(rows) * finest.denominator)[:, None]
        end = self.windows.manifest.n_frames[trials][:, None] * ticks
        return np.minimum(time, end - 1), time < end

    def _read(
        self, name: str, trials: NDArray[np.int64], time: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> np.ndarray:
        """Read a stream's samples, trial after trial, and clear `mask` where the stream has none."""
        stream, batch, first = self.streams[name], None, None
        ticks = stream.rate.denominator * self._finest.numerator
        frames = time * stream.rate.numerator // ticks + stream.shift
        bounds = [0, *(np.flatnonzero(np.diff(trials)) + 1).tolist(), len(trials)]
        for start, stop in pairwise(bounds):
            video = self._video(name, int(trials[start]))
            wanted = frames[start:stop]
            mask[start:stop] &= (wanted >= 0) & (wanted < len(video))
            if batch is None or first is None:
                batch, first = self._pool.empty((*frames.shape, *video.shape[1:]), video.dtype), video
            elif (video.shape[1:], video.dtype) != (first.shape[1:], first.dtype):
                raise FormatError(
                    video.path,
                    f"has frames of {video.shape[1:]} {video.dtype}, which can't be in one batch with "
                    f"{first.shape[1:]} {first.dtype} of {first.path}",
                )
            video.read(np.clip(wanted, 0, len(video) - 1), out=batch[start:stop])
        return batch if batch is not None else np.empty(frames.shape)

    def _video(self, name: str, trial: int) -> Video:
        """Return a trial's stream; how many files stay open is `Video`'s affair."""
        video = self._videos.get((name, trial))
        if video is None:
            stream, manifest = self.streams[name], self.windows.manifest
            video = Video(manifest.path(stream.column, trial), **stream.options)
            n_frames = int(manifest.n_frames[trial])
            least = (n_frames - 1) * stream.rate // 1 + 1
            if len(video) < least:
                owner = f"the {name} of trial {manifest.trials[trial]!r}"
                why = f"for n_frames={n_frames} in {manifest.source} and a rate of {stream.rate}"
                raise FormatError(video.path, f"has {len(video)} frames; {owner} needs {least} or more, {why}")
            self._videos[name, trial] = video
        return video


def _rate(name: str, rate: Any) -> Fraction:
    exact = Fraction(rate).limit_denominator(FINEST)
    if not 0 < exact <= 1_000_000:
        raise ValueError(f"the rate of {name} must be above 0, not {rate}")
    return exact
