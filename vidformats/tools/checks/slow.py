"""Whether a file is slow for the access that training asks for: how much of what is decoded is thrown away."""

from __future__ import annotations

from collections.abc import Iterator

from vidformats.tools.advice.access import Access
from vidformats.tools.checks.facts import Facts
from vidformats.tools.checks.findings import Finding

WASTE = 8.0
"""Frames decoded or read for each that is wanted, from which a file is called slow."""


def slow(facts: Facts, access: Access) -> Iterator[Finding]:
    """Yield a finding if an access wastes most of what is decoded."""
    waste = cost(facts, access)
    if waste >= WASTE:
        what = {"coded": "decodes", "chunks": "decompresses", "column-major": "reads"}[facts.layout]
        text = f"{access} {what} {waste:,.0f} frames for each that it needs"
        yield Finding.of("VF034", facts.path, text, access=str(access))


def cost(facts: Facts, access: Access) -> float:
    """Return how many frames are decoded, on average, for each that is wanted.

    Examples
    --------
    >>> long = Facts("a.mp4", shape=(1000, 3, 120, 120), layout="coded", info={"gop": 250})
    >>> cost(long, Access.parse("random")), cost(long, Access.parse("full"))
    (125.5, 1.0)
    """
    n = facts.shape[0] if facts.shape else 0
    if n < 2:
        return 1.0
    wanted = min(access.window, -(-n // access.stride))
    span = min((wanted - 1) * access.stride + 1, n)
    if facts.layout == "coded":
        unit = int(facts.info.get("gop", 1))
        lead = 0.0 if access.in_order else (min(unit, n) - 1) / 2
        each = access.stride if access.stride < unit else min(access.stride, (unit + 1) / 2)
        return (lead + max(each * wanted, 1)) / wanted if not access.in_order else float(each)
    if facts.layout == "chunks" and facts.info.get("compression"):
        unit = int(facts.info["chunks"][0])
        touched = min(wanted, span / unit + (0 if access.in_order else (unit - 1) / unit))
        return min(n, max(touched, 1) * unit) / wanted
    if facts.layout == "column-major":
        # A page of the file holds neighbours in time of one pixel.
        return n / wanted
    return 1.0
