"""HDF5 as it is opened: any dataset of numbers, by the fastest reader that its layout allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vidformats.codecs.deflate import EXPANSION, LIBRARY
from vidformats.errors import FormatError
from vidformats.format import Reader, pick
from vidformats.readers.boxes import BoxReader
from vidformats.readers.chunks import ChunkReader
from vidformats.readers.extent import ExtentReader
from vidformats.readers.hdf5_index import chunk_index, decoder
from vidformats.storage.local import File


def open_dataset(path: Path, name: str | None = None, matlab: bool = False) -> Reader:
    """Open a dataset of an HDF5 file.

    Parameters
    ----------
    path : path-like
    name : str, optional
        By default `video`, or the only dataset of numbers.
    matlab : bool
        Its axes are the video's in reverse order.

    Raises
    ------
    FormatError
        Where it is no HDF5 file, the name does not tell, or the shape claims what the file can't hold.
    """
    raw, file, reader = File(path), None, None
    try:
        file = h5py.File(path, "r")
        reader = _reader(raw, file, _find(file, path, name, matlab), matlab)
        return reader
    except FormatError:
        raise
    # What HDF5 and h5py make of a damaged file.
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError) as error:
        raise FormatError(path, f"is no HDF5 file that can be read: {error}") from None
    finally:
        if file and not isinstance(reader, BoxReader):
            file.close()  # an open handle would lock the file, and not survive a fork


def open_v73(path: Path, variable: str | None = None) -> Reader:
    """Open a numeric variable of a MATLAB v7.3 file, which is HDF5 with every axis the other way round.

    Parameters
    ----------
    path : path-like
    variable : str, optional
        By default `video`, or the only numeric variable.

    Returns
    -------
    Reader
        Its shape is MATLAB's.
    """
    return open_dataset(path, variable, matlab=True)


def _reader(raw: File, file: h5py.File, data: h5py.Dataset, matlab: bool) -> Reader:
    info = {"dataset": data.name.lstrip("/"), "chunks": data.chunks, "compression": data.compression}
    if matlab and data.attrs.get("MATLAB_empty"):
        return BoxReader(_empty(data), info)
    # Virtual and external datasets lie in other files, so this one's size says nothing of them.
    elsewhere = data.is_virtual or bool(data.external)
    offset = None if elsewhere else data.id.get_offset()
    if not elsewhere and offset is None and data.size * data.dtype.itemsize > EXPANSION * raw.size:
        raise FormatError(raw.path, f"claims {data.shape} of {data.dtype}, more than {raw.size} bytes can hold")
    if matlab:
        return BoxReader(data, info | {"inflate": "HDF5"}, reverse=True)
    info["format"] = _kind(data)
    # Unusual numbers, of 12 bits say, only HDF5 can convert.
    if data.id.get_type() == h5py.h5t.py_create(data.dtype, logical=True):
        if offset is not None:
            return ExtentReader(raw, offset, data.shape, data.dtype, info)
        known = decoder(data.id.get_create_plist()) if data.chunks else None
        if known and (index := chunk_index(raw, data, file.userblock_size)):
            info["inflate"] = LIBRARY if data.compression == "gzip" else None
            decode, stream = known
            return ChunkReader(raw, *index, data.chunks, data.shape, data.dtype, decode, data.fillvalue, stream, info)
    return BoxReader(data, info | {"inflate": "HDF5"})


def _empty(data: h5py.Dataset) -> np.ndarray:
    """Return what an empty variable of MATLAB's stands for: it holds its shape instead."""
    shape, kind = tuple(int(n) for n in data[()]), data.attrs["MATLAB_class"].decode()
    if 0 not in shape:
        raise ValueError(f"an empty variable has the shape {shape}")
    return np.empty(shape, "u1" if kind == "logical" else kind)


def _find(file: h5py.File, path: Path, name: str | None, matlab: bool) -> h5py.Dataset:
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
