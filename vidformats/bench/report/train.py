"""What a DataLoader delivers, as a table: ``python -m vidformats.bench.report.train`` measures and records it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

from vidformats.bench import content
from vidformats.bench.measure.train import N_TRIALS, WAYS, measure
from vidformats.bench.report import document
from vidformats.bench.report.document import machine_line, replace_block


def markdown(result: dict[str, Any]) -> str:
    """Return a table for a document: frames per second for each number of workers, and memory with two."""
    size, window = result["size"], result["window"]
    head = f"{result['content']}, warm: {result['n_frames']:,} frames of 3 x {size} x {size} in {N_TRIALS} videos"
    lines = [f"**{head}, windows of {window}, hop {result['hop']}, batches of {result['batch']}; frames a second**", ""]
    workers = list(result["seconds"])
    rows = []
    for name in result["seconds"]["0"]:
        speeds = [f"{result['frames'] / median(result['seconds'][n][name]):,.0f}" for n in workers]
        held = result["memory"][name]
        cell = f"{held['pss'] / 1e6:,.0f} MB" if held else ""
        rows.append([WAYS[name].format, WAYS[name].about, *speeds, cell])
    columns = ["file", "way", *(f"{n} workers" for n in workers), "memory, 2 workers"]
    lines.append(document.table(columns, rows).replace("| ---: |", "| --- |", 1))
    return "\n".join(lines) + f"\n\n{machine_line(result)}\n"


def main() -> None:
    """Measure and record: ``python -m vidformats.bench.report.train``."""
    parser = argparse.ArgumentParser(description="Measure what a DataLoader delivers, by our ways and the usual.")
    parser.add_argument("--content", action="append", choices=content.CONTENTS, help="several times; scene")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", action="append", choices=list(WAYS), help="several times; all by default")
    parser.add_argument("--data", type=Path, required=True, help="a folder for the videos")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--document", type=Path, help="put the tables into this document")
    args = parser.parse_args()
    results = []
    for kind in args.content or ["scene"]:
        folder = args.data / kind
        results.append(measure(folder, kind, args.frames, args.size, args.rounds, args.way or list(WAYS)))
    tables = "\n".join(map(markdown, results))
    print(tables)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.document:
        args.document.write_text(replace_block(args.document.read_text(), "train", tables))


if __name__ == "__main__":
    main()
