"""The loader whose speed is measured: windows in PyTorch's DataLoader, or, without PyTorch, in processes of its own."""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidformats.tools.advice.access import Access
from vidformats.training.dataset import WindowDataset
from vidformats.training.windows import windows


class Plan:
    """The batches of the next pass, which may change from pass to pass while workers stay."""

    def __init__(self, batches: Sequence[list[int]]):
        self.batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def dataset(items: Sequence[Mapping[str, Any]], access: Access) -> tuple[WindowDataset, list[int], list[int]]:
    """Return the windows that lie in some parts of some videos.

    Parameters
    ----------
    items : sequence of dict
        ``path``; ``n_frames`` of the whole video; ``start`` and ``stop`` of the part; ``group``, a number that videos
        of one frame shape share; ``open``, what `vidformats.open` takes, the same for all.
    access : Access

    Returns
    -------
    WindowDataset
    trials, groups : list of int
        The video and the group of each sample.
    """
    table = [{"trial": str(k), "n_frames": item["n_frames"], "path": item["path"]} for k, item in enumerate(items)]
    w = windows(table, access.window, access.hop, access.stride)
    trials, starts = w.locate(w.rows)
    first, stop = (np.array([item[name] for item in items])[trials] for name in ("start", "stop"))
    whole = (starts >= first) & (starts + w.span <= stop)
    inside = np.zeros(len(w), bool)
    for trial in range(len(items)):
        mine = trials == trial
        # A part too short for a window still gives one, the first that begins in it.
        if (whole & mine).any():
            inside |= whole & mine
        else:
            inside[np.flatnonzero(mine & (starts >= first))[:1]] = True
    found = w.dataset(inside, options={"video": items[0].get("open") or {}}, check=False)
    kept = trials[inside]
    return found, kept.tolist(), [int(items[k]["group"]) for k in kept]


def loader(data: WindowDataset, plan: Plan, workers: int, torch: bool | None = None) -> Iterable[Mapping[str, Any]]:
    """Return what delivers the batches of `plan`, pass after pass; its workers stay.

    Parameters
    ----------
    data : WindowDataset
    plan : Plan
    workers : int
        Processes; 0 reads in this one.
    torch : bool, optional
        Use PyTorch's DataLoader; by default if it is installed.
    """
    if importlib.util.find_spec("torch") if torch is None else torch:
        from torch.utils.data import DataLoader

        served: Iterable[Mapping[str, Any]] = DataLoader(
            data, batch_sampler=plan, num_workers=workers, persistent_workers=workers > 0, collate_fn=data.collate
        )
        return served
    return Own(data, plan, workers)


class Own:
    """A loader for machines without PyTorch: batches stay in the workers that read them, only their shapes come."""

    def __init__(self, data: WindowDataset, plan: Plan, workers: int):
        self._data, self._plan = data, plan
        fork = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
        pool = multiprocessing.get_context(fork).Pool
        self._pool = pool(workers, initializer=_start, initargs=(data,)) if workers else None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if self._pool is None:
            for rows in self._plan:
                yield self._data.__getitems__(rows).batch  # type: ignore[attr-defined]
            return
        for shape in self._pool.imap(_read, list(self._plan)):
            yield {"video": np.broadcast_to(np.uint8(0), shape)}

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()


_mine: list[WindowDataset] = []


def _start(data: WindowDataset) -> None:
    _mine[:] = [data]


def _read(rows: list[int]) -> tuple[int, ...]:
    batch = _mine[0].__getitems__(rows).batch  # type: ignore[attr-defined]
    shape: tuple[int, ...] = np.array(batch["video"]).shape
    return shape
