"""The published table measured again: the published way and ours, side by side in one run."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidformats.bench import content
from vidformats.bench.measure import corpus, disk
from vidformats.bench.measure.clock import Ratio, ratios
from vidformats.bench.measure.loads import in_own_process
from vidformats.bench.measure.machine import facts
from vidformats.bench.published import ROWS, SIZE, Row, get_row
from vidformats.threads import default_threads

MB = 1e6
"""The published table counts MB of a million bytes."""

FORMATS = list(dict.fromkeys(row.format for row in ROWS))
"""The formats on disk: npy serves two rows."""


def measure(
    folder: Path,
    kind: str,
    n_frames: int,
    rounds: int,
    threads: int | None = None,
    size: int = SIZE,
    progress: Callable[[str], object] = lambda step: None,
) -> dict[str, Any]:
    """Measure all nine rows both ways, each load in a fresh process, the order of all drawn anew every round.

    Parameters
    ----------
    folder : Path
        Where the corpus is, or is made.
    kind : str
        One of `vidformats.bench.content.CONTENTS`.
    n_frames, rounds, size : int
    threads : int, optional
        For our way; all CPUs by default.
    progress : callable
        Called after each of `steps`, with what was done.

    Returns
    -------
    dict
        Fit for JSON: ``content``, ``n_frames``, ``size``, ``rounds``, ``threads``, ``payload`` (bytes
        returned by one load), ``machine``, and ``rows``: for each label the bytes on ``disk`` and
        ``allocated``, and for ``published`` and ``ours`` lists over the rounds of what
        `vidformats.bench.measure.loads.measure` returns.
    """
    threads = threads or default_threads()
    corpus.build(folder, kind, FORMATS, n_frames, size, progress=lambda name: progress(f"{kind}: {name} written"))
    cases = [(row, way) for row in ROWS for way in ("published", "ours")]
    found: dict[str, dict[str, Any]] = {row.label: {"published": [], "ours": []} for row in ROWS}
    for _ in range(rounds):
        for row, way in random.sample(cases, len(cases)):
            name = row.name if way == "published" else row.format
            found[row.label][way].append(in_own_process(folder=str(folder), way=way, name=name, threads=threads))
            progress(f"{kind}: {row.label}, {way}")
    for row in ROWS:
        path = corpus.path_of(folder, row.format)
        found[row.label] |= {"disk": disk.size(path), "allocated": disk.allocated(path)}
    facts_of_run = {"content": kind, "n_frames": n_frames, "size": size, "rounds": rounds, "threads": threads}
    payload = found["npy 1"]["ours"][0]["result"]
    return facts_of_run | {"payload": payload, "machine": facts(folder), "rows": found}


def steps(rounds: int) -> int:
    """Return how often `measure` reports progress, at most."""
    return len(FORMATS) - 1 + rounds * 2 * len(ROWS)


def median(runs: list[dict[str, Any]], key: str) -> float | None:
    """Return the median over the rounds; None where it was not measured."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def faster(row: dict[str, Any]) -> Ratio:
    """Return how many times faster ours is than the published way made whole, round by round."""
    return ratios([run["whole"] for run in row["published"]], [run["time"] for run in row["ours"]])


COLUMNS = (
    ("", "row"),
    ("published", "MB on disk"),
    ("published", "MB of memory"),
    ("published", "ms"),
    ("published way here", "ms"),
    ("published way here", "ms, made whole"),
    ("published way here", "MB of memory"),
    ("published way here", "pixels"),
    ("ours, here", "ms"),
    ("ours, here", "MB of memory"),
    ("ours, here", "MB on disk"),
    ("ours, here", "pixels"),
    ("", "times faster"),
    ("", "memory, of the payload"),
)
"""Group and name of each column."""


def cells(row: Row, found: dict[str, Any], payload: int) -> list[str]:
    """Return one row of the table as text."""
    theirs, ours = found["published"], found["ours"]
    ratio, memory = faster(found), median(ours, "memory")
    return [
        row.label,
        f"{row.disk:.0f}",
        f"{row.memory:.0f}",
        f"{1e3 * row.time:.0f}",
        _ms(median(theirs, "time")),
        _ms(median(theirs, "whole")),
        _mb(median(theirs, "memory")),
        theirs[0]["pixels"],
        _ms(median(ours, "time")),
        _memory(ours),
        _mb(found["disk"]),
        ours[0]["pixels"],
        f"{ratio.median:.1f} ({ratio.low:.1f}-{ratio.high:.1f})",
        "not measured" if memory is None else f"{memory / payload:.2f}",
    ]


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _memory(runs: list[dict[str, Any]]) -> str:
    """Return the peak; where most of it is the page cache's, mapped, what is the process's own beside it."""
    memory, own, mapped = (median(runs, key) for key in ("memory", "anonymous", "mapped"))
    if memory is None or own is None or mapped is None or mapped < own / 20:
        return _mb(memory)
    return f"{_mb(own)}, with the mapped file {_mb(memory)}"


def _mb(nbytes: float | None) -> str:
    return "not measured" if nbytes is None else f"{nbytes / MB:.1f}"


def title(result: dict[str, Any]) -> str:
    """Say what was loaded."""
    n, size = result["n_frames"], result["size"]
    return (
        f"{result['content']}: every 4th of {n:,} frames of 3 x {size} x {size}, {result['payload'] / MB:.0f} MB; "
        f"warm page cache, {count(result['threads'], 'thread')}, median of {count(result['rounds'], 'round')}"
    )


def count(n: int, what: str) -> str:
    """Return a number with its noun, in the plural where it needs one: ``count(2, "thread")`` is ``"2 threads"``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def machine_line(result: dict[str, Any]) -> str:
    """Say where it was measured."""
    machine = result["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    kind = f"{machine['cpus']} CPUs, {machine['memory_gib']} GiB, {machine['system']} {machine['kernel']}"
    return f"{kind}, {machine['file_system']}, Python {machine['python']}; {libraries}"


def markdown(result: dict[str, Any]) -> str:
    """Return the table for a document, with fewer columns than fit a terminal."""
    keep = [0, 3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 12]
    heads = ["row", "published: ms", "MB memory", "MB disk", "published way, here: ms", "made whole: ms", "MB memory"]
    heads += ["pixels", "ours: ms", "MB memory", "MB disk", "times faster"]
    lines = [f"**{title(result)}**", "", "| " + " | ".join(heads) + " |"]
    lines.append("| --- |" + " ---: |" * 6 + " --- |" + " ---: |" * 4)
    for label, found in result["rows"].items():
        row = cells(get_row(label), found, result["payload"])
        lines.append("| " + " | ".join(row[k] for k in keep) + " |")
    return "\n".join(lines) + f"\n\n{machine_line(result)}\n"


def replace_block(text: str, name: str, body: str) -> str:
    """Return a document with the block between ``<!-- name -->`` and ``<!-- end name -->`` replaced.

    Raises
    ------
    ValueError
        Where the document has no such block.
    """
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, begun, rest = text.partition(start)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"the document has no block {start} ... {end}")
    return f"{before}{start}\n{body}\n{end}{after}"


def natural() -> str:
    """Return ``"face"``, or ``"scene"`` where the face can't be had."""
    return "face" if content.available("face") else "scene"
