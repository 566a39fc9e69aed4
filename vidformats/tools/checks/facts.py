"""What one file or folder of images is, and what is wrong with it on its own; runs in a child process."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vidformats.errors import FormatError, install
from vidformats.format import Reader
from vidformats.readers.column_major import ColumnMajorReader
from vidformats.readers.extent import TurnedReader
from vidformats.registry import format_of, get_format, head_and_names, open_reader
from vidformats.select import plan
from vidformats.storage.local import open_source
from vidformats.tools.checks.ends import ends_early

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""File extensions of images."""

ENOUGH = 2000
"""Images of a folder whose ends are looked at, spread evenly."""

SMALL = 64 << 20
"""Bytes of an array of labels, up to which NaN is looked for even without ``deep``."""

BLOCK = 16 << 20
"""Bytes of frames read at a time."""

LONG = 300
"""Frames from which a single key frame is too few: encoders set one every 250 by default."""

CUT = re.compile(
    r"cut short(?!\?)|breaks off|truncated|ends (before|at byte)|no zip|in \d+ bytes|expected .*bytes.*, got|got \d+$"
)
"""What our errors say of files that are shorter than they should be."""


OTHER = re.compile(r"= to choose|something else than one array|, not numbers")
"""What they say of files that hold no single array of numbers, which is no fault: names, a model, several arrays."""


@dataclass
class Facts:
    """One item of a data set.

    Attributes
    ----------
    path : str
    size : int, bytes
        On disk; of a folder, of all its files.
    format : str
        Empty if it could not be opened.
    shape : tuple of int
        As `vidformats.open` gives it: frames first.
    dtype : str
    fps, duration : float or None
    layout : str
        ``"coded"``, ``"images"``, ``"chunks"``, ``"column-major"`` or ``"frames"``.
    info : dict
        As of a `vidformats.Video`.
    found : list of (str, str, dict)
        Code, message and facts for the cure.
    digest : str
        Of the decoded frames, if all were decoded.
    """

    path: str
    size: int = 0
    format: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    fps: float | None = None
    duration: float | None = None
    layout: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    found: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    digest: str = ""

    def add(self, code: str, message: str, **facts: Any) -> None:
        """Note a finding."""
        self.found.append((code, message, facts))

    @property
    def is_pictures(self) -> bool:
        """Whether it holds frames to look at, rather than numbers of any kind."""
        return self.layout in ("coded", "images") or (len(self.shape) == 4 and self.shape[1] in (1, 3))


def examine(path: str, deep: bool = False) -> Facts:
    """Look at a file or folder of images.

    Parameters
    ----------
    path : str
    deep : bool
        Decode every frame, rather than the first, the middle and the last.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> facts = examine(vf.write(np.zeros((4, 8, 8)), "wide.npy"))
    >>> facts.shape, facts.layout, [code for code, _, _ in facts.found]
    ((4, 8, 8), 'frames', ['VF031'])
    """
    facts = Facts(path, size_of(path))
    try:
        reader = _opened(facts)
        if facts.layout == "images":
            _check_images(facts, reader)
        else:
            _check_end(facts)
        _traps(facts)
        if not any(code in ("VF001", "VF002") for code, _, _ in facts.found):
            _read(facts, reader, deep)
    except MemoryError:
        raise
    except ImportError as error:
        facts.add("VF006", str(error), command=_cure(str(error)))
    except OSError as error:
        facts.add("VF004", error.strerror or str(error))
    except Exception as error:
        _explain(facts, error)
    return facts


def size_of(path: str) -> int:
    """Return the bytes of a file, or of the files in a folder and those below."""
    if os.path.isdir(path):
        walk = ((folder, name) for folder, _, names in os.walk(path) for name in names)
        return sum(os.lstat(os.path.join(folder, name)).st_size for folder, name in walk)
    return os.stat(path).st_size


def _opened(facts: Facts) -> Reader:
    source = open_source(facts.path)
    facts.format = format_of(source)
    reader = open_reader(facts.format, source, {})
    facts.shape, facts.dtype = tuple(reader.shape), np.dtype(reader.dtype).name
    facts.fps, facts.duration = reader.fps, reader.duration
    facts.info = dict(reader.info)
    facts.format = facts.info.pop("format", facts.format)
    if not (reader.rotation or facts.info.get("as_stored")):
        facts.info.pop("rotation", None)  # a copy knows how its source was turned, and is upright
    inner: Any = reader
    while isinstance(inner, TurnedReader):
        inner = inner._reader
    if "gop" in facts.info:
        facts.layout = "coded"
    elif "names" in facts.info:
        facts.layout = "images"
    elif isinstance(inner, ColumnMajorReader):
        facts.layout = "column-major"
    else:
        facts.layout = "chunks" if facts.info.get("chunks") else "frames"
    return reader


def _cure(fault: str) -> str:
    """Return the command that a message names."""
    found = re.search(r"pip install [^();]*[^();\s]", fault)
    return found[0] if found else install("all")


def _explain(facts: Facts, error: Exception) -> None:
    """Note why an item could not be opened or read."""
    fault = error.fault if isinstance(error, FormatError) else f"{type(error).__name__}: {error}"
    where = error.path if isinstance(error, FormatError) else facts.path
    if not _is(where, facts):
        fault = f"{os.path.basename(where)} {fault}"
    if OTHER.search(fault):
        return
    short = None
    if os.path.isfile(facts.path):
        short = ends_early(facts.path)
    elsewhere = "pip install" in fault
    garbage = elsewhere and not short and not _is_known(facts)
    if elsewhere and not short and not garbage:
        facts.add("VF006", fault, command=_cure(fault))
    elif "sidecar" in fault:
        facts.add("VF010", fault)
    elif short or (CUT.search(fault) and not garbage):
        facts.add("VF002", fault if short is None else f"{short} ({fault})")
    elif facts.shape or not _is(where, facts):
        facts.add("VF011", fault)
    else:
        facts.add("VF001", fault)


