"""All cells of a table: how they are made, kept in a file, and summed per reader."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vidformats.bench.measure.machine import facts
from vidformats.bench.referee import clips as recipes
from vidformats.bench.referee import judge
from vidformats.bench.referee.clips import Clip
from vidformats.bench.referee.questions import Truth, truth
from vidformats.bench.referee.roster import Missing, Reader, home
from vidformats.bench.referee.trial import Cell, Process, trial
from vidformats.bench.report.document import count, table

OUTCOMES = "right", "wrong", "refused", "failed", "hung"

BY_INDEX = "frame", "frames", "scan"
"""The ways of asking for frames by their place, whose wrong frames are summed; those by time are told beside them."""

SIZES = {"small.mp4": "120 lines", "vga.mp4": "480 lines", "hd.mp4": "1080 lines"}
"""The clips whose seconds are told, one of each frame size."""

Known = dict[str, tuple[Clip, Path, Truth]]


def known(chosen: Iterable[Clip], folder: Path, advance: Callable[[str], None] = lambda step: None) -> Known:
    """Make clips that are not in a folder, and return them with what FFmpeg shows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    found: Known = {}
    for clip in chosen:
        advance(f"making {clip.name}")
        path = recipes.make(clip, folder)
        found[clip.name] = clip, path, truth(path, clip.size)
    return found


def measure(
    readers: Sequence[Reader],
    chosen: Known,
    accesses: Sequence[str],
    most: int,
    seed: int,
    install: bool = False,
    advance: Callable[[str], None] = lambda step: None,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
) -> dict[str, Any]:
    """Ask readers about clips.

    Parameters
    ----------
    readers : sequence of Reader
    chosen : dict
        As `known` returns it.
    accesses : sequence of str
        Of `vidformats.bench.referee.questions.ACCESSES`.
    most : int
        Frames asked for per clip and access.
    seed : int
    install : bool
        Make an environment for a reader that is not installed.
    advance : callable
        Takes the name of each step.
    keep : callable
        Takes the results so far, after each reader.

    Returns
    -------
    results : dict
        ``machine``, ``judge``, ``seed``, ``requests``, ``readers``, ``missing``, ``clips`` and ``cells``, fit for JSON;
        a cell of it is described at `vidformats.bench.referee.trial.Cell`, with the mistakes in full.
    """
    results: dict[str, Any] = {
        "machine": facts(),
        "judge": _judge(),
        "seed": seed,
        "requests": most,
        "readers": {},
        "missing": {},
        "clips": {name: _clip(clip, len(shown.looks)) for name, (clip, _, shown) in chosen.items()},
        "cells": [],
    }
    for reader in readers:
        try:
            place = home(reader, install)
            process = Process(reader, place)
        except (Missing, ImportError) as error:
            results["missing"][reader.name] = {"title": reader.title, "why": str(error)}
            continue
        facts_of = {"title": reader.title, "package": reader.package, "version": place.version}
        results["readers"][reader.name] = facts_of | {"adapter": reader.adapter, "calls": process.calls}
        with process:
            for name, (clip, path, shown) in chosen.items():
                advance(f"{reader.name} {name}")
                for access in accesses:
                    if access in process.calls and not (access == "at" and clip.untimed):
                        results["cells"].append(trial(process, path, name, shown, access, most, seed))
        keep(results)
    return results


def _judge() -> str:
    said = subprocess.run([judge.program(), "-version"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:3])


def _clip(clip: Clip, frames: int) -> dict[str, Any]:
    told = {"about": clip.about, "kind": clip.kind, "size": list(clip.size), "frames": frames}
    return told | {key: getattr(clip, key) for key in ("disputed", "untimed") if getattr(clip, key)}


