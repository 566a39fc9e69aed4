"""A table with a time column as a stream: labels as annotators and sensors write them, sampled by time."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidformats.errors import FormatError
from vidformats.training.tables import first_few, is_missing, read_table, seconds

TIMES = ("time", "times", "seconds", "second", "sec", "t", "timestamp", "time_s")
"""Names by which a time column is found, in upper or lower case, with or without their unit, as in ``Time (s)``."""

UNIT = re.compile(r"\s*[(\[]\s*s(ec(ond)?s?)?\s*[)\]]$")
INDEX = re.compile(r"(Unnamed: \d+)?")
"""What pandas calls a column that numbers the rows."""

MOSTLY = 0.5
"""Part of a column's entries that are numbers, above which it is a column of numbers with a slip in it."""


def is_time(name: str) -> bool:
    """Tell whether a column of this name holds times in seconds."""
    return UNIT.sub("", name.strip().casefold()) in TIMES


class Labels:
    r"""The rows of a table, each shown from its time until that of the next.

    It reads like a `vidformats.Video`, of which it has what a dataset needs.

    Parameters
    ----------
    path : path-like
        A CSV, TSV or Parquet file.
    time : str, optional
        The column with the times: seconds, rising, or ``h:mm:ss.s``; by default one called ``time``, ``seconds``,
        ``timestamp`` or the like.
    columns : str or sequence of str, optional
        Those to read: one name gives ``(T,)``, several ``(T, K)``. By default all columns of numbers but one without
        a name, which is an index.
    dtype : dtype
        Of the values. An empty entry is NaN.
    hold : float, seconds, optional
        For how long a row holds at most if the next one comes later; beyond that it is a gap, and masked.

    Attributes
    ----------
    path : str
    shape : tuple of int
    dtype : numpy.dtype
    times : (T,) ndarray of float64, seconds
    end : float, seconds
        Until when the last row holds: for as long as rows usually do.
    columns : list of str
        What the values are.

    Raises
    ------
    FormatError
        If there is no time column, times do not rise, or an entry is no number.

    Examples
    --------
    >>> with open("valence.csv", "w") as file:
    ...     _ = file.write("time;valence\n0,0;0,5\n0,25;0,75\n")
    >>> labels = Labels("valence.csv")
    >>> labels.times.tolist(), labels.read([1, 1, 0]).ravel().tolist()
    ([0.0, 0.25], [0.75, 0.75, 0.5])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        time: str | None = None,
        columns: str | Sequence[str] | None = None,
        dtype: Any = np.float32,
        hold: float | None = None,
    ):
        self.path = os.path.abspath(os.fspath(path))
        table = read_table(self.path)
        if time is None:
            found = [name for name in table.columns if is_time(name)]
            if len(found) != 1:
                there = ", ".join(map(repr, table.columns))
                cure = 'options={"label": {"time": NAME}} names the one of the stream \'label\''
                raise FormatError(self.path, f"needs one time column, such as 'time'; it has {there}; {cure}")
            time = found[0]
        exact = [seconds(self._dotted(entry, table.decimal)) for entry in table.column(time)]
        for k, (entry, when) in enumerate(zip(table.columns[time], exact, strict=True)):
            if when is None:
                raise FormatError(self.path, f"expected seconds or h:mm:ss in {time!r}, got {entry!r} in row {k + 1}")
        self.times = np.array([float(when or 0) for when in exact])
        if not len(self.times):
            raise FormatError(self.path, "has no rows")
        if len(back := np.flatnonzero(np.diff(self.times) <= 0)):
            was, now = self.times[back[0]], self.times[back[0] + 1]
            raise FormatError(self.path, f"times must rise: row {back[0] + 2} has {now:.12g} after {was:.12g}")
        names = [columns] if isinstance(columns, str) else columns
        if names is None:
            others = [name for name in table.columns if name != time and not INDEX.fullmatch(name)]
            names = [name for name in others if self._is_of_numbers(table, name)]
            if not names:
                seen = "".join(f"; {name!r} has {table.columns[name][0]!r}" for name in others[:3])
                raise FormatError(self.path, f"has no column of numbers beside {time!r}{seen}")
        values = np.empty((len(self.times), len(names)), dtype)
        for k, name in enumerate(names):
            for row, entry in enumerate(table.column(name)):
                value = np.nan if is_missing(entry) else table.number(entry)
                if value is None or (value is np.nan and values.dtype.kind != "f"):
                    cure = "" if columns else "; 'columns' among the stream's options chooses others"
                    fault = f"expected a number in {name!r}, got {entry!r} in row {row + 1}{cure}"
                    raise FormatError(self.path, fault)
                values[row, k] = value if values.dtype.kind == "f" else int(value)
                if values.dtype.kind != "f" and values[row, k] != value:
                    fault = f"expected a number of {values.dtype} in {name!r}, got {entry!r} in row {row + 1}"
                    raise FormatError(self.path, fault)
        self.columns = list(names)
        self._values = values[:, 0] if isinstance(columns, str) else values
        self.info: dict[str, Any] = {}
        self.shape, self.dtype = self._values.shape, self._values.dtype
        steps = np.diff(self.times)
        usual = float(np.median(steps)) if len(steps) else np.inf
        self.end = float(self.times[-1]) + (usual if hold is None else min(usual, hold))
        self.hold = hold

    @staticmethod
    def _dotted(entry: Any, decimal: str) -> Any:
        return entry.replace(decimal, ".") if isinstance(entry, str) else entry

    @staticmethod
    def _is_of_numbers(table: Any, name: str) -> bool:
        entries = [entry for entry in table.columns[name] if not is_missing(entry)]
        return sum(table.number(entry) is not None for entry in entries) > MOSTLY * len(entries)

    def __len__(self) -> int:
        return len(self.times)

    def at(self, when: ArrayLike) -> NDArray[np.int64]:
        """Return which row holds at some seconds: -1 before the first row, and in gaps and at the end one too many."""
        when = np.asarray(when, np.float64)
        rows = np.searchsorted(self.times, when + 1e-6, side="right") - 1
        over = when >= self.end
        if self.hold is not None:
            over |= when - self.times[np.maximum(rows, 0)] > self.hold
        return np.where(over & (rows >= 0), len(self), rows)

    def read(self, frames: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return rows by their numbers, into `out` if given."""
        values: NDArray[Any] = self._values[np.asarray(frames)]
        if out is None:
            return values
        out[...] = values
        return out


def differing(tables: Sequence[Labels]) -> FormatError | None:
    """Return the error that tables of one stream hold different columns, which a batch would mix up; else None."""
    usual = Counter(tuple(table.columns) for table in tables).most_common(1)
    odd = [table for table in tables if tuple(table.columns) != usual[0][0]]
    if not odd:
        return None
    found = first_few([f"{os.path.basename(table.path)} has {_listed(table.columns)}" for table in odd])
    fault = f"{len(odd)} of {len(tables)} tables hold other columns of numbers than {_listed(usual[0][0])}: {found}"
    return FormatError(odd[0].path, f"{fault}; 'columns' among the stream's options chooses those that all have")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