def _is_known(facts: Facts) -> bool:
    """Tell whether an item begins as its format does, so that another library may open it."""
    return not facts.format or get_format(facts.format).sniff(*head_and_names(open_source(facts.path)))


def _is(path: str, facts: Facts) -> bool:
    """Tell whether an error is about the item itself, not about a file in it."""
    return os.path.abspath(path) == os.path.abspath(facts.path)


def _check_end(facts: Facts) -> None:
    if missing := facts.info.get("missing"):
        facts.add("VF002", f"{missing} frames that it announces are not there")
    elif facts.layout == "coded" and os.path.isfile(facts.path) and (short := ends_early(facts.path)):
        facts.add("VF002", short)


def _check_images(facts: Facts, reader: Reader) -> None:
    """Look at the images of a folder without decoding them."""
    names = facts.info["names"]
    cut, empty = [], []
    for name in names[:: -(-len(names) // ENOUGH)]:
        path = os.path.join(facts.path, name)
        if os.path.isfile(path):
            if not os.path.getsize(path):
                empty.append(name)
            elif ends_early(path):
                cut.append(name)
    if empty:
        facts.add("VF003", f"{len(empty)} of its images have 0 bytes, such as {empty[0]}")
    if cut:
        facts.add("VF002", f"{len(cut)} of its images are cut short, such as {cut[0]}")
    if facts.info.get("gaps"):
        numbers = [int(re.findall(r"\d+", os.path.splitext(name)[0])[-1]) for name in names]
        steps = [b - a for a, b in itertools.pairwise(numbers)]
        usual = sorted(steps)[len(steps) // 2]
        jumps = [(a, b) for (a, b), step in zip(itertools.pairwise(numbers), steps, strict=True) if step != usual]
        facts.add("VF047", f"its numbers jump in {len(jumps)} places, first from {jumps[0][0]} to {jumps[0][1]}")


def _traps(facts: Facts) -> None:
    """Note what is whole, but costs more than it need."""
    info, shape = facts.info, facts.shape
    if info.get("variable_rate"):
        facts.add("VF021", f"its frames come at uneven times, {facts.fps:.4g} per second on average", fps=_usual(facts))
    if info.get("rotation"):
        facts.add("VF022", f"it asks to be turned by {info['rotation']} degrees")
    if info.get("interlaced"):
        facts.add("VF023", "its frames consist of two fields")
    if info.get("keyframes", 2) < 2 and shape[0] >= LONG:
        facts.add("VF024", f"one key frame for {shape[0]:,} frames")
    if info.get("hidden") and info.get("container") == "mov":
        facts.add("VF025", f"{info['hidden']} of its frames are stored but not shown")
    if facts.dtype in ("float64", "complex128") and len(shape) > 2:
        facts.add("VF031", f"{math.prod(shape) * 8 / 1e6:,.1f} MB of {facts.dtype}", dtype="float32")
    chunks: tuple[int, ...] = info.get("chunks") or ()
    if facts.layout == "chunks" and len(chunks) == len(shape) > 1:
        pieces = math.prod(-(-n // c) for n, c in zip(shape[1:], chunks[1:], strict=True))
        if pieces > 1 and chunks[0] > 1:
            facts.add("VF032", f"a frame lies in {pieces} chunks, each of which holds {chunks[0]} frames")
    if facts.layout == "column-major" and len(shape) > 2:
        facts.add("VF033", f"{shape} in MATLAB's or Fortran's order")


def _usual(facts: Facts) -> float:
    return next((rate for rate in (24, 25, 30, 50, 60) if rate >= (facts.fps or 0) * 0.98), 60)


def _read(facts: Facts, reader: Reader, deep: bool) -> None:
    """Read some frames, or all of them; look for NaN among labels."""
    n = facts.shape[0] if facts.shape else 0
    if not math.prod(facts.shape):
        return
    per = math.prod(facts.shape[1:]) * reader.dtype.itemsize
    labels = reader.dtype.kind in "fc" and (deep or (len(facts.shape) <= 2 and n * per <= SMALL))
    if not (deep or labels):
        _frames(facts, reader, np.unique([0, n // 2, n - 1]))
        return
    digest, lost, faults = hashlib.blake2b(digest_size=16), 0, 0
    step = max(1, BLOCK // max(1, per))
    for first in range(0, n, step):
        numbers = np.arange(first, min(n, first + step))
        block = _frames(facts, reader, numbers)
        faults += block is None
        if block is None:
            continue
        digest.update(block.data)
        if labels:
            lost += int(np.isnan(block).reshape(len(block), -1).any(axis=1).sum())
    if lost:
        facts.add("VF052", f"{lost} of its {n:,} rows hold NaN")
    if deep and not faults:
        facts.digest = f"{facts.shape} {facts.dtype} {digest.hexdigest()}"


def _frames(facts: Facts, reader: Reader, numbers: np.ndarray) -> np.ndarray | None:
    """Return frames; if one of them fails, note the first that does and return None."""
    out = np.empty((len(numbers), *facts.shape[1:]), reader.dtype)
    try:
        reader.read(plan(numbers), out, 1)
    except FormatError as error:
        if not any(code == "VF011" for code, _, _ in facts.found):
            which = error.fault if "frame" in error.fault else f"frames {numbers[0]} to {numbers[-1]}: {error.fault}"
            if CUT.search(error.fault) and facts.layout != "images":
                facts.add("VF002", which)
            elif not _is(error.path, facts):
                facts.add("VF011", f"{os.path.basename(error.path)} {error.fault}")
            else:
                facts.add("VF011", which)
        return None
    return out
