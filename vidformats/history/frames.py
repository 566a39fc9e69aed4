"""What releases of a reader are asked: clips, requests and adapters, written beside the benchmarks that use them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vidformats.bench.referee import child
from vidformats.bench.referee import clips as recipes
from vidformats.bench.referee.questions import requests, seed_of
from vidformats.bench.referee.results import known
from vidformats.bench.referee.roster import ADAPTERS, READERS
from vidformats.bench.referee.trial import NUMBERED

CLIPS = (
    "h264.mp4", "open_gop.mp4", "pyramid.mp4", "hevc_open.mp4", "vp9.webm", "h264.ts", "mpeg4_b.avi", "fragmented.mp4",
    "variable_rate.mp4", "variable_rate.mkv", "late.mp4", "late.mkv", "cut_start.mp4", "joined_in.ts",
)  # fmt: skip
"""A sample of the referee's clips: each has misled a release of a reader."""

REQUESTS = 40


def prepare(library: str, readers: Iterable[str], folder: Path) -> None:
    """Write what the suite ``frames`` needs.

    Parameters
    ----------
    library : str
        Whose releases are measured.
    readers : iterable of str
        Names in `vidformats.bench.referee.roster.READERS`.
    folder : Path
        As `vidformats.history.releases.generate` made it.
    """
    benchmarks, cases = folder / "benchmarks", {}
    made = known(map(recipes.named, CLIPS), folder / "clips")
    for name in readers:
        reader = READERS[name]
        adapter = f"adapter_{reader.adapter}.py"
        shutil.copyfile(ADAPTERS / f"{reader.adapter}.py", benchmarks / adapter)
        for clip, (_, path, truth) in made.items():
            calls, _ = requests("frame", truth, "", REQUESTS, seed_of(0, clip, "frame"))
            case: dict[str, Any] = {
                "adapter": adapter,
                "options": dict(reader.options),
                "path": f"../clips/{path.name}",
            }
            cases[f"{name} {clip}"] = case | {"calls": calls, "due": [truth.looks[i] for i in calls]}
    shutil.copyfile(str(child.__file__), benchmarks / "child.py")
    shutil.copyfile(NUMBERED, benchmarks / "numbered.py")
    (benchmarks / "requests.json").write_text(json.dumps({"library": library, "cases": cases}))
