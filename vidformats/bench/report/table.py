"""The published table measured again: the published way and ours, in one run."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidformats.bench.measure import corpus, disk
from vidformats.bench.measure.clock import Ratio, ratios
from vidformats.bench.measure.loads import in_own_process
from vidformats.bench.measure.machine import facts
from vidformats.bench.published import ROWS, SIZE, get_row
from vidformats.bench.report import document
from vidformats.bench.report.document import count, machine_line
from vidformats.threads import default_threads

MB = 1e6
"""The published table counts MB of a million bytes."""

FORMATS = list(dict.fromkeys(row.format for row in ROWS))
"""The formats on disk; npy is that of two rows."""


def measure(
    folder: Path,
    kind: str,
    n_frames: int,
    rounds: int,
    threads: int | None = None,
    size: int = SIZE,
    progress: Callable[[str], object] = lambda step: None,
) -> dict[str, Any]:
    """Measure all nine rows both ways, each load in a fresh process, all of them in a new random order each round.

    Parameters
    ----------
    folder : Path
        Holds the corpus, or gets it.
    kind : str
        One of `vidformats.bench.content.CONTENTS`.
    n_frames, rounds, size : int
    threads : int, optional
        For our readers; all CPUs by default.
    progress : callable
        Called after each of `steps` with what was done.

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
    """Return how often `measure` reports progress at most."""
    return len(FORMATS) - 1 + rounds * 2 * len(ROWS)


def median(runs: list[dict[str, Any]], key: str) -> float | None:
    """Return the median over the rounds, or None if it was not measured."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def faster(row: dict[str, Any]) -> Ratio:
    """Return how many times faster ours is than the published way with its copy, round by round."""
    return ratios([run["whole"] for run in row["published"]], [run["time"] for run in row["ours"]])


YOURS = ("row", "ms", "MB of memory", "MB on disk", "published way, ms", "MB of memory", "times faster")
"""Columns of the first table: what every 4th frame costs as an array of the caller's own."""

THEIRS = ("row", "printed: ms", "MB of memory", "MB on disk", "here: ms", "MB of memory", "what it returns")
"""Columns of the second table: the published figures, and the same code on this machine, as it returns."""


def yours(result: dict[str, Any]) -> list[list[str]]:
    """Return the rows of `YOURS` as text: our load, and the published way with the copy that makes frames of it."""
    rows = []
    for label, found in result["rows"].items():
        theirs, ours = found["published"], found["ours"]
        ratio = faster(found)
        before = [_ms(median(theirs, "whole")), _mb(median(theirs, "whole_memory"))]
        after = [_ms(median(ours, "time")), _own(ours), _mb(found["disk"])]
        rows.append([label, *after, *before, f"{ratio.median:.1f} ({ratio.low:.1f}-{ratio.high:.1f})"])
    return rows


def theirs(result: dict[str, Any]) -> list[list[str]]:
    """Return the rows of `THEIRS` as text."""
    rows = []
    for label, found in result["rows"].items():
        row, runs = get_row(label), found["published"]
        printed = [f"{1e3 * row.time:.0f}", f"{row.memory:.0f}", f"{row.disk:.0f}"]
        rows.append([label, *printed, _ms(median(runs, "time")), _mb(median(runs, "memory")), runs[0]["pixels"]])
    return rows


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _own(runs: list[dict[str, Any]]) -> str:
    """Return the peak; if much of it is a mapped file, which belongs to the page cache, the rest with an asterisk."""
    memory, own, mapped = (median(runs, key) for key in ("memory", "anonymous", "mapped"))
    if memory is None or own is None or mapped is None or mapped < own / 20:
        return _mb(memory)
    return f"{_mb(own)}*"


def _mb(nbytes: float | None) -> str:
    return "-" if nbytes is None else f"{nbytes / MB:.1f}"


def title(result: dict[str, Any]) -> str:
    """Return one line about what was loaded."""
    n, size = result["n_frames"], result["size"]
    return (
        f"{result['content']}: every 4th of {n:,} frames of 3 x {size} x {size}, {result['payload'] / MB:.0f} MB; "
        f"warm page cache, {count(result['threads'], 'thread')}, median of {count(result['rounds'], 'round')}"
    )


NOTE = "-: not measured. *: besides the mapped file, which the page cache holds. In brackets: 10th to 90th percentile."


def markdown(result: dict[str, Any]) -> str:
    """Return both tables for a document."""
    return "\n\n".join(
        [
            f"**{title(result)}**",
            "What you get: the load as an array of your own.",
            document.table(list(YOURS), yours(result)),
            NOTE,
            "What was published, and the same code here, as it returns: a view has not read or copied its frames.",
            document.table(list(THEIRS), theirs(result)),
            machine_line(result) + "\n",
        ]
    )
