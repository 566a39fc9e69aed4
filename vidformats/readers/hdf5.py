"""HDF5 as it is opened: any dataset of numbers, by the fastest reader that its layout is proven to allow.

Bytes are read past HDF5 only if they are this dataset's, in this file, and final; all else is read through h5py.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
from collections.abc import Generator, Iterator
from itertools import count
from typing import Any, NamedTuple

import h5py
import numpy as np

from vidformats import handles
from vidformats.codecs.deflate import LIBRARY
from vidformats.errors import FormatError
from vidformats.format import Reader, pick
from vidformats.readers.boxes import BoxReader
from vidformats.readers.chunks import ChunkReader
from vidformats.readers.extent import ExtentReader, check_shape
from vidformats.readers.hdf5_index import chunk_index, codecs_of
from vidformats.storage.base import ByteSource
from vidformats.storage.local import changed, open_source
from vidformats.timing import KEYS, set_time

handles.before_other_hooks()

HOPS = 40
"""Links followed one after another, as many as Linux follows: more are a circle."""

# What HDF5 and h5py make of a damaged file.
FAULTS = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)


class Link(NamedTuple):
    """Where an external link leads: a file as the link names it, and a path inside it."""

    file: str
    path: str


def open_dataset(source: ByteSource, name: str | None = None, links: bool = False) -> Reader:
    """Open a dataset of an HDF5 file.

    Parameters
    ----------
    source : ByteSource
    name : str, optional
        By default `video`, or the only dataset of numbers.
    links : bool
        Follow links, and read virtual datasets and external storage, that lead out of the folder of the file.

    Raises
    ------
    FormatError
        If it is no HDF5 file, the name does not tell, or it leads out of its folder.
    ImportError
        If a filter is not there; the message names the cure.
    OSError
        If the system refuses, with its errno: a writer has locked the file, or it may not be read.
    """
    return _open(source, name, "dataset", None, links)


def open_v73(source: ByteSource, variable: str | None = None, frames_last: bool = False) -> Reader:
    """Open a numeric variable of a MATLAB v7.3 file, which is HDF5 with every axis the other way round.

    Parameters
    ----------
    source : ByteSource
    variable : str, optional
        By default `video`, or the only numeric variable.
    frames_last : bool
        MATLAB's last axis counts frames: then HDF5's own axes are the video's.

    Returns
    -------
    Reader
        Its shape is MATLAB's, or with `frames_last` HDF5's.
    """
    return _open(source, variable, "variable", "mat_frames" if frames_last else "mat")


def _open(
    source: ByteSource, name: str | None, option: str, matlab: str | None, links: bool = False, hops: int = 0
) -> Reader:
    file, reader = None, None
    try:
        # By its name: HDF5 looks for the files of links and virtual datasets beside it, and locks it.
        file = h5py.File(source.url, "r")
        _check_same(file, source)
        found = _find(file, source.url, name, option, matlab is not None)
        if isinstance(found, Link):
            path = _place(source.url, found.file, links)
            if hops == HOPS:
                raise FormatError(source.url, f"has links that lead in a circle, to {path}")
            source = open_source(path)
            reader = _open(source, found.path, option, matlab, links, hops + 1)
            reader.info.setdefault("linked", path)
            if not hasattr(reader, "source"):
                reader.source = source
        else:
            check_shape(source.url, found.shape, found.dtype)
            reader = _reader(source, file, found, matlab, links)
            if h5py.h5a.get_num_attrs(found.id) and (record := _record(found)):
                set_time(reader, record, source.url)
        return reader
    except FormatError:
        raise
    except FAULTS as error:
        raise _told(source.url, error) from error
    finally:
        if file and not isinstance(reader, BoxReader):
            file.close()  # an open handle would lock the file, and not survive a fork


def _record(data: h5py.Dataset) -> dict[str, Any] | None:
    """Return the time record of a dataset: its attributes, and of an uneven rate the dataset ``NAME_times``."""
    record = {key: data.attrs[key] for key in KEYS if key in data.attrs}
    if not {"fps", "duration"} <= record.keys():
        return None
    times = data.parent.get(f"{data.name}_times")
    return record | ({} if times is None else {"times": times[()]})


def _told(url: str, error: Exception) -> Exception:
    """Return the error that names the cause: a lock or the system, or else damage."""
    number = getattr(error, "errno", None)
    text = str(error)
    locked = number in (errno.EAGAIN, errno.EACCES) and "lock" in text
    if locked or "already open for" in text or "consistency" in text:
        cure = "another program has it open for writing, or died while it had (then: h5clear -s FILE)"
        return BlockingIOError(number or errno.EAGAIN, f"HDF5 file is locked: {cure}", url)
    if number:
        return OSError(number, f"HDF5 cannot open the file: {os.strerror(number)}", url)
    return FormatError(url, f"is no HDF5 file that can be read: {error}")


def _check_same(file: h5py.File, source: ByteSource) -> None:
    """Raise `FormatError` if HDF5 opened another file than we did, because one was renamed over the other."""
    descriptor = source.fileno()
    if descriptor is not None and hasattr(os, "fstat") and file.driver == "sec2":
        ours, theirs = os.fstat(descriptor), os.fstat(file.id.get_vfd_handle())
        if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
            raise changed(source.url)


def _reader(source: ByteSource, file: h5py.File, data: h5py.Dataset, matlab: str | None, links: bool) -> Reader:
    info = {"dataset": data.name.lstrip("/"), "chunks": data.chunks, "compression": data.compression}
    if not matlab:
        info["format"] = _kind(data)
    if matlab and data.attrs.get("MATLAB_empty"):
        return BoxReader(_empty(data, matlab), info)
    for place in _places(data, source.url, set()):
        _place(source.url, place, links, exists=False)
    _check_filters(source.url, data)
    # Bytes of another file are not in this one, and those of a file that this process writes are not all on the disk.
    elsewhere = data.is_virtual or bool(data.external) or data.file != file
    final = not file.id.get_intent() & h5py.h5f.ACC_RDWR
    # Unusual numbers, of 12 bits say, only HDF5 can convert.
    usual = data.id.get_type() == h5py.h5t.py_create(data.dtype, logical=True)
    if final and usual and not elsewhere and matlab != "mat":
        # Behind a user block HDF5 gives an offset even to what was never written.
        stored = data.chunks or data.id.get_storage_size()
        if stored and (offset := data.id.get_offset()) is not None:
            return ExtentReader(source, offset, data.shape, data.dtype, info)
        codecs = codecs_of(data) if data.chunks else None
        if codecs is not None and (index := chunk_index(source, data, file.userblock_size)):
            info["inflate"] = LIBRARY if data.compression == "gzip" else None
            return ChunkReader(source, *index, data.chunks, data.shape, data.dtype, codecs, _fill(data), info)
    reader = BoxReader(data, info | {"inflate": "HDF5"}, reverse=matlab == "mat")
    if not final:
        reader.source = _Live(source)
    return reader


class _Live:
    """A file that this process writes: HDF5 gives what it holds now, whatever is on the disk."""

    def __init__(self, source: ByteSource):
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def check(self) -> None:
        """Do nothing: changes are what is wanted."""


def _fill(data: h5py.Dataset) -> Any:
    """Return what chunks hold that were never written, as h5py gives it."""
    plist = data.id.get_create_plist()
    defined = plist.fill_value_defined() != h5py.h5d.FILL_VALUE_UNDEFINED
    return data.fillvalue if defined and plist.get_fill_time() != h5py.h5d.FILL_TIME_NEVER else 0


def _check_filters(url: str, data: h5py.Dataset) -> None:
    """Raise `ImportError` if HDF5 has no such filter, after a look whether hdf5plugin brings it."""
    plist = data.id.get_create_plist()
    for k in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(k)
        if not h5py.h5z.filter_avail(code):
            with contextlib.suppress(ImportError):
                importlib.import_module("hdf5plugin")  # which registers its filters
        if not h5py.h5z.filter_avail(code):
            title = name.decode(errors="replace") or "no name"
            raise ImportError(f"{url}: requires HDF5's filter {code} ({title}): pip install hdf5plugin")


def _empty(data: h5py.Dataset, matlab: str) -> np.ndarray:
    """Return what an empty variable of MATLAB's stands for: it holds its shape instead."""
    dims, kind = tuple(int(n) for n in data[()]), data.attrs["MATLAB_class"].decode()
    shape, dtype = dims if matlab == "mat" else dims[::-1], np.dtype("u1" if kind == "logical" else kind)
    if 0 not in shape:
        raise ValueError(f"an empty variable has the shape {dims}")
    check_shape(data.file.filename, shape, dtype)
    return np.empty(shape, dtype)


