"""One load, measured in a process of its own, so that nothing left by an earlier one counts.

``python -m vidformats.bench.measure.loads`` reads a JSON request from its standard input and prints a JSON answer.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import vidformats as vf
from vidformats.bench.measure import cache, corpus
from vidformats.bench.measure.clock import warm_up_memory
from vidformats.bench.measure.fresh import fresh_python
from vidformats.bench.measure.memory import Peak
from vidformats.bench.published import NEAR, STEP, get_row, is_whole, made_whole, verdict


def ours(name: str, path: str, threads: int | None) -> Callable[[], np.ndarray]:
    """Return our load of every 4th frame: open, read, close."""
    return lambda: vf.load(path, slice(None, None, STEP), threads=threads)


def published(name: str, path: str, threads: int | None) -> Callable[[], np.ndarray]:
    """Return the published load of a row."""
    load = get_row(name).load
    return lambda: load(path)


WAYS: dict[str, Callable[[str, str, int | None], Callable[[], np.ndarray]]] = {"ours": ours, "published": published}


def measure(folder: str, way: str, name: str, threads: int | None = None) -> dict[str, Any]:
    """Load once for the clock and once for the memory, from a warm page cache, and compare with the source.

    Parameters
    ----------
    folder : str
        A corpus.
    way : str
        ``"ours"`` with a format's name, or ``"published"`` with a row's.
    name : str
    threads : int, optional
        For our way.

    Returns
    -------
    dict
        ``time`` : float, s; ``memory``, ``anonymous``, ``mapped`` : int, bytes, or None if they cannot be measured;
        ``whole`` and ``whole_memory`` : time and memory with the copy that turns a view into an array of its own;
        ``result`` : int, bytes returned; ``pixels`` : str, see `vidformats.bench.published.verdict`.
    """
    form = name if way == "ours" else get_row(name).format
    path = corpus.path_of(folder, form)
    load = WAYS[way](name, path, threads)
    wanted = corpus.expected(folder, form)
    for library in ("cv2", "h5py", "PIL.Image", "scipy.io"):
        importlib.import_module(library)  # importing is not loading
    rehearse(way, name, form, threads)
    cache.warm(path)
    with Peak() as peak:
        result = load()
    whole_peak = peak
    if not is_whole(result):
        del result
        with Peak() as whole_peak:
            result = made_whole(load())
    del result
    warm_up_memory(6 * wanted.nbytes)
    start = perf_counter()
    result = load()
    loaded = perf_counter()
    whole = made_whole(result)
    end = perf_counter()
    facts: dict[str, Any] = {"time": loaded - start, "whole": end - start, "result": int(whole.nbytes)}
    facts["pixels"] = verdict(result, wanted, NEAR if vf.get_format(form).tolerance else 0)
    facts |= {"memory": peak.increment, "anonymous": peak.anonymous, "mapped": peak.mapped}
    return facts | {"whole_memory": whole_peak.increment}


def rehearse(way: str, name: str, form: str, threads: int | None = None) -> None:
    """Load a tiny video: the pages of a library's code enter memory when it first runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = corpus.path_of(folder, form)
        vf.write(np.zeros((8, 3, 32, 32), np.uint8), path, form)
        WAYS[way](name, path, threads)()


def in_own_process(**request: Any) -> dict[str, Any]:
    """Return what `measure` finds, in a fresh process.

    Raises
    ------
    RuntimeError
        If the process failed, with the end of its output.
    """
    label = f"{request['way']} {request['name']}"
    said = fresh_python(label, "-m", "vidformats.bench.measure.loads", given=json.dumps(request))
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.stdin.read()))))
