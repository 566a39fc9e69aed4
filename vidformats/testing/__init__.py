"""Tests for formats of any package: the conformance class, and frames that show their own number.

>>> from vidformats.testing import number_of, numbered
>>> number_of(numbered(300, 32)[299])
299
"""

from typing import Any

from vidformats.testing.numbered import number_of, numbered, numbers_of, red

__all__ = ["ArrayConformance", "Conformance", "ImageConformance", "number_of", "numbered", "numbers_of", "red"]


def __getattr__(name: str) -> Any:
    """Import the classes when they are asked for: they require pytest and hypothesis."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidformats.testing import conformance

    return getattr(conformance, name)
