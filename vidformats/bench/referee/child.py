"""A process that answers requests by one adapter, each cell in a fork of its own: a crash or a hang ends only that.

It runs in the Python that has the reader, which may lack vidformats: this file needs only NumPy. The protocol: one
JSON object per line, cells on the standard input, answers on the standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

SIDE = 16
"""Rows and columns of a thumbnail."""

Say = Callable[[dict[str, Any]], None]


def thumbnail(frame: Any) -> bytes:
    """Return a frame ``(H, W, C)`` as ``SIDE * SIDE`` grey levels, each the mean of its part of the picture."""
    grey = np.asarray(frame).mean(axis=2, dtype=np.float32)
    for axis in (0, 1):
        edges = np.linspace(0, grey.shape[axis], SIDE + 1).astype(int)
        counts = np.maximum(np.diff(edges), 1).reshape((-1, 1) if axis == 0 else (1, -1))
        grey = np.add.reduceat(grey, np.minimum(edges[:-1], grey.shape[axis] - 1), axis=axis) / counts
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8).tobytes()


def module_at(path: str, name: str) -> ModuleType:
    """Return the module in a file, whatever package it belongs to."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(adapter: ModuleType, options: dict[str, Any], cell: dict[str, Any], numbers: ModuleType, say: Say) -> None:
    """Answer the requests of a cell, one line for each call.

    Parameters
    ----------
    adapter : module
        As `vidformats.bench.referee.readers` describes.
    options : dict
        For its `open`.
    cell : dict
        ``path``; ``access``, the name of the adapter's call; ``calls``, what it is called with; ``size``, ``(H, W)``
        of a frame; ``most``, where a scan stops; ``thumbnails``, whether frames are told by their look rather than by
        the number they show.
    numbers : module
        `vidformats.testing.numbered`.
    say : callable
    """

    def look(frame: Any) -> Any:
        image = np.asarray(frame)
        if image.ndim != 3 or 0 in image.shape:
            raise TypeError(f"expected a frame (H, W, 3), got {image.shape}")
        given = image.shape[:2]
        if cell["thumbnails"]:
            return thumbnail(image).hex()
        image = image[
            :: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)
        ]  # a number is seen in this, too
        shown = numbers.number_of(image.transpose(2, 0, 1))
        if given == tuple(cell["size"])[::-1] != tuple(cell["size"]):
            # Not turned upright: which frame it is, is seen all the same.
            return [shown, *(numbers.number_of(np.rot90(image, k).transpose(2, 0, 1)) for k in (1, 3))]
        return shown

    access, spent = cell["access"], 0.0
    begun = time.perf_counter()
    try:
        video = adapter.open(cell["path"], **options)
        opened = time.perf_counter() - begun
        if access == "length":
            say({"length": int(video.length())})
            return
        say({"opened": opened})
        if access == "scan":
            for image in timed(itertools.islice(video.scan(), cell["most"]), lambda seconds: say({"took": seconds})):
                say({"shown": [look(image)]})
            return
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"[:300]})
        return
    for call in cell["calls"]:
        begun = time.perf_counter()
        try:
            given = getattr(video, access)(call)
            spent = time.perf_counter() - begun
            images = given if access == "frames" else [given]
            say({"shown": [look(image) for image in images], "took": spent})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"[:300]})


def timed(frames: Iterator[Any], told: Callable[[float], None]) -> Iterator[Any]:
    """Yield what an iterator gives, and tell at its end the seconds that it took."""
    spent = 0.0
    frames = iter(frames)
    while True:
        begun = time.perf_counter()
        try:
            frame = next(frames)
        except StopIteration:
            told(spent + time.perf_counter() - begun)
            return
        spent += time.perf_counter() - begun
        yield frame


def used(before: int) -> dict[str, int]:
    """Return the peak memory above `before` and the bytes read, programs that the reader started included; in bytes."""
    peak = _status("VmHWM") - before + (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
    with contextlib.suppress(OSError):
        read = Path("/proc/self/io").read_text().split()[1]
        return {"peak": max(0, peak), "read": int(read)}
    return {"peak": max(0, peak)}


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    return 0


def end_with_parent() -> None:
    """Have this process killed when its parent ends, however that ends: a reader that hangs is not left behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; of Linux only


def serve(adapter_path: str, options: str, numbered: str) -> None:
    """Answer cells until the standard input ends."""
    end_with_parent()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer

    def say(line: dict[str, Any]) -> None:
        out.write(json.dumps(line) + "\n")

    adapter, numbers = module_at(adapter_path, "adapter"), module_at(numbered, "numbered")
    calls = [name for name in ("frame", "frames", "scan", "at", "length") if hasattr(adapter.open, name)]
    say({"calls": calls, "clock": getattr(adapter.open, "CLOCK", "")})
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            end_with_parent()
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
            before = _status("VmRSS")
            answer(adapter, json.loads(options), json.loads(line), numbers, say)
            say(used(before))
            out.flush()
            os._exit(0)
        say({"ended": os.waitpid(pid, 0)[1]})


if __name__ == "__main__":
    serve(*sys.argv[1:])
