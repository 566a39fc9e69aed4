import os
import subprocess
import sys
import time

import numpy as np
import pytest

from vidformats.bench.measure import memory

MB = 1 << 20

# Another system has no such mark, and a sandbox may hide it: then the figures have to be None, tested below.
pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the kernel's high-water mark can't be reset here"
)


def test_what_is_kept():
    with memory.Peak() as peak:
        kept = np.ones(64 * MB, np.uint8)
    assert 63 * MB < peak.increment < 70 * MB
    assert 63 * MB < peak.anonymous < 70 * MB
    assert peak.mapped < 4 * MB
    del kept


def test_what_was_there_only_for_a_moment():
    with memory.Peak() as peak:
        np.ones(64 * MB, np.uint8)
    assert 63 * MB < peak.increment < 70 * MB


def test_a_moment_of_some_milliseconds_is_seen_as_anonymous_too():
    with memory.Peak() as peak:
        held = np.ones(64 * MB, np.uint8)
        time.sleep(0.05)
        del held
    assert 63 * MB < peak.anonymous < 70 * MB


def test_what_came_before_does_not_count():
    np.ones(128 * MB, np.uint8)
    held = np.ones(32 * MB, np.uint8)
    with memory.Peak() as peak:
        kept = np.ones(16 * MB, np.uint8)
    assert 15 * MB < peak.increment < 22 * MB
    del held, kept


def test_nothing():
    with memory.Peak() as peak:
        pass
    assert 0 <= peak.increment < 2 * MB
    assert 0 <= peak.anonymous < 2 * MB


SMALL_PIECES = """
from vidformats.bench.measure import memory
pieces = [bytes(1000) for _ in range(32_000)]
del pieces
with memory.Peak() as peak:
    pieces = [bytes(1000) for _ in range(32_000)]
print(peak.increment)
"""


def test_small_pieces_that_malloc_kept_count_again():
    """In a process of its own: what other tests left in pieces too small to give back would be filled first."""
    done = subprocess.run([sys.executable, "-c", SMALL_PIECES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 28 * MB


def test_a_mapped_file_is_told_apart(tmp_path):
    np.ones(32 * MB, np.uint8).tofile(tmp_path / "file")
    with memory.Peak() as peak:
        mapped = np.memmap(tmp_path / "file", mode="r")
        mapped.max()
    assert 31 * MB < peak.increment < 36 * MB
    assert 31 * MB < peak.mapped < 36 * MB
    assert peak.anonymous < 2 * MB
    del mapped


def test_an_error_within_passes():
    with pytest.raises(KeyError), memory.Peak() as peak:
        raise KeyError
    assert peak.increment is not None
    assert peak._onlooker.returncode == 0


def test_where_nobody_can_look_on(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with memory.Peak() as peak:
        kept = np.ones(16 * MB, np.uint8)
    assert peak.increment > 15 * MB
    assert peak.anonymous is peak.mapped is None
    del kept


def test_where_the_mark_can_not_be_reset_nothing_is_guessed(monkeypatch):
    def refuse(path, text):
        raise PermissionError

    monkeypatch.setattr(memory.Path, "write_text", refuse)
    with memory.Peak() as peak:
        pass
    assert peak.increment is peak.anonymous is peak.mapped is None
