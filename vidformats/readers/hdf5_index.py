"""Where the chunks of an HDF5 dataset lie, and what undoes their filters."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import Any, NamedTuple

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
_LAYOUT, _CONTINUATION, _CHUNKED = 0x08, 0x10, 2
_HEADER, _BLOCKS = 1 << 20, 256  # bytes of a block of an object header, and blocks, that are believed
_NODE = 64  # entries in a node of the B-tree, HDF5's default


def codecs_of(dataset: h5py.Dataset) -> list[Codec] | None:
    """Return what undoes the filters of a dataset, the last filter first; None if one is not known here.

    Deflate is ours; shuffle and Fletcher-32 are numcodecs', so without it HDF5 itself reads such chunks. So it does if
    they come in an unusual order: of what was deflated nobody knows the size, and it has no whole items to shuffle.
    """
    filters = dataset.id.get_create_plist()
    nbytes = prod(dataset.chunks) * dataset.dtype.itemsize
    codecs: list[Codec] = []
    for k in range(filters.get_nfilters()):
        code, _, values, _ = filters.get_filter(k)
        if code == _DEFLATE and not any(isinstance(codec, Deflate) for codec in codecs):
            codecs.append(Deflate(nbytes))
        elif code == _SHUFFLE and numcodecs and k == 0 and values:
            codecs.append(numcodecs.Shuffle(values[0]))
        elif code == _FLETCHER32 and numcodecs:
            codecs.append(numcodecs.Fletcher32())
            nbytes += 4  # what stands before the checksum is what later filters take
        else:
            return None
    return codecs[::-1]


class Layout(NamedTuple):
    """What an object header says of the chunks of its dataset.

    Attributes
    ----------
    root : int or None
        Address of the version 1 B-tree; -1 if no chunk was written, None for another index.
    unfiltered_edges : bool
        Whether chunks that reach beyond the shape are stored without filters.
    """

    root: int | None
    unfiltered_edges: bool


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
        None if only HDF5 itself can follow: a chunk skipped a filter, the grid is far larger than what is stored,
        or where the chunks are is not proven.
    """
    grid = _grid(dataset)
    partial = any(n % c for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    layout = _layout(file, dataset, base)
    if dataset.id.get_create_plist().get_nfilters() and partial and (layout is None or layout.unfiltered_edges):
        return None
    try:
        if layout is None or layout.root is None:
            raise ValueError("another index")
        table = _from_btree(file, dataset, base, layout.root)
    except ValueError:
        # Releases of HDF5 differ in whether they count the user block, and they number chunks wrongly along an axis
        # that alone is unlimited, if it is not the first.
        if base or (dataset.maxshape.count(None) == 1 and dataset.maxshape[0] is not None):
            return None
        table = _from_library(dataset)
    cells, masks, offsets, sizes = table
    if (sizes < 1).any():  # of which HDF5 would give memory that held something else before
        raise FormatError(file.url, f"is damaged: a chunk of {dataset.name} has no bytes")
    if masks.any() or prod(grid) > SPARSE * (len(offsets) + 1024):
        return None
    index = np.zeros((2, *grid), np.int64)
    index.reshape(2, -1)[:, cells] = offsets, sizes
    return index[0], index[1]


def _layout(file: ByteSource, dataset: h5py.Dataset, base: int) -> Layout | None:
    """Return what the dataset's own object header says; None in any doubt.

    Described in "HDF5 File Format Specification", IV.A.2.i.
    """
    if dataset.file.id.get_create_plist().get_sizes() != (8, 8):
        return None
    # Not h5o.get_info: it counts the bytes of the index, and so reads all of it, for an address.
    low, high = h5py.h5g.get_objinfo(dataset.id).objno
    try:
        found = [body for kind, body in _messages(file, base, low + (high << 32)) if kind == _LAYOUT]
        if len(found) != 1 or found[0][1] != _CHUNKED:
            return None
        (body,), ndim = found, dataset.ndim
        if body[0] == 3 and body[2] == ndim + 1:  # version, class, rank and one more, the tree's address, chunk's shape
            root, *chunks = struct.unpack_from(f"<q{ndim + 1}I", body, 3)
            return Layout(root, False) if tuple(chunks) == (*dataset.chunks, dataset.dtype.itemsize) else None
        return Layout(None, bool(body[2] & 1)) if body[0] == 4 else None
    except (struct.error, IndexError):
        return None


def _messages(file: ByteSource, base: int, address: int) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the messages of an object header, of either version. Source: as above, IV.A.1."""
    prefix = file.read(64, base + address)
    if modern := prefix[:5] == b"OHDR\x02":
        flags = prefix[5]
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        block = (base + address + at + width, int.from_bytes(prefix[at : at + width], "little"))
        head = struct.Struct("<BHBH" if flags & 4 else "<BHB")
    else:
        if prefix[:1] != b"\x01":
            return
        block = (base + address + 16, struct.unpack_from("<I", prefix, 8)[0])
        head = struct.Struct("<HHB3x")
    blocks = [block]
    for start, nbytes in blocks:
        if len(blocks) > _BLOCKS or nbytes > _HEADER:
            return
        text, at = file.read(nbytes, start), 0
        while at + head.size <= len(text):
            kind, size = head.unpack_from(text, at)[:2]
            body = text[at + head.size : at + head.size + size]
            at += head.size + size
            if kind == _CONTINUATION:
                start, nbytes = struct.unpack_from("<QQ", body)
                # In version 2 a block has a signature of 4 bytes before, and a checksum of 4 behind its messages.
                blocks.append((base + start + 4, nbytes - 8) if modern else (base + start, nbytes))
            yield kind, body


def _from_library(dataset: h5py.Dataset) -> NDArray[np.int64]:
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    places = np.fromiter(chain.from_iterable(c.chunk_offset for c in found), np.int64).reshape(-1, dataset.ndim)
    return np.array([_cells(dataset, places), *(np.fromiter((c[k] for c in found), np.int64) for k in (1, 2, 3))])


def _from_btree(file: ByteSource, dataset: h5py.Dataset, base: int, root: int) -> NDArray[np.int64]:
    """Read the version 1 B-tree that HDF5 makes by default; `ValueError` in any doubt.

    HDF5's own iteration takes 2 us a chunk: for small chunks that is longer than reading them. Described
    in "HDF5 File Format Specification", III.A.1.
    """
    if root == -1:
        return np.empty((4, 0), np.int64)
    ndim = dataset.ndim
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
    view = memoryview(nodes.view(np.uint8))  # type: ignore[arg-type, unused-ignore]
    for k, at in enumerate(addresses.tolist()):
        if not 0 <= at <= file.size - node.itemsize:
            raise ValueError("a node outside the file")
        file.read_into(at, view[k * node.itemsize : (k + 1) * node.itemsize])
    if (nodes["magic"] != b"TREE\x01").any() or (nodes["level"] != level).any() or (nodes["used"] > _NODE).any():
        raise ValueError("no node of this tree")
    used: NDArray[Any] = nodes["entries"][np.arange(_NODE) < nodes["used"][:, None]]
    return used


def _cells(dataset: h5py.Dataset, places: NDArray[np.int64]) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = np.ravel_multi_index(tuple((places // dataset.chunks).T), _grid(dataset))
    return cells


def _grid(dataset: h5py.Dataset) -> tuple[int, ...]:
    return tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
