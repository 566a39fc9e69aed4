"""How commands show tables and progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

console = Console()


def progress() -> Progress:
    """Return a bar with the time left, on standard error, and only if that is a terminal."""
    columns: list[Any] = [BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def parts(columns: Sequence[str], rows: list[list[str]], width: int) -> Iterator[Table]:
    """Yield a table as one or more whose columns fit into a width; the first column is repeated in each."""
    texts = list(zip(columns, *rows, strict=True))
    # A column is never narrower than its longest word: text is wrapped between words only.
    needs = [max(len(word) for text in column for word in text.split()) for column in texts]
    found: list[list[int]] = [[0]]
    for k in range(1, len(columns)):
        if len(found[-1]) > 1 and 1 + sum(needs[j] + 3 for j in (*found[-1], k)) > width:
            found.append([0])
        found[-1].append(k)
    for chosen in found:
        sheet, spare = Table(), width - 1 - sum(needs[k] + 3 for k in chosen)
        for k in chosen:
            more = max(0, min(spare, max(map(len, texts[k])) - needs[k]))
            spare -= more
            figures = any(text[:1].isdigit() for text in texts[k])
            sheet.add_column(columns[k], width=needs[k] + more, justify="right" if figures and k else "left")
        for row in rows:
            sheet.add_row(*(row[k] for k in chosen))
        yield sheet
