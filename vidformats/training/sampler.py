"""The order in which a dataset is gone through, and how it is taken up again in the midst of an epoch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidformats.training.tables import whole

if TYPE_CHECKING:
    from torch.utils.data import Sampler

    _Sampler: TypeAlias = Sampler[int]
else:
    _Sampler = object

B = TypeVar("B")


class ResumableSampler(_Sampler):
    """Go through a dataset in an order drawn for each epoch; made by ``dataset.sampler(...)``.

    Its whole state is two integers: the epoch, and how many samples were delivered to the loop, by all processes
    together. A training that was stopped goes on with the very batches that it would have had, with any number of
    workers: the order depends on the seed and the epoch alone, and what a loader has read ahead does not count.

    It takes the place of PyTorch's ``DistributedSampler`` too, and `torchdata`'s ``StatefulDataLoader`` takes it.

    Parameters
    ----------
    dataset : sized
        If it has ``set_epoch``, that is called as well.
    shuffle : bool
    seed : int
    rank, world : int, optional
        Which of how many processes this is; by default as ``torch.distributed`` says if it is initialized, else the
        only one.
    pad : bool
        Repeat the first samples at the end, so that all processes have as many, as training in lockstep needs. False
        gives each sample once, to test with.

    Attributes
    ----------
    epoch : int
    delivered : int
        Samples of this epoch delivered to the loops of all processes.

    Examples
    --------
    >>> import numpy as np, vidformats as vf
    >>> path = vf.write(np.arange(40).reshape(40, 1), "forty.npy")
    >>> ds = vf.windows({"trial": ["a"], "n_frames": [40], "path": [path]}, size=4, hop=4).dataset()
    >>> sampler = ds.sampler(seed=1)
    >>> order = list(sampler)
    >>> sampler.load_state_dict({"epoch": 0, "delivered": 6})
    >>> list(sampler) == order[6:]
    True
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
        pad: bool = True,
    ):
        self._dataset, self._shuffle, self._pad = dataset, shuffle, pad
        self._seed = whole(seed, "seed")
        found = _place()
        self.rank = found[0] if rank is None else whole(rank, "rank")
        self.world = found[1] if world is None else whole(world, "world")
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank must be from 0 to world - 1, got {self.rank} of {self.world}")
        self.epoch = self.delivered = 0

    def __iter__(self) -> Iterator[int]:
        return Order(self)

    def __len__(self) -> int:
        """Return how many samples this process has left in this epoch."""
        return len(self._share(self.delivered))

    def track(self, loader: Iterable[B]) -> Iterator[B]:
        """Go over the batches of a loader with this sampler, and count what was delivered.

        The state may be saved at any time in the loop; the batch at hand counts as delivered. At its end the next
        epoch begins.

        Parameters
        ----------
        loader : DataLoader

        Yields
        ------
        batch
            As the loader makes it.
        """
        for batch in loader:
            self.delivered += _size(batch) * self.world
            yield batch
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, in the dataset too; in the epoch that is under way this changes nothing."""
        epoch = whole(epoch, "epoch")
        if epoch < 0:
            raise ValueError(f"epoch must be 0 or more, got {epoch}")
        if epoch != self.epoch:
            self.epoch, self.delivered = epoch, 0
        self._tell()

    def state_dict(self) -> dict[str, int]:
        """Return the state: ``{"epoch": ..., "delivered": ...}``, the same in all processes."""
        return {"epoch": self.epoch, "delivered": self.delivered}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Take up a state; the next iteration goes on from there."""
        self.epoch, self.delivered = whole(state["epoch"], "epoch"), whole(state["delivered"], "delivered")
        self._tell()

    def _tell(self) -> None:
        if hasattr(self._dataset, "set_epoch"):
            self._dataset.set_epoch(self.epoch)

    def _share(self, delivered: int) -> NDArray[np.int64]:
        """Return what this process has of the samples that are left."""
        n = len(self._dataset)
        order = np.arange(n)
        if self._shuffle:
            # SeedSequence promises the same figures in every version of NumPy; generators do not.
            order = np.argsort(
                np.random.SeedSequence((self._seed, self.epoch)).generate_state(n, np.uint64), kind="stable"
            )
        left = order[delivered:]
        if self._pad and len(left) % self.world:
            left = np.concatenate([left, np.resize(order, -len(left) % self.world)])
        return left[self.rank :: self.world]


class Order(Iterator[int]):
    """The samples of one process in one epoch, and how far they were asked for."""

    def __init__(self, sampler: ResumableSampler):
        self._sampler = sampler
        self._begin(sampler.delivered)

    def _begin(self, delivered: int) -> None:
        self._start, self._at = delivered, 0
        self._share = self._sampler._share(delivered).tolist()

    def __next__(self) -> int:
        if self._at >= len(self._share):
            raise StopIteration
        self._at += 1
        return int(self._share[self._at - 1])

    def state_dict(self) -> dict[str, int]:
        """Return where it is; a loader that keeps the state of each batch it sends for asks here."""
        return {"epoch": self._sampler.epoch, "delivered": self._start + self._at * self._sampler.world}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there."""
        self._sampler.set_epoch(state["epoch"])
        self._begin(whole(state["delivered"], "delivered"))


def _place() -> tuple[int, int]:
    """Return this process's rank, and of how many."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _size(batch: Any) -> int:
    """Return the number of samples in a batch."""
    if isinstance(batch, Mapping):
        return _size(next(iter(batch.values())))
    if isinstance(batch, Sequence) and not hasattr(batch, "shape") and batch and hasattr(batch[0], "shape"):
        return _size(batch[0])
    return len(batch)
