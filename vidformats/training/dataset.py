"""Windows as a map-style dataset for ``torch.utils.data.DataLoader``, without importing torch."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.errors import FormatError
from vidformats.shared import Pool, SharedInteger
from vidformats.training.augment import Augment, draw
from vidformats.training.collate import Sample, Samples, collate, tell_torch
from vidformats.training.grid import Grid
from vidformats.training.labels import Labels, differing
from vidformats.training.sampler import ResumableSampler
from vidformats.training.streams import Clock, Source, Stream, missing_files
from vidformats.training.tables import first_few, whole
from vidformats.video import Video

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

    _Dataset: TypeAlias = Dataset[Sample]
else:
    _Dataset = object  # a DataLoader asks for the methods only, a type checker for the class

OWN = ("mask", "row", "frame")
"""What a sample has besides its streams."""


class Options(TypedDict, total=False):
    """What ``windows.dataset(rows, ...)`` takes; see `WindowDataset`."""

    streams: Mapping[str, str] | Sequence[str] | None
    rate: Any
    phase: int | str
    seed: int
    shift: Any
    threads: int | None
    options: Mapping[str, Mapping[str, Any]] | None
    crop: Any
    flip: Any
    transform: Any
    nan: str
    check: bool


class WindowDataset(_Dataset):
    """Windows that a DataLoader batches, read when asked for; made by ``windows.dataset(rows, ...)``.

    A sample is a dict: ``(size, ...)`` for each stream, in the dtype of its files; ``mask``, ``(size,)``
    bool, False where a sample is padded or has no value; ``row``, the window's row; ``frame``, ``(size,)``
    int64, the frames of the time line that the samples are of, with which outputs are restored; and for each
    stream ``NAME_mask``, where that stream has a value. Padding repeats the trial's last frame (or first, before
    the start), in its own dtype.

    Frame `t` of the time line is met by frame ``floor(t * rate) + shift`` of a stream, or with
    ``rate="auto"`` by the one shown at that time. What is read depends on the row, the seed and the epoch alone,
    so batches are the same for any number of workers.

    The manifest may say more of each trial, in columns for all streams or, as ``video.rate``, for one:
    ``rate``; ``start`` and ``stop``, the seconds of the file between which the trial lies; ``shift``, seconds by
    which it is read later.

    Parameters
    ----------
    windows : Grid
    rows : (N,) array of int, (len(windows),) array of bool, or slice
        The windows of this dataset; sample `i` is window ``rows[i]``.
    streams : dict of str to str, or list of str, optional
        Name in the sample to column of paths; ``{"video": "path"}`` by default. A path that ends in .csv, .tsv,
        .txt or .parquet is a table with a time column, sampled by time; see `Labels`.
    rate : dict of str to number or "auto", optional
        Frames of a stream for each frame of the time line, 1 by default: with labels at 4 Hz and video at
        64 frames per second, ``n_frames`` counts labels and the rate of the video is 16. ``"auto"`` goes by the
        file's own times and the column ``fps``. A dataset of one stream takes it without the dict, and
        ``rate="auto"`` may stand for all.
    phase : int or "random"
        Where in a stride the samples lie, counted in frames of the fastest stream: one of `n_phases`. With
        ``rate={"video": 16}``, phase 5 reads frames 5, 21, 37, ... ``"random"`` draws it for each window and
        epoch.
    seed : int
        Of all that is drawn.
    shift : dict of str to int, optional
        Frames by which a stream is read later, in its own frames and over the whole trial: 8 pairs frame 0
        of the time line with the stream's frame 8. What would lie beyond its ends is padded and masked.
    threads : int, optional
        As for `vidformats.open`: by default all CPUs, and 1 in a worker.
    options : dict of str to dict, optional
        For a stream, what `vidformats.open` takes, such as ``{"label": {"dataset": "valence"}}``, or `Labels`.
    crop, flip, transform : dict of str to what `Augment` takes, optional
        Done to the windows of a stream, in this order: ``crop={"video": (112, 112)}``, ``flip={"video": 0.5}``.
    nan : {"mask", "error", "keep"}
        What becomes of samples that hold NaN: False in the masks; an error that names trial and frame; nothing.
    check : bool
        Open all files now, and compare them with the manifest: all faults are told at once, before training. False
        opens each when it is read, for collections that take long to open, or whose files' own rate is wrong.

    Attributes
    ----------
    rows : (N,) ndarray of int64
    n_phases : int
        Phases there are: the stride times the fastest rate.

    Raises
    ------
    FileNotFoundError
        If files are not there; the message counts them.
    FormatError
        If files contradict the manifest, or, while reading, if one is damaged, changed, or of another frame
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
        rows: ArrayLike | slice,
        streams: Mapping[str, str] | Sequence[str] | None = None,
        rate: Any = None,
        phase: int | str = 0,
        seed: int = 0,
        shift: Any = None,
        threads: int | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        crop: Any = None,
        flip: Any = None,
        transform: Any = None,
        nan: str = "mask",
        check: bool = True,
    ):
        self.windows, self.rows = windows, windows.select(rows)
        columns = _columns(streams)
        if reserved := {*OWN, *(f"{name}_mask" for name in columns)} & set(columns):
            raise ValueError(f"a sample has its own {reserved.pop()!r}; name the stream otherwise")
        rates = dict.fromkeys(columns, rate) if isinstance(rate, str) else _each("rate", rate, columns)
        shifts, settings = _each("shift", shift, columns), _each("options", options, columns)
        crops, flips = _each("crop", crop, columns), _each("flip", flip, columns)
        transforms = _each("transform", transform, columns)
        self.streams = {
            name: Stream(
                name, column, rates.get(name), shifts.get(name, 0), {"threads": threads, **settings.get(name, {})}
            )
            for name, column in columns.items()
        }
        self._augments = {
            name: Augment(name, crops.get(name), flips.get(name), transforms.get(name))
            for name in columns
            if name in {*crops, *flips, *transforms}
        }
        if nan not in ("mask", "error", "keep"):
            raise ValueError(f"nan must be 'mask', 'error' or 'keep', got {nan!r}")
        self._nan = nan
        self._sources: dict[tuple[str, int], tuple[Source, Clock]] = {}
        self._finest = self._prepare(np.unique(windows.locate(self.rows)[0]).tolist(), check)
        self.n_phases = int(windows.stride * self._finest)
        integer = isinstance(phase, (int, np.integer)) and not isinstance(phase, bool)
        if phase != "random" and not (integer and 0 <= int(phase) < self.n_phases):
            raise ValueError(f"phase must be 'random' or one of 0 to {self.n_phases - 1}, got {phase!r}")
        self.phase, self.seed = phase, whole(seed, "seed")
        drawn = phase == "random" or any(augment.random for augment in self._augments.values())
        self._epoch = SharedInteger() if drawn else None
        self._pool = Pool()
        tell_torch()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        tell_torch()

    def _prepare(self, trials: list[int], check: bool) -> Fraction:
        """Open the files, tell all that is wrong with them at once, and return the fastest rate."""
        manifest, streams = self.windows.manifest, list(self.streams.values())
        if missing := missing_files(manifest, streams, trials):
            count = f"{len(missing)} of {len(trials) * len(streams)} files are not there: " if len(missing) > 1 else ""
            raise FileNotFoundError(count + first_few(missing, between="; "))
        rates = [Fraction(1), *(rate for stream in streams for rate in stream.rates(manifest))]
        faults: list[FormatError] = []
        doubts: list[str] = []
        misplaced: list[str] = []
        for stream, trial in itertools.product(streams, trials):
            timed = stream.rate_of(manifest, trial, None) is None
            if not check and not timed:
                continue
            try:
                source = stream.open(manifest, trial)
                clock, fault, doubt = stream.clock(manifest, trial, source)
            except FormatError as error:
                if error.path == manifest.source:
                    raise
                faults.append(error)
                continue
            faults += [FormatError(source.path, fault)] if fault else []
            (misplaced if isinstance(source, Labels) else doubts).extend([doubt] if doubt else [])
            rates += [clock.rate] if isinstance(source, Video) else []  # a table's rows have no phases
            self._sources[stream.name, trial] = source, clock
        for name in self.streams:
            tables = [source for (stream, _), (source, _) in self._sources.items() if stream == name]
            mixed = differing([table for table in tables if isinstance(table, Labels)])
            faults += [mixed] if mixed else []
        if len(faults) == 1:
            raise faults[0]
        if faults:
            count = f"{len(faults)} of {len(trials) * len(streams)} files contradict it or are broken"
            raise FormatError(manifest.source, f"{count}: " + first_few([str(fault) for fault in faults], between="; "))
        if doubts:
            count = f"{len(doubts)} of {len(trials) * len(streams)} files are longer than it says"
            told = f"{manifest.source}: {count}: {first_few(doubts)}"
            warnings.warn(f"{told}; right if recordings ran on, wrong if their rate is another", stacklevel=4)
        if misplaced:
            count = f"{len(misplaced)} of {len(trials) * len(streams)} files may have another clock or unit of time"
            warnings.warn(f"{manifest.source}: {count}: {first_few(misplaced, between='; ')}", stacklevel=4)
        for name in self.streams:
            if name not in self._augments:
                self._mind_sizes(name)
        return max(rates)

    def _mind_sizes(self, name: str) -> None:
        """Warn of files whose frames have another shape than most: no batch takes both."""
        shapes = {source.path: source.shape[1:] for (stream, _), (source, _) in self._sources.items() if stream == name}
        usual, count = Counter(shapes.values()).most_common(1)[0] if shapes else ((), 0)
        if others := [f"{path} {shape}" for path, shape in shapes.items() if shape != usual]:
            warnings.warn(
                f"{len(others)} of {count + len(others)} files of {name!r} have frames of another shape than {usual}, "
                f"which no batch takes: {first_few(others, between='; ')}; {_cure(name)}",
                stacklevel=5,
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<WindowDataset of {len(self)} windows: {', '.join(self.streams)}>"

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Return the samples of one batch, with a single planned read of each file.

        They are parts of one array per stream; whoever keeps one sample for long should copy it.
        """
        return Samples(*self._batch(indices), self._pool)

    def _batch(self, indices: Sequence[int]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Return the batch in order of rows, and for each of its samples the place it was asked at."""
        rows = self.rows[np.asarray(indices, np.int64)]
        order = np.argsort(rows, kind="stable")  # by trial, and in a trial by time
        rows = rows[order]
        trials, starts = self.windows.locate(rows)
        # A tick divides the time line as finely as the fastest stream, so that all of it is whole numbers.
        epoch, ticks = self._epoch.get() if self._epoch is not None else 0, self._finest.numerator
        later = self._phases(rows, epoch) * self._finest.denominator
        frame = starts[:, None] + self.windows.stride * np.arange(self.windows.size)
        time, end = frame * ticks + later[:, None], self.windows.manifest.n_frames[trials][:, None] * ticks
        mask, time = time < end, np.minimum(time, end - 1)
        frame += (later // ticks)[:, None]
        batch, masks, within = {}, {}, mask
        for name in self.streams:
            batch[name], valid = self._read(name, rows, trials, time, epoch)
            masks[f"{name}_mask"] = valid = valid & within
            mask = mask & valid
        return batch | {"mask": mask, "row": rows, "frame": frame} | masks, order

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
            ``(B, size, ...)`` for each stream, ``mask``, ``frame`` and ``NAME_mask`` ``(B, size)``, ``row`` ``(B,)``.
        """
        return collate(samples, self._pool)

    def set_epoch(self, epoch: int) -> None:
        """Draw other phases, crops and mirrors from now on; call it before each epoch, with its number.

        Persistent workers see it too: the number lies in memory that they share with this process.
        """
        epoch = whole(epoch, "epoch")
        if epoch < 0:
            raise ValueError(f"epoch must be 0 or more, got {epoch}")
        if self._epoch is not None:
            self._epoch.set(epoch)

    def sampler(
        self,
        shuffle: bool = True,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
        pad: bool = True,
    ) -> ResumableSampler:
        """Return an order to go through this dataset that can be taken up in mid-epoch; see `ResumableSampler`."""
        return ResumableSampler(self, shuffle, seed, rank, world, pad)

    def phases(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the phase with which each of `rows` is read in this epoch, ``(B,)``."""
        return self._phases(np.asarray(rows, np.int64), self._epoch.get() if self._epoch is not None else 0)

    def _phases(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        if self.phase != "random":
            return np.full(rows.shape, self.phase, np.int64)
        # SeedSequence promises the same figures in every version of NumPy; generators do not.
        seeds = [np.random.SeedSequence((self.seed, epoch, row)) for row in rows.tolist()]
        draws = np.array([seed.generate_state(1, np.uint64)[0] for seed in seeds], np.uint64)
        return (draws % np.uint64(self.n_phases)).astype(np.int64)

    def offset(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return by how many frames of the time line each window's phase moves its samples, ``(B,)``."""
        return self.phases(rows) * self._finest.denominator // self._finest.numerator

    def _read(
        self, name: str, rows: NDArray[np.int64], trials: NDArray[np.int64], time: NDArray[np.int64], epoch: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read a stream's samples, trial after trial; return them, and where there are any."""
        augment, mask = self._augments.get(name), np.empty(time.shape, bool)
        batch: NDArray[Any] | None = None
        first = None
        bounds = [0, *(np.flatnonzero(np.diff(trials)) + 1).tolist(), len(trials)]
        for start, stop in itertools.pairwise(bounds):
            trial = int(trials[start])
            source, clock = self._source(name, trial)
            wanted = clock.frames(time[start:stop], self._finest.numerator)
            mask[start:stop] = (wanted >= 0) & (wanted < clock.stop)
            frames = np.clip(wanted, 0, clock.stop - 1)
            shape, dtype = (stop - start, *wanted.shape[1:], *source.shape[1:]), source.dtype
            if augment is None:
                if batch is None:
                    batch, first = self._pool.empty((len(time), *shape[1:]), dtype), source
                _alike(name, batch, shape, dtype, source, first)
                raw = batch[start:stop]
            else:
                raw = self._pool.empty(shape, dtype)
            source.read(frames, out=raw)
            self._mind_nan(name, trial, raw, frames, mask[start:stop])
            if augment is None:
                continue
            for k, row in enumerate(rows[start:stop].tolist()):
                window = augment(raw[k], draw(self.seed, epoch, row))
                if batch is None:
                    batch, first = self._pool.empty((len(time), *window.shape), window.dtype), source
                _alike(name, batch, (1, *window.shape), window.dtype, source, first)
                batch[start + k] = window
        return batch if batch is not None else np.empty(time.shape), mask

    def _mind_nan(
        self,
        name: str,
        trial: int,
        samples: NDArray[Any],
        frames: NDArray[np.int64],
        mask: NDArray[np.bool_],
    ) -> None:
        """Clear `mask` where samples hold NaN, or raise."""
        # The least is NaN if any is, and far sooner found than where they are.
        if self._nan == "keep" or samples.dtype.kind != "f" or not samples.size or not np.isnan(samples.min()):
            return
        empty = np.isnan(samples).any(axis=tuple(range(2, samples.ndim)))
        if self._nan == "error" and (found := empty & mask).any():
            source, owner = self._source(name, trial)[0], self.windows.manifest.trials[trial]
            raise FormatError(source.path, f"has NaN in frame {frames[found][0]}; it is the {name} of trial {owner!r}")
        mask &= ~empty

    def _source(self, name: str, trial: int) -> tuple[Source, Clock]:
        """Return a trial's file and how it meets the time line; how many stay open is `Video`'s affair."""
        found = self._sources.get((name, trial))
        if found is None:
            stream, manifest = self.streams[name], self.windows.manifest
            source = stream.open(manifest, trial)
            clock, fault, _ = stream.clock(manifest, trial, source)
            if fault and len(source) < clock.needs:
                raise FormatError(source.path, fault)
            found = self._sources[name, trial] = source, clock
        return found


def _columns(streams: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    if streams is None:
        return {"video": "path"}
    if isinstance(streams, Mapping):
        named = dict(streams)
    elif isinstance(streams, Sequence) and not isinstance(streams, str):
        named = {name: name for name in streams}
    else:
        raise TypeError(f"streams must be a dict of names to columns, or a list of columns, got {streams!r}")
    if not named or not all(isinstance(part, str) for pair in named.items() for part in pair):
        raise TypeError(f"streams must name columns, got {streams!r}")
    return named


def _each(what: str, given: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return an argument by streams; a dataset of a single stream takes it without a dict."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        if unknown := set(given) - set(columns):
            raise ValueError(f"there is no stream {', '.join(sorted(unknown))}; there are {', '.join(columns)}")
        return dict(given)
    if len(columns) > 1 or what == "options":
        raise TypeError(f"{what} must be a dict by streams, such as {{{next(iter(columns))!r}: ...}}, got {given!r}")
    return dict.fromkeys(columns, given)


def _cure(name: str) -> str:
    """Return what makes frames of several sizes alike."""
    return f'options={{"{name}": {{"size": (height, width)}}}} or crop={{"{name}": (height, width)}} makes them alike'


def _alike(
    name: str, batch: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], source: Source, first: Source | None
) -> None:
    """Raise if windows of a file cannot be in one batch with those before them."""
    if (shape[1:], dtype) != (batch.shape[1:], batch.dtype):
        other = first.path if first is not None else ""
        raise FormatError(
            source.path,
            f"has frames of {shape[2:]} {dtype}, which can't be in one batch with "
            f"{batch.shape[2:]} {batch.dtype} of {other}"
            + (f"; {_cure(name)}" if len(shape) == len(batch.shape) == 5 and dtype == batch.dtype else ""),
        )
