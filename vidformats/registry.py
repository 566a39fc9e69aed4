"""Names to formats: one static table of those built in, and those that other packages bring by entry points."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import itertools
import os
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np

from vidformats import sidecar
from vidformats.errors import FormatError, install
from vidformats.format import Format, Reader
from vidformats.storage.base import ByteSource
from vidformats.storage.local import LocalFolder, open_source
from vidformats.timing import set_time

GROUP = "vidformats.formats"
"""The entry points by which other packages bring their formats: ``name = "module:Class"``."""

HEAD = 1 << 16
"""Bytes of a file that `Format.sniff` sees."""


class Row(NamedTuple):
    """One format.

    Attributes
    ----------
    factory : str
        ``module:Class``, imported when the format is first used.
    about : str
        What it is, in a few words.
    suffix : str
        The file extension; empty for a folder. Of several formats with one extension the first row is what
        ``vf.write`` takes if only the path is given.
    options : dict
        Constructor arguments that make this row.
    extra : str
        The extra of ``pip install 'vidformats[...]'`` that it needs beyond the core; empty for none.
    """

    factory: str
    about: str
    suffix: str
    options: dict[str, Any] = {}
    extra: str = ""


_F = "vidformats.families."
# fmt: off
FORMATS: dict[str, Row] = {
    "av1":        Row(_F + "codecs:Coded", "AV1: the smallest, slow to write", ".mp4", {"codec": "libsvtav1"}, extra="codecs"),
    "avi_mjpg":   Row(_F + "movie:Movie", "motion JPEG", ".avi", {"fourcc": "MJPG"}),
    "binary":     Row(_F + "binary:Binary", "the array's bytes, with a JSON sidecar for shape and dtype", ".bin"),
    "ffv1":       Row(_F + "codecs:Coded", "FFV1: every bit kept", ".mkv", {"codec": "ffv1"}, extra="codecs"),
    "h264":       Row(_F + "codecs:Coded", "H.264: what everything plays", ".mp4", {"codec": "libx264"}, extra="codecs"),
    "h264_fast":  Row(_F + "codecs:Coded", "H.264 made for training: quick to decode, a key frame every 8 frames", ".mp4", {"codec": "libx264", "tune": "fastdecode", "keyframe_interval": 8}, extra="codecs"),
    "h264_rgb":   Row(_F + "codecs:Coded", "H.264 in RGB: every bit kept", ".mp4", {"codec": "libx264rgb"}, extra="codecs"),
    "h5":         Row(_F + "hdf5:H5", "HDF5, contiguous", ".h5", {"layout": "contiguous"}),
    "h5_chunked": Row(_F + "hdf5:H5", "HDF5 grown frame by frame, automatic chunks, gzip 9, as published", ".h5", {"layout": "growing", "level": 9}),
    "h5_frames":  Row(_F + "hdf5:H5", "HDF5, one frame a chunk, gzip", ".h5", {"layout": "frames", "level": 4}),
    "h5_plain":   Row(_F + "hdf5:H5", "HDF5 written at once, automatic chunks, gzip 9, as published", ".h5", {"layout": "automatic", "level": 9}),
    "hevc":       Row(_F + "codecs:Coded", "HEVC: a third smaller than H.264", ".mp4", {"codec": "libx265"}, extra="codecs"),
    "jpg":        Row(_F + "images:Images", "a folder of JPEG images, Pillow's default quality, as published", "", {"suffix": ".jpg"}),
    "mat":        Row(_F + "matlab:Mat", "MATLAB 5, variable `video`, as published: frames are scattered over the file", ".mat"),
    "mat_frames": Row(_F + "matlab:MatFrames", "MATLAB 5 with the frame as the last MATLAB axis: every frame is contiguous", ".mat"),
    "mp4":        Row(_F + "movie:Movie", "MPEG-4 part 2 (mp4v), as published", ".mp4", {"fourcc": "mp4v"}),
    "npy":        Row(_F + "npy:Npy", "NumPy's own file, as published", ".npy"),
    "npz":        Row(_F + "npy:Npz", "a zip of NumPy files, stored", ".npz"),
    "pickle":     Row(_F + "pickled:Pickle", "protocol 5, as published; never unpickled to be read", ".pickle"),
    "png":        Row(_F + "images:Images", "a folder of PNG images", "", {"suffix": ".png"}),
    "vp9":        Row(_F + "codecs:Coded", "VP9: the web's", ".webm", {"codec": "libvpx-vp9"}, extra="codecs"),
    "webp":       Row(_F + "images:Images", "a folder of WebP images", "", {"suffix": ".webp"}),
}
# fmt: on

SUFFIXES = {
    ".pkl": "pickle",
    ".raw": "binary",
    ".hdf5": "h5",
    ".he5": "h5",
    ".mp4": "mp4",
    ".mkv": "mp4",
    ".mov": "mp4",
    ".m4v": "mp4",
    ".webm": "mp4",
}
"""Other file extensions in use for the same things."""


def formats(installed: bool = False) -> list[str]:
    """Return the names of the formats, sorted.

    Parameters
    ----------
    installed : bool
        Add those that other installed packages bring. Without them the list is the same on every machine.

    Examples
    --------
    >>> import vidformats as vf
    >>> vf.formats()[:4]
    ['av1', 'avi_mjpg', 'binary', 'ffv1']
    """
    return sorted({*FORMATS, *_brought()} if installed else FORMATS)


def get_format(name: str, **options: Any) -> Format:
    """Return the format of that name, with options other than its row's where given.

    Parameters
    ----------
    name : str
        One of ``formats(installed=True)``.
    **options
        Constructor arguments of the format, such as ``level`` or ``fps``.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For an option this format does not have.
    ImportError
        If its extra is not installed; the message names the ``pip install`` that cures it.
    """
    row = row_of(name)
    module, _, cls = row.factory.partition(":")
    try:
        factory = getattr(importlib.import_module(module), cls)
    except ImportError as error:
        if not row.extra:
            raise
        raise ImportError(f"{name} needs more: {install(row.extra)} ({error})") from error
    if options:
        check_options(name, factory, options)
    form: Format = factory(name=name, **(row.options | options))
    return form


def row_of(name: str) -> Row:
    """Return what is known of a format; a name that two packages use means the one built in."""
    if name in FORMATS:
        return FORMATS[name]
    if name not in _brought():
        raise ValueError(f"no format is called {name!r}; there are {', '.join(formats(installed=True))}")
    point = _brought()[name]
    cls = point.load()
    if not (isinstance(cls, type) and issubclass(cls, Format)):
        raise TypeError(f"entry point {name} = {point.value}: expected a subclass of vidformats.Format, got {cls!r}")
    return Row(point.value, (inspect.getdoc(cls) or "").partition("\n")[0], cls.extension)


@functools.cache
def _brought() -> dict[str, EntryPoint]:
    """Return the entry points of other packages by name."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in FORMATS}


