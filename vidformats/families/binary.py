"""The array's bytes and nothing else, with a JSON sidecar for shape and dtype."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.readers.extent import ExtentReader, number_dtype
from vidformats.source import Source
from vidformats.storage.base import ByteSource

SIDECAR = 1 << 12
"""Bytes read of a sidecar: more make no shape."""


@dataclass(frozen=True)
class Binary(Format):
    """Frames one after another without a header, as ``ndarray.tofile`` writes them.

    The published file had no header either, and was read with the wrong dtype. The sidecar
    ``<name>.json`` holds ``{"shape": [...], "dtype": "<u2"}``.
    """

    sidecars = (".json",)

    def write(self, video: Source, path: Path) -> None:
        """Write the frames as they come, and the sidecar."""
        n_frames = 0
        with open(path, "wb") as file:
            for block in video.blocks():
                file.write(block.data)
                n_frames += len(block)
        facts = {"shape": [n_frames, *video.frame_shape], "dtype": video.dtype.str}
        path.with_name(path.name + ".json").write_text(json.dumps(facts) + "\n")

    def open(
        self, source: ByteSource, shape: tuple[int, ...] | None = None, dtype: Any = None, offset: int = 0
    ) -> Reader:
        """Open bytes; `shape` and `dtype` overrule the sidecar, -1 in `shape` is what the file holds."""
        path = source.url
        sidecar = Path(path + ".json")
        facts: dict[str, Any] = {}
        if shape is None or dtype is None:
            facts = _facts(sidecar) if sidecar.exists() else {}
            if shape is None and not facts:
                raise FormatError(path, f"has no sidecar {sidecar.name}: pass shape= and dtype=")
        kind = number_dtype(path, facts.get("dtype", "uint8") if dtype is None else dtype)
        axes = [int(n) for n in (facts["shape"] if shape is None else shape)]
        if axes.count(-1) == 1:
            rest = -int(np.prod(axes, dtype=object)) * kind.itemsize
            axes[axes.index(-1)] = (source.size - offset) // rest if rest > 0 else 0
        need = offset + int(np.prod(axes, dtype=object)) * kind.itemsize
        if shape is None and need != source.size:
            raise FormatError(path, f"has {source.size} bytes, but its sidecar says {axes} of {kind}, which is {need}")
        return ExtentReader(source, offset, tuple(axes), kind)


def _facts(sidecar: Path) -> dict[str, Any]:
    try:
        with open(sidecar, "rb") as file:
            facts = json.loads(file.read(SIDECAR))
        if all(isinstance(n, int) and n >= 0 for n in facts["shape"]) and isinstance(facts["dtype"], str):
            return facts
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise FormatError(sidecar, 'is not a sidecar like {"shape": [10000, 3, 120, 120], "dtype": "|u1"}')
