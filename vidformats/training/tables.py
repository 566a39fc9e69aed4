"""Tables as people have them, as columns: from CSV, TSV and Parquet files or from memory; and what an entry means."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import math
import operator
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from vidformats.errors import FormatError

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
"""File extensions of tables."""

DELIMITERS = ",;\t|"

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?(/[1-9]\d*)?", re.ASCII)
CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)", re.ASCII)
MISSING = {"", "nan", "nat", "none", "null", "n/a", "#n/a", "<na>"}


class Table(NamedTuple):
    """A table by columns.

    Attributes
    ----------
    source : str
        The file, or what errors call a table in memory.
    columns : dict of str to list
        Entries of a text file are text, stripped; others are as they came.
    decimal : str
        The decimal sign of its numbers: a comma can be one only where it parts no columns.
    """

    source: str
    columns: dict[str, list[Any]]
    decimal: str = "."

    def column(self, name: str) -> list[Any]:
        """Return a column as it came; if there is none, `FormatError` lists those there are."""
        if name not in self.columns:
            raise FormatError(self.source, f"has no column {name!r}; it has {', '.join(map(repr, self.columns))}")
        return self.columns[name]

    def number(self, entry: Any) -> Fraction | None:
        """Return the number that an entry of this table is, or None."""
        if isinstance(entry, str) and self.decimal != ".":
            entry = entry.replace(self.decimal, ".")
        return number(entry)


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a CSV, TSV or Parquet file.

    Text is UTF-8 or UTF-16; columns are separated by commas, semicolons, tabs or bars, whichever parts the
    first line into most names. Rows and last columns without any entry are left out.

    Raises
    ------
    FileNotFoundError
        If it is not there; the message says what the reason may be.
    FormatError
        If it is not such a table; the message names the line.
    ImportError
        If Parquet needs pyarrow.
    """
    path = Path(path)
    if path.is_dir():
        raise FormatError(path, "is a folder, expected a table; vidformats.manifest(folder, pattern=...) makes one")
    if not path.exists():
        reason = hint(str(path), str(path)) or hint("", os.path.abspath(path))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT) + reason, str(path))
    data = path.read_bytes()
    if data[:4] == b"PAR1":
        return Table(str(path), _parquet(path))
    if data[:4] == b"PK\x03\x04":
        raise FormatError(path, "is a spreadsheet; save it as 'CSV UTF-8'")
    lines = _text(path, data).splitlines(keepends=True)
    delimiter = ""
    if lines and (told := re.fullmatch(r"sep=(.)\s*", lines[0])):  # a line by which Excel tells Excel
        delimiter, lines[0] = told[1], "\n"
    head = next((line for line in lines if line.strip()), "")
    delimiter = delimiter or max(DELIMITERS, key=lambda mark: len(next(csv.reader([head], delimiter=mark), [])))
    try:
        reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter)
        rows = [(reader.line_num, cells) for row in reader if any(cells := [cell.strip() for cell in row])]
    except csv.Error as error:
        raise FormatError(path, f"is not a CSV: {error}") from None
    names = rows[0][1] if rows else []
    while names and not names[-1]:
        names.pop()
    if not names or len(set(names)) < len(names):
        raise FormatError(path, f"needs a first line of distinct column names, got {names}")
    for line, cells in rows[1:]:
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        if len(cells) != len(names):
            raise FormatError(path, f"line {line} has {len(cells)} entries, the first line {len(names)} names")
    columns = {name: [cells[k] for _, cells in rows[1:]] for k, name in enumerate(names)}
    return Table(str(path), columns, "." if delimiter == "," else ",")


def _text(path: Path, data: bytes) -> str:
    encoding = "utf-8-sig"
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    elif b"\0" in data[:2]:  # UTF-16 without its mark: the first name begins with a letter of ASCII
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        fault = f"is not text in UTF-8 or UTF-16: {error.reason} at byte {error.start}; save it as 'CSV UTF-8'"
        raise FormatError(path, fault) from None


def _parquet(path: Path) -> dict[str, list[Any]]:
    try:
        from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ImportError(f"{path}: reading Parquet requires pyarrow; pip install pyarrow") from None
    try:
        return dict(parquet.read_table(path).to_pydict())
    except ValueError as error:  # what pyarrow raises is a ValueError too
        raise FormatError(path, f"is not Parquet that can be read: {error}") from None


