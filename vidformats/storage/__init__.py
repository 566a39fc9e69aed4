"""Bytes by position: a path is opened once, and everything about it is read from there."""
