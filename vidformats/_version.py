"""The version, in a module without imports so that building needs no dependency."""

__version__ = "0.1.0"
