"""What `info` says of files whose properties are known."""

import json
import os
import signal

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats.readers.isolated import ChildFault
from vidformats.tools import info as room
from vidformats.tools.info import look


@pytest.fixture
def video():
    return np.random.default_rng(0).integers(0, 254, (40, 3, 32, 48), np.uint8)


def test_it_tells_what_a_file_is_and_what_each_access_costs(tmp_path, video):
    path = vf.write(video, tmp_path / "a.mp4", fps=20.0)
    found = vf.info(path, ["every=4", "random"], seconds=0.02)
    assert (found.format, found.shape, found.dtype) == ("mp4", (40, 3, 32, 48), "uint8")
    assert (found.fps, found.duration, found.layout) == (20.0, 2.0, "coded")
    assert (found.size, found.nbytes) == (os.path.getsize(path), video.nbytes)
    assert [cost.access for cost in found.costs] == ["open", "every=4", "random"]
    assert all(cost.reads and cost.frames and cost.rate > 0 for cost in found.costs)
    assert "20 frames per second, 2.00 s" in str(found)
    record = json.loads(json.dumps(found.record(), default=str))
    assert record["costs"][1]["frames_per_second"] > 0


def test_no_seconds_measure_nothing(tmp_path, video):
    found = look(str(vf.write(video, tmp_path / "a.npy")), ["full"], False, 0)
    assert found.costs == ()
    assert "reading it" not in str(found)


def floats(folder, video):
    return vf.write(video.astype("float64"), folder / "a.npy")


def scattered(folder, video):
    return vf.write(video, folder / "a.mat", "mat")


def strided(folder, video):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("video", data=video, chunks=(8, 3, 16, 16), compression="gzip")
    return folder / "a.h5"


def automatic(folder, video):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("video", data=video, chunks=(1, 3, 16, 16), compression="gzip")
    return folder / "a.h5"


@pytest.mark.parametrize(
    ("make", "traps"),
    [
        (floats, ["float64"]),
        (scattered, ["column-major", "slow for this access"]),
        (strided, ["chunks cut frames", "slow for this access", "strides of h5py"]),
        (automatic, ["strides of h5py", "automatic chunks"]),
    ],
)
def test_traps_are_named(make, traps, tmp_path, video):
    found = look(str(make(tmp_path, video)), ["random"], False, 0)
    assert [trap.partition(":")[0] for trap in found.traps] == traps


def test_a_long_video_with_one_key_frame(tmp_path):
    pytest.importorskip("av")
    path = vf.write(np.zeros((320, 3, 32, 32), np.uint8), tmp_path / "a.mp4", "h264", keyframe_interval=1000, fps=25.0)
    titles = [one.title for one in look(str(path), ["random"], False, 0).findings]
    assert titles == ["one key frame only", "slow for this access"]


def test_a_file_that_does_not_open_raises_its_own_error(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    with pytest.raises(vf.FormatError, match=r"a\.npy"):
        vf.info(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        vf.info(tmp_path / "none.npy")


def test_a_crash_is_an_error(tmp_path, video, monkeypatch):
    path = vf.write(video, tmp_path / "a.npy")
    monkeypatch.setattr(room, "look", crash)
    with pytest.raises(ChildFault, match=r"a\.npy.*crashed"):
        vf.info(path)


def crash(path, *rest):
    os.kill(os.getpid(), signal.SIGSEGV)


def test_an_access_that_is_none(tmp_path, video):
    path = vf.write(video, tmp_path / "a.npy")
    with pytest.raises(ValueError, match="expected window="):
        vf.info(path, ["sideways"])
