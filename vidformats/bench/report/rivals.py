"""Our speed on video files beside other readers': the table behind docs/limits.md."""

from __future__ import annotations

from statistics import median
from typing import Any

from vidformats.bench.measure.clock import ratios
from vidformats.bench.report.document import count, machine_line, table


def best(seconds: dict[str, list[float]]) -> tuple[str, str]:
    """Return the fastest rival, and our time over its: the median over the rounds, with 10th and 90th percentile.

    Examples
    --------
    >>> best({"vidformats": [1.0, 2.0], "PyAV, 1": [2.0, 4.0], "OpenCV": [9.0]})
    ('PyAV, 1', '0.50 (0.50-0.50)')
    """
    ours = seconds["vidformats"]
    rival = min((name for name in seconds if name != "vidformats"), key=lambda name: median(seconds[name]), default="")
    if not rival:
        return "", ""
    ratio = ratios(ours[: len(seconds[rival])], seconds[rival])
    return rival, f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def markdown(result: dict[str, Any]) -> str:
    """Return a table for a document: our time over that of the fastest rival, which is named."""
    accesses = list(result["files"][0]["seconds"])
    rows = []
    for file in result["files"]:
        found = [best(file["seconds"][access]) for access in accesses]
        rows.append([f"{file['lines']}, {file['gop']}", *(f"{ratio} {rival}" for rival, ratio in found)])
    n, rounds, threads = result["n_frames"], result["rounds"], count(result["threads"], "thread")
    head = f"H.264, {n} frames, 16 by 9, {threads}, median of {count(rounds, 'round')} (10th to 90th percentile)"
    lines = [f"**Our time over that of the fastest other reader: {head}**", ""]
    lines.append(table(["lines, key frame every", *accesses], rows, figures=False))
    wrong = sorted({f"{name} ({file['lines']}, {file['gop']})" for file in result["files"] for name in file["wrong"]})
    note = f"Not timed, since their frames differ from ours: {', '.join(wrong)}.\n\n" if wrong else ""
    return "\n".join(lines) + f"\n\n{note}{machine_line(result)}\n"
