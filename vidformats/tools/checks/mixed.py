"""What does not fit its siblings: other shapes, rates, depths, colours; the same content twice; gaps in numbering."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from vidformats.tools.checks.facts import Facts
from vidformats.tools.checks.findings import Finding
from vidformats.video import Video

FEW = 0.1
"""Part of a group up to which the files that differ are named one by one."""

FILLED = 0.8
"""Part of the numbers between the lowest and the highest from which files are taken for a series with gaps."""

SERIES = 5
"""Files that make a series, at least."""

PART = 1 << 16
"""Bytes of the first, middle and last part of a file, by which most files are told apart."""


def _side(facts: Facts) -> Any:
    return facts.shape[2:] if facts.is_pictures else facts.shape[1:]


def _rate(facts: Facts) -> Any:
    return None if facts.fps is None or facts.info.get("variable_rate") else float(f"{facts.fps:.3g}")


def _depth(facts: Facts) -> Any:
    return facts.info.get("depth") if facts.layout in ("coded", "images") else None


def _colour(facts: Facts) -> Any:
    return facts.info.get("colour")


def _channels(facts: Facts) -> Any:
    return facts.shape[1] if facts.is_pictures else None


def _dtype(facts: Facts) -> Any:
    return facts.dtype if facts.layout not in ("coded", "images") else None


def _said(value: Any) -> str:
    """Return a value as people write it."""
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)


PROPERTIES: dict[str, tuple[Callable[[Facts], Any], str]] = {
    "VF041": (_side, "frames of {} (height x width)"),
    "VF042": (_rate, "{} frames per second"),
    "VF043": (_depth, "{} bits"),
    "VF044": (_colour, "colours of {}"),
    "VF045": (_channels, "{} channels"),
    "VF046": (_dtype, "values of {}"),
}
"""Code to what is compared, and how it is said; None takes no part."""


def mixed(items: Sequence[Facts], root: str) -> Iterator[Finding]:
    """Yield the items of a data set that differ from their siblings."""
    groups: dict[Hashable, list[Facts]] = defaultdict(list)
    for facts in items:
        if facts.shape:
            groups[facts.is_pictures, None if facts.is_pictures else len(facts.shape)].append(facts)
    for group in groups.values():
        for code, (value_of, text) in PROPERTIES.items():
            yield from _odd(code, text, [(f, v) for f in group if (v := value_of(f)) is not None], root)


def _odd(code: str, text: str, valued: list[tuple[Facts, Any]], root: str) -> Iterator[Finding]:
    """Name the minority; if it is large, say once for all what there is."""
    counts = Counter(value for _, value in valued)
    if len(counts) < 2:
        return
    for part in _streams(valued, root):
        if part is not valued:
            yield from _odd(code, text, part, root)
        else:
            usual, n = counts.most_common(1)[0]
            odd = [(facts, value) for facts, value in valued if value != usual]
            cure = _cure(usual, valued)
            if len(odd) <= max(1, FEW * len(valued)):
                for facts, value in odd:
                    others = f"{n} of all {len(valued)} have {text.format(_said(usual))}"
                    yield Finding.of(code, facts.path, f"has {text.format(_said(value))}; {others}", **cure)
            else:
                summary = ", ".join(f"{k} with {text.format(_said(value))}" for value, k in counts.most_common(5))
                few = f", such as {os.path.relpath(odd[0][0].path, root)}"
                yield Finding.of(code, _common([f.path for f, _ in valued]), f"holds {summary}{few}", **cure)


def _cure(usual: Any, valued: list[tuple[Facts, Any]]) -> dict[str, Any]:
    side = min(usual) if isinstance(usual, tuple) and usual else usual
    return {"side": side, "fps": usual, "dtype": usual}


def _common(paths: list[str]) -> str:
    return os.path.commonpath([os.path.dirname(path) for path in paths]) or "."


def tokens(path: str, root: str) -> tuple[str, ...]:
    """Return the words and numbers that a path below `root` consists of.

    Examples
    --------
    >>> tokens("study/s01/face_t2.mp4", "study")
    ('s01', 'face', 't2')
    """
    stem = os.path.splitext(os.path.relpath(path, root))[0]
    return tuple(part for part in re.split(r"[/\\_\-. ]+", stem) if part)


def _streams(valued: list[tuple[Facts, Any]], root: str) -> list[list[tuple[Facts, Any]]]:
    """Part files of different streams, such as face and body: of each trial there is one of either.

    A word of the path tells streams apart if each of its values comes with the same other words, and what is compared
    is the same for all files with that word, a few odd ones aside.
    """
    by_length: dict[int, list[tuple[tuple[str, ...], tuple[Facts, Any]]]] = defaultdict(list)
    for pair in valued:
        path = pair[0].path
        by_length[len(tokens(path, root))].append((tokens(path, root), pair))
    parts: list[list[tuple[Facts, Any]]] = []
    for length, named in by_length.items():
        for at in range(length):
            values: dict[str, list[Any]] = defaultdict(list)
            rest: dict[str, set[tuple[str, ...]]] = defaultdict(set)
            for words, (_, value) in named:
                values[words[at]].append(value)
                rest[words[at]].add((*words[:at], *words[at + 1 :]))
            told = _is_told(list(values.values()))
            crossed = min(map(len, rest.values())) > 1 and len(set.union(*rest.values())) <= 1.25 * min(
                map(len, rest.values())
            )
            if told and crossed:
                by_word: dict[str, list[tuple[Facts, Any]]] = defaultdict(list)
                for words, pair in named:
                    by_word[words[at]].append(pair)
                parts += by_word.values()
                break
        else:
            return [valued]
    return parts


def _is_told(groups: list[list[Any]]) -> bool:
    """Tell whether groups have values of their own, a few odd ones aside."""
    usual = [Counter(group).most_common(1)[0] for group in groups]
    n, odd = sum(map(len, groups)), sum(len(group) - most for group, (_, most) in zip(groups, usual, strict=True))
    own = len({value for value, _ in usual}) > 1 and odd <= max(1, FEW * n)
    return own and all(2 * most > len(group) for group, (_, most) in zip(groups, usual, strict=True))


def doubled(items: Sequence[Facts]) -> Iterator[Finding]:
    """Yield items with the same content: byte for byte, or, if they were decoded, frame for frame."""
    said: set[str] = set()
    for first, again, how in itertools.chain(_same_bytes(items), _same_frames(items)):
        if again.path not in said:
            said.add(again.path)
            yield Finding.of("VF009", again.path, f"{how} as {first.path}")


def _same_frames(items: Sequence[Facts]) -> Iterator[tuple[Facts, Facts, str]]:
    first: dict[str, Facts] = {}
    for facts in items:
        if facts.digest and (other := first.setdefault(facts.digest, facts)) is not facts:
            yield other, facts, "has the same frames"


def _same_bytes(items: Sequence[Facts]) -> Iterator[tuple[Facts, Facts, str]]:
    groups: dict[Hashable, list[Facts]] = defaultdict(list)
    for facts in items:
        if facts.size:
            groups[facts.size, facts.shape].append(facts)
    for whole in (False, True):
        finer: dict[Hashable, list[Facts]] = defaultdict(list)
        for key, group in groups.items():
            for facts in group if len(group) > 1 else ():
                try:
                    finer[key, _digest(facts.path, whole)].append(facts)
                except OSError:
                    continue  # said when it was looked at
        groups = finer
    for group in groups.values():
        if len(group) > 1 and not _constant(group[0]):
            yield from ((group[0], again, "has the same content") for again in group[1:])


def _digest(path: str, whole: bool) -> bytes:
    """Return a digest of a file, or of all in a folder; of three parts of it only, unless the `whole` is to count."""
    digest = hashlib.blake2b(digest_size=16)
    if os.path.isdir(path):
        names = sorted(os.path.join(folder, name) for folder, _, found in os.walk(path) for name in found)
        for name in names if whole else names[:: max(1, len(names) // 2)]:
            digest.update(_digest(name, whole))
        return digest.digest()
    with open(path, "rb") as file:
        if whole:
            while block := file.read(1 << 22):
                digest.update(block)
        else:
            size = os.fstat(file.fileno()).st_size
            for at in (0, max(0, size // 2), max(0, size - PART)):
                file.seek(at)
                digest.update(file.read(PART))
    return digest.digest()


def _constant(facts: Facts) -> bool:
    """Tell whether an array holds one value only: equal ones are no copies."""
    if facts.layout != "frames" or not facts.shape:
        return False
    with Video(facts.path, threads=1) as video:
        step = max(1, (16 << 20) // max(1, video.nbytes // max(1, len(video))))
        first = video[:1].ravel()[:1]
        return all(bool((video[k : k + step] == first).all()) for k in range(0, len(video), step))


def gaps(items: Sequence[Facts], told: Iterable[str] = ()) -> Iterator[Finding]:
    """Yield folders whose numbered files have gaps.

    Parameters
    ----------
    items : sequence of Facts
    told : iterable of str
        Paths of which other findings tell, such as files that do not open: they leave no gap.
    """
    series: dict[tuple[str, str], set[int]] = defaultdict(set)
    for facts in items:
        if numbered := _numbered(facts.path):
            series[numbered[0]].add(numbered[1])
    known: dict[tuple[str, str], set[int]] = defaultdict(set)
    for path in told:
        if numbered := _numbered(os.path.abspath(path)):
            known[numbered[0]].add(numbered[1])
    said: set[Hashable] = set()
    for (folder, name), numbers in series.items():
        low, high = min(numbers), max(numbers)
        there = numbers | {number for number in known[os.path.abspath(folder), name] if low < number < high}
        if high - low >= 1e6 or len(numbers) < SERIES or len(there) < FILLED * (high - low + 1):
            continue
        lost = sorted(set(range(low, high + 1)) - there)
        # Streams and labels of a lost trial are lost with it, which is said once.
        if lost and (same := (folder, tuple(lost))) not in said:
            said.add(same)
            few = ", ".join(map(str, lost[:5])) + (" and more" if len(lost) > 5 else "")
            yield Finding.of("VF048", os.path.join(folder, name), f"goes from {low} to {high}, without {few}")


def _numbered(path: str) -> tuple[tuple[str, str], int] | None:
    """Return the series that a file is of, and its number in it."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    for found in list(re.finditer(r"\d+", stem))[-1:]:
        return (folder, f"{stem[: found.start()]}#{stem[found.end() :]}{extension}"), int(found[0])
    return None
