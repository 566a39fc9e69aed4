"""What is done to one candidate, in a process of its own: excerpts are cut, written, compared and read.

``python -m vidformats.tools.advice.trial`` reads one JSON request per line, ``{"do": name, ...}``, and answers with one
JSON line each: ``{"gives": ...}``, or ``{"fault": text}``.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter, sleep
from typing import Any

import numpy as np

from vidformats import quality
from vidformats.bench.measure import cache, disk
from vidformats.bench.measure.clock import warm_up_memory
from vidformats.bench.measure.loop import Held, epoch
from vidformats.registry import FORMATS, get_format
from vidformats.source import Source
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.loader import Plan, dataset, loader
from vidformats.training.dataset import WindowDataset
from vidformats.video import open as open_video
from vidformats.writing import write

PROBE = (2, 14)
"""Frames that are written first, to tell how long all will take: opening, closing and syncing a file cost as well."""

LOOKED = 24
"""Frames whose quality is measured; of these SSIM looks at a quarter."""

SETTLED = 1 << 30
"""Bytes of files up to which they are read whole into the page cache before epochs from memory are timed."""

OFF = 20.0
"""Decibels below which the pixels are not those of the source, whatever the quality asked for."""


def ready(modules: Sequence[str]) -> None:
    """Import what is used later, so that its import is not timed."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def probe(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a video is, opened with options as training would."""
    with open_video(path, **options) as video:
        return {
            "path": path,
            "n_frames": len(video),
            "shape": list(video.shape[1:]),
            "dtype": video.dtype.name,
            "fps": video.fps,
            "format": video.format,
            "codec": str(video.info.get("codec", "")),
            "size": max(1, disk.size(path)),
            "nbytes": disk.allocated(path) or disk.size(path),
        }


def excerpt(path: str, options: Mapping[str, Any], start: int, stop: int, to: str) -> None:
    """Cut frames out of a video, as the source of all candidates."""
    with open_video(path, **options) as video:
        blocks = (video[k : min(k + 16, stop)] for k in range(start, stop, 16))
        write((frame for block in blocks for frame in block), to, "npy", n_frames=stop - start)


def store(
    sources: Sequence[str], rates: Sequence[float | None], form: str, options: dict[str, Any], folder: str,
    seconds: float, least: int, stride: int,
) -> dict[str, Any]:  # fmt: skip
    """Write each source in one format, all frames or as many as there is time for, and compare.

    Parameters
    ----------
    sources : sequence of str
        Files of `excerpt`.
    rates : sequence of float or None
        Their frames per second.
    form, options
        As for `vidformats.write`.
    folder : str
        Where to.
    seconds : float
        Time to write in.
    least : int
        Frames of each video that are needed.
    stride : int
        Every so many frames are looked at.

    Returns
    -------
    dict
        ``paths``; ``frames`` and ``nbytes`` of each; ``seconds`` per frame; ``psnr``, dB, None for infinite; ``ssim``.
    """
    arrays = [np.load(source, mmap_mode="r") for source in sources]
    total = sum(map(len, arrays))
    get_format(form, **options).check(Source(arrays[0]))
    os.makedirs(folder, exist_ok=True)
    place = os.path.join(folder, f"probe{FORMATS[form].suffix}")
    few, more = (_write(arrays[0][:n], place, form, options, rates[0]) for n in PROBE)
    shutil.rmtree(place) if os.path.isdir(place) else os.remove(place)
    each = max(more - few, 1e-6) / max(1, min(PROBE[1], len(arrays[0])) - PROBE[0])
    part = min(1.0, max(0.0, seconds - len(arrays) * few) / (each * total))
    counts = [min(len(array), max(least, round(part * len(array)))) for array in arrays]
    if len(arrays) * few + each * sum(counts) > 3 * seconds:
        raise TimeoutError(f"too slow to write here: {1 / each:.3g} frames/s")
    paths = [os.path.join(folder, f"{k}{FORMATS[form].suffix}") for k in range(len(arrays))]
    whole = list(zip(arrays, counts, paths, rates, strict=True))
    spent = sum(_write(array[:n], path, form, options, fps) for array, n, path, fps in whole)
    found: dict[str, Any] = {"paths": paths, "frames": counts, "seconds": spent / sum(counts)}
    found["nbytes"] = [disk.allocated(path) or disk.size(path) for path in paths]
    return found | compare(paths, [array[:n] for array, n in zip(arrays, counts, strict=True)], stride, form, options)


def _write(array: np.ndarray, path: str, form: str, options: dict[str, Any], fps: float | None) -> float:
    """Write, and return the seconds it took."""
    rate: dict[str, Any] = {"fps": fps} if fps and hasattr(get_format(form), "fps") else {}
    begin = perf_counter()
    write(array, path, form, threads=1, **options, **rate)
    return perf_counter() - begin


