"""Byte codecs: what undoes the filters of a chunk."""
