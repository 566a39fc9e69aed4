"""The time record: what a source knows, what is asked for, and what a file tells."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import scipy.io

import vidformats as vf
from vidformats.readers.adapted import frames_at
from vidformats.timing import Timing, set_time, timing_of

VIDEO = np.random.default_rng(0).integers(0, 250, (9, 3, 16, 18), np.uint8)
TIMES = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.3, 9))


def source(**known):
    return SimpleNamespace(**{"fps": None, "times": None, "duration": None, "info": {}} | known)


def test_of_an_even_rate_only_the_rate_is_kept():
    timing, _ = timing_of(source(fps=25.0, times=np.arange(9) / 25, duration=9 / 25))
    assert timing.record(9) == {"fps": 25.0, "duration": 9 / 25}
    assert timing.even


@pytest.mark.parametrize("times", [np.arange(9) / 25 + 0.1, np.arange(9) / 25.5, TIMES])
def test_of_any_other_the_times_are(times):
    timing, _ = timing_of(source(fps=25.0, times=times, duration=1.0))
    np.testing.assert_array_equal(timing.record(9)["times"], times)
    assert not timing.even


def test_a_slow_drift_is_no_even_rate():
    """Steps that differ by little add up: of 30 to 40 ms, the middle is seconds off the average."""
    steps = np.linspace(0.030, 0.040, 3000)
    times = np.concatenate([[0], np.cumsum(steps)[:-1]])
    timing, _ = timing_of(source(fps=3000 / steps.sum(), times=times, duration=steps.sum()))
    assert not timing.even
    assert np.abs(times - np.arange(3000) / timing.fps).max() > 3


def test_what_is_no_number_is_no_rate():
    for video in (source(fps="25"), source(fps=0), source(fps=np.nan), source(fps=np.inf), source(), VIDEO, None):
        assert timing_of(video) == (None, None)


def test_a_new_rate_leaves_nothing_of_the_old():
    facts = {"rotation": 90, "fps_assumed": True, "variable_rate": True, "codec": "h264"}
    timing, _ = timing_of(source(fps=20.0, times=TIMES, duration=3.0, info=facts), fps=50)
    assert timing.record(9) == {"fps": 50.0, "duration": 9 / 50, "rotation": 90}


@pytest.mark.parametrize(
    "record",
    [
        {"fps": 25},
        {"fps": 0, "duration": 1},
        {"fps": "x", "duration": 1},
        {"fps": 25, "duration": -1},
        {"fps": 25, "duration": np.inf},
        {"fps": [25, 25], "duration": 1},
        {"fps": 25, "duration": 1, "times": TIMES[:8]},
        {"fps": 25, "duration": 1, "times": TIMES[::-1]},
        {"fps": 25, "duration": 1, "times": [np.nan] * 9},
        {"fps": 25, "duration": 1, "times": "abc"},
    ],
)
def test_a_record_of_other_frames(record):
    with pytest.raises(vf.FormatError, match=r"a\.npy.*expected a time record of 9 frames, got"):
        set_time(SimpleNamespace(shape=(9, 3), info={}), record, "a.npy")


# What other programs see


def test_attributes_of_hdf5(tmp_path):
    with h5py.File(vf.write(VIDEO, tmp_path / "a.h5", dataset="face", fps=30)) as file:
        assert dict(file["face"].attrs) == {"fps": 30.0, "duration": 0.3}
        assert list(file) == ["face"]
    with h5py.File(vf.write(VIDEO, tmp_path / "b.h5", dataset="face", times=TIMES)) as file:
        np.testing.assert_array_equal(file["face_times"][:], TIMES)
    with vf.open(tmp_path / "b.h5") as video:  # which array is meant is clear
        assert video.info["dataset"] == "face"


def test_times_longer_than_an_attribute_holds(tmp_path):
    frames, times = np.zeros((20_000, 2), "u1"), np.cumsum(np.random.default_rng(0).uniform(0.1, 0.2, 20_000))
    for name in ("h5", "mat", "npz", "npy"):
        with vf.open(vf.write(frames, tmp_path / f"long.{name}", times=times)) as video:
            np.testing.assert_array_equal(video.times, times)


def test_variables_of_matlab(tmp_path):
    for name in ("mat", "mat_frames"):
        path = vf.write(VIDEO, tmp_path / f"{name}.mat", name, variable="face", times=TIMES)
        there = scipy.io.loadmat(path)
        np.testing.assert_array_equal(there["face_times"].ravel(), TIMES)
        assert there["face_fps"].item() == pytest.approx(9 / there["face_duration"].item())
        del there["__header__"], there["__version__"], there["__globals__"]
        scipy.io.savemat(tmp_path / "again.mat", there, do_compression=True)  # as MATLAB saves by default
        with vf.open(tmp_path / "again.mat", format=name) as again:
            np.testing.assert_array_equal(again.times, TIMES)
            assert again.info["variable_rate"] is True


def test_members_of_a_zip(tmp_path):
    for compressed in (False, True):
        path = vf.write(VIDEO, tmp_path / "a.npz", times=TIMES, compressed=compressed, member="face")
        with np.load(path) as there:
            assert sorted(there) == ["face", "face_duration", "face_fps", "face_times", "face_variable_rate"]
            np.testing.assert_array_equal(there["face_times"], TIMES)
        with vf.open(path) as video:
            np.testing.assert_array_equal(video.times, TIMES)
            np.testing.assert_array_equal(video[:], VIDEO)


def test_a_file_of_others_with_such_names_opens(tmp_path):
    """``face_times`` of something else is no record without a rate and a duration."""
    np.savez(tmp_path / "a.npz", face=VIDEO, face_times=np.arange(3.0))
    scipy.io.savemat(tmp_path / "a.mat", {"face": VIDEO, "face_fps": "25"})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("face", data=VIDEO).attrs["fps"] = "about 25"
    for name in ("a.npz", "a.mat", "a.h5"):
        with vf.open(tmp_path / name) as video:
            assert (video.shape, video.times) == (VIDEO.shape, None)


@pytest.mark.parametrize("name", ["npy", "npz", "h5", "mat", "pickle", "h5_frames"])
def test_without_a_rate_no_byte_differs(name, tmp_path):
    """Files of the experiment are what they were: nothing is added to those without a rate."""
    suffix = vf.registry.row_of(name).suffix
    timed = vf.write(VIDEO, tmp_path / f"a{suffix}", name, fps=25)
    plain = vf.write(VIDEO, tmp_path / f"b{suffix}", name)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("b")) == [f"b{suffix}"]
    if name in ("npy", "pickle"):
        assert Path(timed).read_bytes() == Path(plain).read_bytes()
    assert vf.open(plain).times is None


def test_a_copy_shows_the_same_at_every_time(tmp_path):
    """From a video whose rate varies to an array and back, in whatever order."""
    ticks = np.arange(TIMES[0], TIMES[-1], 0.01)
    expected = frames_at(TIMES, 9.0, ticks)
    path = vf.write(VIDEO, tmp_path / "0.mkv", "ffv1", times=TIMES)
    for k, name in enumerate(["npy", "h5_frames", "h264_rgb", "png", "mat", "ffv1", "binary"], 1):
        with vf.open(path) as video:
            np.testing.assert_array_equal(video.times, TIMES)
            np.testing.assert_array_equal(video.at(ticks), VIDEO[expected])
            path = vf.write(video, tmp_path / f"{k}{vf.registry.row_of(name).suffix}", name)
    with vf.open(path, fps=4) as video, vf.open(tmp_path / "0.mkv", fps=4) as first:
        np.testing.assert_array_equal(video[:], first[:])


def test_frames_resampled_are_written_with_their_own_times(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.mkv", "ffv1", times=TIMES)
    with vf.open(path, fps=16) as video, vf.open(vf.write(video, tmp_path / "b.npy")) as copy:
        assert copy.fps == 16
        np.testing.assert_allclose(copy.times, video.times, atol=1e-9)


def test_players_see_the_times_of_a_codec(tmp_path):
    """Past our own note, FFmpeg reads them from the container."""
    av = pytest.importorskip("av")
    with av.open(vf.write(VIDEO, tmp_path / "a.mp4", "h264", times=TIMES)) as file:
        seen = np.sort([float(p.pts * p.time_base) for p in file.demux(video=0) if p.pts is not None])
    np.testing.assert_allclose(seen - seen[0], TIMES - TIMES[0], atol=1e-3)


def test_a_format_of_one_rate_says_so(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.mp4: mp4 holds one rate: other players.*; h264 keeps the time of each"):
        vf.write(VIDEO, tmp_path / "a.mp4", "mp4", times=TIMES)


def test_even_allows_what_containers_round():
    for fps in (24, 30, 59.94):
        assert Timing(fps, times=np.round(np.arange(5000) / fps, 3)).even
