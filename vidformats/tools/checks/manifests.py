"""Manifests against the files they name, and the people in them: folds must not share a person."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from vidformats.tools.checks.facts import Facts
from vidformats.tools.checks.findings import Finding
from vidformats.tools.checks.mixed import tokens
from vidformats.tools.checks.tables import FOLDS, PEOPLE, Table
from vidformats.training.manifest import folded
from vidformats.training.tables import identity, is_missing, number

FEW = 0.1
"""Part of the rows or files up to which each is a finding of its own."""

FOLD = re.compile(r"train(ing)?|val(id|idation)?|dev|test(ing)?|eval(uation)?|fold[-_ ]?\d+", re.IGNORECASE)
"""Names of folders and manifests that are folds."""

PERSON = re.compile(
    r"(?:^|[/_\-. ])((?:sub|subj|subject|s|p|participant|person|id)[-_ ]?\d+)(?=[/_\-. ]|$)", re.IGNORECASE
)
"""What a subject is called in a path."""


def rows_and_files(tables: Sequence[Table], items: Sequence[str]) -> Iterator[Finding]:
    """Yield rows whose files are missing, and files that no row names.

    Parameters
    ----------
    tables : sequence of Table
    items : sequence of str
        Paths of all that was found.
    """
    named: set[str] = set()
    manifests = [table for table in tables if table.kind == "manifest"]
    for table in manifests:
        for name in table.paths:
            entries = [entry for entry in table.columns[name] if not is_missing(entry)]
            there = {str(entry): table.resolve(entry) for entry in entries}
            named |= {os.path.realpath(path) for path in there.values()}
            lost = [entry for entry, path in there.items() if not os.path.lexists(path)]
            if len(lost) <= max(1, FEW * len(there)):
                for entry in lost:
                    yield Finding.of("VF054", table.path, f"names {entry}, which is not there", entry=entry)
            elif lost:
                text = f"names {len(lost)} files in {name!r} that are not there, such as {lost[0]}"
                yield Finding.of("VF054", table.path, text, entry=lost[0])
        trials = [identity(entry) for entry in table.columns.get("trial", []) if not is_missing(entry)]
        for trial, n in Counter(trials).items():
            if n > 1:
                yield Finding.of("VF056", table.path, f"names the trial {trial!r} {n} times", entry=trial)
    if not named:
        return
    kinds = {os.path.splitext(path)[1].lower() for path in named}
    roots = tuple(os.path.dirname(os.path.abspath(table.path)) + os.sep for table in manifests if table.paths)
    own = {os.path.realpath(table.path) for table in manifests}
    could = [p for p in items if os.path.splitext(p)[1].lower() in kinds and os.path.abspath(p).startswith(roots)]
    could = [path for path in could if os.path.realpath(path) not in own]
    known = {key for path in named for key in _trial(path)}
    left = [path for path in could if known.isdisjoint(_trial(os.path.realpath(path)))]
    left = [path for path in left if os.path.realpath(path) not in named]
    if len(left) > len(could) / 2:
        return  # the manifests are of a part of the data only
    manifest = manifests[0].path
    if len(left) <= max(1, FEW * len(could)):
        for path in left:
            yield Finding.of("VF055", path, "is named in no row of a manifest", manifest=manifest)
    elif left:
        folder = os.path.commonpath([os.path.dirname(path) for path in left])
        text = f"{len(left)} of its files are named in no row of a manifest, such as {left[0]}"
        yield Finding.of("VF055", folder, text, manifest=manifest)


def files_named(tables: Sequence[Table]) -> Iterator[str]:
    """Yield the path of each file that a manifest names, whether it is there or not."""
    for table in tables:
        if table.kind == "manifest":
            for name in table.paths:
                yield from (table.resolve(entry) for entry in table.columns[name] if not is_missing(entry))


def _trial(path: str) -> Iterator[tuple[str, ...]]:
    """Yield what other streams of the same trial are called too: ``t1`` of ``t1_face.mp4`` and ``t1_body.mp4``."""
    folder, name = os.path.split(path)
    words = tokens(name, "")
    for k, word in enumerate(words):
        if len(words) > 1 and not any(map(str.isdigit, word)):
            yield (folder, *words[:k], *words[k + 1 :])


def lengths(tables: Sequence[Table], items: Sequence[Facts]) -> Iterator[Finding]:
    """Yield rows whose number of frames contradicts the file that they name."""
    known = {os.path.abspath(facts.path): facts for facts in items if facts.shape}
    for table in tables:
        counts, rates = table.columns.get("n_frames"), table.columns.get("fps")
        if table.kind != "manifest" or counts is None:
            continue
        for row in range(table.rows):
            said = number(counts[row]) if not is_missing(counts[row]) else None
            fps = number(rates[row]) if rates and not is_missing(rates[row]) else None
            for name in table.paths:
                facts = known.get(table.resolve(table.columns[name][row]))
                if said is None or facts is None:
                    continue
                if fps and facts.duration and facts.fps:
                    lasts, has = float(said / fps), facts.duration
                    wrong = abs(lasts - has) > max(2 / float(fps), 2 / facts.fps, 0.01 * has)
                    text = (
                        f"{lasts:.2f} s by its n_frames and fps, but {os.path.basename(facts.path)} lasts {has:.2f} s"
                    )
                elif not fps and facts.layout in ("coded", "images"):
                    wrong = abs(int(said) - facts.shape[0]) > 2
                    text = f"{said} frames, but {os.path.basename(facts.path)} has {facts.shape[0]}"
                else:
                    continue
                if wrong:
                    yield Finding.of("VF051", table.path, f"row {row + 1} says {text}")


def people(tables: Sequence[Table], items: Sequence[str], root: str) -> Iterator[Finding]:
    """Yield subjects that cannot be told apart, that are missing, or that are in two folds."""
    folds: dict[str, dict[str, str]] = defaultdict(dict)
    names: dict[str, str] = {}
    for table in tables:
        column = table.column(PEOPLE)
        if table.kind != "manifest" or column is None:
            continue
        entries = table.columns[column]
        if lost := [k + 1 for k, entry in enumerate(entries) if is_missing(entry)]:
            few = ", ".join(map(str, lost[:5])) + (" and more" if len(lost) > 5 else "")
            yield Finding.of("VF063", table.path, f"has no {column} in {len(lost)} of {len(entries)} rows: {few}")
        stem = os.path.splitext(os.path.basename(table.path))[0]
        fold = table.column(FOLDS)
        for row, entry in enumerate(entries):
            if is_missing(entry):
                continue
            subject = identity(entry)
            names.setdefault(subject, table.path)
            where = identity(table.columns[fold][row]) if fold and not is_missing(table.columns[fold][row]) else ""
            where = where or (stem if FOLD.fullmatch(stem) else "")
            if where:
                folds[subject].setdefault(where, table.path)
    yield from _alike(names)
    for path in items:
        words = os.path.relpath(path, root).split(os.sep)
        fold = next((word for word in words[:-1] if FOLD.fullmatch(word)), None)
        person = PERSON.search(os.path.splitext("/".join(word for word in words if word != fold))[0])
        if fold and person:
            folds[folded(person[1])].setdefault(fold, path)
    for subject, places in folds.items():
        if len(places) > 1:
            first, second = list(places)[:2]
            text = f"the subject {subject!r} is in {first!r} and in {second!r}"
            yield Finding.of("VF062", places[second], text, entry=subject)
    folders = {os.path.dirname(path) for path in items} | {path for path in items if os.path.isdir(path)}
    siblings: dict[str, dict[str, str]] = defaultdict(dict)
    for folder in sorted(folders):
        siblings[os.path.dirname(folder)].setdefault(os.path.basename(folder), folder)
    for group in siblings.values():
        yield from _alike({name: path for name, path in group.items() if name.casefold() not in _twins(group)})


def _twins(group: dict[str, Any]) -> set[str]:
    """Return what differs in case only, which is said of the names on disk already."""
    return {name for name, n in Counter(name.casefold() for name in group).items() if n > 1}


def _alike(names: dict[str, str]) -> Iterator[Finding]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[folded(name)].append(name)
    for group in groups.values():
        for name in group[1:]:
            yield Finding.of("VF061", names[name], f"has {name!r} beside {group[0]!r}", entry=name)
