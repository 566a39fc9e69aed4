"""Bytes by position: a path is opened once, and everything about that file is read from what was opened."""

from vidformats.storage.base import ByteSource, coalesce
from vidformats.storage.local import open_source
from vidformats.storage.members import Member

__all__ = ["ByteSource", "Member", "coalesce", "open_source"]
