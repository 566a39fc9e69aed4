"""Memory that batches travel in, from a worker to the training process, used again and again.

Fresh memory costs more than reading into it: the kernel clears every page of it, for each batch and on both
sides. A batch of 8 windows of 300 frames at 120 x 120 takes 100 MB; from files in the page cache, handing
it over in memory that both sides keep mapped made a DataLoader 6 times as fast. It goes into anonymous files
(``memfd``), which vanish with their processes and need no room in ``/dev/shm``.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
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

    In a process with a parent, such as a DataLoader's worker, they are shared; where the system has no
    anonymous files, all memory is ordinary.
    """

    def __init__(self, key: str = ""):
        self.key = key or uuid.uuid4().hex
        _pools[self.key] = self
        self._begin()

    def __reduce__(self) -> tuple:
        return _pool, (self.key,)

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
                piece = Piece(nbytes, multiprocessing.parent_process() is not None and hasattr(os, "memfd_create"))
                self._pieces.append(piece)
            return piece.lend(nbytes).view(dtype).reshape(shape)

    def send(self, array: np.ndarray) -> np.ndarray | Address:
        """Hand an array to the other process, for good: its address, or itself where it is not shared."""
        for piece in self._pieces:
            if piece.holds(array):
                piece.memory[0] = SENT
                return Address(self._pid, piece.fd, piece.token, array.shape, array.dtype.str)
        return array

    def is_shared(self, array: np.ndarray) -> bool:
        """Tell whether `array` lies where another process can map it."""
        return any(piece.holds(array) for piece in self._pieces)

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


def _pool(key: str) -> Pool:
    return _pools.get(key) or Pool(key)


class Parcel:
    """A batch on its way out of a worker; it arrives as a dict of tensors."""

    def __init__(self, pool: Pool, batch: dict[str, np.ndarray]):
        self._pool, self._batch = pool, batch

    def __reduce__(self) -> tuple:
        return _receive, (self._pool.key, {name: self._pool.send(array) for name, array in self._batch.items()})


def tensors(pool: Pool, batch: dict[str, np.ndarray]) -> Any:
    """Return a batch as a dict of tensors without a copy; in a worker, as a `Parcel` of them."""
    import torch

    if torch.utils.data.get_worker_info() is not None and any(pool.is_shared(array) for array in batch.values()):
        return Parcel(pool, batch)
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _receive(key: str, parts: dict[str, np.ndarray | Address]) -> dict[str, Any]:
    pool = _pool(key)
    arrays = {n: pool.receive(part) if isinstance(part, Address) else part for n, part in parts.items()}
    return tensors(pool, arrays)


def _give_back(memory: memoryview, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork of the process that holds it
        memory[0] = FREE
