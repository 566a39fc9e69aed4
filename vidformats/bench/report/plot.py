"""The answer as a picture: how long each format takes to load, the published way and ours."""

from __future__ import annotations

import os
from typing import Any

from vidformats.bench.published import ROWS
from vidformats.bench.report.table import MB, median, title
from vidformats.errors import install

WAYS = (
    ("published", "whole", "#b5500f", "the published way", 8, "left"),
    ("ours", "time", "#0b6fb8", "vidformats, the same file", -8, "right"),
)
"""Way, its figure, a colour that people with any colour vision tell from the other, name, and where a label stands."""


def times(result: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw the time of each row both ways, the fastest on top, and save the picture.

    Parameters
    ----------
    result : dict
        As `vidformats.bench.report.table.measure` returns it.
    path : path-like
        A ``.png``, an ``.svg``, or another kind of file that matplotlib writes.

    Raises
    ------
    ImportError
        Without matplotlib; the message names the cure.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(f"a plot requires matplotlib: {install('bench')}") from error
    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    # npy 2 is the file of npy 1 and, loaded our way, the same load.
    rows = [(row.label, result["rows"][row.label]) for row in ROWS[:-1]]
    rows.sort(key=lambda row: median(row[1]["ours"], "time") or 0, reverse=True)
    figure, axis = pyplot.subplots(figsize=(8, 4))
    names = [f"{label}, {found['disk'] / MB:.0f} MB" for label, found in rows]
    places = range(len(rows))
    found_times = [[1e3 * (median(found[way], key) or 0) for _, found in rows] for way, key, *_ in WAYS]
    axis.hlines(places, found_times[0], found_times[1], color="0.8", zorder=0)
    for values, (_, _, colour, label, shift, side) in zip(found_times, WAYS, strict=True):
        axis.plot(values, places, "o", color=colour, markersize=8, label=label)
        for place, value in zip(places, values, strict=True):
            where: Any = {"xytext": (shift, 0), "textcoords": "offset points", "ha": side, "va": "center"}
            axis.annotate(f"{value:.0f}", (value, place), fontsize=9, color=colour, **where)
    axis.set_yticks(places, names)
    axis.set(xscale="log", xlabel="ms to load every 4th frame (logarithmic)")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.margins(x=0.1)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    figure.suptitle(title(result).split(";")[0], fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