def table_of(data: Any, source: str) -> Table:
    """Take a table in memory apart: a dict of columns, a list of dicts, or a DataFrame of any library.

    Raises
    ------
    TypeError
        If it is something else.
    FormatError
        If its columns do not fit each other.
    """
    if isinstance(data, Mapping):
        pairs: Iterable[tuple[Any, Any]] = data.items()
    elif hasattr(data, "columns"):
        twice = [name for k, name in enumerate(data.columns) if name in list(data.columns)[:k]]
        if twice:
            raise FormatError(source, f"has the column {twice[0]!r} more than once")
        pairs = [(name, data[name]) for name in data.columns]
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        names = list(data[0]) if data else []
        for k, row in enumerate(data):
            if set(row) != set(names):
                raise FormatError(source, f"row {k} has the entries {list(row)}, row 0 has {names}")
        pairs = [(name, [row[name] for row in data]) for name in names]
    else:
        kind = type(data).__name__
        raise TypeError(f"expected a path, a dict of columns, a list of dicts or a DataFrame, got {kind}")
    columns = {}
    for name, entries in pairs:
        if isinstance(entries, (str, bytes)) or not isinstance(entries, Iterable):
            raise FormatError(source, f"column {name!r} must be a list of entries, got {entries!r}")
        columns[str(name)] = [entry.strip() if isinstance(entry, str) else entry for entry in entries]
    if len({len(entries) for entries in columns.values()}) > 1:
        lengths = ", ".join(f"{name!r} {len(entries)}" for name, entries in columns.items())
        raise FormatError(source, f"has columns of different lengths: {lengths}")
    return Table(source, columns)


def is_missing(entry: Any) -> bool:
    """Tell whether an entry says that there is none: empty, None, NaN, or what programs write for them."""
    text = str(entry).strip()
    return text == "NA" or text.casefold() in MISSING  # R writes NA; Na may be a name


def identity(entry: Any) -> str:
    """Return an entry as a name: text, stripped, never a number; 7.0, which pandas makes of 7, is 7."""
    if isinstance(entry, (float, np.floating)) and float(entry).is_integer():
        return str(int(entry))
    return str(entry).strip()


def number(entry: Any) -> Fraction | None:
    """Return the number that an entry is, exactly as written, or None: ``"40.0"``, ``"30000/1001"``, ``2.5``."""
    if isinstance(entry, (bool, np.bool_)):
        return None
    if isinstance(entry, (float, np.floating)):
        return Fraction(repr(float(entry))) if math.isfinite(entry) else None
    if isinstance(entry, (int, np.integer)):
        return Fraction(int(entry))
    if isinstance(entry, Fraction):
        return entry
    if isinstance(entry, str) and NUMBER.fullmatch(entry := entry.strip()):
        top, _, bottom = entry.partition("/")
        return Fraction(top) / Fraction(bottom or 1)
    return None


def seconds(entry: Any) -> Fraction | None:
    """Return the seconds that an entry means: a number, ``"1:02:03.5"``, or a time difference; else None."""
    if isinstance(entry, str) and (parts := CLOCK.fullmatch(entry.strip())):
        return Fraction(parts[1] or 0) * 3600 + Fraction(parts[2]) * 60 + Fraction(parts[3])
    if isinstance(entry, np.timedelta64):
        return Fraction(int(entry / np.timedelta64(1, "ns")), 10**9)
    if hasattr(entry, "total_seconds"):
        return number(entry.total_seconds())
    return number(entry)


def whole(value: Any, what: str, hint: str = "") -> int:
    """Return an integer; anything that would have to be altered is refused."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be an integer, got {value!r}{hint}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {value!r}{hint}") from None


def first_few(items: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """Return the first items in one line, and whether there are more."""
    return between.join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def hint(entry: str, path: str) -> str:
    """Return why a path may not be there, as the end of a sentence; empty if nothing shows."""
    if entry.startswith("~"):
        return "; '~' is not expanded: write the folder out, or use os.path.expanduser"
    if "\\" in entry and os.path.exists(path.replace("\\", "/")):
        return "; it is if '\\' becomes '/', as paths of Windows must here"
    forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
    for form in forms:
        if (other := unicodedata.normalize(form, path)) != path and os.path.exists(other):
            return f"; it is by a name that looks the same, in Unicode form {form}"
    return ""
