"""What is to be converted: videos in files, folders, globs and manifests, each with a name and what is known of it."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vidformats.errors import FormatError
from vidformats.registry import FORMATS, format_of
from vidformats.tools.receipts import place
from vidformats.training import tables
from vidformats.training.folder import expression, walk
from vidformats.training.tables import read_table

MORE = """
3gp asf apng flv gif h264 264 h265 265 hevc ivf m2ts m2v m4v mkv mov mpeg mpg mts mxf nut ogg ogv ts vob webm wmv y4m
pkl hdf5 he5
"""
OTHER = frozenset("." + name for name in MORE.split())
"""Extensions of videos besides those that formats are written with: such a file is never passed over in silence."""

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".pgm", ".ppm")

COMPUTED = ("n_frames", "fps", "rate", "shape", "source", "path")
"""Columns of a manifest that conversion computes anew."""


class Item(NamedTuple):
    """One source.

    Attributes
    ----------
    path : str
        Absolute.
    name : str
        Of the result, without extension: its path below the destination.
    columns : dict
        What a manifest, or its name, says of it.
    """

    path: str
    name: str
    columns: dict[str, Any]


def discover(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    apart: Path | None = None,
    column: str | None = None,
) -> list[Item]:
    """Find what is to be converted.

    Parameters
    ----------
    sources : path-like, or several
        Files; folders, whose tree is kept (several folders keep their own names too); globs; manifests, that is tables
        with a column of paths.
    apart : Path, optional
        A folder to leave out, the destination.
    column : str, optional
        Column with the paths, if there are several streams; by default ``path``, ``video``, or the only one that
        names files.

    Returns
    -------
    list of Item
        In the order of their names.

    Raises
    ------
    FileNotFoundError
        If a source is not there, or a folder or glob has no video.
    ValueError
        For a URL.
    """
    given = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    found: list[tuple[Path, bool, list[Path]]] = []
    items: list[Item] = []
    for source in given:
        text = os.fspath(source)
        refuse_url(text)
        path, whole = Path(text).absolute(), False
        if path.is_dir():
            videos = list(_videos(path, apart))
            whole = videos != [path]
            root = path if whole else path.parent
        elif path.suffix.lower() in tables.SUFFIXES and path.is_file():
            items += _of_table(path, column)
            continue
        elif path.exists():
            root, videos = path.parent, [path]
        elif glob.has_magic(text):
            hits = sorted(Path(hit).absolute() for hit in glob.glob(text, recursive=True))
            videos = [video for hit in hits for video in _matched(hit, apart)]
            root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts[:-1]))
        else:
            raise FileNotFoundError(f"{text}: no such file or folder")
        if not videos:
            raise FileNotFoundError(f"{text}: expected videos, found none")
        found.append((root, whole, videos))
    folders = sum(whole for _, whole, _ in found)
    for root, whole, videos in found:
        prefix = f"{root.name}/" if whole and folders > 1 else ""
        items += [Item(str(video), prefix + _stem(video, root), {}) for video in videos]
    unique = {(item.path, item.name): item for item in reversed(items)}
    return sorted(unique.values(), key=lambda item: (item.name, item.path))


def refuse_url(text: str) -> None:
    """Raise ValueError if a source is a URL, as only local files are read.

    Examples
    --------
    >>> refuse_url("https://example.org/a.mp4")
    Traceback (most recent call last):
    ...
    ValueError: https://example.org/a.mp4: URLs are not read: download it first, such as by curl -O, and name the file
    """
    if _is_url(text):
        raise ValueError(f"{text}: URLs are not read: download it first, such as by curl -O, and name the file")


def _is_url(text: str) -> bool:
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE))


def _stem(video: Path, root: Path) -> str:
    name = video.relative_to(root).as_posix()
    return name if video.is_dir() else os.path.splitext(name)[0]


def _matched(path: Path, apart: Path | None) -> Iterator[Path]:
    """Yield what a glob found: a folder stands for the videos in it."""
    if path.is_dir():
        yield from _videos(path, apart)
    elif not path.name.startswith(".") and not _is_result(path, path.parent, apart):
        yield path


def _videos(root: Path, apart: Path | None) -> Iterator[Path]:
    """Yield the videos of a folder, a folder of images as one, without what was converted into `apart`."""
    entries = [entry for entry in os.scandir(root) if not entry.name.startswith(".")]
    if entries and all(entry.is_file() and entry.name.lower().endswith(IMAGES) for entry in entries):
        yield root
        return
    for path in sorted(walk(root)):
        if not _is_result(path, root, apart) and _is_video(path):
            yield path


def _is_result(path: Path, root: Path, apart: Path | None) -> bool:
    """Tell whether a path below `root` was made by converting into `apart`."""
    if apart is None or apart.resolve() not in path.resolve().parents:
        return False
    return apart.resolve() not in (root.resolve(), *root.resolve().parents) or place(path).exists()


def _is_video(path: Path) -> bool:
    """Tell whether a file should be a video: by its name, so that a broken one is not passed over, or its content."""
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in OTHER or suffix in {row.suffix for row in FORMATS.values() if row.suffix}:
        return True
    if suffix in (*tables.SUFFIXES, ".json", ".jsonl", ".md") or not path.is_file():
        return False
    try:
        return format_of(path) != "binary"
    except (OSError, ValueError):
        return False


def _of_table(path: Path, column: str | None) -> list[Item]:
    """Return the rows of a manifest."""
    table = read_table(path)
    root = path.absolute().parent
    rows = [dict(zip(table.columns, row, strict=True)) for row in zip(*table.columns.values(), strict=True)]

    def is_file(entry: Any) -> bool:
        return isinstance(entry, str) and bool(entry) and (root / entry).exists()

    if column is None:
        paths = [name for name in table.columns if all(is_file(row[name]) for row in rows)]
        usual = [name for name in ("path", "video") if name in table.columns] or paths
        if len(usual) != 1 and not {"path", "video"} & set(usual):
            raise FormatError(
                path, f"needs column= (--column) to tell which is the video, one of {list(table.columns)}"
            )
        column = usual[0]
    items = []
    for row, entry in zip(rows, table.column(column), strict=True):
        # A URL stays as it is, so that its row fails with the reason, and the other rows are converted.
        url = _is_url(str(entry))
        video = root / os.path.basename(str(entry)) if url else Path(os.path.normpath(root / str(entry)))
        inside = video.is_relative_to(root)
        name = _stem(video, root) if inside else os.path.splitext(video.name)[0]
        kept = {key: value for key, value in row.items() if key not in (*COMPUTED, column)}
        # Labels and other streams lie beside the manifest: their paths stay true from elsewhere.
        kept = {key: Path(root, value) if is_file(value) else value for key, value in kept.items()}
        if {"n_frames", "fps"} <= row.keys() and any(isinstance(value, Path) for value in kept.values()):
            # The time line may be that of the labels, which stay as they are.
            kept |= {key: row[key] for key in ("n_frames", "fps")}
        items.append(Item(str(entry) if url else str(video), name, kept))
    return items


def told(item: Item, pattern: str | None) -> dict[str, Any]:
    """Return what a source's columns and its name say; a pattern is as for ``vf.manifest``.

    Raises
    ------
    ValueError
        If its name does not fit the pattern.

    Examples
    --------
    >>> told(Item("/study/Ann_trial_1.mp4", "Ann_trial_1", {"mood": "calm"}), "{subject}_trial_*")
    {'mood': 'calm', 'subject': 'Ann'}
    """
    if pattern is None:
        return item.columns
    rule = expression(re.sub(r"\.\w+$", "", pattern))
    for name in (item.name, item.name.rpartition("/")[2]):
        if fit := rule.fullmatch(name):
            return item.columns | fit.groupdict()
    raise ValueError(f"{item.path}: expected a name like {pattern!r}, got {item.name!r}")


def boxes_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the boxes of a table: for each video one box, or one for each of its frames.

    Parameters
    ----------
    path : path-like
        A table with the columns ``video`` (name, with or without folder and extension), ``x``, ``y``, ``w``, ``h`` in
        pixels, and ``frame``, counted from 0 in the source, if boxes move.

    Raises
    ------
    FormatError
        If an entry is no number, or a frame is missing or comes twice.
    """
    table = read_table(path)
    names = [str(entry) for entry in table.column("video")]
    sides = []
    for column in ("x", "y", "w", "h"):
        numbers = [table.number(entry) for entry in table.column(column)]
        if None in numbers:
            line = numbers.index(None)
            raise FormatError(path, f"row {line + 1}: expected pixels for {column}, got {table.column(column)[line]!r}")
        sides.append([int(n) for n in numbers if n is not None])
    boxes = list(zip(*sides, strict=True))
    frames = [table.number(entry) for entry in table.column("frame")] if "frame" in table.columns else None
    found: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        rows = [k for k, other in enumerate(names) if other == name]
        if frames is None:
            if len(rows) > 1:
                raise FormatError(path, f"has {len(rows)} boxes for {name!r}; a column frame must tell them apart")
            found[name] = boxes[rows[0]]
        else:
            rows.sort(key=lambda k: frames[k] or 0)
            if [frames[k] for k in rows] != list(range(len(rows))):
                raise FormatError(path, f"{name!r}: expected a box for each frame 0 to {len(rows) - 1}, each once")
            found[name] = tuple(boxes[k] for k in rows)
    return found


def box_for(boxes: dict[str, Any], item: Item) -> Any:
    """Return the box of a source; it may be called by its name, with or without folder and extension.

    Raises
    ------
    ValueError
        If there is none.
    """
    base = os.path.basename(item.path)
    for name in (item.columns.get("trial"), item.name, base, os.path.splitext(base)[0]):
        if name in boxes:
            return boxes[name]
    raise ValueError(f"{item.path}: expected a box for {item.name!r}, found none")
