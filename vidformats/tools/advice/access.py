"""What training asks of a loader: the access named on the command line, as windows and as batches."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK = 64
"""Samples that one read delivers if videos are read front to back."""

USUAL = {"window": 8, "random": 64}
"""Samples in a batch, by kind."""


@dataclass(frozen=True)
class Access:
    """How training reads.

    Attributes
    ----------
    kind : str
        ``"window"``: shuffled windows; ``"every"`` and ``"full"``: front to back, a block at a time, each worker
        with videos of its own; ``"random"``: shuffled single frames.
    window, hop, stride : int
        As `vidformats.windows` takes them.
    batch : int
        Windows, blocks or frames in a batch.
    """

    kind: str
    window: int
    hop: int
    stride: int
    batch: int

    @classmethod
    def parse(cls, text: str, batch: int | None = None) -> Access:
        """Return what a text such as ``"window=64,hop=32,stride=4"``, ``"every=4"``, ``"full"`` or ``"random"`` names.

        Raises
        ------
        ValueError
            If it names no access.

        Examples
        --------
        >>> Access.parse("window=64,hop=32,stride=4").span
        253
        """
        expected = "expected window=64,hop=32,stride=4 or every=4 or full or random"
        pairs = [part.partition("=") for part in text.replace(" ", "").split(",")]
        given = {name: value for name, _, value in pairs}
        try:
            numbers = {name: int(value) for name, value in given.items() if name not in ("full", "random")}
        except ValueError:
            raise ValueError(f"{expected}, got {text!r}") from None
        kind = pairs[0][0]
        allowed = {"window": {"window", "hop", "stride"}, "every": {"every"}, "full": {"full"}, "random": {"random"}}
        bare = kind in ("full", "random") and not given[kind]
        if not given.keys() <= allowed.get(kind, set()) or min(numbers.values(), default=bare) < 1:
            raise ValueError(f"{expected}, all numbers 1 or more, got {text!r}")
        if batch is not None and batch < 1:
            raise ValueError(f"batch must be >= 1, got {batch}")
        if kind == "window":
            size = numbers["window"]
            return cls(kind, size, numbers.get("hop", size), numbers.get("stride", 1), batch or USUAL["window"])
        if kind == "random":
            return cls(kind, 1, 1, 1, batch or USUAL["random"])
        return cls(kind, BLOCK, BLOCK, numbers.get("every", 1), batch or 1)

    def __str__(self) -> str:
        if self.kind == "window":
            return f"window={self.window},hop={self.hop},stride={self.stride}"
        return f"every={self.stride}" if self.kind == "every" else self.kind

    @property
    def span(self) -> int:
        """Frames from the first of a window to its last."""
        return (self.window - 1) * self.stride + 1

    @property
    def in_order(self) -> bool:
        """Whether videos are read front to back."""
        return self.kind in ("every", "full")

    @property
    def samples(self) -> int:
        """Frames that a batch delivers."""
        return self.window * self.batch

    def batches(
        self, trials: ArrayLike, groups: ArrayLike, workers: int, once: bool = False, seed: int = 0
    ) -> list[list[int]]:
        """Return batches of rows for one pass over the windows.

        Parameters
        ----------
        trials : (N,) array of int
            The video of each row, rising; rows of one video are in order of time.
        groups : (N,) array of int
            A number for each row; rows of different groups, whose frames differ in shape, share no batch.
        workers : int
        once : bool
            Leave out windows that overlap earlier ones, so that no frame is read twice.
        seed : int

        Examples
        --------
        >>> Access.parse("full").batches([0, 0, 0, 1], [0, 0, 0, 0], workers=2)
        [[0], [2], [1], [3]]
        """
        trials, groups = np.asarray(trials), np.asarray(groups)
        rows = np.arange(len(trials))
        if once:
            first = np.searchsorted(trials, trials)  # of each row's video
            rows = rows[(rows - first) % -(-self.window // self.hop) == 0]
        if self.in_order:
            lanes = np.array_split(rows, max(1, workers))
            cut = [self._cut(lane, groups) for lane in lanes]
            return [batch for dealt in itertools.zip_longest(*cut) for batch in dealt if batch is not None]
        rng = np.random.default_rng(seed)
        found = self._cut(rng.permutation(rows), groups)
        return [found[k] for k in rng.permutation(len(found))]

    def _cut(self, rows: NDArray[np.int64], groups: NDArray[np.int64]) -> list[list[int]]:
        found = []
        for group in dict.fromkeys(groups[rows].tolist()):
            mine = rows[groups[rows] == group].tolist()
            found += [mine[k : k + self.batch] for k in range(0, len(mine), self.batch)]
        return found