def compare(
    paths: Sequence[str], sources: Sequence[np.ndarray], stride: int, form: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Compare what was written with its source: all frames of a lossless format, some of a lossy one.

    Raises
    ------
    ValueError
        If it is not the source's video.
    """
    exact = get_format(form, **options).tolerance == 0
    errors: list[float] = []
    likeness: list[float] = []
    for path, source in zip(paths, sources, strict=True):
        with open_video(path, threads=1) as video:
            if video.shape != source.shape or video.dtype != source.dtype:
                raise ValueError(f"expected {source.shape} of {source.dtype}, got {video.shape} of {video.dtype}")
            if exact:
                for k in range(0, len(source), 64):
                    if not np.array_equal(video[k : k + 64], source[k : k + 64]):
                        raise ValueError(f"frames {k} to {min(k + 64, len(source)) - 1} are not those of the source")
                continue
            read = np.arange(0, len(source), stride)
            looked = read[np.unique(np.linspace(0, len(read) - 1, max(1, LOOKED // len(paths))).astype(int))]
            got = video[looked]
            mine = [_error(frame, source[k]) for frame, k in zip(got, looked.tolist(), strict=True)]
            _check_order(got, source, looked.tolist(), mine)
            errors += mine
            if min(source.shape[2:]) >= 7:
                with contextlib.suppress(ImportError):
                    likeness.append(quality.ssim(got[::4], source[looked[::4]]))
    if exact:
        return {"psnr": None, "ssim": 1.0}
    psnr = 10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-9))
    if psnr < OFF:
        raise ValueError(f"the pixels are not those of the source: {psnr:.1f} dB")
    return {"psnr": float(psnr), "ssim": float(np.mean(likeness)) if likeness else None}


def _error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean squared error."""
    return float(np.square(a.astype(np.float32) - b.astype(np.float32)).mean())


def _check_order(got: np.ndarray, source: np.ndarray, frames: list[int], errors: list[float]) -> None:
    """Raise if most frames are nearer to a neighbour of the frame that they should be."""
    votes = []
    for frame, k, error in zip(got, frames, errors, strict=True):
        beside = [_error(frame, source[j]) for j in (k - 1, k + 1) if 0 <= j < len(source)]
        if beside:
            votes.append(min(beside) < 0.8 * error)
    if sum(votes) > len(votes) / 2:
        raise ValueError("frames are shifted: most are their neighbours")


def load(
    items: Sequence[Mapping[str, Any]], access: Mapping[str, Any], workers: int, seconds: float, rounds: int,
    cold: bool, held: bool,
) -> dict[str, Any]:  # fmt: skip
    """Read through a loader, and time it.

    Parameters
    ----------
    items : sequence of dict
        As `dataset` takes them.
    access : dict
        The fields of an `Access`.
    workers : int
    seconds : float
        How long a pass should take, about: batches are repeated, or left out. If a single batch takes longer, batches
        are smaller; the least that is read is one window per worker.
    rounds : int
        Warm passes.
    cold : bool
        Time a pass from the disk as well, if its files can be evicted from the page cache.
    held : bool
        Measure the memory, and the first batch from the disk.

    Returns
    -------
    dict
        ``warm`` : list of float, frames per second; ``cold`` : float or None; ``first`` : float, seconds or None;
        ``memory`` : int, bytes or None.
    """
    ask = Access(**access)
    paths = [item["path"] for item in items]
    data, trials, groups = dataset(items, ask)
    lanes = max(1, workers)
    one = _one(data)
    ask = replace(ask, batch=min(ask.batch, max(1, int(seconds * lanes / one))))

    def fitting(each: float) -> int:
        return max(lanes, round(seconds / each))

    once = ask.batches(trials, groups, workers, once=True)[: max(3 * lanes, 2 * fitting(one * ask.batch / lanes))]
    plan = Plan(once if one < seconds else once[:lanes])
    found: dict[str, Any] = {"warm": [], "cold": None, "first": None, "memory": None}
    batches, buffer = loader(data, plan, workers), bytearray()
    try:
        if held:
            evicted = _evict(paths)
            with Held() as memory:
                begin = perf_counter()
                iterator = iter(batches)
                epoch([next(iterator)], buffer)
                first = perf_counter() - begin
                epoch(iterator, buffer)
            found |= {"first": first if evicted else None, "memory": (memory.peak or {}).get("pss")}
        else:
            epoch(batches, buffer)  # starts the workers, opens the files
        if cold and _evict(paths):
            begin = perf_counter()
            found["cold"] = epoch(batches, buffer) / (perf_counter() - begin)
        if sum(map(disk.size, paths)) < SETTLED:
            for path in paths:
                cache.settle(path)
        begin = perf_counter()
        epoch(batches, buffer)
        each = (perf_counter() - begin) / len(plan)
        every = ask.batches(trials, groups, workers)
        plan.batches = list(itertools.islice(itertools.cycle(every), fitting(each)))
        warm_up_memory(1 << 26)
        for _ in range(rounds):
            begin = perf_counter()
            frames = epoch(batches, buffer)
            found["warm"].append(frames / (perf_counter() - begin))
    finally:
        if hasattr(batches, "close"):
            batches.close()
    return found


def _one(data: WindowDataset) -> float:
    """Return the seconds that one window takes in this process, files being open."""
    for row in dict.fromkeys((0, len(data) // 2)):
        begin = perf_counter()
        data[row]
        lasted = perf_counter() - begin
    return max(lasted, 1e-6)


def _evict(paths: Sequence[str]) -> bool:
    return all([cache.evict(path) for path in paths])


TASKS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (ready, probe, excerpt, store, load)}


def main(parent: int) -> None:
    """Answer requests until there are no more, or until the process that asks, `parent`, is gone.

    Its number comes from itself: it may have been killed before this one looks, and then the number is another's.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print where they like; answers go out alone
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"gives": TASKS[request.pop("do")](**request)}
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _end_with(parent: int) -> None:
    """End this process and its workers when the one that asks was killed."""
    while os.getppid() == parent:
        sleep(0.3)
    os.killpg(0, signal.SIGKILL)
