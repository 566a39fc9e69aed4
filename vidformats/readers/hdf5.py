"""HDF5 as it is opened: any dataset of numbers, by the fastest reader that its layout allows."""

from __future__ import annotations

import os
from typing import Any

import h5py
import numpy as np

from vidformats import handles
from vidformats.codecs.deflate import EXPANSION, LIBRARY
from vidformats.errors import FormatError
from vidformats.format import Reader, pick
from vidformats.readers.boxes import BoxReader
from vidformats.readers.chunks import ChunkReader
from vidformats.readers.extent import ExtentReader
from vidformats.readers.hdf5_index import chunk_index, codecs_of
from vidformats.storage.base import ByteSource
from vidformats.storage.local import changed

handles.before_other_hooks()


def open_dataset(source: ByteSource, name: str | None = None, matlab: bool = False) -> Reader:
    """Open a dataset of an HDF5 file.

    Parameters
    ----------
    source : ByteSource
    name : str, optional
        By default `video`, or the only dataset of numbers.
    matlab : bool
        Its axes are the video's in reverse order.

    Raises
    ------
    FormatError
        If it is no HDF5 file, the name does not tell, or the shape claims what the file can't hold.
    OSError
        If the system refuses, with its errno: the file is locked by a writer, or may not be read.
    """
    file, reader = None, None
    try:
        # By its name: HDF5 looks for the files of links and virtual datasets beside it, and locks it.
        file = h5py.File(source.url, "r")
        _check_same(file, source)
        reader = _reader(source, file, _find(file, source.url, name, matlab), matlab)
        return reader
    except FormatError:
        raise
    # What HDF5 and h5py make of a damaged file.
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if number:
            raise OSError(number, f"HDF5 cannot open the file: {os.strerror(number)}", source.url) from error
        raise FormatError(source.url, f"is no HDF5 file that can be read: {error}") from None
    finally:
        if file and not isinstance(reader, BoxReader):
            file.close()  # an open handle would lock the file, and not survive a fork


def open_v73(source: ByteSource, variable: str | None = None) -> Reader:
    """Open a numeric variable of a MATLAB v7.3 file, which is HDF5 with every axis the other way round.

    Parameters
    ----------
    source : ByteSource
    variable : str, optional
        By default `video`, or the only numeric variable.

    Returns
    -------
    Reader
        Its shape is MATLAB's.
    """
    return open_dataset(source, variable, matlab=True)


def _check_same(file: h5py.File, source: ByteSource) -> None:
    """Raise `FormatError` if HDF5 opened another file than we did, because one was renamed over the other."""
    descriptor = source.fileno()
    if descriptor is not None and hasattr(os, "fstat") and file.driver == "sec2":
        ours, theirs = os.fstat(descriptor), os.fstat(file.id.get_vfd_handle())
        if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
            raise changed(source.url)


def _reader(source: ByteSource, file: h5py.File, data: h5py.Dataset, matlab: bool) -> Reader:
    info = {"dataset": data.name.lstrip("/"), "chunks": data.chunks, "compression": data.compression}
    if matlab and data.attrs.get("MATLAB_empty"):
        return BoxReader(_empty(data), info)
    # What lies in other files, this one's size and bytes say nothing of.
    elsewhere = data.is_virtual or bool(data.external) or data.file != file
    offset = None if elsewhere else data.id.get_offset()
    if not elsewhere and offset is None and data.size * data.dtype.itemsize > EXPANSION * source.size:
        raise FormatError(source.url, f"claims {data.shape} of {data.dtype}, more than {source.size} bytes can hold")
    if matlab:
        return BoxReader(data, info | {"inflate": "HDF5"}, reverse=True)
    info["format"] = _kind(data)
    # Unusual numbers, of 12 bits say, only HDF5 can convert.
    if data.id.get_type() == h5py.h5t.py_create(data.dtype, logical=True):
        if offset is not None:
            return ExtentReader(source, offset, data.shape, data.dtype, info)
        codecs = codecs_of(data) if data.chunks and not elsewhere else None
        if codecs is not None and (index := chunk_index(source, data, file.userblock_size)):
            info["inflate"] = LIBRARY if data.compression == "gzip" else None
            return ChunkReader(source, *index, data.chunks, data.shape, data.dtype, codecs, data.fillvalue, info)
    return BoxReader(data, info | {"inflate": "HDF5"})


def _empty(data: h5py.Dataset) -> np.ndarray:
    """Return what an empty variable of MATLAB's stands for: it holds its shape instead."""
    shape, kind = tuple(int(n) for n in data[()]), data.attrs["MATLAB_class"].decode()
    if 0 not in shape:
        raise ValueError(f"an empty variable has the shape {shape}")
    return np.empty(shape, "u1" if kind == "logical" else kind)


def _find(file: h5py.File, path: str, name: str | None, matlab: bool) -> h5py.Dataset:
    """Return the dataset of that name, or the one that is meant without a name."""
    usual = file.get(name or "video")
    if _is_numeric(usual, matlab):
        return usual
    # Not visititems: it counts the bytes of every dataset's index, and so reads all of them.
    names, groups, seen = [], [file], {h5py.h5g.get_objinfo(file["/"].id).objno}
    while groups:
        group = groups.pop()
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            number = h5py.h5g.get_objinfo(item.id).objno
            if number not in seen and isinstance(item, h5py.Group):
                groups.append(item)
            elif number not in seen and _is_numeric(item, matlab):
                names.append(item.name.lstrip("/"))
            seen.add(number)
    return file[pick(path, names, name and name.strip("/"), "dataset")]


def _is_numeric(item: Any, matlab: bool) -> bool:
    if not isinstance(item, h5py.Dataset) or not item.shape or item.dtype.kind not in "biufc":
        return False
    # MATLAB keeps what cells refer to in #refs#, and text as numbers.
    return not matlab or not (item.name.startswith("/#") or item.attrs.get("MATLAB_class") == b"char")


def _kind(data: h5py.Dataset) -> str:
    """Return the row of the registry whose layout a dataset has."""
    if data.chunks is None:
        return "h5"
    if data.chunks == (1, *data.shape[1:]):
        return "h5_frames"
    return "h5_chunked" if data.shape != data.maxshape else "h5_plain"
