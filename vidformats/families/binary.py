"""The array's bytes and nothing else, with a JSON sidecar for shape and dtype."""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.extent import ExtentReader, number_dtype
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.storage.local import open_source

SIDECAR = 1 << 12
"""Bytes read of a sidecar: more make no shape."""

PARTS, PART = 8, 1 << 12
"""How many parts of the data, and of how many bytes, make its digest: reading all of it would be slow to open."""


@dataclass(frozen=True)
class Binary(Format):
    """Frames one after another without a header, as ``ndarray.tofile`` writes them.

    The published file had no header either, and was read with the wrong dtype. The sidecar
    ``<name>.json`` holds ``{"shape": [...], "dtype": "<u2", "size": ..., "digest": "..."}``: the last two tell
    the data that it belongs to. Sidecars without them are read too.
    """

    sidecars: ClassVar[tuple[str, ...]] = (".json",)

    def stranger(self, path: Path) -> str | None:
        """Tell a sidecar from a JSON file that somebody else put there."""
        try:
            ours = _facts(path).keys() <= {"shape", "dtype", "size", "digest"}
        except (FormatError, OSError):
            ours = False
        return None if ours else path.name

    def write(self, video: Source, path: Path) -> None:
        """Write the frames as they come, and the sidecar."""
        n_frames = 0
        with open(path, "w+b") as file:
            for block in video.blocks():
                file.write(block.data)
                n_frames += len(block)
            facts: dict[str, Any] = {"shape": [n_frames, *video.frame_shape], "dtype": video.dtype.str}
            size = file.tell()
            facts |= {"size": size, "digest": _digest(lambda n, at: (file.seek(at), file.read(n))[1], size)}
        path.with_name(path.name + ".json").write_text(json.dumps(facts) + "\n")

    def open(
        self, source: ByteSource, shape: Any = None, dtype: Any = None, offset: int = 0, cut: bool = False
    ) -> Reader:
        """Open bytes.

        Parameters
        ----------
        source : ByteSource
        shape : int or sequence of int, optional
            By default the sidecar's. One -1 is what the file holds, which must be whole frames.
        dtype : dtype-like, optional
            By default the sidecar's, else uint8.
        offset : int, bytes
            What to skip at the start.
        cut : bool
            Leave out a last frame that is not whole, as of a recording that was cut off.
        """
        facts = _facts_of(source) if shape is None or dtype is None else {}
        if shape is None and not facts:
            name = os.path.basename(source.url)
            cure = "pass shape= and dtype= for bytes without a header, or format="
            raise FormatError(source.url, f"is of no known kind and has no sidecar {name}.json: {cure}")
        kind = number_dtype(source.url, facts.get("dtype", "uint8") if dtype is None else dtype)
        try:
            given = facts["shape"] if shape is None else shape
            axes = [operator.index(n) for n in (given if np.iterable(given) else (given,))]
            offset = operator.index(offset)
        except TypeError:
            raise ValueError(f"shape and offset must be integers, got shape={shape!r}, offset={offset!r}") from None
        if not 0 <= offset <= source.size:
            raise FormatError(source.url, f"offset must be from 0 to its {source.size} bytes, got {offset}")
        if axes.count(-1) == 1:
            one, held = -prod(axes) * kind.itemsize, source.size - offset
            n, rest = divmod(held, one) if one > 0 else (0, 0)
            axes[axes.index(-1)] = n
            if rest and not cut:
                fault = f"expected a multiple of {one} bytes for shape={shape} of {kind}, got {held}: {rest} too many"
                raise FormatError(source.url, f"{fault}; pass the right shape, or cut=True to leave them out")
        if shape is None and offset + prod(axes) * kind.itemsize != source.size:
            fault = f"expected {offset + prod(axes) * kind.itemsize} bytes for {axes} of {kind}, as its sidecar says"
            raise FormatError(source.url, f"{fault}, got {source.size}")
        return ExtentReader(source, offset, tuple(axes), kind)


def _facts_of(source: ByteSource) -> dict[str, Any]:
    """Return what the sidecar says, which lies beside the name or beside the file that a link leads to."""
    for name in (source.url, os.path.realpath(source.url)):
        sidecar = Path(name + ".json")
        if sidecar.exists():
            facts = _facts(sidecar)
            size, digest = facts.get("size", source.size), facts.get("digest")
            if size != source.size or (digest is not None and digest != _digest(source.read, size)):
                fault = f"is not the data that {sidecar.name} was written with; pass shape= and dtype= if it is right"
                raise FormatError(source.url, fault)
            return facts
    return {}


def _facts(sidecar: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(open_source(sidecar).read(SIDECAR, 0))  # which does not wait for a FIFO
        if all(type(n) is int and n >= 0 for n in facts["shape"]) and isinstance(facts["dtype"], str):
            return facts
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise FormatError(sidecar, 'expected a sidecar like {"shape": [10000, 3, 120, 120], "dtype": "|u1"}')


def _digest(read: Callable[[int, int], bytes], size: int) -> str:
    """Return what tells these data from others of their size: of parts spread evenly from the first byte to the last.

    `read` takes a number of bytes and an offset.
    """
    digest = hashlib.blake2b(digest_size=8)
    for k in range(PARTS):
        digest.update(read(PART, max(0, size - PART) * k // (PARTS - 1)))
    return digest.hexdigest()
