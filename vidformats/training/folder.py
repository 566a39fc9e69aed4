"""A manifest from a folder: what files are called says whose they are."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidformats.training.manifest import Manifest
from vidformats.training.streams import Stream, own_rate, own_times
from vidformats.training.tables import SUFFIXES, first_few

TABLES = (*SUFFIXES, ".json")
"""File extensions that hold no frames unless a pattern names them."""


def manifest(
    folder: str | os.PathLike[str],
    pattern: str | Mapping[str, str],
    *,
    fps: float | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Manifest:
    """Make a manifest of a folder, from the names of its files.

    Parameters
    ----------
    folder : path-like
    pattern : str, or dict of str to str
        What a file's path in the folder looks like: ``"{subject}_trial_{trial}"``, ``"{subject}/{trial}.mp4"``.
        What stands in braces becomes a column. A name holds no ``/``; ``*`` is anything but ``/``, as in ``.*sv`` for
        tables in .csv and .tsv. Without an extension, any will do but a table's. A dict has a pattern for each
        stream, which becomes a column of paths: trials are the files of the same names. A single pattern makes the
        column ``path``.
    fps : float, optional
        Frames per second of the time line, such as 4 for labels at 4 Hz; then ``n_frames`` is what the shortest of
        a trial's files has of them. By default the time line is that of the first stream's own frames.
    options : dict of str to dict, optional
        For a stream, what `vidformats.open` takes.

    Returns
    -------
    Manifest
        With the columns ``trial``, those of the pattern, ``n_frames``, ``fps`` if known, and the paths; for
        `vidformats.windows`, and to be kept by ``save("manifest.csv")``.

    Raises
    ------
    FileNotFoundError
        If no file fits the pattern.
    ValueError
        If files cannot be told apart by their names, or lack a stream.

    Examples
    --------
    >>> import numpy as np, os, vidformats as vf
    >>> os.makedirs("study", exist_ok=True)
    >>> for name in ("Ann_trial_1", "Ann_trial_2", "Bo_trial_1"):
    ...     _ = vf.write(np.zeros((20, 1, 8, 8), "uint8"), f"study/{name}.npy")
    >>> table = vf.manifest("study", pattern="{subject}_trial_{trial}.npy")
    >>> table.trials, table.values("subject").tolist(), table.n_frames.tolist()
    (['Ann_1', 'Ann_2', 'Bo_1'], ['Ann', 'Ann', 'Bo'], [20, 20, 20])
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: expected a folder")
    patterns = {"path": pattern} if isinstance(pattern, str) else dict(pattern)
    names = sorted(path.relative_to(root).as_posix() for path in walk(root))
    found: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    fitting = set()
    for stream, text in patterns.items():
        rule, any_extension = expression(text), not re.search(r"\.[\w*]+$", text)
        for name in names:
            stem, extension = os.path.splitext(name)
            if any_extension and extension in TABLES:
                continue
            if fit := rule.fullmatch(stem if any_extension else name):
                fitting.add(name)
                files = found.setdefault(tuple(fit.groupdict().items()), {})
                if stream in files:
                    both = f"{files[stream]!r} and {name!r}"
                    raise ValueError(f"{root}: {both} are both {stream} of one trial; say more in {text!r}")
                files[stream] = name
    if not found:
        seen = first_few([repr(name) for name in names]) or "nothing"
        raise FileNotFoundError(f"{root}: no file fits {' or '.join(map(repr, patterns.values()))}; there is {seen}")
    left = [name for name in names if name not in fitting]
    if lacking := [f"{_label(key)} has no {s}" for key, files in found.items() for s in patterns if s not in files]:
        short = [f"{s} by {text!r}" for s, text in patterns.items() if any(s not in files for files in found.values())]
        fault = f"{root}: every trial needs all streams: {first_few(lacking)}; sought: {', '.join(short)}"
        raise ValueError(fault + (f"; files that fit no pattern: {first_few(left)}" if left else ""))
    if left := [name for name in left if not name.endswith(TABLES)]:
        warnings.warn(f"{root}: {len(left)} files fit no pattern: {first_few(left)}", stacklevel=2)

    rows = []
    told = [dict(key).get("trial") for key in found]
    unique = len(set(told)) == len(told) and None not in told
    for key, files in found.items():
        row: dict[str, Any] = {"trial": dict(key)["trial"] if unique else _label(key)}
        row |= {name: value for name, value in key if name != "trial"}
        rows.append(row | {stream: Path(files[stream]) for stream in patterns})
    # Lengths are the files' own, read as a dataset would read them.
    table = Manifest([row | {"n_frames": 1} for row in rows], root)
    for k, row in enumerate(rows):
        lasts, row_fps = [], fps
        for stream in patterns:
            source = Stream(stream, stream, None, 0, (options or {}).get(stream, {})).open(table, k)
            rate, times = own_rate(source), own_times(source)
            if fps is None:
                row_fps = None if rate is None else float(rate)
                row["n_frames"] = len(source)
                break
            if times is not None and len(times) > 1:
                lasts.append((times[-1] - times[0]) * len(times) / (len(times) - 1))
            elif rate is not None:
                lasts.append(float(len(source) / rate))
        if fps is not None:
            if not lasts:
                raise ValueError(f"{root / row[next(iter(patterns))]}: no file of this trial says how long it lasts")
            row["n_frames"] = max(1, math.floor(min(lasts) * fps + 1e-6))
        row["fps"] = row_fps
    if all(row["fps"] is None for row in rows):
        for row in rows:
            del row["fps"]
    return Manifest(rows, root)


def walk(root: Path) -> list[Path]:
    """Return files, and folders of images as one."""
    found = []

    def fail(error: OSError) -> None:
        raise error  # what cannot be read is not passed over

    for folder, folders, files in os.walk(root, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = [name for name in files if not name.startswith(".")]
        images = [name for name in files if name.lower().endswith((".jpg", ".jpeg", ".png", ".webp"))]
        if images and len(images) == len(files) and not folders and Path(folder) != root:
            found.append(Path(folder))
        else:
            found += [Path(folder) / name for name in files]
    return found


def expression(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression; a name that comes twice must be the same both times."""
    parts, seen = [], set()
    for part in re.split(r"(\{\w+\}|\*)", pattern.replace("\\", "/")):
        if part == "*":
            parts.append("[^/]*")
        elif part.startswith("{") and part.endswith("}"):
            name = part[1:-1]
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)")
            seen.add(name)
        else:
            parts.append(re.escape(part))
    if not seen:
        raise ValueError(f"pattern needs names in braces, such as {{subject}} and {{trial}}, got {pattern!r}")
    return re.compile("".join(parts))


def _label(key: tuple[tuple[str, str], ...]) -> str:
    return "_".join(value for _, value in key)
