"""The table of what there is to train on: one row per trial, from a file or from memory."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import FormatError
from vidformats.training.tables import first_few, identity, is_missing, read_table, table_of

IDENTITIES = ("trial", "subject")
"""Columns of names. Names are text, whatever they look like."""


class Manifest:
    """Trials and what is known of them, in the order of the table.

    Parameters
    ----------
    table : path-like, mapping of columns, list of mappings, or DataFrame
        With the columns ``trial`` (unique names) and ``n_frames``; usually also ``subject``, ``fps``
        and one column of paths per stream. Further columns are kept. Files are CSV, TSV or Parquet.
    root : path-like, optional
        The folder that relative paths start from; by default the manifest's, and for a table in
        memory the current one.

    Attributes
    ----------
    source : str
        The file, as errors name it.
    root : Path
    trials : list of str
    index : dict of str to int
        A trial's place in `trials`.
    n_frames : (N,) ndarray of int64
    columns : dict of str to list
        Everything, as it came; text is stripped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If a column is missing or entries make no sense; the message names the line, or the trials.
    """

    def __init__(self, table: Any, root: str | os.PathLike[str] | None = None):
        if isinstance(table, (str, os.PathLike)):
            self.table, folder = read_table(table), Path(table).parent
        else:
            self.table, folder = table_of(table, "the manifest"), Path()
        self.source, self.columns = self.table.source, self.table.columns
        self.root = Path(root if root is not None else folder).absolute()
        entries = self.table.column("trial")
        if not entries:
            raise FormatError(self.source, "names no trials")
        if nameless := [str(k + 1) for k, entry in enumerate(entries) if is_missing(entry)]:
            raise FormatError(self.source, f"has no entry for trial in {_rows(nameless)}")
        self.trials = [identity(entry) for entry in entries]
        self.index = {name: k for k, name in enumerate(self.trials)}
        if len(self.index) < len(self.trials):
            twice = sorted({name for k, name in enumerate(self.trials) if self.index[name] != k})
            raise FormatError(self.source, f"names the trial {first_few(list(map(repr, twice)))} more than once")
        counts = [self.table.number(entry) for entry in self.table.column("n_frames")]
        wrong = [k for k, n in enumerate(counts) if n is None or n.denominator != 1 or not 0 < n < 1 << 40]
        if wrong:
            self.fail("n_frames", wrong, "expected a positive integer")
        self.n_frames = np.array([int(n or 0) for n in counts], dtype=np.int64)
        self._identities: dict[str, NDArray[np.str_]] = {}

    def column(self, name: str) -> list[Any]:
        """Return a column as it came; if there is none, `FormatError` lists those there are."""
        return self.table.column(name)

    def fail(self, name: str, trials: list[int], due: str) -> None:
        """Raise for entries of a column that make no sense, naming all trials concerned."""
        entries = self.column(name)
        found = first_few([f"trial {self.trials[k]!r} has {entries[k]!r} for {name}" for k in trials])
        raise FormatError(self.source, f"{found}; {due}")

    def identities(self, name: str) -> NDArray[np.str_]:
        """Return a column of names, ``(N,)``: as text, even if they look like numbers.

        Names that differ only in case, spaces, leading zeros or the form of their Unicode are kept apart, with one
        warning.

        Raises
        ------
        FormatError
            If a trial has none; the message names all of them.
        """
        if name not in self._identities:
            entries = self.column(name)
            if missing := [k for k, entry in enumerate(entries) if is_missing(entry)]:
                who = first_few([repr(self.trials[k]) for k in missing])
                fault = f"{len(missing)} of {len(entries)} trials have no entry for {name}: {who}"
                raise FormatError(self.source, f"{fault}; whose they are decides the folds")
            names = [identity(entry) for entry in entries]
            alike: dict[str, list[str]] = {}
            for one in dict.fromkeys(names):
                alike.setdefault(folded(one), []).append(one)
            if doubtful := [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]:
                text = f"{self.source}: nearly the same {name}, taken for different ones: {first_few(doubtful)}"
                warnings.warn(text, stacklevel=3)
            self._identities[name] = np.array(names, dtype=np.str_)
        return self._identities[name]

    def values(self, name: str) -> NDArray[Any]:
        """Return a column as an array: trials and subjects as text, others as numbers if all entries are numbers.

        A missing entry among numbers is NaN. A leading zero makes text of a column.
        """
        if name in IDENTITIES:
            return self.identities(name)
        entries = self.column(name)
        texts = [entry for entry in entries if isinstance(entry, str) and not is_missing(entry)]
        if any(text[:1] == "0" and text[1:2].isdigit() for text in texts) or not texts:
            return np.array(entries)
        numbers = [None if is_missing(entry) else self.table.number(entry) for entry in entries]
        if any(n is None and not is_missing(entry) for n, entry in zip(numbers, entries, strict=True)):
            return np.array(entries)
        whole = all(n is not None and n.denominator == 1 and abs(n) < 1 << 63 for n in numbers)
        if whole and not any("." in text or "," in text for text in texts):
            return np.array([int(n or 0) for n in numbers], dtype=np.int64)
        if any(n is not None and n.denominator == 1 and abs(n) >= 1 << 53 for n in numbers):
            return np.array(entries)  # a number of so many digits is a name
        return np.array([np.nan if n is None else float(n) for n in numbers])

    def number(self, name: str, trial: int) -> Fraction | None:
        """Return a trial's number in a column, None if there is no such column or entry.

        Raises
        ------
        FormatError
            If the entry is something else.
        """
        entry = self.columns[name][trial] if name in self.columns else None
        if is_missing(entry):
            return None
        exact = self.table.number(entry)
        if exact is None:
            self.fail(name, [trial], "expected a number")
        return exact

    def path(self, column: str, trial: int) -> str:
        """Return where a trial's stream lies."""
        entry = self.column(column)[trial]
        if not isinstance(entry, (str, os.PathLike)) or not os.fspath(entry):
            fault = f"trial {self.trials[trial]!r} has {entry!r} for a path in column {column!r}"
            raise FormatError(self.source, fault)
        return os.path.normpath(self.root / entry)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the table as a CSV that `vidformats.windows` reads; paths below its folder become relative.

        Returns
        -------
        str
            `path`.
        """
        folder = Path(path).absolute().parent
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            for row in zip(*self.columns.values(), strict=True):
                writer.writerow([_relative(entry, self.root, folder) for entry in row])
        return str(path)

    def __repr__(self) -> str:
        return f"<Manifest of {len(self.trials)} trials: {', '.join(self.columns)}>"


def _relative(entry: Any, root: Path, folder: Path) -> Any:
    if isinstance(entry, os.PathLike):
        return Path(os.path.relpath(root / entry, folder)).as_posix()
    return entry


def _rows(numbers: list[str]) -> str:
    return f"row {numbers[0]}" if len(numbers) == 1 else f"rows {first_few(numbers)}"


def folded(name: str) -> str:
    """Return what a name has in common with those it may be a slip of."""
    folded = re.sub(r"\s+", "", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0"), folded)
