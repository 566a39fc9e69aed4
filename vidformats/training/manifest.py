"""The table of what there is to train on: one row a trial, from a CSV or from memory."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError


class Manifest:
    """Trials and what is known of them, in the order of the table.

    Parameters
    ----------
    table : path-like, mapping of columns, list of mappings, or DataFrame
        With the columns ``trial`` (unique names) and ``n_frames``; usually also ``subject``, ``fps``
        and one column of paths a stream. Further columns are kept.
    root : path-like, optional
        The folder that relative paths start from; by default the manifest's, and for a table in
        memory the current one.

    Attributes
    ----------
    trials : list of str
    n_frames : (N,) ndarray of int64
    columns : dict of str to list
        Everything, as it came.

    Raises
    ------
    FileNotFoundError
        When there is no such CSV.
    FormatError
        When a column is missing or an entry makes no sense; the message names the line.
    """

    def __init__(self, table: Any, root: str | os.PathLike[str] | None = None):
        if isinstance(table, (str, os.PathLike)):
            self.source = os.fspath(table)
            self.columns = _read_csv(Path(table))
            self.root = Path(root if root is not None else Path(table).parent).absolute()
        else:
            self.source = "the manifest"
            self.columns = _columns(table)
            self.root = Path(root if root is not None else ".").absolute()
        self.trials = [str(name) for name in self.column("trial")]
        if not self.trials:
            raise FormatError(self.source, "names no trials")
        self.index = {name: k for k, name in enumerate(self.trials)}
        if len(self.index) < len(self.trials):
            twice = next(name for k, name in enumerate(self.trials) if self.index[name] != k)
            raise FormatError(self.source, f"names the trial {twice!r} twice")
        self.n_frames = np.array(
            [self._whole_number(k, n) for k, n in enumerate(self.column("n_frames"))], dtype=np.int64
        )

    def column(self, name: str) -> list[Any]:
        """Return a column as it came; `FormatError` lists what there is where it is missing."""
        if name not in self.columns:
            there = ", ".join(map(repr, self.columns))
            raise FormatError(self.source, f"has no column {name!r}; it has {there}")
        return self.columns[name]

    def values(self, name: str) -> NDArray[Any]:
        """Return a column as an array: of numbers where every entry of it is one, else of text."""
        entries = np.array(self.column(name))
        if entries.dtype.kind == "U" and not any(e[:1] == "0" and e[1:2].isdigit() for e in entries.tolist()):
            for kind in (np.int64, np.float64):
                try:
                    return entries.astype(kind)
                except ValueError:
                    continue
        return entries

    def path(self, column: str, trial: int) -> str:
        """Return where a trial's stream lies."""
        entry = self.column(column)[trial]
        if not isinstance(entry, (str, os.PathLike)) or not os.fspath(entry):
            fault = f"trial {self.trials[trial]!r} has {entry!r} for a path in column {column!r}"
            raise FormatError(self.source, fault)
        return os.path.normpath(self.root / entry)

    def _whole_number(self, k: int, entry: Any) -> int:
        try:
            number = int(entry)
            if not isinstance(entry, str) and number != entry:
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            number = 0
        if not 0 < number < 1 << 40:
            fault = f"trial {self.trials[k]!r} has {entry!r} for n_frames; a whole number from 1 on is due"
            raise FormatError(self.source, fault)
        return number


def _read_csv(path: Path) -> dict[str, list[Any]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            names = [name.strip() for name in next(lines, [])]
            rows = []
            for row in lines:
                if row and len(row) != len(names):
                    fault = f"line {lines.line_num} has {len(row)} entries, the head has {len(names)}"
                    raise FormatError(path, fault)
                if row:
                    rows.append(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(path, f"is not a CSV in UTF-8: {error}") from None
    if not names or len(set(names)) < len(names):
        raise FormatError(path, f"needs a first line of distinct column names, not {names}")
    return {name: [row[k].strip() for row in rows] for k, name in enumerate(names)}


def _columns(table: Any) -> dict[str, list[Any]]:
    """Take a table apart: a DataFrame is told by its columns, which saves importing its library."""
    if isinstance(table, Mapping):
        columns = {str(name): list(entries) for name, entries in table.items()}
    elif hasattr(table, "columns"):
        columns = {str(name): list(table[name]) for name in table.columns}
    elif isinstance(table, (list, tuple)) and all(isinstance(row, Mapping) for row in table):
        names = list(table[0]) if table else []
        for k, row in enumerate(table):
            if set(row) != set(names):
                raise FormatError("the manifest", f"row {k} has the entries {list(row)}, row 0 has {names}")
        columns = {str(name): [row[name] for row in table] for name in names}
    else:
        kind = type(table).__name__
        raise TypeError(f"a manifest is a path, a dict of columns, a list of dicts or a DataFrame, not {kind}")
    if len({len(entries) for entries in columns.values()}) > 1:
        lengths = ", ".join(f"{name!r} {len(entries)}" for name, entries in columns.items())
        raise FormatError("the manifest", f"has columns of different lengths: {lengths}")
    return columns
