"""Where the chunks of an HDF5 dataset lie, and what undoes their filters."""

from __future__ import annotations

import struct
from itertools import chain
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vidformats.codecs.base import Codec
from vidformats.codecs.deflate import Deflate
from vidformats.errors import FormatError
from vidformats.select import blocks
from vidformats.storage.base import ByteSource

try:
    import numcodecs
except ImportError:  # the extra `arrays`
    numcodecs = None

SPARSE = 64
"""Places of the chunk grid believed for each chunk stored: more would cost memory for no data."""

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_HEADER = 4096  # bytes of an object header that are searched; the layout is among the first 200
_NODE = 64  # entries in a node of the B-tree, HDF5's default


def codecs_of(dataset: h5py.Dataset) -> list[Codec] | None:
    """Return what undoes the filters of a dataset, the last filter first; None if one is not known here.

    Deflate is ours; shuffle and Fletcher-32 are numcodecs', so without it HDF5 itself reads such chunks.
    """
    filters = dataset.id.get_create_plist()
    nbytes = prod(dataset.chunks) * dataset.dtype.itemsize
    codecs: list[Codec] = []
    for k in range(filters.get_nfilters()):
        code, _, values, _ = filters.get_filter(k)
        if code == _DEFLATE:
            codecs.append(Deflate(nbytes))
        elif code == _SHUFFLE and numcodecs:
            codecs.append(numcodecs.Shuffle(values[0]))
        elif code == _FLETCHER32 and numcodecs:
            codecs.append(numcodecs.Fletcher32())
            nbytes += 4  # what stands before the checksum is what later filters take
        else:
            return None
    return codecs[::-1]


def chunk_index(
    file: ByteSource, dataset: h5py.Dataset, base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return offset and size of every chunk by its position in the grid, size 0 where it is missing.

    Parameters
    ----------
    file : ByteSource
    dataset : h5py.Dataset
        Chunked.
    base : int, bytes
        Size of the user block.

    Returns
    -------
    tuple of ndarray of int64, or None
        None where a chunk skipped a filter, which only HDF5 itself can follow.

    Raises
    ------
    FormatError
        When the shape claims far more than the chunks stored.
    """
    grid = _grid(dataset)
    try:
        table = _from_btree(file, dataset, base)
    except ValueError:
        if base:  # releases of HDF5 differ in whether they count the user block
            return None
        table = _from_library(dataset)
    cells, masks, offsets, sizes = table
    if prod(grid) > SPARSE * (len(offsets) + 1024):
        raise FormatError(file.url, f"claims {dataset.shape}, but holds {len(offsets)} chunks of {dataset.chunks}")
    if masks.any() or (sizes < 1).any():
        return None
    index = np.zeros((2, *grid), np.int64)
    index.reshape(2, -1)[:, cells] = offsets, sizes
    return index[0], index[1]


def _from_library(dataset: h5py.Dataset) -> NDArray[np.int64]:
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    places = np.fromiter(chain.from_iterable(c.chunk_offset for c in found), np.int64).reshape(-1, dataset.ndim)
    return np.array([_cells(dataset, places), *(np.fromiter((c[k] for c in found), np.int64) for k in (1, 2, 3))])


def _from_btree(file: ByteSource, dataset: h5py.Dataset, base: int) -> NDArray[np.int64]:
    """Read the version 1 B-tree that HDF5 makes by default; `ValueError` for another index, or in any doubt.

    HDF5's own iteration takes 2 us a chunk: for small chunks that is longer than reading them. Described
    in "HDF5 File Format Specification", III.A.1 and IV.A.2.i.
    """
    ndim, itemsize = dataset.ndim, dataset.dtype.itemsize
    # Not h5o.get_info: it counts the bytes of the index, and so reads all of it, for an address.
    low, high = h5py.h5g.get_objinfo(dataset.id).objno
    header = file.read(_HEADER, base + low + (high << 32))
    # A chunked layout of version 3: rank and one more, the tree's address, chunk's shape, item's size.
    at = header.find(struct.pack(f"<{ndim + 1}I", *dataset.chunks, itemsize)) - 11
    if at < 0 or header[at : at + 3] != bytes((3, 2, ndim + 1)):
        raise ValueError("no such layout")
    (root,) = struct.unpack_from("<q", header, at + 3)
    if root == -1:
        return np.empty((4, 0), np.int64)
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("place", "<i8", (ndim + 1,)), ("child", "<i8")])
    node = np.dtype([("magic", "S5"), ("level", "u1"), ("used", "<u2"), ("kin", "<i8", 2), ("entries", entry, _NODE)])

    def table(entries: NDArray[Any]) -> NDArray[np.int64]:
        places = entries["place"][:, :ndim]
        if (places % dataset.chunks).any():
            raise ValueError("a chunk off the grid")
        return np.array([_cells(dataset, places), entries["mask"], entries["child"] + base, entries["size"]], np.int64)

    top = file.read(6, base + root)[-1]
    found = np.array([root])
    for level in range(top, -1, -1):
        if len(found) * node.itemsize > file.size or len(np.unique(found)) < len(found):
            raise ValueError("more nodes than the file holds")
        # Some nodes at a time, each boiled down at once: a tree takes several times the memory of its table.
        parts = (_entries(file, found[part] + base, node, level) for part in blocks(len(found), 128))
        found = np.concatenate([e["child"] if level else table(e) for e in parts], axis=-1)
    if (np.diff(found[0]) <= 0).any():
        raise ValueError("chunks out of order")
    return found


def _entries(file: ByteSource, addresses: NDArray[np.int64], node: np.dtype, level: int) -> NDArray[Any]:
    """Return what nodes of a B-tree hold, in their order."""
    nodes = np.empty(len(addresses), node)
    view = memoryview(nodes.view(np.uint8))  # type: ignore[arg-type]
    for k, at in enumerate(addresses.tolist()):
        if not 0 <= at <= file.size - node.itemsize:
            raise ValueError("a node outside the file")
        file.read_into(at, view[k * node.itemsize : (k + 1) * node.itemsize])
    if (nodes["magic"] != b"TREE\x01").any() or (nodes["level"] != level).any() or (nodes["used"] > _NODE).any():
        raise ValueError("no node of this tree")
    return nodes["entries"][np.arange(_NODE) < nodes["used"][:, None]]


def _cells(dataset: h5py.Dataset, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ravel_multi_index(tuple((places // dataset.chunks).T), _grid(dataset))


def _grid(dataset: h5py.Dataset) -> tuple[int, ...]:
    return tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
