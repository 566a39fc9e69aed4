"""How loads are measured: time, memory, disk, page cache, bytes read, pixels, and on what machine.

What a system does not tell is None, "not measured here", and never a guess.
"""
