"""Threads: how many this process may use, and one way to share work among them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def default_threads() -> int:
    """Return the number of threads used when none is asked for.

    All CPUs this process may run on; 1 in a child process, such as a DataLoader's worker, because
    there the processes are the parallelism already.
    """
    if multiprocessing.parent_process() is not None:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(worker: Callable[[Iterator[T]], None], items: Iterable[T], threads: int) -> None:
    """Run ``worker(items)`` in `threads` threads, this one included, each item going to one of them.

    Parameters
    ----------
    worker : callable
        Takes an iterator and works through it; what it allocates lasts for one thread, so buffers are
        its local variables.
    items : iterable
        The pieces of work, taken one at a time by whichever thread is free.
    threads : int
        How many; one runs everything here.

    Raises
    ------
    Exception
        The first error of any worker; the others stop at their next item.

    Examples
    --------
    >>> done = []
    >>> share(lambda numbers: done.extend(n * n for n in numbers), range(4), threads=2)
    >>> sorted(done)
    [0, 1, 4, 9]
    """
    if threads <= 1:
        worker(iter(items))
        return
    pending, lock = iter(items), threading.Lock()
    errors: list[BaseException] = []

    def take() -> Iterator[T]:
        while not errors:
            with lock:
                try:
                    item = next(pending)
                except StopIteration:
                    return
            yield item

    def guarded() -> None:
        try:
            worker(take())
        except BaseException as error:
            errors.append(error)

    # Plain threads, not a pool: nothing is left running that a fork could break, and starting one costs 50 us.
    others = [threading.Thread(target=guarded, daemon=True) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    guarded()
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]


def spread(function: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Call ``function(item)`` for every item, in `threads` threads."""

    def worker(mine: Iterator[T]) -> None:
        for item in mine:
            function(item)

    share(worker, items, threads)
