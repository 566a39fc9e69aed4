"""How a selection meets a grid of chunks, axis by axis: pure functions."""

from __future__ import annotations

from typing import NamedTuple


class Cut(NamedTuple):
    """A chunk of one axis: its number, its first position, the part wanted of it, and where that goes."""

    number: int
    start: int
    source: slice
    target: slice

    @property
    def within(self) -> slice:
        """The stretch of the axis that holds the part wanted."""
        return slice(self.start + self.source.start, self.start + self.source.stop)


def cuts(part: slice, n: int, chunk: int) -> list[Cut]:
    """Cut the positions that `part` picks from an axis of length `n` along chunks of length `chunk`.

    Examples
    --------
    >>> [(cut.number, cut.source, cut.target) for cut in cuts(slice(1, 8, 3), 10, 4)]
    [(0, slice(1, 4, 3), slice(0, 1, None)), (1, slice(0, 4, 3), slice(1, 3, None))]
    """
    start, stop, step = part.indices(n)
    found = []
    for number in range(start // chunk, -(-stop // chunk)):
        low, high = number * chunk, min(stop, (number + 1) * chunk)
        before = max(0, -(-(low - start) // step))
        first = start + before * step
        if count := len(range(first, high, step)):
            found.append(Cut(number, low, slice(first - low, high - low, step), slice(before, before + count)))
    return found
