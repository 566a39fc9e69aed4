"""A helper answers, and what happens if it cannot."""

import os
import signal
import time

import numpy as np
import pytest

import vidformats as vf
from vidformats.tools.advice.helper import Failed, Helper


def test_it_answers_and_tells_faults(tmp_path):
    path = vf.write(np.zeros((5, 1, 4, 6), np.uint8), tmp_path / "v.npy")
    with Helper() as helper:
        assert helper.call("probe", 60, path=path, options={})["shape"] == [1, 4, 6]
        (tmp_path / "bad.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
        with pytest.raises(Failed, match="FormatError"):
            helper.call("probe", 60, path=str(tmp_path / "bad.mp4"), options={})
        assert helper.call("probe", 60, path=path, options={})["n_frames"] == 5, "it goes on"


def test_one_that_dies_or_hangs_is_replaced():
    with Helper() as helper:
        helper.start()
        first = helper._process.pid
        os.kill(first, signal.SIGKILL)
        with pytest.raises(Failed, match="SIGKILL"):
            helper.call("ready", 60, modules=[])
        helper.start()
        second = helper._process.pid
        os.kill(second, signal.SIGSTOP)
        with pytest.raises(Failed, match="took more than"):
            helper.call("ready", 0.2, modules=[])
        helper.start()
        third = helper._process.pid
    assert len({first, second, third}) == 3
    for pid in (first, second, third):
        deadline = time.monotonic() + 30
        while os.path.exists(f"/proc/{pid}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
