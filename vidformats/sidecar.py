"""``NAME.json`` beside a file or folder: what its format has no place for, and what tells the data it belongs to."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource
from vidformats.storage.local import open_source

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SUFFIX = ".json"
"""Behind the whole name of the data: ``trial.npy.json``."""

OURS: dict[str, Any] = {"vidformats": "time"}
"""Begins each sidecar that holds a time record only, and no other JSON."""

MARK = json.dumps(OURS)[:-1].encode()

LONGEST = 1 << 26
"""Bytes read of a sidecar: the times of some million frames."""

PATIENCE = 2.0
"""Seconds that a reader waits at most for a writer that is giving a sidecar and its data their names."""

PARTS, PART = 8, 1 << 12
"""How many parts of the data, and of how many bytes, make its digest: reading all of it would be slow to open."""


def fingerprint(source: ByteSource) -> dict[str, Any]:
    """Return what tells these data from others: their size, and a digest of parts from the first byte to the last.

    Of a folder: how many files it has, and a digest of the first and the last by name. BLAKE2b, for it is in
    every Python: a file opens with its sidecar whichever extras are installed.
    """
    digest = hashlib.blake2b(digest_size=8)
    if names := sorted(name for name in source.names() if name[0] != "."):
        for name in (names[0], names[-1]):
            digest.update(name.encode(errors="surrogateescape") + source.read_child(name))
        return {"size": len(names), "digest": digest.hexdigest()}
    for k in range(PARTS):
        digest.update(source.read(PART, max(0, source.size - PART) * k // (PARTS - 1)))
    return {"size": source.size, "digest": digest.hexdigest()}


def beside(path: str | os.PathLike[str]) -> Path:
    """Return the path of the sidecar of `path`."""
    return Path(os.fspath(path) + SUFFIX)


def is_ours(sidecar: Path) -> bool:
    """Tell a sidecar with a time record from whatever else has its name."""
    try:
        return open_source(sidecar).read(len(MARK), 0) == MARK  # which does not wait for a FIFO
    except (FormatError, OSError):
        return False


def write_sidecar(path: Path, facts: Mapping[str, Any], record: Mapping[str, Any] | None) -> None:
    """Write the sidecar of what was just written at `path`: `facts`, its fingerprint, and its time record if any."""
    text = json.dumps({**facts, **fingerprint(open_source(path)), **(record or {})}, default=np.ndarray.tolist)
    beside(path).write_text(text + "\n")


def load_json(sidecar: Path) -> Any:
    """Return what a sidecar holds; `ValueError` if that is no JSON."""
    return json.loads(open_source(sidecar).read(LONGEST, 0))


def sidecar_of(source: ByteSource) -> Path | None:
    """Return what lies beside a file or folder, or else beside what a link leads to; None if nothing does."""
    name = source.url + SUFFIX
    if os.access(name, os.F_OK):  # quicker than what makes a path or an exception: most files have none
        return Path(name)
    if os.path.islink(source.url) and os.access(name := os.path.realpath(source.url) + SUFFIX, os.F_OK):
        return Path(name)
    return None


def record_of(source: ByteSource) -> dict[str, Any] | None:
    """Return the time record that lies beside a file or folder; None without one.

    Raises
    ------
    FormatError
        If it was written with other data.
    """
    sidecar = sidecar_of(source)
    if sidecar is None or not is_ours(sidecar):
        return None
    try:
        facts: dict[str, Any] = load_json(sidecar)
    except (ValueError, RecursionError) as error:
        raise FormatError(sidecar, f"is damaged: {error}") from None
    check_match(source, sidecar, facts, "remove the sidecar if the file is right")
    return facts


def check_match(source: ByteSource, sidecar: Path, facts: Mapping[str, Any], cure: str) -> None:
    """Raise `FormatError` if a sidecar tells other data than it lies beside; those of early versions tell none."""
    told = {key: facts[key] for key in ("size", "digest") if key in facts}
    wrong = source.size and told.get("size", source.size) != source.size  # a folder has no size of its own
    if wrong or (told and not told.items() <= fingerprint(source).items()):
        raise FormatError(source.url, f"is not the data that {sidecar.name} was written with; {cure}")


def wait_for_writer(folder: str) -> None:
    """Wait until no writer is about to rename in `folder`, which it has locked for so long."""
    if fcntl is None:
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:  # a file system without locks
                return
    finally:
        os.close(fd)
