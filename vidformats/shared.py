"""Memory that processes share: arrays on their way from a worker to its parent, and an integer that both see.

Arrays are used again and again, since fresh memory costs more than reading into it: the kernel clears every
page of it, for each batch and on both sides. A batch of 8 windows of 300 frames at 120 x 120 takes 100 MB; from
files in the page cache, handing it over in memory that both sides keep mapped made a DataLoader 6 times as
fast. It goes into anonymous files (``memfd``), which vanish with their processes and need no room in
``/dev/shm``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import multiprocessing
import os
import tempfile
import threading
import uuid
import weakref
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEAD = mmap.PAGESIZE
"""Bytes before the data of a shared piece; the first says who holds it."""

FREE, SENT, RETIRED = 0, 1, 2

LARGE = 1 << 16
"""Arrays of fewer bytes are pickled: cheaper than telling where they lie."""

SPARE = 8
"""Pieces that are kept though nobody uses them."""

PR_GET_DUMPABLE = 3
"""Of ``prctl``, from <linux/prctl.h>."""


def reachable() -> bool:
    """Tell whether another process of this user may map this process's anonymous files.

    It opens ``/proc/<pid>/fd/<n>``. That is not to be had where /proc is not mounted, or if this process is
    not dumpable (it changed its user, or asked for it): its entries then belong to root, or are hidden.
    """
    if not hasattr(os, "memfd_create") or not os.path.isdir("/proc/self/fd"):
        return False
    return bool(_c_library().prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)


@functools.cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


class Address(NamedTuple):
    """Where another process finds an array.

    Attributes
    ----------
    pid, fd : int
        The worker, and its descriptor of the anonymous file.
    token : str
        Tells this file from a later one of the same number.
    shape : tuple of int
    dtype : str
    """

    pid: int
    fd: int
    token: str
    shape: tuple[int, ...]
    dtype: str


class Piece:
    """Memory that is lent as one array at a time: free when that array and all its views are gone.

    Parameters
    ----------
    capacity : int, bytes
    shared : bool
        Whether another process can hold it too.
    """

    def __init__(self, capacity: int, shared: bool):
        self.capacity, self.fd, self.token = capacity, -1, uuid.uuid4().hex
        if shared:
            self.fd = os.memfd_create("vidformats-batch", os.MFD_CLOEXEC)
            os.ftruncate(self.fd, HEAD + capacity)
            self.memory = memoryview(mmap.mmap(self.fd, HEAD + capacity))
        else:
            self.memory = np.empty(HEAD + capacity, np.uint8).data  # NumPy asks for huge pages
            self.memory[0] = FREE
        self._lent: Any = lambda: None

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def free(self) -> bool:
        """Whether neither this process nor another holds it."""
        return self._lent() is None and self.memory[0] == FREE

    def lend(self, nbytes: int) -> NDArray[np.uint8]:
        """Return its first bytes as an array; views of it keep it alive, as their base."""
        array = np.frombuffer(self.memory, np.uint8, nbytes, HEAD)
        self._lent = weakref.ref(array)
        return array

    def holds(self, array: np.ndarray) -> bool:
        """Tell whether `array` is the one that was lent."""
        return self.fd >= 0 and array.base is not None and array.base is self._lent()


class Pool:
    """The pieces of one dataset, in each process its own.

    In a process with a parent, such as a DataLoader's worker, they are shared; where the parent could not
    map them (see `reachable`), all memory is ordinary, and arrays are sent by a copy.
    """

    def __init__(self, key: str = ""):
        self.key = key or uuid.uuid4().hex
        _pools[self.key] = self
        self._begin()

    def __reduce__(self) -> tuple[Any, ...]:
        return pool_of, (self.key,)

    def _begin(self) -> None:
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._pieces: list[Piece] = []
        self.received: dict[Address, memoryview] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array like ``numpy.empty``, in memory that was used before where possible."""
        nbytes = prod(shape) * dtype.itemsize
        if nbytes < LARGE:
            return np.empty(shape, dtype)
        if self._pid != os.getpid():  # forked: the pieces are the parent's
            self._begin()
        with self._lock:
            free = sorted((piece for piece in self._pieces if piece.free), key=lambda piece: piece.capacity)
            piece = next((piece for piece in free if piece.capacity >= nbytes), None)
            for surplus in [other for other in free if other is not piece][SPARE:]:
                surplus.memory[0] = RETIRED
                self._pieces.remove(surplus)
            if piece is None:
                piece = Piece(nbytes, multiprocessing.parent_process() is not None and reachable())
                self._pieces.append(piece)
            return piece.lend(nbytes).view(dtype).reshape(shape)

    def send(self, array: np.ndarray) -> np.ndarray | Address:
        """Hand an array to the other process, for good: its address, or itself if only a copy can travel."""
        for piece in self._pieces:
            if piece.holds(array) and reachable():
                piece.memory[0] = SENT
                return Address(self._pid, piece.fd, piece.token, array.shape, array.dtype.str)
        return array

    def is_shared(self, array: np.ndarray) -> bool:
        """Tell whether `array` lies where another process can map it."""
        return any(piece.holds(array) for piece in self._pieces) and reachable()

    def receive(self, address: Address) -> np.ndarray:
        """Return the array that was sent; its memory goes back to the sender with its last reference."""
        place = address._replace(shape=(), dtype="")
        memory = self.received.get(place)
        if memory is None:
            fd = os.open(f"/proc/{address.pid}/fd/{address.fd}", os.O_RDWR | os.O_CLOEXEC)
            try:
                memory = memoryview(mmap.mmap(fd, 0))
            finally:
                os.close(fd)
            self._forget()
            self.received[place] = memory
        dtype = np.dtype(address.dtype)
        array = np.frombuffer(memory, np.uint8, prod(address.shape) * dtype.itemsize, HEAD)
        weakref.finalize(array, _give_back, memory, os.getpid()).atexit = False
        return array.view(dtype).reshape(address.shape)

    def _forget(self) -> None:
        """Drop what belongs to workers that have ended, or was retired by them."""
        for place, memory in list(self.received.items()):
            if memory[0] == RETIRED or not os.path.exists(f"/proc/{place.pid}"):
                del self.received[place]


_pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()


def pool_of(key: str) -> Pool:
    """Return this process's pool of that key, made where there is none."""
    return _pools.get(key) or Pool(key)


def _give_back(memory: memoryview, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork of the process that holds it
        memory[0] = FREE


class SharedInteger:
    """An integer that a process and its workers see alike, however they were started.

    It lies in a small file mapped by all of them: unlike the primitives of `multiprocessing` it pickles at
    any time, and needs no word of how the workers will be started.
    """

    def __init__(self, value: int = 0):
        handle, self._path = tempfile.mkstemp(prefix="vidformats-")
        os.close(handle)
        np.array([value], np.int64).tofile(self._path)
        self._map = np.memmap(self._path, np.int64, "r+")
        weakref.finalize(self, _remove, self._path, os.getpid())

    def get(self) -> int:
        """Return it."""
        return int(self._map[0])

    def set(self, value: int) -> None:
        """Change it for all."""
        if value < 0:
            raise ValueError(f"an epoch is 0 or more, not {value}")
        self._map[0] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._path, self.get())


def _attach(path: str, value: int) -> SharedInteger:
    """Share the integer of another process; where that has ended, go on from its last value."""
    try:
        shared = SharedInteger.__new__(SharedInteger)
        shared._path, shared._map = path, np.memmap(path, np.int64, "r+")
    except (OSError, ValueError):
        return SharedInteger(value)
    return shared


def _remove(path: str, pid: int) -> None:
    if os.getpid() == pid:  # not in a forked worker, to which the finalizer came along
        with contextlib.suppress(OSError):
            os.unlink(path)
