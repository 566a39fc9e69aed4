"""A project with made-up results in the real suite's names: three commits, two environments, one machine."""

import itertools
import json
import random
import subprocess
from pathlib import Path

FORMATS = {  # milliseconds, MB
    "npy": (15, 86.4),
    "binary": (20, 86.39),
    "h5": (16, 86.5),
    "h5_frames": (48, 61),
    "h5_chunked": (340, 60),
    "jpg": (149, 20),
    "mp4": (263, 6),
    "mat": (65, 86.4),
    "mat_frames": (17, 86.4),
    "png": (400, 55),
}
CONTENTS = ["noise", "scene", "face"]
ACCESSES = ["every_4th", "windows", "random_frames"]
COLUMNS = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25"]
COLUMNS += ["stats_q_75", "stats_number", "stats_repeat"]
MACHINE = {"machine": "example", "os": "Linux", "arch": "x86_64", "cpu": "2 cores", "num_cpu": "2", "ram": "24 GiB"}
ENVIRONMENTS = [{"h5py": "3.16.0", "numpy": "2.4.6"}, {"h5py": "3.11.0", "numpy": "2.4.6"}]

CONFIG = {
    "version": 1,
    "project": "vidformats",
    "project_url": "#",
    "show_commit_url": "#",
    "repo": ".",
    "branches": ["main"],
    "environment_type": "virtualenv",
    "pythons": ["3.11"],
    "matrix": {"req": ENVIRONMENTS[0]},
    "include": [{"python": "3.11", "req": ENVIRONMENTS[1]}],
    "regressions_thresholds": {".*": 0.1},
    "benchmark_dir": "benchmarks",
    **{f"{kind}_dir": f".asv/{kind}" for kind in ("env", "results", "html")},
}


def _benchmarks():
    """Yield name, unit, parameter names and parameters."""
    for suite in ("formats.Ours", "formats.Published"):
        for measure in ("time_load", "time_load_whole", "track_memory", "track_memory_whole", "track_disk"):
            yield f"{suite}.{measure}", ["content", "format"], [CONTENTS, list(FORMATS)]
    for suite in ("load.WarmNoise", "load.WarmNatural", "load.ColdNatural"):
        yield f"{suite}.time_load", ["access", "format"], [ACCESSES, list(FORMATS)]
    yield UNRECORDED, ["access", "format"], [ACCESSES, list(FORMATS)]


UNRECORDED = "load.WarmNoise.track_times_copy"
"""A benchmark that is known and was never run: the pages must not ask for its graph in vain."""


def _value(benchmark, pair, seed):
    first, name = (text.strip("'") for text in pair)
    if first == "scene" or ("Published" in benchmark and name in ("h5_frames", "mat_frames")):
        return float("nan")
    milliseconds, megabytes = FORMATS[name]
    if benchmark.endswith("track_disk"):
        return 1e6 * megabytes * (1 if first == "noise" else 0.8)
    if "track_memory" in benchmark:
        return 1e6 * (megabytes if "Published" in benchmark else 22)
    factor = {"windows": 0.4, "random_frames": 3}.get(first, 1) * (3 if "Cold" in benchmark else 1)
    factor *= 5 if "Published" in benchmark else 1
    return 1e-3 * milliseconds * factor * random.Random(f"{benchmark}{pair}{seed}").uniform(0.97, 1.03)


