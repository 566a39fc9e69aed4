"""Labels against what they label: which belong together, and whether they last equally long."""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vidformats.tools.checks.facts import Facts
from vidformats.tools.checks.findings import Finding
from vidformats.tools.checks.mixed import tokens
from vidformats.tools.checks.tables import Table
from vidformats.training.tables import SUFFIXES

FEW = 2
"""Rows or frames by which labels and video may differ."""

PART = 0.01
"""Part of their length by which they may differ."""

ALIKE = 0.2
"""Of one or two files nobody can tell how many rows are due, unless they are about as many as frames."""


class Pair(NamedTuple):
    """Labels and what they label.

    Attributes
    ----------
    path : str
        Of the labels.
    group : tuple of str
        Labels of one group have the same rate.
    rows : int
    start, end : float or None, seconds
        Of labels with times.
    medium : Facts
    """

    path: str
    group: tuple[str, ...]
    rows: int
    start: float | None
    end: float | None
    medium: Facts


def is_labels(facts: Facts) -> bool:
    """Tell whether an array holds a number or a few per row."""
    return 1 <= len(facts.shape) <= 2 and facts.layout not in ("coded", "images")


def pairs(items: Sequence[Facts], tables: Sequence[Table], root: str) -> Iterator[Pair]:
    """Yield labels with what they label: named in the same row of a manifest, or else of the same name or folder."""
    known: dict[str, Facts | Table] = {os.path.abspath(facts.path): facts for facts in items if facts.shape}
    known |= {os.path.abspath(table.path): table for table in tables if table.kind != "manifest" and table.rows}
    done = set()
    for table in tables:
        for row in range(table.rows if table.paths else 0):
            named = [(name, known.get(table.resolve(table.columns[name][row]))) for name in table.paths]
            medium = next((it for _, it in named if isinstance(it, Facts) and not is_labels(it)), None)
            for name, it in named if medium else ():
                if (
                    it is not None
                    and it is not medium
                    and it.path not in done
                    and (pair := _pair(it, (table.path, name), medium))
                ):
                    done.add(it.path)
                    yield pair
    media = [facts for facts in items if facts.shape and not is_labels(facts)]
    stems: dict[str, list[Facts]] = defaultdict(list)
    folders: dict[str, list[Facts]] = defaultdict(list)
    for facts in media:
        stems[_stem(facts.path)].append(facts)
        folders[os.path.dirname(facts.path)].append(facts)
    for it in known.values():
        path = it.path
        if path in done or (isinstance(it, Facts) and not is_labels(it)):
            continue
        stem = _stem(path)
        fit = [name for name in _parts(stem) if name in stems]
        candidates = stems[max(fit, key=len)] if fit else folders[os.path.dirname(path)]
        if candidates and (medium := _nearest(path, candidates, root)) is not None:
            rest = stem.replace(max(fit, key=len), "") if fit else stem
            if pair := _pair(it, (rest, os.path.splitext(path)[1]), medium):
                yield pair


def _pair(it: Facts | Table, group: tuple[str, ...], medium: Facts | None) -> Pair | None:
    if medium is None:
        return None
    if isinstance(it, Table):
        return Pair(it.path, group, it.rows, it.start, it.end, medium)
    return Pair(it.path, (*group, str(it.shape[1:])), it.shape[0], None, None, medium) if is_labels(it) else None


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _parts(stem: str) -> set[str]:
    """Return a name, and what begins or ends it: ``s01_t2`` of ``s01_t2_valence``."""
    cuts = [k for k, letter in enumerate(stem) if letter in "_-. "]
    return {stem, *(stem[:k] for k in cuts), *(stem[k + 1 :] for k in cuts)}


def _nearest(path: str, candidates: list[Facts], root: str) -> Facts | None:
    """Return the one whose path has most words in common; None if two have equally many."""
    own = set(tokens(path, root))
    ranked = sorted(candidates, key=lambda facts: -len(own & set(tokens(facts.path, root))))
    if len(ranked) > 1:
        first, second = (len(own & set(tokens(facts.path, root))) for facts in ranked[:2])
        if first == second and (ranked[0].shape[0], ranked[0].duration) != (ranked[1].shape[0], ranked[1].duration):
            return None
    return ranked[0]


def lengths(found: Sequence[Pair]) -> Iterator[Finding]:
    """Yield labels that are longer or shorter than what they label."""
    groups: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in found:
        if pair.end is not None and pair.medium.duration:
            yield from _by_time(pair)
        else:
            groups[pair.group].append(pair)
    for group in groups.values():
        yield from _by_rows(group)


def _by_time(pair: Pair) -> Iterator[Finding]:
    medium, lasts = pair.medium, pair.medium.duration or 0.0
    step = ((pair.end or 0) - (pair.start or 0)) / pair.rows
    slack = max(FEW * step, FEW / (medium.fps or 25), PART * lasts)
    if abs((pair.end or 0) - lasts) > slack:
        text = f"its rows run from {pair.start:.2f} to {pair.end:.2f} s, "
        text += f"{os.path.basename(medium.path)} ends at {lasts:.2f} s"
        yield Finding.of("VF051", pair.path, text, command=_look(pair.path))


def _by_rows(group: list[Pair]) -> Iterator[Finding]:
    """Compare numbers of rows, by the rate that most files of a group have: of frames or of seconds."""
    best: tuple[int, list[tuple[Pair, float]], str] = 0, [], ""
    frames = [float(pair.medium.shape[0]) for pair in group]
    for lasts, unit in ((frames, "frames"), ([pair.medium.duration or 0.0 for pair in group], "s")):
        if not all(lasts):
            continue
        rate = statistics.median(pair.rows / n for pair, n in zip(group, lasts, strict=True))
        if len(group) <= FEW:
            rate = 1.0 if unit == "frames" else 0.0
        odd = [
            (pair, rate * n)
            for pair, n in zip(group, lasts, strict=True)
            if abs(pair.rows - rate * n) > max(FEW, FEW * rate, PART * rate * n)
        ]
        fitting = len(group) - len(odd)
        if rate and (not best[2] or fitting > best[0]):
            best = fitting, odd, unit
    fitting, odd, _ = best
    if len(group) > FEW and fitting <= len(group) / 2:
        return  # there is no usual rate
    for pair, expected in odd:
        if len(group) > FEW or abs(pair.rows / expected - 1) < ALIKE:
            medium = pair.medium
            text = f"{pair.rows} rows; expected {round(expected)} for the {medium.shape[0]} frames of"
            yield Finding.of(
                "VF051", pair.path, f"has {text} {os.path.basename(medium.path)}", command=_look(pair.path)
            )


def _look(path: str) -> str:
    """Return the command that shows the end of labels."""
    if path.lower().endswith(".parquet"):
        return "python -c 'import sys, pandas; print(pandas.read_parquet(sys.argv[1]))'"
    return "tail -n 3" if path.lower().endswith(SUFFIXES) else "vidformats info"