# Finding the dataset


def _find(file: h5py.File, url: str, name: str | None, option: str, matlab: bool) -> h5py.Dataset | Link:
    """Return the dataset of that name, or the one that is meant without a name."""
    usual = _locate(file, name or "video")
    if isinstance(usual, Link) or _is_numeric(usual, matlab):
        return usual
    names = list(_numeric(file, matlab))
    return file[pick(url, names, name and name.strip("/"), option)]


def _locate(file: h5py.File, path: str) -> Any:
    """Return what is at a path of a file: an object, the link that leads to another file, or None for nothing."""
    item: Any = file["/"]
    parts = [part for part in path.split("/") if part not in ("", ".")]
    for _ in range(HOPS):
        for k, part in enumerate(parts):
            link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
            rest = parts[k + 1 :]
            if isinstance(link, h5py.ExternalLink):
                return Link(link.filename, "/".join([link.path, *rest]))
            if isinstance(link, h5py.SoftLink):
                if link.path.startswith("/"):
                    item = file["/"]
                parts = [part for part in [*link.path.split("/"), *rest] if part not in ("", ".")]
                break
            if link is None:
                return None
            item = item[part]
        else:
            return item
    return None


def _numeric(file: h5py.File, matlab: bool) -> Iterator[str]:
    """Yield the names of all datasets of numbers: of MATLAB's files only variables, not the insides of others."""
    # Not visititems: it counts the bytes of every dataset's index, and so reads all of them.
    groups, seen = [file["/"]], {h5py.h5g.get_objinfo(file["/"].id).objno}
    while groups:
        group = groups.pop()
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            number = h5py.h5g.get_objinfo(item.id).objno
            if number not in seen and isinstance(item, h5py.Group) and not matlab:
                groups.append(item)
            elif number not in seen and _is_numeric(item, matlab):
                yield item.name.lstrip("/")
            seen.add(number)


