"""Time against disk, as a picture."""

from __future__ import annotations

import os
from typing import Any

from vidformats.bench.published import ROWS
from vidformats.bench.report.table import MB, median, title


def time_against_disk(results: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """Draw the nine rows of each result both ways, one panel a content, and save the picture.

    Parameters
    ----------
    results : list of dict
        As `vidformats.bench.report.table.measure` returns them.
    path : path-like
        ``.png``, ``.svg`` or what else matplotlib writes.

    Raises
    ------
    ImportError
        Without matplotlib; the message names the cure.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("plots need more: pip install 'vidformats[bench]'") from error
    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    figure, axes = pyplot.subplots(1, len(results), figsize=(7 * len(results), 5.4), squeeze=False, sharey=True)
    heights: list[float] = []
    for axis, result in zip(axes[0], results, strict=True):
        placed: list[tuple[float, float]] = []
        for row in ROWS[:-1]:  # npy 2 reads nothing the published way, and is npy 1 our way
            found = result["rows"][row.label]
            size = found["disk"] / MB
            before, after = (1e3 * (median(found[way], key) or 0) for way, key in WAYS)
            axis.annotate("", (size, after), (size, before), arrowprops={"arrowstyle": "->", "color": "0.75"})
            axis.plot(size, before, "o", color="#b5483a", markersize=7)
            axis.plot(size, after, "o", color="#2a6fb0", markersize=7)
            placed.append((size, after))
            heights += [before, after]
        _label(axis, placed, [row.label for row in ROWS[:-1]])
        axis.set(xscale="log", yscale="log", xlabel="MB on disk", title=result["content"])
        axis.set_xlim(min(x for x, _ in placed) / 1.5, max(x for x, _ in placed) * 2.6)
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylim(min(heights) / 2, 2 * max(heights))
    axes[0][0].set_ylabel("ms to load every 4th frame, as an array of its own")
    for label, color in (("the published way, made whole", "#b5483a"), ("vidformats, the same file", "#2a6fb0")):
        axes[0][0].plot([], [], "o", color=color, label=label)
    axes[0][0].legend(loc="upper left", frameon=False)
    figure.suptitle(title(results[0]).split(": ", 1)[1], fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


WAYS = (("published", "whole"), ("ours", "time"))


def _label(axis: Any, points: list[tuple[float, float]], labels: list[str]) -> None:
    """Write the names right of the points, apart where several files are of one size."""
    last: dict[int, float] = {}
    for (x, y), label in sorted(zip(points, labels, strict=True), key=lambda item: item[0][1]):
        column = round(x / max(x for x, _ in points) * 20)
        at = max(y, last.get(column, 0) * 1.22)
        last[column] = at
        axis.annotate(label, (x, y), (x * 1.16, at), fontsize=9, va="center")
