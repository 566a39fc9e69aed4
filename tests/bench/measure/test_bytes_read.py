import os
import threading

import numpy as np
import pytest

from vidformats.bench.measure import bytes_read
from vidformats.bench.measure.bytes_read import BytesRead

MB = 1 << 20

linux = pytest.mark.skipif(not os.access("/proc/self/io", os.R_OK), reason="/proc/self/io is not to be had here")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(8 * MB))
    return path


def read(path, nbytes):
    with open(path, "rb", buffering=0) as opened:
        assert len(opened.read(nbytes)) == nbytes


@linux
def test_nothing():
    with BytesRead() as count:
        pass
    assert count.by_calls == 0


@linux
def test_reads_are_counted_to_the_byte(file):
    with BytesRead() as count:
        read(file, 3_000_001)
    assert count.by_calls == 3_000_001


@linux
def test_all_threads_count_those_that_ended_too(file):
    with BytesRead() as count:
        threads = [threading.Thread(target=read, args=(file, MB)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert count.by_calls == 4 * MB


@linux
def test_a_map_is_read_without_calls(file):
    with BytesRead() as count:
        np.memmap(file, mode="r").max()
    assert count.by_calls < MB


def test_elsewhere_nothing_is_guessed(monkeypatch, tmp_path):
    monkeypatch.setattr(bytes_read, "_IO", tmp_path / "nothing")
    with BytesRead() as count:
        pass
    assert count.by_calls is None