def check_options(name: str, function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raise `TypeError` if `function`, the constructor of a format or its ``open``, does not take these options.

    Asked before the call, so that a TypeError from inside it stays what it is: a bug, with its traceback.
    """
    signature = inspect.signature(function)
    try:
        signature.bind_partial(**options)
    except TypeError as error:
        kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        known = [p for p in signature.parameters.values() if p.kind in kinds and p.default is not p.empty]
        takes = ", ".join(f"{p.name}=" for p in known if p.name != "name") or "no options"
        raise TypeError(f"{name}: {error}; it takes {takes}") from None
    check_types(name, function, options)


_TYPES: dict[Any, tuple[str, tuple[type, ...]]] = {
    str: ("a string", (str,)),
    int: ("an integer", (Integral,)),
    float: ("a number", (Real,)),
    bool: ("True or False", (bool, np.bool_)),
    type(None): ("None", (type(None),)),
}
"""For each annotation of an option what it is called, and what is taken for it."""


def check_types(name: str, function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raise `TypeError` for an option of another type than its annotation names; one that is not in `_TYPES` takes all.

    Examples
    --------
    >>> check_types("h5", get_format("h5").open, {"dataset": 3})
    Traceback (most recent call last):
    TypeError: h5: dataset must be a string or None, got 3
    """
    hints = _hints(getattr(function, "__func__", function))
    for option, value in options.items():
        kinds = get_args(hints.get(option)) or (hints.get(option),)
        known = [_TYPES[kind] for kind in kinds if kind in _TYPES]
        fits = isinstance(value, tuple(kind for _, these in known for kind in these))
        if isinstance(value, bool) and bool not in kinds:
            fits = False  # Python counts True as an integer
        if len(known) == len(kinds) and not fits:
            names = " or ".join(name for name, _ in known)
            raise TypeError(f"{name}: {option} must be {names}, got {value!r:.80}")


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function or constructor; none of one in another package that cannot be resolved."""
    with contextlib.suppress(Exception):
        return get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    return {}


def check_asked(name: str, source: ByteSource, asked: dict[str, Any]) -> None:
    """Raise `ValueError` if opening a format cannot honour what was asked for: it would be ignored."""
    takes = inspect.signature(get_format(name).open).parameters if asked else {}
    for option, value in asked.items():
        if option not in takes:
            raise ValueError(f"{source.url}: {name} cannot honour {option}={value!r}")


def open_reader(name: str, source: ByteSource, options: dict[str, Any]) -> Reader:
    """Return the reader of a source in the format of that name.

    Raises
    ------
    TypeError
        For an option that opening this format does not take.
    FormatError
        If the source is not what it should be.
    """
    form = get_format(name)
    if options:
        check_options(name, form.open, options)
    reader = form.open(source, **options)
    if not form.keeps_time and sidecar.SUFFIX not in form.sidecars and (record := sidecar.record_of(source)):
        set_time(reader, record, source.url)
    if not hasattr(reader, "source"):  # a part of it, or what was inflated from it, may be the reader's own
        reader.source = source
    return reader


def format_of(path: str | os.PathLike[str] | ByteSource) -> str:
    """Return the name of the format that opens `path`, told by its content.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    FormatError
        If nothing known fits.
    """
    source = open_source(path) if isinstance(path, (str, os.PathLike)) else path
    file, (head, names) = Path(source.url), head_and_names(source)
    named = _named(file) or "binary"
    beside = sidecar.beside(file)
    if named == "binary" and beside.exists() and get_format("binary").stranger(beside) is None:
        return named  # raw bytes may begin with anything, a magic number included
    for form in _candidates(named, isinstance(source, LocalFolder)):
        try:
            if form.sniff(head, names):
                return form.name
        except Exception as error:
            if form.name in FORMATS:
                raise
            warnings.warn(
                f"format {form.name} can't be asked: its sniff raised {error!r}", RuntimeWarning, stacklevel=2
            )
    if isinstance(source, LocalFolder):
        folders = [entry.name + "/" for entry in os.scandir(source.path) if entry.is_dir()]
        kinds = sorted({os.path.splitext(name)[1] or name for name in [*names, *folders]})[:9] or "nothing"
        raise FormatError(source.url, f"expected a folder of images of one kind, got {kinds}; or choose by format=")
    return named


def head_and_names(source: ByteSource) -> tuple[bytes, Sequence[str]]:
    """Return what `Format.sniff` is given of a file or folder."""
    head = source.read(HEAD, 0)
    return head, _names(source, head)


def _names(source: ByteSource, head: bytes) -> Sequence[str]:
    """Return the names in a folder, a zip or the first part of a tar."""
    with contextlib.suppress(Exception):  # a damaged archive has none to tell
        if head.startswith(b"PK"):
            with zipfile.ZipFile(source.as_file()) as archive:
                return archive.namelist()
        if head[257:262] == b"ustar":
            with tarfile.open(fileobj=source.as_file(), mode="r:") as members:
                return [member.name for member in itertools.islice(members, 100)]
    return [name for name in source.names() if name[0] != "."]


def _candidates(named: str, folder: bool) -> Iterator[Format]:
    """Yield what may recognise a file or folder: the format that its name stands for, the others, those of packages.

    In this order few are imported: a video in ``.npy`` needs neither HDF5 nor a decoder.
    """
    fitting = [name for name, row in FORMATS.items() if (not row.suffix) == folder]
    for name in sorted(fitting, key=lambda name: name != named):
        with contextlib.suppress(ImportError):  # an extra that is not installed
            yield get_format(name)
    for name, _ in _usable():
        yield get_format(name)


def _usable() -> Iterator[tuple[str, Row]]:
    """Yield the formats of other packages; whatever is wrong with one, files of other formats open."""
    for name in _brought():
        try:
            yield name, row_of(name)
        except Exception as error:
            warnings.warn(f"format {name} can't be used: {error}", RuntimeWarning, stacklevel=4)


def name_for(path: Path) -> str:
    """Return the format that the extension of `path` stands for.

    Raises
    ------
    ValueError
        If it stands for none.
    """
    if name := _named(path):
        return name
    raise ValueError(
        f"{path}: cannot infer the format from the extension {path.suffix!r}; pass format=, one of "
        f"{', '.join(formats(installed=True))}"
    )


def _named(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or not suffix:
        return SUFFIXES.get(suffix)
    if built_in := next((name for name, row in FORMATS.items() if row.suffix == suffix), None):
        return built_in
    brought = [name for name, row in _usable() if row.suffix == suffix]
    if len(brought) > 1:
        text = f"{suffix} is the extension of {' and '.join(brought)}: {brought[0]} is taken; choose by format="
        warnings.warn(text, RuntimeWarning, stacklevel=4)
    return brought[0] if brought else None


def name_inside(target: Path, name: str) -> str:
    """Return a file name for writing `target`: its own, if its extension is one that the format's class knows.

    Libraries that write videos choose the container by the extension, and ``format=`` may ask for any name.
    """
    row, own = row_of(name), _named(target)
    known = not row.suffix or (own is not None and row_of(own).factory == row.factory)
    return target.name if known else "video" + row.suffix
