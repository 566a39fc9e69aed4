"""`Video`: what a user holds, and the two verbs that open and load one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import monotonic, time_ns
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats import registry
from vidformats.errors import FormatError
from vidformats.format import Reader
from vidformats.handles import Handle, reading
from vidformats.readers.adapted import adapted, frames_at
from vidformats.select import Plan, frame_numbers, plan, select
from vidformats.sidecar import wait_for_writer
from vidformats.storage.local import changed, open_source, stamp_of
from vidformats.threads import check_threads, default_threads
from vidformats.timing import known

QUICK = 1 << 20
"""Bytes of a single frame up to which it is read without a plan, by this thread alone."""

LATELY = 1e-4
"""Seconds for which a check that the file has not changed holds for further single frames: asking takes 1 us, and a
frame of 43 kB in the page cache 4."""


class Video:
    """A video on disk that is indexed like an array.

    Every index reads just the frames it needs and returns a new C-contiguous array that the caller
    owns: what ``numpy.load(...)[index]`` would mean, from any format. A Video is safe to read from
    several threads. It pickles as an address, and a copy in another process opens the file anew.

    Parameters
    ----------
    path : path-like
        File or folder.
    format : str, optional
        One of `vidformats.formats`; by default the file's content tells.
    threads : int, optional
        Threads that may work on one read; by default all CPUs of this process, and 1 in a child process. No
        more than pay off are used. If the file is not cached and `threads` > 1, extra threads overlap disk waits.
    mapped : bool
        Keep the file mapped into memory while it is open: windows and single frames that are in the page cache
        come in half the time. Off by default, because reading a mapped file that shrinks, or whose disk fails,
        ends the process. `ValueError` for files whose frames are decoded by a library.
    size : int or tuple of int, optional
        Scale images: to this shorter side, which keeps the aspect, or to ``(H, W)``.
    fps : float, optional
        Resample: frame `k` is the one shown at ``times[0] + k / fps``.
    depth : int, optional
        8 or 16: bits of a value. By default 8 for colour, and as stored for grey.
    stream : int, optional
        Which video track, counted from 0; by default the one that FFmpeg takes.
    layout : str, optional
        ``"THWC"`` for channels last.
    rotate : bool
        Turn frames as the file says that they are to be shown.
    **options
        What the format's ``open`` takes, such as ``dataset=`` for HDF5 or ``shape=`` for bytes
        without a header.

    Raises
    ------
    ValueError
        If the format cannot honour one of these, such as ``fps=`` without time stamps.

    Attributes
    ----------
    shape : tuple of int
        ``(T, C, H, W)`` for videos, RGB or grey (C = 1); ``(T, ...)`` for other data.
    dtype : numpy.dtype
    format : str
        Name of the format.
    info : dict
        Facts about the file, such as codec, chunks or frames per second.
    path : str
    fps : float or None
        Average rate; like `times` and `duration` None if the format has no time.
    duration : float or None, seconds
        From the first frame to the end of the last.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.arange(10 * 3 * 4 * 4, dtype="uint8").reshape(10, 3, 4, 4), "ramp.npy")
    >>> with vf.open(path) as video:
    ...     video.shape, video[::4].shape, video[[9, 3, 3], 0].shape
    ((10, 3, 4, 4), (3, 3, 4, 4), (3, 4, 4))
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        format: str | None = None,
        threads: int | None = None,
        mapped: bool = False,
        size: int | tuple[int, int] | None = None,
        fps: float | None = None,
        depth: int | None = None,
        stream: int | None = None,
        layout: str | None = None,
        rotate: bool = True,
        **options: Any,
    ):
        check_threads(threads)
        if not isinstance(rotate, bool | np.bool_):
            raise ValueError(f"rotate must be True or False, got {rotate!r}; frames turn as the file says")
        registry.check_types("vf.open", Video.__init__, {"mapped": mapped, "layout": layout})
        self.path = os.path.abspath(os.fsdecode(path))
        self.threads, self._options = threads, options
        self._adapted: dict[str, Any] = {"fps": fps, "size": size, "layout": layout}
        asked = {"depth": depth, "stream": stream, "rotate": None if rotate is True else rotate}
        self._asked = {name: value for name, value in asked.items() if value is not None}
        self._mapped, self._stamp = mapped, stamp_of(self.path)
        self._since = time_ns()
        self._given = self._format = format or ("binary" if "shape" in options else "")
        self._checked = 0.0
        self._handle = Handle(self.path)
        with reading:
            reader = self._first()
        self.shape: tuple[int, ...] = tuple(reader.shape)
        self.dtype: np.dtype = np.dtype(reader.dtype)
        self.info: dict[str, Any] = dict(reader.info)
        self.fps: float | None = reader.fps
        self.duration: float | None = reader.duration
        self.format: str = self.info.pop("format", self._format)

    @property
    def times(self) -> NDArray[np.float64] | None:
        """When each frame begins to be shown, ``(T,)`` float64 seconds from the file's start; None without time.

        Raises
        ------
        FormatError
            If the file has time stamps that OpenCV cannot tell.
        """
        with reading:
            times = self._handle.get(self._open).times
        times = known(times, self.info, self.path)
        return None if times is None else times.copy()

    def at(self, seconds: Any) -> np.ndarray:
        """Read the frames that are shown at some times.

        Parameters
        ----------
        seconds : float or array-like of float
            On the clock of `times`.

        Returns
        -------
        ndarray
            For each time the last frame that begins at or before it; one frame for a single time.

        Raises
        ------
        ValueError
            If a time lies outside ``[times[0], times[0] + duration)``, or the format has no time.

        Examples
        --------
        >>> import numpy as np, vidformats as vf
        >>> video = vf.open(vf.write(np.zeros((10, 3, 32, 32), "uint8"), "dark.mp4", fps=10.0))
        >>> video.at([0.0, 0.55]).shape, bool((video.at(0.55) == video[5]).all())
        ((2, 3, 32, 32), True)
        """
        times = self.times
        if times is None or self.duration is None:
            raise ValueError(f"{self.path}: {self.format} has no time stamps; index its frames instead")
        wanted = np.asarray(seconds, np.float64)
        frames = frames_at(times, self.duration, wanted)
        return self[int(frames) if wanted.ndim == 0 else frames]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole video as an array: the payload."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        state = ", closed" if self._handle.closed else ""
        return f"<Video {self.shape} {self.dtype} {self.format} {self.path!r}{state}>"

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read what `index` chooses, as NumPy would, into a new array."""
        if type(index) is int and -self.shape[0] <= index < self.shape[0] and len(self.shape) > 1:
            # One frame of a random many: a plan would cost more than the frame.
            result = np.empty(self.shape[1:], self.dtype)
            reader, frame = self._handle.recent(), index % self.shape[0]
            if reader is None or reader.locks or result.nbytes > QUICK:
                self._use(lambda reader: reader.fetch_one(frame, result, self._threads()))
                return result
            try:
                reader.fetch_one(frame, result)
                now = monotonic()
            except FormatError:
                reader.source.check()  # a file changed under us is not damaged
                raise
            if now > self._checked + LATELY:
                reader.source.check()
                self._checked = now
            return result
        chosen = select(index, self.shape)
        result = np.empty(chosen.shape, self.dtype)
        self._read(chosen.plan(), chosen.target(result))
        # NumPy gives a scalar for integers alone, an array without axes if an Ellipsis stands beside them.
        return result if chosen.shape or (isinstance(index, tuple) and Ellipsis in index) else result[()]

    def _read(self, plan: Plan, out: np.ndarray) -> None:
        if out.size:
            self._use(lambda reader: reader.read(plan, out, self._threads()))
            plan.repeat(out)
        elif self._handle.closed:
            raise ValueError(f"{self.path}: this video is closed")

    def _use(self, read: Callable[[Reader], None]) -> None:
        """Read from the reader of this process; what came is only believed if the file is still the one opened."""
        with reading:
            reader = self._handle.get(self._open)
            source = reader.source
            try:
                read(reader)
            except FormatError:
                source.check()  # a file changed under us is not damaged
                raise
            source.check()

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), 16):
            for frame in self[start : start + 16]:
                yield frame.copy()  # its own memory, so that keeping one frame does not keep sixteen

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a video on disk cannot become an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def read(self, frames: Any = slice(None), out: np.ndarray | None = None) -> np.ndarray:
        """Read frames into the caller's memory.

        Parameters
        ----------
        frames : int, slice, list of int or boolean mask
            As an index on the first axis.
        out : (N, ...) ndarray, optional
            Of the video's dtype, writable; any strides, fastest when C-contiguous. A new one by default.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        ValueError
            If `out` does not fit.

        Examples
        --------
        >>> import numpy as np, vidformats as vf
        >>> video = vf.open(vf.write(np.zeros((10, 3, 4, 4), "uint8"), "zeros.npy"))
        >>> buffer = np.empty((5, 3, 4, 4), "uint8")
        >>> video.read(slice(0, 10, 2), out=buffer) is buffer
        True
        """
        if out is None:
            return self[frames]
        numbers, dims = frame_numbers(frames, len(self))
        expected = (*dims, *self.shape[1:])
        if (
            not isinstance(out, np.ndarray)
            or out.shape != expected
            or out.dtype != self.dtype
            or not out.flags.writeable
        ):
            have = f"{out.shape} of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"out must be a writable array {expected} of {self.dtype}, not {have}")
        target = out if len(dims) == 1 else out.reshape(len(numbers), *self.shape[1:])
        self._read(plan(numbers), target)
        if out.size and not np.may_share_memory(target, out):  # strides that would not fold into one axis
            out[...] = target.reshape(out.shape)
        return out

    def to_dask(self) -> Any:
        """Return a lazy array of Dask, whose chunks are those of the file: whole chunks, or groups of pictures.

        Raises
        ------
        ImportError
            Without Dask; the message names the cure.

        Examples
        --------
        >>> import numpy as np, vidformats as vf
        >>> video = vf.open(vf.write(np.ones((100, 3, 32, 32), "uint8"), "ones.h5"))
        >>> float(video.to_dask()[::10].mean().compute())
        1.0
        """
        from vidformats.lazy import lazy

        with reading:
            starts = self._handle.get(self._open).starts
        return lazy(self, starts, (self.path, self._stamp, self._adapted, self._asked, self._options, self.shape))

    def close(self) -> None:
        """Release the file. Reads that other threads have under way still end well."""
        self._handle.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "_handle"}
        return _reopen, (state, self._handle.closed)

    def _threads(self) -> int:
        return self.threads or default_threads()

    def _first(self) -> Reader:
        """Open the file, and once more if it was replaced meanwhile: its sidecar gets its name before the data do."""
        try:
            return self._handle.get(self._open)
        except FormatError:
            wait_for_writer(os.path.dirname(self.path))
            if (stamp := stamp_of(self.path)) == self._stamp:
                raise
        self._stamp, self._since, self._format = stamp, time_ns(), self._given
        return self._handle.get(self._open)

    def _open(self, resting: Reader | None) -> Reader:
        """Open the file for this process, or again for a reader that rests; it has to be the one first opened."""
        source = open_source(self.path, self._mapped, self._since)
        if source.stamp != self._stamp:
            raise changed(self.path)
        if resting is not None:
            resting.source = source
            return resting
        self._format = self._format or registry.format_of(source)
        registry.check_asked(self._format, source, self._asked)
        reader = registry.open_reader(self._format, source, self._options | self._asked)
        if self._mapped and not reader.maps:
            raise ValueError(f"{self.path}: cannot map this file: {self._format} frames have to be decoded or copied")
        return adapted(reader, **self._adapted, url=self.path)


def _reopen(state: dict[str, Any], closed: bool) -> Video:
    video = Video.__new__(Video)
    video.__dict__.update(state)
    video._handle = Handle(video.path)
    video._handle.closed = closed
    video._checked = 0.0  # by the clock of the machine that pickled it
    return video


def open(
    path: str | bytes | os.PathLike[str], format: str | None = None, threads: int | None = None, **options: Any
) -> Video:
    """Open a video; see `Video` for the parameters.

    Raises
    ------
    FileNotFoundError
        When nothing is at `path`.
    FormatError
        When the file is not what it should be.
    ImportError
        When the format's extra is not installed.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.h5")
    >>> with vf.open(path) as video:
    ...     video[::4].shape
    (2, 1, 6, 6)
    """
    return Video(path, format, threads, **options)


def load(path: str | bytes | os.PathLike[str], frames: Any = slice(None), **open_options: Any) -> np.ndarray:
    """Open, read and close: ``load(path, i)`` is ``open(path)[i]``.

    Parameters
    ----------
    path : path-like
    frames : index
        As in ``video[frames]``; all by default.
    **open_options
        Parameters of `open`.

    Returns
    -------
    ndarray
        New, C-contiguous, owned by the caller.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> vf.load(vf.write(np.zeros((8, 1, 6, 6), "uint8"), "dark.npy"), np.s_[::4]).shape
    (2, 1, 6, 6)
    """
    with Video(path, **open_options) as video:
        return video[frames]
