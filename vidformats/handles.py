"""Which readers stay open in this process, and what becomes of them when it forks."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from vidformats.format import Reader

LONGEST = 60.0
"""Seconds that a fork waits for the reads of other threads at most: a disk that hangs must not hang it for good."""

_lock = threading.RLock()
_recent: OrderedDict[int, weakref.ref[Handle]] = OrderedDict()
_last = 0
"""The id of the handle used last: it need not be moved to the end again."""
_inherited: list[Reader] = []


def _most_open() -> int:
    """Return how many readers may be open: an eighth of the file descriptors, since some readers take several."""
    try:
        import resource
    except ImportError:  # Windows
        return 128
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 128 if limit == resource.RLIM_INFINITY else max(8, min(128, limit // 8))


MAX_OPEN = _most_open()
"""Readers kept open at once in one process, a decoder counting for several; beyond it those unused for longest
are closed, and reopened when they are read again."""


class Handle:
    """One reader in this process: opened when it is needed, closed when others need its place.

    Parameters
    ----------
    path : str
        For messages.
    """

    def __init__(self, path: str):
        self.path = path
        self.reader: Reader | None = None
        self.resting: Reader | None = None
        self.closed = False

    def recent(self) -> Reader | None:
        """Return the reader if it was the one used last in this process."""
        return self.reader if _last == id(self) else None

    def get(self, open: Callable[[Reader | None], Reader]) -> Reader:
        """Return the reader; `open` makes one if there is none, or wakes the one that rests.

        Raises
        ------
        ValueError
            If the handle was closed.
        """
        global _last
        reader = self.reader
        if reader is not None and _last == id(self):
            return reader
        if reader is None and not self.closed:
            reader = open(self.resting)
        with _lock:
            if self.closed or reader is None:
                raise ValueError(f"{self.path}: this video is closed")
            if self.reader is None:
                _make_room(reader.weight)
                self.reader, self.resting = reader, None
            _recent[id(self)] = weakref.ref(self)
            _recent.move_to_end(id(self))
            _last = id(self)
            return self.reader

    def close(self) -> None:
        """Release the file. Reads that other threads have under way still end well."""
        with _lock:
            self.closed, self.reader, self.resting = True, None, None
            _recent.pop(id(self), None)


def _make_room(weight: int) -> None:
    """Close the readers unused for longest, so that one more of that weight fits."""
    held = [handle for reference in _recent.values() if (handle := reference()) is not None]
    opened = [(handle, handle.reader) for handle in held if handle.reader is not None]
    excess = weight + sum(reader.weight for _, reader in opened) - MAX_OPEN
    for handle, reader in opened:
        if excess > 0:
            # Files close with their last reference, so after any read under way.
            handle.resting, handle.reader = reader.rest(), None
            excess -= reader.weight
    for key, reference in list(_recent.items()):
        if (known := reference()) is None or known.reader is None:
            del _recent[key]


class _Reading:
    """A read under way: a fork in another thread waits for its end.

    Libraries hold locks of their own while they read; a fork in the midst would leave them locked in the
    child for good, with nobody there to unlock them.
    """

    def __enter__(self) -> None:
        me = threading.get_ident()
        _under_way.add(me)
        while _fork.held and _fork.by != me:
            _under_way.discard(me)
            if _exiting.locked():
                _exiting.acquire()  # for good: what runs on here would run while the interpreter goes
            time.sleep(0.001)
            _under_way.add(me)

    def __exit__(self, *error: object) -> None:
        _under_way.discard(threading.get_ident())


class _Fork:
    """A fork under way: by which thread, whether reads are held up for it, and whether Ctrl-C came while it waited."""

    by, held, interrupted = 0, False, False


reading, _fork = _Reading(), _Fork()
"""``with reading:`` is around every use of a reader."""
_turn, _exiting = threading.Lock(), threading.Lock()
_under_way: set[int] = set()
_passed: SimpleQueue[None] = SimpleQueue()
"""Filled after a fork, when our hooks have run."""


def _hold_still() -> None:
    """Wait, before a fork, for the reads of other threads, and keep new ones from beginning."""
    me = threading.get_ident()
    if _fork.by == me:
        return  # registered more than once: the first to run has done it, or was interrupted
    _turn.acquire()
    while not _passed.empty():
        _passed.get()
    _fork.held, _fork.by = True, me
    deadline = time.monotonic() + LONGEST
    try:
        while _under_way - {me} and time.monotonic() < deadline:
            time.sleep(0.001)
        _lock.acquire()
    except BaseException as error:
        # The interpreter ignores errors of this hook and forks all the same: nothing may stay locked.
        _fork.held, _fork.interrupted = False, isinstance(error, KeyboardInterrupt)
        raise


def _go_on() -> None:
    if _fork.by != threading.get_ident():
        return
    if _fork.held:
        _lock.release()
    interrupted, _fork.held, _fork.interrupted, _fork.by = _fork.interrupted, False, False, 0
    _turn.release()
    if interrupted:
        _thread.start_new_thread(_interrupt_again, ())


def _interrupt_again() -> None:
    """Deliver a Ctrl-C that was swallowed with the hook's error; within a hook it would be swallowed again."""
    _passed.get()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _let_go() -> None:
    """In a forked child, drop the parent's readers without closing them.

    They are kept for good and never used: closing a decoder would wait for threads that a fork leaves behind,
    and reading would move the parent's position in the file.
    """
    global _last
    _last = 0
    for reference in _recent.values():
        if (handle := reference()) is not None and handle.reader is not None:
            _inherited.append(handle.reader)
            handle.reader = None
    _recent.clear()
    _under_way.intersection_update({threading.get_ident()})
    _fork.interrupted = False
    _go_on()


def _at_exit() -> None:
    """Wait for the reads of daemon threads, and keep new ones from beginning, before the interpreter goes.

    It ends such threads wherever they are; one that held h5py's lock would leave the interpreter waiting for that
    lock when it closes the files.
    """
    if _exiting.acquire(blocking=False):
        _hold_still()


def before_other_hooks() -> None:
    """Register our hooks once more, so that they run before those of a library that was just imported.

    Hooks before a fork, and at exit, run in reverse order of registration. h5py's takes the lock that all its
    reads need: run before ours, it would keep the reads that ours waits for from ending.
    """
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_let_go)
        os.register_at_fork(after_in_parent=partial(_passed.put, None))  # runs no Python code that a signal could end


before_other_hooks()