def text(results: dict[str, Any]) -> str:
    """Return results as JSON, one line per reader, clip and cell, so that changes are seen."""
    rows = [cell.row() if isinstance(cell, Cell) else cell for cell in results["cells"]]
    lines = []
    for key, value in (results | {"cells": rows}).items():
        if isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()):
            inner = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())
            lines.append(f'"{key}": {{\n{inner}\n}}' if value else f'"{key}": {{}}')
        elif isinstance(value, list):
            lines.append(f'"{key}": [\n' + ",\n".join(map(json.dumps, value)) + "\n]")
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def rows_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells as rows with every key, those of disputed clips left out."""
    empty = Cell("", "", "").__dict__ | {"mistakes": []}
    found = [cell.__dict__ if isinstance(cell, Cell) else empty | cell for cell in results["cells"]]
    return [row for row in found if not results["clips"][row["clip"]].get("disputed")]


def summary(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one line per reader, the fewest wrong frames first.

    Returns
    -------
    lines : list of dict
        ``reader``, ``title``, ``version``; ``asked`` and the outcomes, in frames asked for by their place; ``clips``
        and ``wrong_clips``; ``lengths``, how many lengths are wrong; ``at_asked`` and ``at_wrong``, by time; ``ms``,
        milliseconds of one frame, by clip of `SIZES` and access; ``mb``, megabytes of memory at most.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of(results):
        rows[row["reader"]].append(row)
    lines = []
    for name, about in results["readers"].items():
        by_index = [row for row in rows[name] if row["access"] in BY_INDEX]
        line = {"reader": name, "title": about["title"], "version": about["version"]}
        line |= {key: sum(row[key] for row in by_index) for key in ("asked", *OUTCOMES)}
        line["clips"] = len({row["clip"] for row in by_index})
        line["wrong_clips"] = len({row["clip"] for row in by_index if row["wrong"]})
        lengths = [row for row in rows[name] if row["access"] == "length"]
        line["lengths"] = sum(row["length"] not in (row["frames"], -1) for row in lengths)
        by_time = [row for row in rows[name] if row["access"] == "at"]
        line["at_asked"], line["at_wrong"] = (sum(row[key] for row in by_time) for key in ("asked", "wrong"))
        line["ms"] = {
            clip: {row["access"]: 1e3 * row["seconds"] for row in by_index if row["clip"] == clip and row["right"]}
            for clip in SIZES
        }
        line["mb"] = max((row["peak"] for row in rows[name]), default=0) / 1e6
        lines.append(line)
    return sorted(lines, key=lambda line: (line["wrong"] + line["failed"] + line["hung"], line["refused"]))


COLUMNS = [
    "reader", "wrong frames", "clips with a wrong frame", "refused", "failed or hung", "wrong lengths", "wrong by time",
    *(f"random frame, {size}" for size in SIZES.values()),
]  # fmt: skip


def lines_of(results: dict[str, Any]) -> list[list[str]]:
    """Return the summary as text, by the columns in `COLUMNS`; times in ms."""
    found = []
    for line in summary(results):
        times = [line["ms"][clip].get("frame") for clip in SIZES]
        found.append(
            [
                f"{line['title']} {line['version']}",
                f"{line['wrong']:,} of {line['asked']:,}",
                f"{line['wrong_clips']} of {line['clips']}",
                f"{line['refused']:,}",
                f"{line['failed'] + line['hung']:,}",
                str(line["lengths"]),
                f"{line['at_wrong']:,} of {line['at_asked']:,}" if line["at_asked"] else "no such call",
                *(f"{time:.2g} ms" if time else "-" for time in times),
            ]
        )
    return found


def markdown(results: dict[str, Any]) -> str:
    """Return the table for a document, with the readers that are missing and why."""
    clips = results["clips"].values()
    disputed = sum(bool(clip.get("disputed")) for clip in clips)
    note = (
        f"{count(len(results['clips']), 'clip')}, of which {disputed} are disputed and not counted; up to "
        f"{results['requests']} frames per clip and access, seed {results['seed']}. Judge: {results['judge']}."
    )
    missing = [f"{one['title']}: {one['why']}" for one in results["missing"].values()]
    # A page has room for seven columns: of the three frame sizes it shows the middle one.
    head, *rows = ([*line[:3], f"{line[3]}; {line[4]}", *line[5:7], line[8]] for line in (COLUMNS, *lines_of(results)))
    return "\n".join([table(head, rows), "", note, *(f"Not there: {why}." for why in missing)])


def answer(results: dict[str, Any]) -> str:
    """Return what the table says in three sentences, for the head of a document."""
    lines = summary(results)
    clean = [line for line in lines if not line["wrong"] + line["failed"] + line["hung"] + line["refused"]]
    misled = sum(bool(line["wrong"]) for line in lines)
    worst = max(lines, key=lambda line: line["wrong"] / max(1, line["asked"]))
    share = 100 * worst["wrong"] / max(1, worst["asked"])
    by_clip: dict[str, set[str]] = defaultdict(set)
    for row in rows_of(results):
        if row["wrong"] and row["access"] in BY_INDEX:
            by_clip[row["clip"]].add(row["reader"])
    most = sorted(by_clip, key=lambda clip: (-len(by_clip[clip]), clip))[:5]
    hardest = ", ".join(f"`{clip}` ({len(by_clip[clip])})" for clip in most) or "none"
    asked = f"{clean[0]['asked']:,} frames of {clean[0]['clips']} clips" if clean else "all clips"
    names = " and ".join(f"{line['title']} {line['version']}" for line in clean) or "none"
    return (
        f"**Without a wrong or refused frame on {asked}: {names}.** {misled} of {len(lines)} ways of reading returned "
        f"wrong frames; the worst was {worst['title']} {worst['version']}, wrong in {share:.0f} % of the frames asked "
        f"for. The clips that misled the most: {hardest}."
    )