def make(folder: Path, commits: int = 3, slow: str = "", slow_from: int = 0) -> Path:
    """Write repository, configuration and results, and return the folder.

    From commit number `slow_from` on, counted from the oldest, the benchmark `slow` takes three times as long.
    """
    folder.mkdir(exist_ok=True)
    (folder / "asv.conf.json").write_text(json.dumps(CONFIG))
    git = ["git", "-c", "user.name=recorded", "-c", "user.email=recorded@localhost"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)
    for number in range(commits):
        message = f"--message=commit {number}"
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", message], cwd=folder, check=True)
    listed = subprocess.run([*git, "rev-list", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    results = folder / ".asv" / "results"
    (results / "example").mkdir(parents=True)
    (results / "example" / "machine.json").write_text(json.dumps({"version": 1, **MACHINE}))
    index = {"version": 2}
    for name, names, params in _benchmarks():
        measure = name.rpartition(".")[2]
        index[name] = {
            "name": name,
            "code": "",
            "version": "1",
            "type": measure.partition("_")[0],
            "unit": "seconds" if measure.startswith("time") else "bytes",
            "param_names": names,
            "params": [[repr(value) for value in values] for values in params],
        }
    (results / "benchmarks.json").write_text(json.dumps(index))
    for number, commit in enumerate(listed.stdout.split()):
        for libraries in ENVIRONMENTS:
            name = "virtualenv-py3.11-" + "-".join(f"{key}{value}" for key, value in libraries.items())
            day = 1_780_000_000_000 - 86_400_000 * number
            rows = {}
            for benchmark in (one for key, one in index.items() if key not in ("version", UNRECORDED)):
                cases = list(itertools.product(*benchmark["params"]))
                factor = 3 if benchmark["name"] == slow and commits - 1 - number >= slow_from else 1
                values = [factor * _value(benchmark["name"], pair, number) for pair in cases]
                spread = [[value * factor for value in values] for factor in (0.9, 1.1, 0.95, 1.05)]
                counts = [[1] * len(values), [5] * len(values)]
                rows[benchmark["name"]] = [values, benchmark["params"], "1", day, 1.0, *spread, *counts]
            result = {
                "version": 2,
                "commit_hash": commit,
                "env_name": name,
                "date": day,
                "params": {**MACHINE, **libraries, "python": "3.11"},
                "python": "3.11",
                "requirements": libraries,
                "env_vars": {},
                "result_columns": COLUMNS,
                "results": rows,
                "durations": {},
            }
            (results / "example" / f"{commit[:8]}-{name}.json").write_text(json.dumps(result))
    return folder


def refereed():
    """What ``vidformats referee --json`` writes, made up: one is right, one is not, one is missing."""
    right = {"asked": 200, "right": 200, "seconds": 0.002}
    wrong = {
        "asked": 200,
        "right": 20,
        "wrong": 150,
        "refused": 30,
        "seconds": 0.001,
        "mistakes": [[5, 5, 6]],
        "error": "OSError: <no> frame",
    }
    cells = []
    for clip in ("small.mp4", "variable.mkv", "broken.mp4"):
        cells += [{"reader": "good", "clip": clip, "access": way, **right} for way in ("frame", "frames", "scan", "at")]
        own = right if clip == "small.mp4" else wrong
        cells += [{"reader": "bad", "clip": clip, "access": way, **own} for way in ("frame", "scan")]
        cells += [
            {"reader": name, "clip": clip, "access": "length", "length": length, "frames": 120}
            for name, length in (("good", 120), ("bad", 121))
        ]
    kinds = {"small.mp4": "size", "variable.mkv": "time", "broken.mp4": "damage"}
    clips = {
        name: {"about": f"{kind}: phones", "kind": kind, "size": [96, 128], "frames": 120}
        for name, kind in kinds.items()
    }
    clips["broken.mp4"]["disputed"] = "versions disagree"
    machine = {
        "cpus": 2,
        "memory_gib": 24,
        "system": "Linux",
        "kernel": "6.1",
        "file_system": "ext4",
        "python": "3.11.7",
    }
    return {
        "machine": machine | {"libraries": {"numpy": "2.4.6"}},
        "judge": "ffmpeg version 7.0",
        "seed": 0,
        "requests": 200,
        "readers": {
            name: {"title": f"The {name} one", "package": name, "version": "1.0", "adapter": name, "calls": []}
            for name in ("bad", "good")
        },
        "missing": {"gone": {"title": "gone", "why": "it cannot be installed"}},
        "clips": clips,
        "cells": cells,
    }
