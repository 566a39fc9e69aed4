"""What a folder of results consists of: ``manifest.csv`` and ``failed.jsonl``, compiled from the receipts in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vidformats.tools import receipts
from vidformats.tools.receipts import Failure, Receipt, put

MANIFEST, FAILED = "manifest.csv", "failed.jsonl"


def conclude(folder: Path, failures: Iterable[Failure] = ()) -> tuple[list[Receipt], list[Failure]]:
    """Write the manifest of a folder, and the list of what failed.

    Parameters
    ----------
    folder : Path
    failures : iterable of Failure
        Known besides those that stand beside their results.

    Returns
    -------
    list of Receipt, list of Failure
        All whose results are there, in the order of their paths.
    """
    done, failed = [], {}
    for target in receipts.targets(folder):
        if (receipt := receipts.read(target)) is not None:
            if target.exists():
                done.append(receipt)
        elif (failure := receipts.failure(target)) is not None:
            failed[failure.source, failure.path] = failure
    failed |= {(failure.source, failure.path): failure for failure in failures}
    left = sorted(failed.values(), key=lambda failure: (failure.path, failure.source))
    if done:
        put(folder / MANIFEST, manifest(done))
    else:
        (folder / MANIFEST).unlink(missing_ok=True)
    if left:
        put(folder / FAILED, "".join(failure.text() for failure in left))
    else:
        (folder / FAILED).unlink(missing_ok=True)
    return done, left


def manifest(done: list[Receipt]) -> str:
    """Return the table that ``vf.windows`` reads: one row per result."""
    rows = [row_of(receipt) for receipt in done]
    if len({str(row["trial"]) for row in rows}) < len(rows):  # two manifests may use one name: paths are distinct
        rows = [row | {"trial": row["path"]} for row in rows]
    first = ["trial", "subject", "path", "n_frames", "fps", "shape", "source"]
    said = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in first if name in said] + [name for name in said if name not in first]
    if not any(row["fps"] for row in rows):
        names.remove("fps")
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def row_of(receipt: Receipt) -> dict[str, Any]:
    """Return what the manifest says of a result."""
    return {
        "trial": receipt.path,
        "path": receipt.path,
        "n_frames": receipt.n_frames,
        "fps": "" if receipt.fps is None else receipt.fps,
        "shape": "x".join(map(str, receipt.shape[1:])),
        "source": receipt.source["path"],
    } | receipt.columns
