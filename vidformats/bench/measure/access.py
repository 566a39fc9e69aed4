"""The ways in which training reads a video, and what each costs beside a copy of the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

import vidformats as vf
from vidformats.bench.measure import cache
from vidformats.bench.measure.bytes_read import BytesRead
from vidformats.bench.measure.clock import interleave, warm_up_memory
from vidformats.bench.published import NEAR, STEP, is_near
from vidformats.select import select

SEED = 0


def every_4th(n_frames: int) -> list[Any]:
    """One read of the first frame of every four: the published load."""
    return [slice(None, None, STEP)]


def scan(n_frames: int) -> list[Any]:
    """All frames front to back, 64 a read."""
    return [slice(start, start + 64) for start in range(0, n_frames, 64)]


def windows(n_frames: int) -> list[Any]:
    """256 windows of 64 frames at stride 4, anywhere, one a read; shorter ones where the video is."""
    length = min(64, max(1, n_frames // STEP))
    starts = np.random.default_rng(SEED).integers(0, n_frames - STEP * (length - 1), min(256, n_frames))
    return [slice(start, start + STEP * length, STEP) for start in starts.tolist()]


def random_frames(n_frames: int) -> list[Any]:
    """2,500 single frames, anywhere, each a read of its own."""
    frames: list[Any] = np.random.default_rng(SEED).integers(0, n_frames, min(2500, n_frames)).tolist()
    return frames


def random_batches(n_frames: int) -> list[Any]:
    """Sorted batches of 250 of the same frames."""
    frames = np.array(random_frames(n_frames))
    return [np.sort(part) for part in np.split(frames, range(250, len(frames), 250))]


def first_frame(n_frames: int) -> list[Any]:
    """One frame after opening."""
    return [0]


ACCESS: dict[str, Callable[[int], list[Any]]] = {
    f.__name__: f for f in (every_4th, scan, windows, random_frames, random_batches, first_frame)
}
"""Name -> function from the number of frames to the indexes that are read one after another."""


def load(path: str, access: str, threads: int | None = None, mapped: bool = False) -> list[np.ndarray]:
    """Open, read and close; every 4th frame is kept, of many reads only the last, as a training loop would."""
    with vf.open(path, threads=threads, mapped=mapped) as video:
        requests = ACCESS[access](len(video))
        for request in requests[:-1]:
            video[request]
        return [video[requests[-1]]]


def numpy_map(path: str, access: str) -> list[np.ndarray]:
    """Load an npy as many do: map it, index the map, and copy what comes."""
    video = np.load(path, mmap_mode="r")
    requests = ACCESS[access](len(video))
    for request in requests[:-1]:
        np.array(video[request])
    return [np.array(video[requests[-1]])]


def result_shapes(path: str, access: str) -> tuple[list[tuple[int, ...]], np.dtype]:
    """Return the shape of each read's result, and their dtype."""
    with vf.open(path) as video:
        return [select(request, video.shape).shape for request in ACCESS[access](len(video))], video.dtype


def copy_of(path: str, access: str) -> Callable[[], object]:
    """Return a case that copies as many bytes in pieces of the same sizes, from memory as large as the video.

    It walks through that memory: copies of one piece again and again would find it in the CPU's caches,
    where no video is.
    """
    shapes, dtype = result_shapes(path, access)
    sizes = [prod(shape) * dtype.itemsize for shape in shapes]
    with vf.open(path) as video:
        source = np.ones(max([*sizes, min(sum(sizes), video.nbytes)]), np.uint8)

    def case() -> object:
        at = 0
        for size in sizes:
            at = at if at + size <= len(source) else 0
            kept = source[at : at + size].copy()
            at += size
        return kept

    return case


def check(path: str, access: str, source: np.ndarray, threads: int | None = None, near: float = NEAR) -> None:
    """Compare reads with the source: all of them up to 16, of more as many, evenly taken.

    Parameters
    ----------
    path, access, threads
        As in `load`.
    source : (T, ...) ndarray
        What the file should give.
    near : float, grey levels
        Mean difference that a read may have: 0 for a lossless format, for a lossy one what two decoders
        of one file may differ.

    Raises
    ------
    AssertionError
        At the first read that differs by more.
    """
    with vf.open(path, threads=threads) as video:
        requests = ACCESS[access](len(video))
        for request in requests[:: -(-len(requests) // 16)]:
            got, wanted = video[request], source[request]
            if got.shape != wanted.shape or not is_near(got, wanted, near):
                raise AssertionError(f"{path}: wrong pixels at {request}")


def against_copy(
    paths: dict[str, str], access: str, threads: int, rounds: int = 5, cold: bool = False
) -> dict[str, list[float]]:
    """Time loads of several files and the copy, interleaved in this process.

    Parameters
    ----------
    paths : dict of str
        Name -> file or folder; their videos have one shape.
    access : str
        A key of `ACCESS`.
    threads, rounds : int
    cold : bool
        Evict each file before it is read, and verify that.

    Returns
    -------
    dict of list of float
        Seconds, by name, and under ``"copy"``; if npy is among `paths`, under ``"npy mapped"`` what
        ``numpy.load(..., mmap_mode="r")`` takes, and under ``"npy, mapped=True"`` ours.
    """
    copy = copy_of(next(iter(paths.values())), access)
    shapes, dtype = result_shapes(next(iter(paths.values())), access)
    fresh = max(map(prod, shapes)) * dtype.itemsize

    def prepare(name: str) -> None:
        path = paths.get("npy" if name.startswith("npy") else name)
        if path is not None:
            if not cold:
                cache.warm(path)
            elif not cache.evict(path):
                raise OSError(f"{path}: can't be evicted from the page cache here")
        warm_up_memory(3 * fresh)

    cases: dict[str, Callable[[], object]] = {
        name: partial(load, path, access, threads) for name, path in paths.items()
    }
    if "npy" in paths:
        cases["npy mapped"] = partial(numpy_map, paths["npy"], access)
        cases["npy, mapped=True"] = partial(load, paths["npy"], access, threads, mapped=True)
    return interleave(cases | {"copy": copy}, rounds, prepare)


def bytes_read_ratio(path: str, access: str, threads: int | None = None) -> float | None:
    """Return bytes read from the file over bytes delivered; None where the system does not count them."""
    shapes, dtype = result_shapes(path, access)
    with BytesRead() as read:
        load(path, access, threads)
    return None if read.by_calls is None else read.by_calls / (sum(map(prod, shapes)) * dtype.itemsize)
