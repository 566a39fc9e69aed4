"""A pass through a loader, as a training loop makes it, and what the loader and its workers hold in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vidformats.bench.measure.memory import sizes


def epoch(batches: Iterable[Mapping[str, Any]], buffer: bytearray | None = None) -> int:
    """Go once through a loader, copy each batch into one buffer as on its way to a device, return the frames.

    Parameters
    ----------
    batches : iterable of mapping
        With ``"video"``, ``(B, size, ...)``: a tensor or an array.
    buffer : bytearray, optional
        Grows as needed; what is kept from pass to pass, as training keeps it, need not be allocated in a short one.

    Examples
    --------
    >>> epoch([{"video": np.zeros((2, 3, 1, 4, 4), np.uint8)}])
    6
    """
    buffer, frames = bytearray() if buffer is None else buffer, 0
    for batch in batches:
        video = np.asarray(batch["video"])
        if len(buffer) < video.nbytes:
            buffer.extend(bytes(video.nbytes - len(buffer)))
        np.copyto(np.frombuffer(buffer, video.dtype, video.size).reshape(video.shape), video)
        frames += video.shape[0] * video.shape[1]
    return frames


class Held:
    """How much more memory this process and its children hold at the worst moment of a block than before it.

    Proportional set size: a page that several processes hold is shared out among them. A thread looks every 20 ms,
    and may miss a shorter peak.

    Attributes
    ----------
    peak : dict of str to int, or None, bytes
        ``pss``, and ``file``, the part that maps files, which the system may take back; None if it cannot be told.
    """

    peak: dict[str, int] | None = None

    def __enter__(self) -> Held:
        self._before, self._done = _pss(), threading.Event()
        self._most = {"pss": 0, "file": 0}
        self._watch = threading.Thread(target=self._look_on)
        if self._before is not None:
            self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._before is not None:
            self._done.set()
            self._watch.join()
            self.peak = {key: max(0, self._most[key] - self._before[key]) for key in self._most}

    def _look_on(self) -> None:
        while True:
            now = _pss()
            if now is not None and now["pss"] > self._most["pss"]:
                self._most.update(now)
            if self._done.wait(0.02):
                return


def _pss() -> dict[str, int] | None:
    """Return the memory of this process and its children in bytes."""
    total = {"pss": 0, "file": 0}
    try:
        children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
        for pid in [str(os.getpid()), *children]:
            held = sizes(pid, "smaps_rollup")
            total["pss"] += held["Pss"]
            total["file"] += held.get("Pss_File", 0)
    except OSError:  # another system, or a child that has just ended
        return None
    return total
