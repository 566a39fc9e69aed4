"""`doctor`: what in a data set hurts training, found file by file in child processes, then by comparing the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import partial

from vidformats.readers.isolated import ChildFault, each
from vidformats.threads import cpus
from vidformats.tools.advice.access import Access
from vidformats.tools.checks import labels, manifests, mixed, slow
from vidformats.tools.checks.facts import Facts, examine
from vidformats.tools.checks.findings import CODES, Finding
from vidformats.tools.checks.tables import Table, read
from vidformats.tools.checks.walk import Item, walk

SECONDS = 60.0
"""Time that one file may take; with `deep` as many times as long as it is likely to need."""

MEMORY = 4 << 30
"""Address space of a child process, bytes."""

DEEP = 30.0
"""Times `SECONDS` that one file may take if every frame is decoded."""


def doctor(
    folder: str | os.PathLike[str],
    *,
    deep: bool = False,
    access: str | None = None,
    ignore: Collection[str] = (),
    jobs: int | None = None,
    seconds: float | None = None,
) -> list[Finding]:
    """Return what in a data set hurts training.

    Parameters
    ----------
    folder : path-like
        With videos, arrays, folders of images, tables of labels and manifests. It is only read.
    deep : bool
        Decode every frame, rather than the first, the middle and the last of each file.
    access : str, optional
        How training will read, such as ``"window=64,hop=32,stride=4"``, ``"every=4"``, ``"full"`` or ``"random"``:
        files that are slow for it are found too.
    ignore : collection of str
        Codes to leave out, such as ``{"VF012"}``.
    jobs : int, optional
        Files looked at at once, each in a child process; by default the number of CPUs.
    seconds : float, optional
        Time that one file may take; by default 60, or 1,800 with `deep`.

    Returns
    -------
    list of Finding

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        For a code that does not exist, or an access that names none.

    Examples
    --------
    >>> import os, vidformats as vf
    >>> os.makedirs("collection", exist_ok=True)
    >>> open("collection/clip.mp4", "w").close()
    >>> for finding in vf.doctor("collection"):
    ...     print(finding.code, finding.message)
    VF003 has 0 bytes
    """
    return list(findings(folder, deep=deep, access=access, ignore=ignore, jobs=jobs, seconds=seconds))


def findings(
    folder: str | os.PathLike[str],
    *,
    deep: bool = False,
    access: str | None = None,
    ignore: Collection[str] = (),
    jobs: int | None = None,
    seconds: float | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Iterator[Finding]:
    """Yield what `doctor` returns, each as soon as it is found; call ``progress(done, total)`` after each file."""
    if unknown := sorted(set(ignore) - CODES.keys()):
        raise ValueError(f"ignore: expected codes from VF001 to {max(CODES)}, got {', '.join(unknown)}")
    root = os.path.normpath(folder)
    if not os.path.exists(root):
        raise FileNotFoundError(f"{os.fspath(folder)}: expected a folder, got nothing of this name")
    wanted = Access.parse(access) if access else None
    for finding in _found(root, deep, wanted, jobs, seconds, progress):
        if finding.code not in ignore:
            yield finding


def _found(
    root: str,
    deep: bool,
    access: Access | None,
    jobs: int | None,
    seconds: float | None,
    progress: Callable[[int, int], object],
) -> Iterator[Finding]:
    items: list[Item] = []
    told: list[str] = []
    for found in walk(root):
        if isinstance(found, Finding):
            told.append(found.path)
            yield found
        else:
            items.append(found)
    media: list[Facts] = []
    tables: list[Table] = []
    limit = seconds or SECONDS * (DEEP if deep else 1)
    results = each(partial(look, deep=deep), items, min(jobs or cpus(), max(1, len(items))), limit, MEMORY)
    for done, (item, result) in enumerate(results, 1):
        progress(done, len(items))
        if isinstance(result, ChildFault) and result.kind != "result":
            yield Finding.of("VF005", item.path, result.fault)
        elif isinstance(result, Exception):
            yield Finding.of("VF001", item.path, f"{type(result).__name__}: {result}")
        else:
            (tables if isinstance(result, Table) else media).append(result)
            yield from (Finding.of(code, item.path, text, **facts) for code, text, facts in result.found)
            if access and isinstance(result, Facts):
                yield from slow.slow(result, access)
    # Results come in any order; what is said of a data set is the same each time.
    media.sort(key=lambda facts: facts.path)
    tables.sort(key=lambda table: table.path)
    paths = [item.path for item in items]
    pairs = list(labels.pairs(media, tables, root))
    paired = {pair.path for pair in pairs}
    for table in tables:
        if table.missing and (table.kind == "labels" or table.path in paired):
            yield Finding.of("VF052", table.path, f"lacks {table.missing}")
    yield from mixed.mixed([facts for facts in media if not labels.is_labels(facts)], root)
    yield from mixed.doubled(media)
    yield from mixed.gaps(media, [*told, *paths, *manifests.files_named(tables)])
    yield from labels.lengths(pairs)
    yield from manifests.lengths(tables, media)
    yield from manifests.rows_and_files(tables, paths)
    yield from manifests.people(tables, paths, root)


def look(item: Item, deep: bool = False) -> Facts | Table:
    """Look at one item; runs in a child process."""
    return read(item.path) if item.kind == "table" else examine(item.path, deep)
