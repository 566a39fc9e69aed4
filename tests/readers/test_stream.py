import os
import struct
from fractions import Fraction

import numpy as np
import pytest

import vidformats as vf
from vidformats.errors import FormatError
from vidformats.readers.stream import StreamReader
from vidformats.select import plan
from vidformats.storage import open_source
from vidformats.testing.numbered import number_of, numbered, numbers_of

av = pytest.importorskip("av", reason="makes the awkward files; of the extra codecs")

both = pytest.mark.parametrize("decoder", ["pyav", "opencv"])
N = 100
X264 = {"preset": "fast", "crf": "20"}
RNG = np.random.default_rng(0)
MS = {"time_base": Fraction(1, 1000)}


def encode(
    path,
    codec,
    n=N,
    size=(64, 64),
    pts=None,
    time_base=None,
    pix="yuv420p",
    bit_rate=None,
    rate=25,
    file=None,
    **options,
):
    """Encode numbered frames with PyAV; `pts` are their times, `file` the container's options."""
    try:
        av.Codec(codec, "w")
    except Exception:
        pytest.skip(f"this PyAV has no encoder {codec}")
    with av.open(str(path), "w", options=file) as file:
        out = file.add_stream(codec, rate=rate, options=options)
        out.height, out.width, out.pix_fmt = *size, pix
        if bit_rate:
            out.bit_rate = bit_rate
        if time_base:
            out.codec_context.time_base = time_base
        for i, image in enumerate(numbered(n, size)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image.transpose(1, 2, 0)), format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = int(pts[i]), time_base
            file.mux(out.encode(frame))
        file.mux(out.encode(None))
    return path


