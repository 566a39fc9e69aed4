"""OpenCV reads files with one video track and a clock that begins with it; all others are right or refused."""

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench.referee import clips
from vidformats.decoders.tracks import Tracks, tracks_of
from vidformats.errors import FormatError
from vidformats.storage import open_source
from vidformats.testing.numbered import number_of

pytest.importorskip("av", reason="makes the clips, and is what OpenCV is compared with")
pytest.importorskip("imageio_ffmpeg", reason="the ffmpeg program, which muxes; of the extra referee")

N = 30
VIDEO = {"avi": "mpeg4", "mpg": "mpeg2video", "wmv": "wmv2", "flv": "libx264", "webm": "libvpx"}
CODECS = {
    "avi": ("mpeg4", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "ivf": ("libvpx", "yuv420p"),
    "y4m": ("wrapped_avframe", "yuv420p"),
}


def short(path, start=0, **options):
    clips.encode(path, n=N, size=(64, 64), g="5", start=start, **options)


def mux(folder, suffix, inputs, *extra):
    """Mux videos, and sound if wanted, into one file of a container."""
    path = folder / f"muxed.{suffix}"
    codec = VIDEO.get(suffix, "libx264")
    files = []
    for k, delay in enumerate(inputs):
        first = folder / f"{k}.{'wmv' if suffix == 'wmv' else 'mkv'}"
        if delay == "sound":
            files += ["-f", "lavfi", "-i", "sine=duration=4:sample_rate=48000"]
            continue
        rate = {"bit_rate": 1_000_000} if codec != "libx264" else {}
        short(first, start=100 * k, codec=codec, **rate)
        files += ["-itsoffset", str(delay), "-i", first]
    maps = [word for k in range(len(inputs)) for word in ("-map", str(k))]
    clips.run(*files, *maps, "-c:v", "copy", *extra, path)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "mpg", "webm", "wmv"])
def test_several_video_tracks_are_refused(tmp_path, suffix):
    path = mux(tmp_path, suffix, [0, 0])
    assert tracks_of(open_source(path)).video == 2
    with pytest.raises(FormatError, match=r"muxed\.\w+: has 2 video tracks.*PyAV.*pip install"):
        vf.open(path, decoder="opencv")
    assert len(vf.open(path)) >= N


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "m2ts", "mpg", "flv", "wmv"])
def test_with_sound_times_are_those_of_pyav_or_refused(tmp_path, suffix, delay):
    path = mux(tmp_path, suffix, [delay, "sound"])
    assert tracks_of(open_source(path))[:2] == (1, 1)
    right, video = vf.open(path), vf.open(path, decoder="opencv")
    assert [number_of(frame) for frame in video] == [number_of(frame) for frame in right]
    try:
        times = video.times
    except FormatError as error:
        assert "when its frames are shown is unknown" in str(error)
        assert (delay, suffix) not in [(0, "mp4"), (0, "mov")]
        with pytest.raises(FormatError, match=r"pip install"):
            video.at(0.1)
        with pytest.raises(FormatError, match=r"pip install"):
            vf.open(path, decoder="opencv", fps=16)
    else:
        np.testing.assert_allclose(times, right.times, atol=1e-3)


@pytest.mark.parametrize("cut", ["0.1", "0.5"])
def test_cut_between_two_pictures_with_sound(tmp_path, cut):
    """The edit list of such a file begins within a frame."""
    whole = mux(tmp_path, "mp4", [0, "sound"])
    path = tmp_path / "cut.mp4"
    clips.run("-ss", cut, "-i", whole, "-c", "copy", path)
    right, video = vf.open(path), vf.open(path, decoder="opencv")
    try:
        times = video.times
    except FormatError:
        return
    np.testing.assert_allclose(times, right.times, atol=1e-3)


def test_doubled_time_stamps(tmp_path):
    clips.doubled(tmp_path / "doubled.mkv")
    right, video = vf.open(tmp_path / "doubled.mkv"), vf.open(tmp_path / "doubled.mkv", decoder="opencv")
    assert (np.diff(right.times) == 0).any()
    np.testing.assert_allclose(video.times, right.times, atol=1e-6)


def test_a_transport_stream_that_begins_within_a_group(tmp_path):
    whole = tmp_path / "whole.ts"
    short(whole, codec="mpeg2video", bf="2", bit_rate=1_000_000)
    data = bytearray(whole.read_bytes())
    clips.beheaded(data)
    (tmp_path / "cut.ts").write_bytes(data)
    right, video = vf.open(tmp_path / "cut.ts"), vf.open(tmp_path / "cut.ts", decoder="opencv")
    assert right.times[0] > 0
    np.testing.assert_allclose(video.times, right.times, atol=1e-3)


def test_a_file_whose_tracks_cannot_be_counted_is_refused(tmp_path):
    path = tmp_path / "video.mxf"
    short(path, codec="mpeg2video", bit_rate=1_000_000)
    assert tracks_of(open_source(path)) is None
    with pytest.raises(FormatError, match=r"tracks cannot be counted.*pip install"):
        vf.open(path, decoder="opencv")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "flv", "gif", "ivf", "y4m", "h264"])
def test_one_track(tmp_path, suffix):
    codec, pix_fmt = CODECS.get(suffix, ("libx264", "yuv420p"))
    short(path := tmp_path / f"one.{suffix}", codec=codec, pix_fmt=pix_fmt)
    assert tracks_of(open_source(path))[:2] == Tracks(1)[:2]
    np.testing.assert_allclose(vf.open(path, decoder="opencv").times, vf.open(path).times, atol=1e-3)
