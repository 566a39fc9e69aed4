"""The page "Which reader?": which reader of video returns the frame that was asked for."""

from __future__ import annotations

import json
import re
from importlib import resources
from string import Template
from typing import Any

from vidformats.bench.referee.questions import ACCESSES
from vidformats.bench.referee.results import SIZES
from vidformats.bench.referee.trial import Cell
from vidformats.bench.report.document import machine_line

COLUMNS = (
    "reader", "clip", "access", "asked", "right", "wrong", "refused", "failed", "hung", "length", "frames", "seconds",
    "error",
)  # fmt: skip
"""What the page is told of each cell, besides its first mistake."""

_PAGE = resources.files("vidformats.history") / "page"


def readers_page(found: dict[str, Any], nav: str, document: str = "docs/referee.html") -> str:
    """Return the page as HTML that makes no request.

    Parameters
    ----------
    found : dict
        What ``vidformats referee --json`` wrote.
    nav : str
        As `vidformats.history.site.navigation` returns it.
    document : str
        Address of the document that explains it.
    """
    empty = Cell("", "", "").__dict__
    rows = [empty | row for row in found["cells"]]
    data = {
        "columns": [*COLUMNS, "mistake"],
        "cells": [[*(_short(row[key]) for key in COLUMNS), next(iter(row["mistakes"]), None)] for row in rows],
        "readers": [{"name": name, **about} for name, about in found["readers"].items()],
        "clips": [{"name": name, **about} for name, about in found["clips"].items()],
        "missing": list(found["missing"].values()),
        "accesses": ACCESSES,
        "sizes": SIZES,
        "requests": found["requests"],
        "seed": found["seed"],
        "facts": f"Judge: {found['judge']}. {machine_line(found)}",
    }
    held = re.sub(r"<(?=/script|!--)", r"\\u003c", json.dumps(data, separators=(",", ":")), flags=re.IGNORECASE)
    texts = {name: (_PAGE / name).read_text() for name in ("readers.html", "readers.js", "which.css")}
    return Template(texts["readers.html"]).substitute(
        style=texts["which.css"], nav=nav, data=held, script=texts["readers.js"], document=document
    )


def _short(value: Any) -> Any:
    """Return a figure with the digits that are read, and a text of a line's length."""
    if isinstance(value, float):
        return float(f"{value:.3g}")
    return value[:200] if isinstance(value, str) else value