def _is_numeric(item: Any, matlab: bool) -> bool:
    try:
        if not isinstance(item, h5py.Dataset) or not item.shape or item.dtype.kind not in "biufc":
            return False
    except (TypeError, ValueError, NotImplementedError):  # a type that NumPy has not, such as a time
        return False
    # MATLAB keeps text as numbers.
    return not (matlab and item.attrs.get("MATLAB_class") == b"char")


# Other files


Known = tuple[str, tuple[int, int]]
"""What tells one dataset from all others: its file, and its address there."""


def _places(data: h5py.Dataset, url: str, done: set[Known], under: tuple[Known, ...] = ()) -> Iterator[str]:
    """Yield the files that hold the data besides `url` itself, through virtual datasets of virtual datasets too.

    Parameters
    ----------
    data : h5py.Dataset
    url : str
        Its file.
    done : set of Known
        Datasets that were looked at: parts are often the same.
    under : tuple of Known
        The virtual datasets of which it is a part.

    Raises
    ------
    FormatError
        If one is a part of itself, or they go too deep: HDF5 would follow them until the process ends.
    """
    me = os.path.realpath(url), h5py.h5g.get_objinfo(data.id).objno
    if me in under or len(under) == HOPS:
        fault = "is a part of itself" if me in under else f"has parts of parts, more than {HOPS} deep"
        raise FormatError(url, f"has a virtual dataset that {fault}: {data.name}")
    if me in done:
        return
    for name, _, _ in data.external or ():
        yield os.path.join(os.getcwd(), name)
    for pattern in {(part.file_name, part.dset_name) for part in (data.virtual_sources() if data.is_virtual else ())}:
        # %b counts the files or datasets that a part without end goes on in; HDF5 stops at the first that is not there.
        for k in count() if any("%b" in text.replace("%%", "") for text in pattern) else (0,):
            name, inside = (_printed(text, k) for text in pattern)
            place = url if name == "." else os.path.join(os.path.dirname(url), name)
            if place != url:
                yield place
            if not (yield from _further(place, inside, done, (*under, me))):
                break
    done.add(me)


def _printed(text: str, number: int) -> str:
    """Return a name as HDF5 prints it: ``%b`` is the number, ``%%`` a per cent sign."""
    return re.sub("%[b%]", lambda mark: str(number) if mark[0] == "%b" else "%", text)


def _further(path: str, name: str, done: set[Known], under: tuple[Known, ...]) -> Generator[str, None, bool]:
    """Yield the files that a part of a virtual dataset leads on to, and return whether there is such a dataset."""
    for _ in range(HOPS):
        if not os.path.isfile(path):
            return False  # HDF5 gives the fill value
        with h5py.File(path, "r") as file:
            found = _locate(file, name)
            if not isinstance(found, Link):
                if isinstance(found, h5py.Dataset):
                    yield from _places(found, path, done, under)
                return isinstance(found, h5py.Dataset)
        path, name = os.path.join(os.path.dirname(path), found.file), found.path
        yield path
    return False


def _place(url: str, name: str, links: bool, exists: bool = True) -> str:
    """Return the path of another file that `url` refers to, if it is allowed: below its folder, or anywhere by `links`.

    A path that does not lead there is tried by its last name beside `url`, as HDF5 does after files were moved.
    """
    folder = os.path.dirname(os.path.abspath(url))
    tried = [os.path.normpath(os.path.join(folder, name)), os.path.join(folder, os.path.basename(name))]
    path = next((path for path in tried if os.path.lexists(path)), tried[0])
    if not links and os.path.commonpath([folder, path]) != folder:
        raise FormatError(url, f"leads out of its folder, to {path}; pass links=True if you trust it")
    if exists and not os.path.exists(path):
        raise FormatError(url, f"has a link to {path}, which is not there")
    return path


def _kind(data: h5py.Dataset) -> str:
    """Return the row of the registry whose layout a dataset has."""
    if data.chunks is None:
        return "h5"
    if data.chunks == (1, *data.shape[1:]):
        return "h5_frames"
    return "h5_chunked" if data.shape != data.maxshape else "h5_plain"
