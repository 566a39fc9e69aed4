"""asv's result files as rows a page can draw: what each format cost, at any recorded commit and environment."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vidformats.bench.published import ROWS
from vidformats.bench.report.table import median

FILES = {row.name: row.format for row in ROWS}
"""The file that a published load reads, where it is not named as its format."""

EVERY_4TH = "every_4th"


class Suite(NamedTuple):
    """What a class of benchmarks measures, beside what its parameters say.

    Attributes
    ----------
    way : {"ours", "published"}
    cache : {"warm", "cold"}
    content : str, optional
        None where it is a parameter; ``natural`` is the face, or the scene where there is none.
    timing, memory : str
        The benchmarks of the time and the memory of a load into an array of the caller's own: both of the same load.
    """

    way: str
    cache: str
    content: str | None = None
    timing: str = "time_load"
    memory: str = "track_memory"


SUITES = {
    "formats.Ours": Suite("ours", "warm"),
    "formats.Published": Suite("published", "warm", timing="time_load_whole", memory="track_memory_whole"),
    "load.WarmNoise": Suite("ours", "warm", "noise"),
    "load.WarmNatural": Suite("ours", "warm", "natural"),
    "load.ColdNoise": Suite("ours", "cold", "noise"),
    "load.ColdNatural": Suite("ours", "cold", "natural"),
}
"""By class of benchmarks; a commit that lacks one lacks its rows."""

COLUMNS = (
    "content",
    "access",
    "cache",
    "way",
    "format",
    "seconds",
    "low",
    "high",
    "disk",
    "memory",
    "benchmark",
    "case",
)
"""Of a row: seconds (median and quartiles), bytes on disk and of memory, and where its history is drawn."""


def recordings(results_dir: Path) -> list[dict[str, Any]]:
    """Return what asv recorded, the youngest commit first and the fullest recording of it before others.

    Parameters
    ----------
    results_dir : Path
        asv's folder of results; it need not exist.

    Returns
    -------
    recordings : list of dict
        ``commit``, ``date``, ``environment`` (its name), ``machine`` and ``libraries`` (dicts of str) and ``rows``,
        tuples of `COLUMNS` with None for what was not measured. Recordings without rows are left out.
    """
    from asv.results import iter_results

    index = results_dir / "benchmarks.json"
    if not index.exists():
        return []
    benchmarks = {name: found for name, found in json.loads(index.read_text()).items() if isinstance(found, dict)}
    found = [_recording(result, benchmarks) for result in iter_results(str(results_dir))]
    return sorted(
        (one for one in found if one["rows"]),
        key=lambda one: (one["date"], len(one["rows"]), one["environment"]),
        reverse=True,
    )


def from_table(measured: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what ``vidformats table --json`` measured as a recording: the published size, every 4th frame, warm.

    Parameters
    ----------
    measured : dict
        One entry of its file.
    name : str
        What the recording is called in place of a commit.
    """
    rows = []
    for row in ROWS:
        found = measured["rows"][row.label]
        for way, key, held in (("published", "whole", "whole_memory"), ("ours", "time", "memory")):
            # npy serves two published rows, and is loaded in one way by us.
            if way == "ours" and row.name != row.format:
                continue
            seconds = sorted(run[key] for run in found[way])
            quarter = len(seconds) // 4
            figures = (seconds[len(seconds) // 2], seconds[quarter], seconds[-1 - quarter])
            memory = median(found[way], held)
            what = (measured["content"], EVERY_4TH, "warm", way, row.name)
            rows.append((*what, *figures, found["disk"], memory, None, None))
    facts = {key: str(value) for key, value in measured["machine"].items() if not isinstance(value, dict) and value}
    return {
        "commit": "",
        "date": f"{name}, {measured['n_frames']:,} frames, {measured['content']}",
        "environment": "",
        "machine": facts,
        "libraries": measured["machine"].get("libraries", {}),
        "rows": rows,
    }


def _recording(result: Any, benchmarks: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    machine = {
        key: str(result.params[key])
        for key in ("machine", "os", "arch", "cpu", "num_cpu", "ram")
        if key in result.params
    }
    others = {key: str(value) for key, value in result.params.items() if key not in machine}
    day = datetime.datetime.fromtimestamp(result.date / 1000, datetime.UTC)
    return {
        "commit": result.commit_hash,
        "date": day.strftime("%Y-%m-%d %H:%M"),
        "environment": result.env_name,
        "machine": machine,
        "libraries": others,
        "rows": _rows(result, benchmarks),
    }


def _rows(result: Any, benchmarks: Mapping[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    costs = {
        (name, measure): dict(_cases(result, benchmarks.get(f"{name}.{measure}")))
        for name, suite in SUITES.items()
        for measure in (suite.timing, suite.memory, "track_disk")
    }
    disk = {case: value for case, (value, *_) in costs["formats.Ours", "track_disk"].items()}
    natural = "face" if any(content == "face" for content, _ in disk) else "scene"
    rows = []
    for name, suite in SUITES.items():
        for (first, last), (seconds, low, high, case) in costs[name, suite.timing].items():
            content, access = (first, EVERY_4TH) if suite.content is None else (suite.content, first)
            content = natural if content == "natural" else content
            memory = costs[name, suite.memory].get((first, last), (None,))[0]
            size = disk.get((content, FILES.get(last, last)))
            figures = (seconds, low, high, size, memory, f"{name}.{suite.timing}", case)
            rows.append((content, access, suite.cache, suite.way, last, *figures))
    # The suite of formats measures every 4th frame too, and memory besides: the first row of a point stays.
    return list({row[:5]: row for row in reversed(rows)}.values())[::-1]


def _cases(result: Any, benchmark: dict[str, Any] | None) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    """Yield of every case measured its two parameters, value, quartiles and place in the product."""
    if benchmark is None or benchmark["name"] not in result.get_all_result_keys():
        return
    name, params = benchmark["name"], benchmark["params"]
    values, stats = result.get_result_value(name, params), result.get_result_stats(name, params)
    for case, (pair, value, spread) in enumerate(zip(itertools.product(*params), values, stats, strict=True)):
        if value is None or value != value:
            continue
        low, high = (spread.get("q_25"), spread.get("q_75")) if spread else (None, None)
        first, last = (text.strip("'") for text in pair)
        yield (first, last), (value, low, high, case)
