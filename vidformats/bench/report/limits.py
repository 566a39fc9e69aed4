"""How near each format is to the limit, a copy of the same bytes: the figures behind docs/limits.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from vidformats.bench.measure import access, corpus, disk
from vidformats.bench.measure.clock import ratios
from vidformats.bench.measure.loads import in_own_process
from vidformats.bench.measure.machine import facts
from vidformats.bench.published import NEAR
from vidformats.bench.report import document
from vidformats.bench.report.document import count, machine_line
from vidformats.registry import get_format
from vidformats.threads import default_threads

Progress = Callable[[str], object]


def measure(
    folder: Path,
    kind: str,
    names: list[str],
    accesses: list[str],
    n_frames: int,
    size: int,
    rounds: int,
    threads: int | None = None,
    cold: bool = False,
    progress: Progress = lambda step: None,
) -> dict[str, Any]:
    """Time formats and the copy, interleaved in one process, one access after the other.

    Before the clock starts, reads of each kind are compared with the source; those of a lossy format with the
    frames that another decoder gives.

    Parameters
    ----------
    folder : Path
        Holds the corpus, or gets it.
    kind : str
        One of `vidformats.bench.content.CONTENTS`.
    names : list of str
        Formats.
    accesses : list of str
        Keys of `vidformats.bench.measure.access.ACCESS`.
    n_frames, size, rounds : int
    threads : int, optional
        All CPUs by default.
    cold : bool
        Evict each file before it is read, and verify that.
    progress : callable
        Called after each access.

    Returns
    -------
    dict
        Fit for JSON. ``seconds`` : access -> format (and ``"copy"``) -> list over the rounds. ``memory`` : format ->
        peak of loading every 4th frame over the bytes it returns; empty if not measured. ``disk`` : format -> bytes.
    """
    threads = threads or default_threads()
    corpus.build(folder, kind, names, n_frames, size, progress=lambda name: progress(f"{kind}: {name} written"))
    paths = {name: corpus.path_of(folder, name) for name in names}
    for name, path in paths.items():
        source = corpus.decoded(folder, name)
        for how in accesses:
            access.check(path, how, source, threads, near=NEAR if get_format(name).tolerance else 0)
    seconds = {}
    for how in accesses:
        seconds[how] = access.against_copy(paths, how, threads, rounds, cold)
        progress(f"{kind}: {how}")
    memory = {} if cold or "every_4th" not in accesses else {name: _memory(folder, name, threads) for name in names}
    run = {"content": kind, "n_frames": n_frames, "size": size, "rounds": rounds, "threads": threads, "cold": cold}
    sizes = {name: disk.size(path) for name, path in paths.items()}
    return run | {"machine": facts(folder), "seconds": seconds, "memory": memory, "disk": sizes}


def _memory(folder: Path, name: str, threads: int) -> float | None:
    """Return the peak of our load of every 4th frame in a process of its own, over the bytes it returns."""
    found = in_own_process(folder=str(folder), way="ours", name=name, threads=threads)
    return None if found["memory"] is None else found["memory"] / found["result"]


def markdown(result: dict[str, Any]) -> str:
    """Return a table for a document: the time in copies of the same bytes, with its spread, and the peak memory."""
    accesses = list(result["seconds"])
    state = "cold" if result["cold"] else "warm"
    size, n = result["size"], result["n_frames"]
    threads = count(result["threads"], "thread")
    head = f"{result['content']}, {state}: {n:,} frames of 3 x {size} x {size}, {threads}"
    lines = [
        f"**{head}, median of {result['rounds']} rounds (10th to 90th percentile), in copies of the same bytes**",
        "",
    ]
    memory = result.get("memory", {})
    columns = [how.replace("_", " ") for how in accesses] + ["memory, of the payload"] * bool(memory)
    rows = []
    for name in (name for name in next(iter(result["seconds"].values())) if name != "copy"):
        found = [ratios(seconds[name], seconds["copy"]) for seconds in result["seconds"].values()]
        row = [name, *(f"{ratio.median:.3g} ({ratio.low:.3g}-{ratio.high:.3g})" for ratio in found)]
        rows.append([*row, *[f"{memory[name]:.2f}" if memory.get(name) else ""] * bool(memory)])
    lines.append(document.table(["format", *columns], rows))
    copies = ", ".join(
        f"{how.replace('_', ' ')} {1e3 * median(s['copy']):.3g} ms" for how, s in result["seconds"].items()
    )
    return "\n".join(lines) + f"\n\nThe copy itself: {copies}.\n\n{machine_line(result)}\n"
