"""What advise found, and how it is told: as lines of text, as JSON, and as numbers that may be shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vidformats.tools.advice.access import Access
from vidformats.tools.advice.candidates import AS_IS
from vidformats.tools.advice.decide import ALIKE, Choice, Interval, Result, Wants, figure, misses, rate, size
from vidformats.tools.advice.sample import Collection

COLUMNS = (
    "candidate",
    "disk",
    "frames/s",
    "interval",
    "cold",
    "first batch",
    "memory",
    "PSNR",
    "SSIM",
    "to write",
    "note",
)
"""Of the ranked table."""


@dataclass
class Advice:
    """What `advise` found.

    Attributes
    ----------
    choice : Choice
        The winner, those equal to it, and all others in order.
    wants : Wants
    collection : Collection
    access : Access
    workers : int
    left_out : dict of str to str
        Candidate -> why it was not measured.
    warnings : list of str
    changes : list of str
        What would change the answer.
    command : str
        What converts the videos; empty if they stay as they are, or nothing fits.
    seconds : float
        What it took.
    machine : dict
        As `vidformats.bench.measure.machine.facts` returns it.
    """

    choice: Choice
    wants: Wants
    collection: Collection
    access: Access
    workers: int
    left_out: dict[str, str]
    warnings: list[str]
    changes: list[str]
    command: str
    seconds: float
    machine: dict[str, Any]

    @property
    def winner(self) -> str | None:
        """The name of the candidate advised; None if none fulfils the wishes."""
        return self.choice.winner.name if self.choice.winner else None

    def __str__(self) -> str:
        return text(self)


def tie(winner: Result, others: Sequence[Result]) -> str:
    """Return which candidates are as fast within what was measured, and why this one was taken."""
    names = ", ".join(result.name for result in others[:4]) + (" and others" if len(others) > 4 else "")
    if any(ALIKE * result.nbytes < winner.nbytes for result in others):
        return f"A tie with {names}: their intervals overlap, but what is smaller is more often slower"
    return f"A tie with {names}: of equals it is the smallest, or the plainest of one size"


def sentence(advice: Advice) -> str:
    """Return the answer and its reason in a sentence or two."""
    choice, wants = advice.choice, advice.wants
    winner = choice.winner
    if winner is None:
        return _unmet(advice)
    found = rate(winner, wants)
    speed = f"{figure(found.middle)} frames/s"
    if winner.name == AS_IS:
        if wants.need is not None and found.low >= wants.need:
            return f"Keep what you have: it gives {speed}, and {_step(advice)}; storage is not the bottleneck."
        return f"Keep what you have: at {speed}, nothing else {_condition(advice)} is faster."
    others = [result for result in choice.equals if result is not winner]
    told = f"Store them as {winner.name}: {speed} in {size(winner.nbytes)}{_quality(winner)}"
    as_is = next((r for r in [*choice.ranked, *choice.others] if r.name == AS_IS), None)
    if as_is is not None:
        told += f", {figure(found.middle / rate(as_is, wants).middle)} times what you have"
    if wants.need is not None:
        enough = "enough" if found.low >= wants.need else "which is not enough"
        told += f"; {_step(advice)}, {enough}"
    if others:
        told += f". {tie(winner, others)}"
    else:
        told += f". Of {len(choice.ranked)} candidates {_condition(advice)} it is the fastest"
    return told + "."


def _step(advice: Advice) -> str:
    return f"your step needs {figure(advice.wants.need or 0)} (batches of {advice.access.samples} frames)"


def _quality(result: Result) -> str:
    return ", every bit kept" if result.lossless else f" at {result.psnr:.1f} dB"


def _condition(advice: Advice) -> str:
    """Return what was asked for, as words that follow a noun."""
    wants = advice.wants
    parts = ["without loss" if wants.lossless else f"of {wants.min_psnr:g} dB or more"]
    parts += [f"within {size(wants.budget)}"] if wants.budget is not None else []
    return " ".join(parts)


def _unmet(advice: Advice) -> str:
    wants, nearest = advice.wants, advice.choice.nearest
    if nearest is None:
        return "No candidate could be measured; what was left out is told below."
    return (
        f"Nothing {_condition(advice)} was found. The nearest is {nearest.name}: {size(nearest.nbytes)}"
        f"{_quality(nearest)}, {figure(rate(nearest, wants).middle)} frames/s."
    )


def rows(advice: Advice) -> list[list[str]]:
    """Return the ranked table: those that fulfil the wishes, then the others."""
    choice, wants = advice.choice, advice.wants
    equal = {result.name for result in choice.equals}
    found = []
    for result in [*choice.ranked, *choice.others]:
        now = rate(result, wants)
        marks = [
            "advised" if result is choice.winner else "tie" if result.name in equal else "",
            misses(result, wants),
            "nearest" if result is choice.nearest else "",
        ]
        found.append(
            [
                result.name,
                size(result.nbytes),
                figure(now.middle),
                _span(now),
                figure(sorted(result.cold)[len(result.cold) // 2]) if result.cold else "-",
                "-" if result.first is None else f"{1e3 * result.first:.0f} ms",
                "-" if result.memory is None else size(result.memory),
                "exact" if result.lossless else f"{result.psnr:.1f}",
                "-" if result.ssim is None else f"{result.ssim:.3f}",
                "-" if not result.write_seconds else lasting(result.write_seconds),
                ", ".join(mark for mark in marks if mark),
            ]
        )
    return found


def _span(found: Interval) -> str:
    return f"{figure(found.low)}-{figure(found.high)}"


def lasting(seconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> lasting(0.3), lasting(95), lasting(7_300), lasting(200_000)
    ('0.3 s', '95 s', '2.0 h', '2.3 days')
    """
    for unit, step in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * step:
            return f"{seconds / step:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def about(advice: Advice) -> str:
    """Return one line on what was measured, and how."""
    found, options = advice.collection, advice.machine
    cut = sum(cut.stop - cut.start for cut in found.cuts)
    held = advice.wants.held(max(1.0, (advice.choice.winner or advice.choice.nearest or _NONE).nbytes))
    state = "from memory" if held == 1 else "from the disk" if held == 0 else f"{held:.0%} from memory"
    return (
        f"{_count(found.n_videos, 'video')} of {_count(len(found.strata), 'kind')}, {figure(found.n_frames)} frames; "
        f"measured on {cut} frames of {_count(len(found.cuts), 'video')}. {advice.access}, "
        f"batches of {advice.access.batch}, {_count(advice.workers, 'worker')}, {state}; "
        f"{options['cpus']} CPUs, {options['file_system'] or 'file system unknown'}; {advice.seconds:.0f} s"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


_NONE = Result("", "", {}, 0, True, 0.0)


def notes(advice: Advice) -> list[str]:
    """Return the lines below the table: what would change the answer, what was left out, warnings."""
    told = [f"Warning: {line}." for line in advice.warnings]
    told += [f"It would change {line}." for line in advice.changes]
    short = [r.name for r in [*advice.choice.ranked, *advice.choice.others] if r.frames and r.frames < _most(advice)]
    if short:
        told.append(f"Measured on fewer frames, because writing is slow: {', '.join(short)}.")
    reasons: dict[str, list[str]] = {}
    for name, why in advice.left_out.items():
        reasons.setdefault(why, []).append(name)
    told += [f"Left out: {', '.join(names)}: {why}." for why, names in reasons.items()]
    if advice.command:
        told.append(f"Convert them: {advice.command}")
    return told


def _most(advice: Advice) -> int:
    return max((r.frames for r in [*advice.choice.ranked, *advice.choice.others]), default=0)


def text(advice: Advice) -> str:
    """Return all of it as plain text."""
    table = [list(COLUMNS), *rows(advice)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([sentence(advice), "", *lines, "", about(advice), *notes(advice)])


def record(advice: Advice, share: bool = False) -> dict[str, Any]:
    """Return all figures, fit for JSON.

    Parameters
    ----------
    advice : Advice
    share : bool
        Figures alone: no name, path, or pixel of the videos.
    """
    choice, wants = advice.choice, advice.wants
    found: dict[str, Any] = {
        "advised": advice.winner,
        "equal": [result.name for result in choice.equals],
        "nearest": choice.nearest.name if choice.nearest else None,
        "access": str(advice.access),
        "batch": advice.access.batch,
        "workers": advice.workers,
        "wants": {name: None if value == math.inf else value for name, value in wants.__dict__.items()},
        "videos": advice.collection.n_videos,
        "frames": round(advice.collection.n_frames),
        "strata": advice.collection.strata,
        "samples": [
            {"frames": cut.stop - cut.start, "of": cut.n_frames, "shape": list(cut.shape), "fps": cut.fps}
            for cut in advice.collection.cuts
        ],
        "candidates": [
            result.__dict__
            | {"frames_per_second": rate(result, wants)._asdict(), "misses": misses(result, wants) or None}
            for result in [*choice.ranked, *choice.others]
        ],
        "seconds": advice.seconds,
        "machine": advice.machine,
    }
    if not share:
        found |= {"answer": sentence(advice), "left_out": advice.left_out, "warnings": advice.warnings}
        found |= {"changes": advice.changes, "command": advice.command, "faults": advice.collection.faults}
        found["paths"] = [cut.path for cut in advice.collection.cuts]
    return found
