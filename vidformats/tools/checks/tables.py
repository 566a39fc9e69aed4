"""What a table is, a manifest or labels, and what is wrong with it on its own; runs in a child process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from vidformats.errors import FormatError
from vidformats.tools.checks.facts import IMAGES
from vidformats.tools.checks.walk import MEDIA, TABLES
from vidformats.training.labels import Labels, is_time
from vidformats.training.tables import is_missing, read_table

PEOPLE = (
    "subject",
    "subject_id",
    "participant",
    "participant_id",
    "person",
    "person_id",
    "speaker",
    "actor",
    "identity",
)
"""Columns that say whose a trial is."""

FOLDS = ("fold", "split", "set", "subset", "partition")
"""Columns that say whether a trial is for training or testing."""

FILES = (*MEDIA, *TABLES, *IMAGES)


@dataclass
class Table:
    """A table of a data set.

    Attributes
    ----------
    path : str
    kind : str
        ``"manifest"`` if it names files or trials, ``"labels"`` if it has a time column, else ``"rows"``.
    rows : int
    columns : dict of str to list
        Of a manifest, by lower-case names.
    paths : list of str
        Those columns of a manifest that hold paths.
    start, end : float or None, seconds
        Of labels with a time column.
    found : list of (str, str, dict)
        Code, message and facts for the cure.
    missing : str
        Which entries of its number columns are missing, in words; empty if none.
    """

    path: str
    kind: str = "rows"
    rows: int = 0
    columns: dict[str, list[Any]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    start: float | None = None
    end: float | None = None
    found: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    missing: str = ""

    def column(self, names: tuple[str, ...]) -> str | None:
        """Return the first of some columns that there is."""
        return next((name for name in names if name in self.columns), None)

    def resolve(self, entry: Any) -> str:
        """Return where a path of the table leads, an absolute path."""
        return os.path.abspath(os.path.join(os.path.dirname(self.path), os.path.expanduser(str(entry))))


def read(path: str) -> Table:
    r"""Look at a table.

    Examples
    --------
    >>> with open("valence.csv", "w") as file:
    ...     _ = file.write("time,valence\n0,0.5\n0.25,nan\n")
    >>> table = read("valence.csv")
    >>> table.kind, table.end, table.missing
    ('labels', 0.5, "1 of 2 entries of 'valence'")
    """
    table = Table(path)
    try:
        given = read_table(path)
    except ImportError as error:
        table.found.append(("VF006", str(error), {"command": "pip install pyarrow"}))
        return table
    except OSError as error:
        table.found.append(("VF004", error.strerror or str(error), {}))
        return table
    except (FormatError, ValueError) as error:
        table.found.append(("VF053", getattr(error, "fault", str(error)), {}))
        return table
    columns = {name.strip().casefold(): entries for name, entries in given.columns.items()}
    table.rows = max(map(len, columns.values()), default=0)
    table.paths = [name for name, entries in columns.items() if _are_paths(entries)]
    if table.paths or {"trial", "n_frames"} <= columns.keys():
        table.kind, table.columns = "manifest", columns
        return table
    numbers = {
        name: entries
        for name, entries in columns.items()
        if any(not is_missing(e) for e in entries)
        and all(is_missing(e) or given.number(e) is not None for e in entries)
    }
    lost = {name: sum(map(is_missing, entries)) for name, entries in numbers.items() if not is_time(name)}
    table.missing = ", ".join(f"{n} of {table.rows} entries of {name!r}" for name, n in lost.items() if n)
    if sum(map(is_time, columns)) == 1:
        table.kind = "labels"
        try:
            labels = Labels(path)
            table.start, table.end = float(labels.times[0]), labels.end
        except FormatError as error:
            table.found.append(("VF053", error.fault, {}))
    return table


def _are_paths(entries: list[Any]) -> bool:
    there = [str(entry) for entry in entries if not is_missing(entry)]
    return bool(there) and 2 * sum(os.path.splitext(entry)[1].lower() in FILES for entry in there) > len(there)
