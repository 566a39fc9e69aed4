"""The array's bytes and nothing else, with a JSON sidecar for shape and dtype."""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.extent import ExtentReader, number_dtype
from vidformats.sidecar import check_match, load_json, sidecar_of, write_sidecar
from vidformats.source import Source
from vidformats.storage.base import ByteSource
from vidformats.timing import KEYS, set_time

TABLES, SHEETS = (".csv", ".tsv", ".parquet"), (".xlsx", ".xls", ".ods")
"""File extensions of what people have beside their videos and hold for data."""


@dataclass(frozen=True)
class Binary(Format):
    """Frames one after another without a header, as ``ndarray.tofile`` writes them.

    The published file had no header either, and was read with the wrong dtype. The sidecar
    ``<name>.json`` holds ``{"shape": [...], "dtype": "<u2", "size": ..., "digest": "..."}``: the last two tell
    the data that it belongs to. Sidecars without them are read too. The time record follows, if there is one.
    """

    keeps_time: ClassVar[bool] = True
    sidecars: ClassVar[tuple[str, ...]] = (".json",)

    def stranger(self, path: Path) -> str | None:
        """Tell a sidecar from a JSON file that somebody else put there."""
        try:
            further = _facts(path).keys() - {"shape", "dtype"}
            ours = not further or {"size", "digest"} <= further <= {"size", "digest", *KEYS}
        except (FormatError, OSError):
            ours = False
        return None if ours else path.name

    def write(self, video: Source, path: Path) -> None:
        """Write the frames as they come, and the sidecar."""
        n_frames = 0
        with open(path, "wb") as file:
            for block in video.blocks():
                file.write(block.data)
                n_frames += len(block)
        facts = {"shape": [n_frames, *video.frame_shape], "dtype": video.dtype.str}
        write_sidecar(path, facts, video.timing.record(n_frames) if video.timing else None)

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
            if name.lower().endswith((*TABLES, *SHEETS)):
                saved = " once it is saved as CSV" if name.lower().endswith(SHEETS) else ""
                fault = f"is a table by its extension, expected frames; vidformats.windows reads it{saved}"
                raise FormatError(source.url, f"{fault}, as a manifest or as labels")
            fault = f"is of no known kind (or its package is not installed) and has no sidecar {name}.json"
            cure = "pass shape= and dtype= for bytes without a header, or format="
            raise FormatError(source.url, f"{fault}: {cure}")
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
        reader = ExtentReader(source, offset, tuple(axes), kind)
        if "fps" in facts and reader.shape[0] == facts["shape"][0]:
            set_time(reader, facts, source.url)
        return reader


def _facts_of(source: ByteSource) -> dict[str, Any]:
    """Return what the sidecar says."""
    if (sidecar := sidecar_of(source)) is None:
        return {}
    facts = _facts(sidecar)
    check_match(source, sidecar, facts, "pass shape= and dtype= if it is right")
    return facts


def _facts(sidecar: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = load_json(sidecar)
        if all(type(n) is int and n >= 0 for n in facts["shape"]) and isinstance(facts["dtype"], str):
            return facts
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise FormatError(sidecar, 'expected a sidecar like {"shape": [10000, 3, 120, 120], "dtype": "|u1"}')