def decode(path):
    """Return all frames, decoded by PyAV from start to end."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return np.stack(frames).transpose(0, 3, 1, 2)


def read(reader, frames, threads=1):
    out = np.full((len(frames), *reader.shape[1:]), 77, np.uint8)
    wanted = plan(np.asarray(frames, np.int64))
    reader.read(wanted, out, threads)
    wanted.repeat(out)
    return out


def agrees(path, reader=None):
    """Every way of asking gives what a sequential decode by another library gives; return the reader."""
    reference = decode(path)
    reader, n = reader or StreamReader(open_source(path)), len(reference)
    assert reader.shape == reference.shape
    rng = np.random.default_rng(1)
    requests = [
        range(n),
        range(0, n, 7),
        range(n)[::-1],
        [n - 1, 0, n - 1, n // 2],
        rng.integers(0, n, n),
        range(0, n, 31),
    ]
    requests += [[i] for i in (*rng.integers(0, n, 12), n - 1, 0, 1, 2 % n)]
    for frames in requests:
        for threads in (1, 2):
            got = read(reader, frames, threads)
            assert numbers_of(got) == [number_of(reference[i]) for i in frames]
            assert np.abs(got.astype(int) - reference[list(frames)]).mean() < 1
    return reader


AWKWARD = {
    "b_frames.mp4": ("libx264", X264),
    "b_frames.mkv": ("libx264", {**X264, "x264-params": "keyint=24:bframes=3"}),
    "open_gop.mp4": ("libx264", {**X264, "x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    "open_gop.mkv": ("libx264", {**X264, "x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    "open_gop_mpeg2.mkv": ("mpeg2video", {"g": "12", "bf": "2", "bit_rate": 2_000_000}),
    "open_gop_hevc.mp4": ("libx265", {"x265-params": "keyint=20:open-gop=1:log-level=none"}),
    "broadcast.ts": ("libx264", {**X264, "g": "20"}),
    "variable_rate.mp4": ("libx264", {**X264, **MS, "g": "20", "pts": np.cumsum(RNG.integers(20, 400, N))}),
    "late_start.mp4": ("libx264", {**X264, **MS, "g": "20", "pts": 5000 + 40 * np.arange(N)}),
    "late_start.mkv": ("libx264", {**X264, **MS, "g": "20", "pts": 5000 + 40 * np.arange(N)}),
    "long_gop.mp4": ("libx264", {**X264, "g": "600"}),
    "no_b_frames.mp4": ("libx264", {**X264, "g": "10", "bf": "0"}),
    "vp9.webm": ("libvpx-vp9", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime"}),
    "lossless.mkv": ("ffv1", {"pix": "bgr0"}),
    "plain.avi": ("mpeg4", {"g": "12", "bit_rate": 2_000_000}),
    "untimed_b_frames.avi": ("mpeg4", {"g": "12", "bf": "2", "bit_rate": 2_000_000}),
    "untimed_h264.avi": ("libx264", {**X264, "g": "20"}),
    "motion_jpeg.avi": ("mjpeg", {"pix": "yuvj420p"}),
    "two_frames.mp4": ("libx264", {**X264, "n": 2}),
    "odd_rate.mov": ("mpeg4", {"g": "12", "rate": Fraction(30000, 1001), "bit_rate": 2_000_000}),
}


def awkward(folder, name):
    """Make one of the awkward files."""
    codec, options = AWKWARD[name]
    return encode(folder / name, codec, **options)


@both
@pytest.mark.parametrize("name", AWKWARD)
def test_every_frame_is_the_one_of_a_sequential_decode(name, decoder, tmp_path):
    path = awkward(tmp_path, name)
    reader = agrees(path, StreamReader(open_source(path), decoder=decoder))
    assert reader.info["frames"] == reader.shape[0] == len(reader.times)


@pytest.mark.parametrize("name", AWKWARD)
def test_the_packets_and_a_whole_decode_give_the_same_index(name, tmp_path):
    path = awkward(tmp_path, name)
    told, counted = StreamReader(open_source(path)), StreamReader(open_source(path), counted=True)
    np.testing.assert_array_equal(told._index.packets, counted._index.packets)
    np.testing.assert_array_equal(told._index.start, counted._index.start)
    np.testing.assert_array_equal(told.times, counted.times)


def edited(path, entries):
    """Give the one track of an MP4 whose data come first another edit list of (duration, media time)."""
    data = bytearray(path.read_bytes())

    def find(*names, start=0, end=None):
        end = end or len(data)
        while start + 8 <= end:
            size, kind = struct.unpack(">I4s", data[start : start + 8])
            if kind == names[0]:
                return (start, size) if len(names) == 1 else find(*names[1:], start=start + 8, end=start + size)
            start += size
        raise AssertionError(names)

    body = b"".join(struct.pack(">IiI", *entry, 0x10000) for entry in entries)
    new = struct.pack(">I4sI4sII", 24 + len(body), b"edts", 16 + len(body), b"elst", 0, len(entries)) + body
    parents = [find(b"moov"), find(b"moov", b"trak")]
    at, size = find(b"moov", b"trak", b"edts")
    assert find(b"mdat") < parents[0]
    data[at : at + size] = new
    for parent, length in parents:
        data[parent : parent + 4] = struct.pack(">I", length + len(new) - size)
    path.write_bytes(data)
    return path


EDITS = {
    "trimmed": [(2000, 30)],
    "delayed": [(400, -1), (4000, 0)],
    "parts": [(800, 10), (800, 70)],
    "swapped": [(800, 70), (800, 10)],
    "repeated": [(800, 10), (800, 10)],
}


@both
@pytest.mark.parametrize("name", EDITS)
def test_edit_lists(name, decoder, tmp_path):
    path = encode(tmp_path / "edited.mp4", "libx264", g="20", **X264)
    # 12,800 ticks a second are 512 a frame; B-frames delay the first by two.
    edited(path, [(ms, -1 if first < 0 else 1024 + 512 * first) for ms, first in EDITS[name]])
    agrees(path, StreamReader(open_source(path), decoder=decoder))


@pytest.mark.parametrize("announced", [10, 1_000_000])
def test_a_wrong_frame_count_in_the_header(announced, tmp_path):
    path = encode(tmp_path / "plain.avi", "mpeg4", g="12", bit_rate=2_000_000)
    data = bytearray(path.read_bytes())
    for name, offset in ((b"avih", 16), (b"strh", 32)):
        at = data.index(name) + 8 + offset
        data[at : at + 4] = struct.pack("<I", announced)
    path.write_bytes(data)
    assert agrees(path).shape[0] == N


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted through /proc")
def test_nothing_stays_open(tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", g="12", **X264)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        reader = StreamReader(open_source(path))
        read(reader, [5, 80, 40], 2)
        del reader
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5])
def test_a_file_cut_short(keep, tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", **X264)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(FormatError, match=r"a\.mp4: holds no video"):
        StreamReader(open_source(path))


def test_a_damaged_file_never_gives_another_frame(tmp_path):
    path = encode(tmp_path / "a.avi", "mjpeg", pix="yuvj420p", bit_rate=2_000_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    path.write_bytes(data)
    reader = StreamReader(open_source(path))
    n = reader.shape[0]
    assert 10 < n <= N
    assert numbers_of(read(reader, range(n // 3), 2)) == list(range(n // 3))
    assert numbers_of(read(StreamReader(open_source(path), counted=True), range(n // 3))) == list(range(n // 3))


@pytest.mark.parametrize(
    "content", [b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n", bytes(5000), b"no video at all"]
)
def test_what_is_no_video(content, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.mp4: "):
        vf.open(path, "mp4")


def test_sound_alone(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        out = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        file.mux(out.encode(frame))
        file.mux(out.encode(None))
    with pytest.raises(FormatError, match="holds no video"):
        StreamReader(open_source(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        StreamReader(open_source(tmp_path / "none.mp4"))
