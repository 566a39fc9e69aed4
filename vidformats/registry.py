"""The one table of formats. Adding a format is a class in one file and a row here."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path
from typing import Any, NamedTuple

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.storage.base import ByteSource
from vidformats.storage.local import LocalFolder, open_source


class Row(NamedTuple):
    """One format.

    Attributes
    ----------
    factory : str
        ``module:Class``, imported when the format is first used.
    about : str
        What it is, in a few words.
    suffix : str
        How its files end; empty for a folder. Of several formats with one suffix the first row is what
        ``vf.write`` takes when only the path is given.
    options : dict
        Constructor arguments that make this row.
    magic : tuple of (int, bytes), optional
        Where in the file which bytes stand; only in the row that opens all files of this kind.
    extra : str
        The extra of ``pip install 'vidformats[...]'`` that it needs beyond the core; empty for none.
    """

    factory: str
    about: str
    suffix: str
    options: dict[str, Any] = {}
    magic: tuple[tuple[int, bytes], ...] = ()
    extra: str = ""


_F = "vidformats.families."
# fmt: off
FORMATS: dict[str, Row] = {
    "avi_mjpg":   Row(_F + "movie:Movie", "motion JPEG", ".avi", {"fourcc": "MJPG"}, magic=((0, b"RIFF"),)),
    "binary":     Row(_F + "binary:Binary", "the array's bytes, with a JSON sidecar for shape and dtype", ".bin"),
    "h5":         Row(_F + "hdf5:H5", "HDF5, contiguous", ".h5", {"layout": "contiguous"}, magic=((0, b"\x89HDF\r\n\x1a\n"),)),
    "h5_chunked": Row(_F + "hdf5:H5", "HDF5 grown frame by frame, automatic chunks, gzip 9, as published", ".h5", {"layout": "growing", "level": 9}),
    "h5_frames":  Row(_F + "hdf5:H5", "HDF5, one frame a chunk, gzip", ".h5", {"layout": "frames", "level": 4}),
    "h5_plain":   Row(_F + "hdf5:H5", "HDF5 written at once, automatic chunks, gzip 9, as published", ".h5", {"layout": "automatic", "level": 9}),
    "jpg":        Row(_F + "images:Images", "a folder of JPEG images, Pillow's default quality, as published", "", {"suffix": ".jpg"}),
    "mat":        Row(_F + "matlab:Mat", "MATLAB 5, variable `video`, as published: every frame is strewn over the file", ".mat", magic=((0, b"MATLAB "),)),
    "mat_frames": Row(_F + "matlab:MatFrames", "MATLAB 5 with the frame as the last MATLAB axis: every frame lies whole", ".mat"),
    "mp4":        Row(_F + "movie:Movie", "MPEG-4 part 2 (mp4v), as published", ".mp4", {"fourcc": "mp4v"}, magic=((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"))),
    "npy":        Row(_F + "npy:Npy", "NumPy's own file, as published", ".npy", magic=((0, b"\x93NUMPY"),)),
    "npz":        Row(_F + "npy:Npz", "a zip of NumPy files, stored", ".npz", magic=((0, b"PK\x03\x04"),)),
    "pickle":     Row(_F + "pickled:Pickle", "protocol 5, as published; never unpickled to be read", ".pickle", magic=((0, b"\x80"),)),
    "png":        Row(_F + "images:Images", "a folder of PNG images", "", {"suffix": ".png"}),
    "webp":       Row(_F + "images:Images", "a folder of WebP images", "", {"suffix": ".webp"}),
}
# fmt: on

IMAGE_SUFFIXES = {
    ".jpg": "jpg", ".jpeg": "jpg", ".png": "png", ".webp": "webp",
    ".bmp": "png", ".tif": "png", ".tiff": "png", ".ppm": "png", ".pgm": "png",
}  # fmt: skip
"""Which format reads a folder of such images."""

SUFFIXES = {
    ".pkl": "pickle",
    ".raw": "binary",
    ".hdf5": "h5",
    ".he5": "h5",
    ".mkv": "mp4",
    ".mov": "mp4",
    ".m4v": "mp4",
    ".webm": "mp4",
}
"""Other endings in use for the same things."""


def formats() -> list[str]:
    """Return the names of all formats, sorted, the same on every machine.

    Examples
    --------
    >>> import vidformats as vf
    >>> vf.formats()[:4]
    ['avi_mjpg', 'binary', 'h5', 'h5_chunked']
    """
    return sorted(FORMATS)


def get_format(name: str, **options: Any) -> Format:
    """Return the format of that name, with options other than its row's where given.

    Parameters
    ----------
    name : str
        One of `formats`.
    **options
        Constructor arguments of the format, such as ``level`` or ``fps``.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For an option this format does not have.
    ImportError
        When its extra is not installed; the message names the ``pip install`` that cures it.
    """
    try:
        row = FORMATS[name]
    except KeyError:
        raise ValueError(f"no format is called {name!r}; there are {', '.join(formats())}") from None
    module, _, cls = row.factory.partition(":")
    try:
        factory = getattr(importlib.import_module(module), cls)
    except ImportError as error:
        if not row.extra:
            raise
        raise ImportError(f"{name} needs more: pip install 'vidformats[{row.extra}]' ({error})") from error
    try:
        return factory(name=name, **(row.options | options))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


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
    try:
        inspect.signature(form.open).bind(source, **options)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    reader = form.open(source, **options)
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
    names = source.names()
    if isinstance(source, LocalFolder):
        endings = {name[name.rfind(".") :].lower() for name in names if name[0] != "."}
        kinds = {IMAGE_SUFFIXES[s] for s in endings if s in IMAGE_SUFFIXES}
        if len(kinds) == 1:
            return kinds.pop()
        fault = (
            f"holds several kinds of images ({', '.join(sorted(kinds))}); choose by format="
            if kinds
            else "is a folder without images"
        )
        raise FormatError(source.url, fault)
    head, file = source.read(64, 0), Path(source.url)
    named = name_for(file, default="binary")
    if named == "binary" and file.with_name(file.name + ".json").exists():
        return named  # raw bytes may begin with anything, a magic number included
    for name, row in FORMATS.items():
        if any(head[at : at + len(magic)] == magic for at, magic in row.magic):
            return name
    return named


def name_for(path: Path, default: str = "") -> str:
    """Return the format that the ending of `path` stands for."""
    suffix = path.suffix.lower()
    named = SUFFIXES.get(suffix) or next((n for n, row in FORMATS.items() if row.suffix == suffix != ""), default)
    if not named:
        raise ValueError(f"{path}: the ending does not tell the format; name one of {', '.join(formats())}")
    return named
