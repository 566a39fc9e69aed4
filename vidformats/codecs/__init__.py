"""Byte codecs: what undoes the filters of a chunk, each with numcodecs' protocol ``decode(buf, out)``."""

from vidformats.codecs.base import Codec, decode
from vidformats.codecs.deflate import Deflate

__all__ = ["Codec", "Deflate", "decode"]
