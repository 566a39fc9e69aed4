"""From the samples of a batch to tensors, without a copy if possible: the only file here that knows PyTorch.

PyTorch is imported when a batch is made, never before.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidformats.shared import Address, Pool, pool_of

if TYPE_CHECKING:
    from torch import Tensor


class Sample(dict[str, Any]):
    """One window: a dict of a type of its own, so that PyTorch's default collate can be told what to do with it."""


class Samples(list[Sample]):
    """The samples of a batch, in the order asked for, as parts of the arrays they were read into.

    Parameters
    ----------
    batch : dict of str to ndarray
        In order of rows.
    order : (B,) array of int
        For each sample of `batch`, the place it was asked at.
    pool : Pool
        Where the arrays lie.
    """

    def __init__(self, batch: dict[str, NDArray[Any]], order: NDArray[np.int64], pool: Pool):
        super().__init__([Sample() for _ in order])
        self.batch, self.pool, self._order = batch, pool, order
        for at, place in enumerate(order.tolist()):
            self[place].update({name: array[at] for name, array in batch.items()})
            self[place]["row"] = int(self[place]["row"])
        self._parts = [dict(sample) for sample in self]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    @property
    def untouched(self) -> bool:
        """Whether these still are the samples that were read, so that `batch` stands for them."""
        pairs = zip(self, self._parts, strict=False)
        same = all(s.keys() == part.keys() and all(s[name] is part[name] for name in part) for s, part in pairs)
        return same and len(self) == len(self._parts)

    def arranged(self) -> dict[str, NDArray[Any]]:
        """Return the batch in the order asked for: a copy, if that is another."""
        if (np.diff(self._order) > 0).all():
            return self.batch
        arranged = {name: self.pool.empty(array.shape, array.dtype) for name, array in self.batch.items()}
        for name, array in self.batch.items():
            for place, part in zip(self._order.tolist(), array, strict=True):
                arranged[name][place] = part
        return arranged


def collate(samples: Sequence[Mapping[str, Any]], pool: Pool) -> dict[str, Tensor]:
    """Return samples as one batch of tensors: the memory they were read into, or else a stack in `pool`'s."""
    if isinstance(samples, Samples) and samples.untouched:
        return tensors(pool, samples.batch)
    return tensors(pool, {name: np.stack([s[name] for s in samples]) for name in samples[0]})


def tell_torch() -> None:
    """Have PyTorch's default collate batch our samples in the memory they were read into.

    This is the way PyTorch documents for types of one's own (`torch.utils.data.default_collate`, "Option 2"):
    an entry for the type `Sample` in its registry. All other types are collated as ever. It is made when a
    dataset is made or unpickled, and by nothing that happens later; a dataset made before ``import torch``, or
    with PyTorch 1, which has no registry, is collated as any dict of arrays is: the same batches, one copy more.
    """
    if "torch" in sys.modules:
        with contextlib.suppress(ImportError):
            from torch.utils.data._utils.collate import default_collate_fn_map

            default_collate_fn_map[Sample] = _default_collate


def _default_collate(samples: list[Sample], *, collate_fn_map: Any) -> Any:
    """Make the batch that PyTorch's default collate makes, without its fresh memory."""
    from torch.utils.data._utils.collate import collate

    if isinstance(samples, Samples) and samples.untouched:
        return tensors(samples.pool, samples.arranged())
    return collate([dict(sample) for sample in samples], collate_fn_map=collate_fn_map)


class Parcel:
    """A batch on its way out of a worker; it arrives as a dict of tensors."""

    def __init__(self, pool: Pool, batch: dict[str, NDArray[Any]]):
        self._pool, self._batch = pool, batch

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self._pool.key, {name: self._pool.send(array) for name, array in self._batch.items()})


def tensors(pool: Pool, batch: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Return a batch as a dict of tensors without a copy; in a worker, as a `Parcel` of them."""
    import torch

    if torch.utils.data.get_worker_info() is not None and any(pool.is_shared(array) for array in batch.values()):
        return Parcel(pool, batch)  # type: ignore[return-value]  # it arrives as what is announced
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _receive(key: str, parts: dict[str, NDArray[Any] | Address]) -> dict[str, Tensor]:
    pool = pool_of(key)
    arrays = {n: pool.receive(part) if isinstance(part, Address) else part for n, part in parts.items()}
    return tensors(pool, arrays)
