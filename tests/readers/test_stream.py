import itertools
import os
import struct
import threading
from fractions import Fraction

import numpy as np
import pytest

import vidformats as vf
from vidformats.decoders.pyav import PyAVDecoder
from vidformats.errors import FormatError
from vidformats.readers.adapted import resized
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


def shown_by_ffmpeg(path, channels=3, kind=np.uint8, pix_fmt="rgb24", size=(64, 64)):
    """Return the pixels that FFmpeg's program shows, ``(T, C, H, W)``."""
    judge = pytest.importorskip("vidformats.bench.referee.judge")
    pytest.importorskip("imageio_ffmpeg")
    raw = judge.run("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pix_fmt, "-")
    return np.frombuffer(raw, kind).reshape(-1, *size, channels).transpose(0, 3, 1, 2)


def encode_as(path, codec, frames, pix, colour="", **options):
    """Encode `frames` ``(T, H, W[, C])`` as they are, by FFmpeg's program."""
    judge = pytest.importorskip("vidformats.bench.referee.judge")
    pytest.importorskip("imageio_ffmpeg")
    given = {1: "gray", 2: "gray16le"}[frames.dtype.itemsize] if frames.ndim == 3 else "rgb24"
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    options = [part for name, value in options.items() for part in (f"-{name}", value)]
    judge.run(
        *("-f", "rawvideo", "-pix_fmt", given, "-s", size, "-r", "25", "-i", "-"),
        *("-vf", f"{colour}format={pix}", "-c:v", codec, *options, path),
        data=frames.tobytes(),
    )
    return path


def natural(n=6, size=(64, 64)):
    t, y, x = np.ogrid[:n, : size[0], : size[1]]
    planes = [127 + 60 * np.sin((x + 2 * t) / 17 + c) + 50 * np.cos((y - t) / 13 - c) for c in range(3)]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


COLOURS = {
    "bt601": "scale=out_color_matrix=bt601:out_range=tv,setparams=colorspace=smpte170m:range=tv,",
    "bt709": "scale=out_color_matrix=bt709:out_range=tv,setparams=colorspace=bt709:range=tv,",
    "bt709_full": "scale=out_color_matrix=bt709:out_range=pc,setparams=colorspace=bt709:range=pc,",
    "hlg": "scale=out_color_matrix=bt2020nc:out_range=tv,"
    "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=arib-std-b67:range=tv,",
    "pq": "scale=out_color_matrix=bt2020nc:out_range=tv,"
    "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv,",
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("pix", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(64, 64), (66, 70)])
def test_colours_are_those_of_ffmpeg(colour, pix, size, tmp_path):
    path = encode_as(tmp_path / "a.mkv", "libx264", natural(size=size), pix, COLOURS[colour], qp="0")
    reader, expected = StreamReader(open_source(path)), shown_by_ffmpeg(path, size=size)
    np.testing.assert_array_equal(read(reader, range(6)), expected)
    assert reader.info["pix_fmt"] in (pix, pix.replace("yuv", "yuvj"))
    assert np.abs(expected.astype(int) - natural(size=size).transpose(0, 3, 1, 2)).mean() < 4  # no gamut is mapped


def test_interlaced_frames_are_woven_as_by_ffmpeg(tmp_path):
    path = encode_as(
        tmp_path / "a.mp4", "libx264", natural(), "yuv420p", flags="+ilme+ildct", **{"x264-params": "tff=1"}
    )
    reader = StreamReader(open_source(path))
    assert reader.info["interlaced"]
    assert np.abs(read(reader, range(6)).astype(int) - shown_by_ffmpeg(path)).mean() < 1


@pytest.mark.parametrize(("pix", "most"), [("gray16le", 65535), ("gray12le", 4095), ("gray10le", 1023)])
def test_deep_grey_is_as_it_is_stored(pix, most, tmp_path):
    values = (np.arange(4 * 64 * 64) * 37 % (most + 1)).astype(np.uint16).reshape(4, 64, 64)
    scaled = (values.astype(np.int64) * 65535 // most).astype(np.uint16)
    path = encode_as(tmp_path / "a.mkv", "ffv1", values if most == 65535 else scaled, pix)
    reader = StreamReader(open_source(path))
    assert (reader.shape, reader.dtype) == ((4, 1, 64, 64), np.uint16)
    got = np.empty(reader.shape, np.uint16)
    reader.read(plan(np.arange(4)), got)
    np.testing.assert_array_equal(got[:, 0], values) if most == 65535 else None
    assert got.max() <= most
    assert np.abs(got[:, 0].astype(int) - values).max() <= 1
    small = StreamReader(open_source(path), depth=8)
    assert (small.shape, small.dtype) == ((4, 1, 64, 64), np.uint8)
    assert np.abs(read(small, range(4))[:, 0] - values / most * 255).max() <= 1.5


@pytest.mark.parametrize("size", [(31, 47), (32, 35), (64, 70)])
@pytest.mark.parametrize(
    ("pix", "options"),
    [
        ("yuv420p", {}),
        ("yuv420p", {"decoder": "opencv"}),
        ("yuv420p", {"threads": 3}),
        ("yuv444p10le", {"depth": 16}),
        ("gray", {}),
        ("gray", {"depth": 16}),
        ("gray16le", {}),
    ],
)
def test_frames_scaled_as_they_are_decoded_are_those_scaled_afterwards(size, pix, options, tmp_path):
    path = encode_as(tmp_path / "a.mkv", "ffv1", natural(size=(64, 70)), pix)
    with vf.open(path, **options) as whole, vf.open(path, size=size, **options) as small:
        expected = np.stack([resized(frame, size) for frame in whole[:]])
        assert small.shape == expected.shape
        assert small.dtype == expected.dtype
        np.testing.assert_array_equal(small[:], expected)
        np.testing.assert_array_equal(small[[4, 1], :, 3:9, ::2], expected[[4, 1], :, 3:9, ::2])


def test_grey_of_eight_bits_has_one_channel(tmp_path):
    frames = natural()[..., 0]
    path = encode_as(tmp_path / "a.mkv", "ffv1", frames, "gray")
    for decoder in ("pyav", "opencv"):
        reader = StreamReader(open_source(path), decoder=decoder)
        assert reader.shape[1] == (1 if decoder == "pyav" else reader.shape[1])
        np.testing.assert_array_equal(read(reader, range(6))[:, 0], frames)


def test_colour_of_sixteen_bits(tmp_path):
    path = encode_as(tmp_path / "a.mkv", "libx264", natural(), "yuv420p10le", qp="0")
    reader = StreamReader(open_source(path), depth=16)
    got = np.empty(reader.shape, np.uint16)
    reader.read(plan(np.arange(6)), got)
    np.testing.assert_array_equal(got, shown_by_ffmpeg(path, kind=np.uint16, pix_fmt="rgb48le"))
    with pytest.raises(ValueError, match="depth=16 requires PyAV"):
        StreamReader(open_source(path), depth=16, decoder="opencv")
    with pytest.raises(ValueError, match="depth must be 8 or 16, got 12"):
        StreamReader(open_source(path), depth=12)


def test_transparency_is_told(tmp_path):
    path = encode_as(tmp_path / "a.mkv", "ffv1", natural(), "yuva420p")
    assert StreamReader(open_source(path)).info["alpha"]
    assert not StreamReader(open_source(encode_as(tmp_path / "b.mkv", "ffv1", natural(), "yuv420p"))).info["alpha"]


@pytest.mark.parametrize("turned", [90, 180, 270, -90])
def test_rotation(turned, tmp_path):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    path = clips.encode(tmp_path / "a.mp4", turned=turned, n=8)
    reader, flat = StreamReader(open_source(path)), StreamReader(open_source(path), rotate=False)
    assert reader.rotation == -turned % 360
    assert flat.rotation == 0
    assert reader.info["rotation"] == flat.info["rotation"] == -turned % 360
    size = reader.shape[2:]
    assert flat.shape[2:] == clips.SIZE == (size if turned == 180 else size[::-1])
    np.testing.assert_array_equal(read(reader, range(8)), np.rot90(read(flat, range(8)), turned // 90, axes=(2, 3)))
    assert np.abs(read(reader, range(8)).astype(int) - shown_by_ffmpeg(path, size=size)).mean() < 1


def test_tracks(tmp_path):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    path = clips.make(clips.named("preview.mp4"), tmp_path)
    for stream, size, first in ((None, clips.SIZE, 0), (0, (64, 64), 1000), (1, clips.SIZE, 0)):
        with vf.open(path, stream=stream) as video:
            assert video.shape[2:] == size
            assert number_of(video[5]) == first + 5
            assert [name.partition(":")[0] for name in video.info["streams"]] == ["video", "video"]
            assert video.info["stream"] == (1 if stream is None else stream)
    with pytest.raises(ValueError, match="stream must be below 2, the number of tracks, got 2"):
        vf.open(path, stream=2)
    with pytest.raises(ValueError, match="stream=1 requires PyAV"):
        vf.open(path, stream=1, decoder="opencv")


@both
@pytest.mark.parametrize("second", [(96, 192), (48, 48)])
def test_a_picture_that_changes_its_size(second, decoder, tmp_path):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    parts = [clips.encode(tmp_path / f"{k}.ts", n=20, size=s, start=20 * k) for k, s in enumerate([(64, 64), second])]
    path = tmp_path / "sizes.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = StreamReader(open_source(path), decoder=decoder)
    assert reader.shape[2:] == (64, 64)
    assert numbers_of(read(reader, [3, 19])) == [3, 19]
    if decoder == "pyav":
        with pytest.raises(FormatError, match="expected frames of 64 x 64 pixels, got one of"):
            read(reader, [30])


DAMAGED = {
    "h264.mp4": ("libx264", {**X264, "g": "20", "bf": "0"}),
    "h264_b.mp4": ("libx264", {**X264, "g": "20"}),
    "hevc.mkv": ("libx265", {"x265-params": "keyint=20:log-level=none"}),
    "mpeg4.avi": ("mpeg4", {"g": "20", "bit_rate": 2_000_000}),
    "mjpeg.avi": ("mjpeg", {"pix": "yuvj420p", "bit_rate": 2_000_000}),
    "untimed.avi": ("libx264", {**X264, "g": "20"}),
}


@pytest.mark.parametrize("k", [50, 40])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_packet_costs_one_frame(name, k, tmp_path):
    codec, options = DAMAGED[name]
    path = encode(tmp_path / name, codec, **options)
    whole = StreamReader(open_source(path))
    data, at = path.read_bytes(), 0
    with av.open(str(path)) as file:
        for packet in itertools.islice((bytes(p) for p in file.demux(video=0) if p.size), k + 1):
            at = data.index(packet, at + 1)
    path.write_bytes(data[:at] + bytes(len(packet)) + data[at + len(packet) :])
    reader = StreamReader(open_source(path))
    assert reader.shape == whole.shape
    np.testing.assert_array_equal(reader.times, whole.times)
    lost = int(np.flatnonzero(reader._index.packets == k)[0])
    refused = set()
    for frame in range(N):
        try:
            # What depends on the damaged frame is concealed, as by every decoder of FFmpeg: a number may blur.
            assert number_of(read(reader, [frame])[0]) == frame or lost - 4 < frame < 60
        except FormatError as error:
            assert f"frame {frame} cannot be decoded" in str(error)
            refused.add(frame)
    assert lost in refused
    if name != "untimed.avi":  # FFmpeg leaves out as many or more
        assert len(refused) <= N - len(shown_by_ffmpeg(path))
    assert numbers_of(read(reader, range(lost - 5))) == list(range(lost - 5))
    assert numbers_of(read(reader, range(60, N), 2)) == list(range(60, N))
    with pytest.raises(FormatError, match=f"frame {min(refused)} cannot be decoded"):
        read(reader, range(N))


@both
def test_a_path_that_is_not_utf_8(decoder, tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", g="12", **X264)
    odd = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(path, odd)
    assert numbers_of(vf.load(os.fsdecode(odd), [7, 3], decoder=decoder)) == [7, 3]


@pytest.mark.parametrize("keep", [0.75, 0.9])
def test_what_the_file_lacks_is_counted(keep, tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", file={"movflags": "faststart"}, g="12", **X264)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with vf.open(path) as video:
        assert 0 < len(video) < N
        assert video.info["missing"] == N - len(video)
        assert number_of(video[-2]) in range(len(video))


def test_a_bad_key_frame_mark_is_learnt_once(tmp_path):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    path = clips.make(clips.named("no_stss.mp4"), tmp_path)
    reader = StreamReader(open_source(path))
    assert len(reader._index.keys) == clips.N
    assert numbers_of(read(reader, [23, 35])) == [23, 35]
    assert {23, 22, 13}.isdisjoint(reader._index.keys)
    assert {0, 12, 24}.issubset(reader._index.keys)


def test_frames_one_after_the_other_decode_each_packet_once(tmp_path):
    reader = StreamReader(open_source(encode(tmp_path / "a.mp4", "libx264", g="50", **X264)))
    read(reader, [0])
    fed = []
    decoder = reader._idle[0].decoder
    read(reader, [1])  # after a lone frame everything was drained; from here on it goes on
    decode, decoder._decode = decoder._decode, lambda packet: (fed.append(packet), decode(packet))[1]
    assert [number_of(read(reader, [i])[0]) for i in range(2, 90)] == list(range(2, 90))
    assert len(fed) <= 93


def test_a_lone_frame_decodes_from_its_key_frame_only(tmp_path):
    reader = StreamReader(open_source(encode(tmp_path / "a.mp4", "libx264", g="12", bf="0", **X264)))
    decoder, fed = reader._idle[0].decoder, []
    decode, decoder._decode = decoder._decode, lambda packet: (fed.append(packet), decode(packet))[1]
    for frame in (99, 30, 3, 75):
        fed.clear()
        assert number_of(read(reader, [frame])[0]) == frame
        assert len(fed) <= 13


def test_many_readers_and_threads_at_once(tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", g="12", **X264)
    shared, wrong = StreamReader(open_source(path)), []

    def work(seed):
        rng, mine = np.random.default_rng(seed), StreamReader(open_source(path))
        for _ in range(6):
            frames = rng.integers(0, N, 9)
            for reader in (shared, mine):
                wrong.extend(set(numbers_of(read(reader, frames, 2))) ^ set(frames.tolist()))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
    assert len(shared._idle) <= 8


@pytest.mark.parametrize(("step", "length"), [(1, 1), (3, 1), (16, 1), (4, 4), (16, 4)])
def test_requests_one_after_another_go_on(tmp_path, monkeypatch, step, length):
    """Drained after each, the decoder began at the key frame again: a frame took eleven times as long."""
    path = encode(tmp_path / "a.mp4", "libx264", 150, bf="3", g="150", **X264)
    reader, fed = StreamReader(open_source(path)), []
    decode = PyAVDecoder._decode
    monkeypatch.setattr(PyAVDecoder, "_decode", lambda self, packet: (fed.append(packet), decode(self, packet)))
    for first in range(60, 140, step):
        frames = np.arange(first, first + length)
        assert numbers_of(read(reader, frames, 1)) == frames.tolist()
    assert len(fed) < 220, "two ways from the key frame, at most"


def test_a_frame_that_does_not_come_is_not_sought_to_the_end(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", "libx264", 400, bf="0", g="400", **X264)
    reader, fed = StreamReader(open_source(path)), []
    decode = PyAVDecoder._decode

    def lose(self, packet):
        fed.append(packet)
        if packet is None or packet.pts != 50:
            decode(self, packet)

    monkeypatch.setattr(PyAVDecoder, "_decode", lose)
    with pytest.raises(FormatError, match="frame 50 cannot be decoded"):
        read(reader, np.array([50]), 1)
    assert len(fed) < 250


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"threads": "2"}, "threads must be an integer >= 1, got '2'"),
        ({"threads": 2.5}, "threads must be an integer >= 1, got 2.5"),
        ({"stream": "a"}, "stream must be an integer or None, got 'a'"),
        ({"stream": True}, "stream must be an integer"),
        ({"decoder": 3}, "decoder must be a string or None, got 3"),
        ({"fps": "25"}, "fps must be a number > 0 and finite, 1,000,000 at most, got '25'"),
        ({"fps": 1e12}, "fps must be a number > 0"),
    ],
)
def test_an_option_of_a_wrong_kind_is_named(options, fault, tmp_path):
    path = vf.write(numbered(4, 32), tmp_path / "a.mp4", fps=25)
    with pytest.raises((TypeError, ValueError), match=fault):
        vf.open(path, **options)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("gop", [12, 250])
@pytest.mark.parametrize("options", [{}, {"size": (90, 160)}, {"rotate": False}], ids=["whole", "scaled", "stored"])
def test_a_thread_beside_converts_the_same_pictures(tmp_path, monkeypatch, gop, threads, options):
    """From 100,000 pixels on one thread decodes and another converts; an index means what it means with one thread."""
    monkeypatch.setattr("vidformats.readers.stream.UNEVEN", 0.0)
    beside = []
    whole = StreamReader._converting
    monkeypatch.setattr(StreamReader, "_converting", lambda *given: beside.append(given[-1]) or whole(*given))
    path = encode(tmp_path / "a.mp4", "libx264", 60, (272, 400), g=str(gop), **X264)
    with vf.open(path, threads=1, **options) as video:
        expected = video[:]
    assert not any(beside)
    with vf.open(path, threads=threads, **options) as video:
        for index in (slice(None), slice(3, 50, 4), [59, 0, 7, 7, 30], slice(20, 24)):
            np.testing.assert_array_equal(video[index], expected[index])
        np.testing.assert_array_equal(video[5:40, 1:, 10:80, ::3], expected[5:40, 1:, 10:80, ::3])
    assert any(beside)


def test_a_frame_of_another_size_is_told_by_the_thread_beside(tmp_path):
    small, large = (encode(tmp_path / f"{h}.ts", "libx264", 30, (h, 400), g="12", **X264) for h in (272, 304))
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    for threads in (1, 2):
        with vf.open(path, threads=threads) as video, pytest.raises(FormatError, match="expected frames of 272 x 400"):
            video[:]
