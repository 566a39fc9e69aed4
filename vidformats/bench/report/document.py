"""What all reports share: how a document holds a table, and the line that names machine and versions."""

from __future__ import annotations

from typing import Any


def replace_block(text: str, name: str, body: str) -> str:
    """Return a document with the block between ``<!-- name -->`` and ``<!-- end name -->`` replaced.

    Raises
    ------
    ValueError
        If the document has no such block.

    Examples
    --------
    >>> replace_block("<!-- a -->old<!-- end a -->", "a", "new").split()
    ['<!--', 'a', '-->', 'new', '<!--', 'end', 'a', '-->']
    """
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, begun, rest = text.partition(start)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"expected a block {start} ... {end}, found none")
    return f"{before}{start}\n{body}\n{end}{after}"


def table(columns: list[str], rows: list[list[str]], figures: bool = True) -> str:
    """Return a Markdown table whose first column is text, and whose other columns are figures or text.

    Examples
    --------
    >>> print(table(["row", "ms"], [["npy", "14"]]))
    | row | ms |
    | --- | ---: |
    | npy | 14 |
    """
    lines = [columns, ["---", *["---:" if figures else "---"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def count(n: int, what: str) -> str:
    """Return a number with its noun, in the plural if needed.

    Examples
    --------
    >>> count(1, "thread"), count(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{n} {what}{'' if n == 1 else 's'}"


def machine_line(result: dict[str, Any]) -> str:
    """Return one line about the machine and the libraries of a measurement."""
    machine = result["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    kind = f"{machine['cpus']} CPUs, {machine['memory_gib']} GiB, {machine['system']} {machine['kernel']}"
    return f"{kind}, {machine['file_system'] or 'file system unknown'}, Python {machine['python']}; {libraries}"
