"""`info`: what one file is, what each access to it costs on this machine, and what to beware of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

from vidformats.bench.measure import cache
from vidformats.readers.isolated import Child
from vidformats.tools.advice.access import Access
from vidformats.tools.checks.facts import Facts, examine
from vidformats.tools.checks.findings import Finding
from vidformats.tools.checks.slow import slow
from vidformats.tools.costs import USUAL, Cost, measure
from vidformats.video import Video

SECONDS = 120.0
"""Time that a file may take in all; a decoder that hangs is stopped then."""

MEMORY = 8 << 30
"""Address space of the child process that reads the file, bytes."""

LAYOUTS = {
    "coded": "coded video",
    "images": "one image per frame",
    "chunks": "chunks of frames",
    "column-major": "column-major: neighbours in the file are neighbours in time",
    "frames": "frames one after another, uncompressed",
}

SHOWN = (
    "codec", "container", "pix_fmt", "depth", "alpha", "colour", "keyframes", "gop", "b_frames", "variable_rate",
    "rotation", "interlaced", "hidden", "missing", "stream", "streams", "dataset", "chunks", "compression", "inflate",
    "compressed", "orientation", "gaps", "decoder",
)  # fmt: skip
"""Entries of ``info`` that are printed if they say something, in this order."""

STRIDED = (
    "strides of h5py: h5py reads data[::4] of a chunked dataset frame by frame, at about 2 ms per frame; "
    "vidformats.open reads each chunk once"
)
"""A trap of the usual way to read a file, which is no fault of the file."""


@dataclass(frozen=True)
class Info:
    """What one file is.

    Attributes
    ----------
    path : str
    format : str
    shape : tuple of int
        Frames first.
    dtype : str
    size, nbytes : int, bytes
        On disk, and as an array.
    fps, duration : float or None
    layout : str
        ``"coded"``, ``"images"``, ``"chunks"``, ``"column-major"`` or ``"frames"``.
    facts : dict
        ``info`` of the `vidformats.Video`.
    costs : tuple of Cost
        What each access costs; empty if it was not measured.
    cached : float or None
        Part of the file that was in the page cache before it was measured; None if the system does not tell.
    cold : bool
        Whether it was dropped from the page cache before each access.
    findings : tuple of Finding
        What hurts training, as `vidformats.doctor` would report it of this file alone.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> found = vf.info(vf.write(np.zeros((8, 16, 16)), "wide.npy"), seconds=0.01)
    >>> found.format, found.shape, [finding.title for finding in found.findings]
    ('npy', (8, 16, 16), ['float64'])
    """

    path: str
    format: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    nbytes: int
    fps: float | None
    duration: float | None
    layout: str
    facts: dict[str, Any] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()
    cached: float | None = None
    cold: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def traps(self) -> tuple[str, ...]:
        """What to beware of, in plain words."""
        found = [f"{one.title}: {one.message}. {one.why} Cure: {one.cure}" for one in self.findings]
        if self.layout == "chunks" and self.format.startswith("h5"):
            found.append(STRIDED)
            per = prod(-(-n // c) for n, c in zip(self.shape[1:], self.facts["chunks"][1:], strict=True))
            if per > 1 and "VF032" not in {one.code for one in self.findings}:
                found.append(f"automatic chunks: each frame lies in {per} chunks, each of which is looked up by itself")
        return tuple(found)

    def record(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON."""
        whole = asdict(self)
        whole["costs"] = [{**asdict(cost), "frames_per_second": cost.rate} for cost in self.costs]
        whole["findings"] = [one.record() for one in self.findings]
        whole["traps"] = list(self.traps)
        return whole

    def __str__(self) -> str:
        return "\n".join([self.path, *(f"  {line}" for line in self._lines())])

    def _lines(self) -> list[str]:
        shape = " x ".join(map(str, self.shape[1:])) or "one number"
        what = f"{self.format}: {self.shape[0]:,} frames of {shape} {self.dtype}" if self.shape else self.format
        if self.fps and self.duration is not None:
            what += f", {self.fps:.6g} frames per second, {self.duration:.2f} s"
        lines = [what, f"{megabytes(self.size)} on disk, {megabytes(self.nbytes)} as an array"]
        lines.append(f"layout: {LAYOUTS[self.layout]}")
        told = {name: value for name in SHOWN if (value := self.facts.get(name)) not in (None, False, 0, [], "")}
        if names := self.facts.get("names"):
            told["images"] = f"{names[0]} to {names[-1]}"
        lines += [f"{name}: {value}" for name, value in told.items()]
        if self.costs:
            state = "from the disk" if self.cold else f"{100 * (self.cached or 0):.0f} % of it in the page cache before"
            lines += ["", f"reading it on this machine, one thread, {state}:"]
            lines += [f"  {_said(cost)}" for cost in self.costs]
        return lines + (["", "beware:", *(f"  {trap}" for trap in self.traps)] if self.traps else [])


def _said(cost: Cost) -> str:
    each = f"{cost.each * 1e3:,.2f} ms"
    if cost.access == "open":
        return f"{'open and first frame':26}{each:>12}"
    return f"{cost.access:26}{each:>12} per read, {cost.rate:,.0f} frames per second"


def megabytes(size: int) -> str:
    """Return a size as people read it.

    Examples
    --------
    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    for unit, bound in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bound:
            return f"{size / bound:.1f} {unit}"
    return f"{size} bytes"


def info(path: str | os.PathLike[str], access: Sequence[str] = (), *, cold: bool = False, seconds: float = 0.4) -> Info:
    """Return what a file is, what each access costs, and what to beware of.

    The file is read in a child process, so that one which crashes a decoder raises an error.

    Parameters
    ----------
    path : path-like
        A file, or a folder that is one video.
    access : sequence of str
        Such as ``"window=64,hop=32,stride=4"``, ``"every=4"``, ``"full"`` or ``"random"``; by default one of each.
    cold : bool
        Measure from the disk: drop the file from the page cache before each access.
    seconds : float
        To measure each access for; 0 measures nothing.

    Returns
    -------
    Info

    Raises
    ------
    FormatError
        If it does not open.
    """
    accesses = [str(Access.parse(text)) for text in access] or list(USUAL)
    with Child(MEMORY) as child:
        limit = SECONDS + seconds * len(accesses)
        return child.call(look, os.path.abspath(path), accesses, cold, seconds, seconds=limit)


def look(path: str, accesses: Sequence[str], cold: bool, seconds: float) -> Info:
    """Look at one file; runs in a child process."""
    with Video(path, threads=1) as video:  # if it does not open, with its own error
        nbytes = video.nbytes
    facts = examine(path)
    found = [Finding.of(code, path, text, **more) for code, text, more in facts.found]
    found += _slow(facts, accesses)
    cached = cache.resident(path)
    costs: tuple[Cost, ...] = ()
    if seconds > 0 and nbytes and not any(one.severity == "error" for one in found):
        costs = tuple(measure(path, accesses, seconds, cold))
    return Info(
        path, facts.format, facts.shape, facts.dtype, facts.size, nbytes, facts.fps, facts.duration, facts.layout,
        facts.info, costs, cached, cold, tuple(found),
    )  # fmt: skip


def _slow(facts: Facts, accesses: Sequence[str]) -> list[Finding]:
    return [one for text in accesses for one in slow(facts, Access.parse(text))]
