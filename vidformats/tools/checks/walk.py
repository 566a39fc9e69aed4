"""What there is in a folder: videos, arrays, folders of images, tables; and what its file system says against it."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from vidformats.registry import FORMATS
from vidformats.registry import SUFFIXES as OTHERS
from vidformats.tools.checks.facts import IMAGES
from vidformats.tools.checks.findings import Finding

TABLES = (".csv", ".tsv", ".parquet")
"""File extensions of tables. Text files are left alone: most are not."""

VIDEOS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
    ".ogv", ".mxf", ".y4m",
)  # fmt: skip

RAW = (".bin", ".raw", "")
"""File extensions that mean anything, and a video only if a sidecar says so."""

SIDECAR = ".json"


def _media() -> frozenset[str]:
    return frozenset({*VIDEOS, *OTHERS, *(row.suffix for row in FORMATS.values())} - set(RAW))


MEDIA = _media()

FOLDERS = {"zarr.json", ".zarray", ".zgroup", "data.mdb"}
"""Names by which a folder is known that is one array."""


class Item(NamedTuple):
    """Something to look at.

    Attributes
    ----------
    path : str
    kind : {"media", "table"}
    """

    path: str
    kind: str


def walk(root: str) -> Iterator[Item | Finding]:
    """Yield what is in a folder, in order of names, each file once however many links lead to it.

    Hidden files are left out. Links are followed.

    Examples
    --------
    >>> import os
    >>> os.makedirs("study/a", exist_ok=True)
    >>> open("study/a/labels.csv", "w").close()
    >>> print(*walk("study"))
    error VF003 study/a/labels.csv: has 0 bytes
    """
    if not os.path.isdir(root):
        yield from _file(root, set())
        return
    yield from _folder(root, [], set())


def _folder(path: str, above: list[tuple[int, int]], seen: set[tuple[int, int]]) -> Iterator[Item | Finding]:
    facts = os.stat(path)
    here = facts.st_dev, facts.st_ino
    if here in above:
        yield Finding.of("VF007", path, f"leads back to a folder above it, {os.path.realpath(path)}")
        return
    if here in seen:
        return
    seen.add(here)
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        yield Finding.of("VF004", path, error.strerror or str(error))
        return
    if not FOLDERS.isdisjoint(names):
        yield Item(path, "media")
        return
    names = [name for name in names if not name.startswith(".")]
    yield from _alike(path, names)
    folders = [name for name in names if os.path.isdir(os.path.join(path, name))]
    files = [name for name in names if name not in set(folders)] if folders else names
    images = [name for name in files if name.lower().endswith(IMAGES) and any(map(str.isdigit, name))]
    as_one = len(images) > 1 and 2 * len(images) > len(files)
    if as_one:
        yield Item(path, "media")
    for name in files:
        if not (as_one and name.lower().endswith(IMAGES)):
            yield from _file(os.path.join(path, name), seen)
        elif not os.path.exists(inner := os.path.join(path, name)):
            yield Finding.of("VF007", inner, f"is a link to {os.readlink(inner)}, which is not there")
    for name in folders:
        yield from _folder(os.path.join(path, name), [*above, here], seen)


def _file(path: str, seen: set[tuple[int, int]]) -> Iterator[Item | Finding]:
    stem, extension = os.path.splitext(path)
    extension = extension.lower()
    if extension == SIDECAR:
        owner = os.path.splitext(stem)[1].lower()
        if owner in MEDIA | set(RAW[:2]) and not os.path.lexists(stem):
            yield Finding.of("VF010", path, f"belongs to {os.path.basename(stem)}, which is not there")
        return
    table = extension in TABLES
    if not (table or extension in MEDIA or (extension in RAW[:2] and os.path.exists(path + SIDECAR))):
        return
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        yield Finding.of("VF007", path, f"is a link to {os.readlink(path)}, which is not there")
        return
    except OSError as error:
        code = "VF007" if os.path.islink(path) else "VF004"
        yield Finding.of(code, path, error.strerror or str(error))
        return
    if (facts.st_dev, facts.st_ino) in seen:
        return
    seen.add((facts.st_dev, facts.st_ino))
    if not stat.S_ISREG(facts.st_mode):
        yield Finding.of("VF004", path, "expected a regular file, got a FIFO, socket or device")
    elif not facts.st_size:
        yield Finding.of("VF003", path, "has 0 bytes")
    else:
        yield Item(path, "table" if table else "media")


def _alike(folder: str, names: list[str]) -> Iterator[Finding]:
    """Find names that some disks cannot tell apart."""
    first: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        if (other := first.setdefault(key, name)) != name:
            how = "case" if name.casefold() != other.casefold() or name.isascii() else "the form of its Unicode"
            yield Finding.of("VF008", os.path.join(folder, name), f"differs from {other!r} in {how} only")
