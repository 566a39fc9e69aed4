"""The answer as a picture: how long each format takes to load, the published way and ours."""

from __future__ import annotations

import os
from typing import Any

from vidformats.bench.published import ROWS
from vidformats.bench.report.table import MB, median, title

PUBLISHED, OURS = "#c2703d", "#0b6fb8"
"""Colours that people with any colour vision tell apart."""


def bars(result: dict[str, Any], path: str | os.PathLike) -> None:
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
        raise ImportError("a plot requires matplotlib: pip install 'vidformats[bench]'") from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    # npy 2 is the file of npy 1 and, loaded our way, the same load.
    rows = [(row.label, result["rows"][row.label]) for row in ROWS[:-1]]
    rows.sort(key=lambda row: median(row[1]["ours"], "time") or 0, reverse=True)
    figure, axis = pyplot.subplots(figsize=(8, 4.2))
    names = [f"{label}, {found['disk'] / MB:.0f} MB" for label, found in rows]
    for way, key, shift, colour, label in (
        ("published", "whole", 0.2, PUBLISHED, "the published way"),
        ("ours", "time", -0.2, OURS, "vidformats, the same file"),
    ):
        heights = [1e3 * (median(found[way], key) or 0) for _, found in rows]
        places = [place + shift for place in range(len(rows))]
        drawn = axis.barh(places, heights, 0.38, color=colour, label=label)
        axis.bar_label(drawn, [f"{height:.0f}" for height in heights], padding=3, fontsize=9)
    axis.set_yticks(range(len(rows)), names)
    axis.set(xscale="log", xlabel="ms to load every 4th frame (logarithmic)")
    axis.margins(x=0.08)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower right", frameon=False)
    figure.suptitle(title(result).split(";")[0], fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
