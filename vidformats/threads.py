"""Threads: how many this process may use, how many are worth it, with which priority, and one way to share work."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from numbers import Integral
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

SHARE = 4 << 20
"""Bytes of a result that a thread fills, at least. Fresh memory comes in huge pages of 2 MB, and two threads that fill
one of them both clear it: with shares of 1 MB a load took 1.2 to 1.3 times as long."""

KEPT = 64
"""Threads kept alive for the next read."""


def default_threads() -> int:
    """Return the number of threads used if the caller names none.

    All CPUs this process may run on, by its affinity and its container's quota; 1 in a child process,
    such as a DataLoader's worker, because there the processes are the parallelism already.
    """
    return cpus() if multiprocessing.parent_process() is None and not _child else 1


def check_threads(threads: object) -> None:
    """Raise `ValueError` unless `threads` is None or a number of threads.

    Examples
    --------
    >>> check_threads("2")
    Traceback (most recent call last):
    ValueError: threads must be an integer >= 1, got '2'
    """
    if threads is not None and (not isinstance(threads, Integral) or isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads must be an integer >= 1, got {threads!r}")


_child = False


def one_each() -> None:
    """Make one thread the default of this process: it is one of several that share the CPUs."""
    global _child
    _child = True


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """Give this thread, and those that start inside, the scheduling that this thread has now.

    SVT-AV1, if root runs it, puts itself and the thread that opens it before everything else on the machine (SCHED_FIFO
    99), and leaves it so: a process that once wrote AV1, and all that it starts, then keep other programs from running.
    Source: ``svt_threads.c`` of SVT-AV1, ``check_set_prio``.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    kept, before = (os.sched_getscheduler(0), os.sched_getparam(0)), _tasks()
    try:
        yield
    finally:
        for task in {threading.get_native_id()} | _tasks() - before:
            with contextlib.suppress(OSError):  # a thread that has ended
                if os.sched_getscheduler(task) != kept[0]:
                    os.sched_setscheduler(task, *kept)


def _tasks() -> set[int]:
    """Return the ids of this process's threads."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}
    except OSError:
        return set()


def cpus() -> int:
    """Return the CPUs this process may run on, by its affinity and its container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, cpu_quota() or allowed)


@cache
def cpu_quota(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> int | None:
    """Return the CPUs that a container's quota allows, rounded up; None without a quota.

    Both versions of control groups are read, every group from this process's own up to the root. Source:
    "Control Group v2" and "CFS Bandwidth Control" in the kernel's documentation.
    """
    quotas: list[float] = []
    try:
        lines = Path(own).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, controllers, place = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        for group in [Path(place), *Path(place).parents]:
            folder = Path(root, "" if number == "0" else controllers, str(group).lstrip("/"))
            try:
                if number == "0":
                    most, period = (folder / "cpu.max").read_text().split()
                else:
                    most, period = ((folder / f"cpu.cfs_{k}_us").read_text().strip() for k in ("quota", "period"))
                if most not in ("max", "-1"):
                    quotas.append(int(most) / int(period))
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return max(1, -int(-min(quotas) // 1)) if quotas else None


def worth(threads: int, nbytes: int, items: int, least: int = SHARE) -> int:
    """Return how many of `threads` pay off for `items` pieces of work of `nbytes` in all, which no disk delays.

    Parameters
    ----------
    threads : int
        As many as may work.
    nbytes, least : int, bytes
        In all, and those with which one thread is busy long enough.
    items : int

    Examples
    --------
    >>> worth(64, 5 << 20, 120), worth(64, 5 << 20, 120, least=6 << 20), worth(64, 100 << 20, 1)
    (1, 1, 1)
    """
    most = min(threads, nbytes // least, items)
    return min(most, cpus()) if most > 1 else 1


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
    ended: SimpleQueue[None] = SimpleQueue()

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

    others = 0
    with contextlib.suppress(RuntimeError):  # the system has no more threads: those there are do the work
        while others < threads - 1:
            _hand_over(guarded, ended)
            others += 1
    guarded()
    for _ in range(others):
        ended.get()
    if errors:
        raise errors[0]


def spread(function: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Call ``function(item)`` for every item, in `threads` threads."""

    def worker(mine: Iterator[T]) -> None:
        for item in mine:
            function(item)

    share(worker, items, threads)


@contextlib.contextmanager
def behind(most: int) -> Iterator[Callable[[Callable[[], object]], object]]:
    """Yield a function that has another thread do what it is given, in order, at most `most` pieces of work behind.

    All is done when the block is left; the first error is raised there, and nothing is done after it.

    Examples
    --------
    >>> done = []
    >>> with behind(2) as later:
    ...     for n in range(4):
    ...         later(lambda n=n: done.append(n))
    >>> done
    [0, 1, 2, 3]
    """
    queue: Queue[Callable[[], object] | None] = Queue(most)
    errors: list[BaseException] = []

    def work() -> None:
        while (job := queue.get()) is not None:
            if not errors:
                try:
                    job()
                except BaseException as error:
                    errors.append(error)
            del job  # or what it holds would live until the next one

    ended: SimpleQueue[None] = SimpleQueue()
    try:
        _hand_over(work, ended)
    except RuntimeError:  # the system has no more threads
        yield lambda job: job()
        return
    try:
        yield queue.put
    finally:
        queue.put(None)
        ended.get()
    if errors:
        raise errors[0]


Job = tuple[Callable[[], None], SimpleQueue[None]]
_waiting: list[tuple[threading.Thread, SimpleQueue[Job | None]]] = []
"""Where threads wait that have nothing to do: waking one costs a fifth of starting one."""


def _hand_over(job: Callable[[], None], ended: SimpleQueue[None]) -> None:
    """Have another thread do `job` and tell `ended`: one that waits, or a new one."""
    try:
        _, queue = _waiting.pop()
    except IndexError:
        queue = SimpleQueue()
        threading.Thread(target=_serve, args=(queue,), name="vidformats", daemon=True).start()
    queue.put((job, ended))


def _serve(queue: SimpleQueue[Job | None]) -> None:
    while (work := queue.get()) is not None:
        job, ended = work
        job()
        del work, job  # or the reader and its buffers would live until the next one
        stay = len(_waiting) < KEPT
        if stay:
            _waiting.append((threading.current_thread(), queue))
        ended.put(None)
        del ended
        if not stay:
            return


def dismiss() -> None:
    """End the threads that wait: before a fork, so that the child is not born with threads that do not exist there."""
    ended = []
    while _waiting:
        thread, queue = _waiting.pop()
        queue.put(None)
        ended.append(thread)
    for thread in ended:
        thread.join(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=dismiss, after_in_child=_waiting.clear)
