"""Video files of every awkward kind, made on the spot; every frame shows its number."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.bench.referee.judge import run
from vidformats.testing.numbered import numbered
from vidformats.threads import ordinary_priority

N, SIZE = 120, (96, 128)
"""Frames of a clip, and their height and width, unless a recipe says otherwise."""

MS = Fraction(1, 1000)


@dataclass(frozen=True)
class Clip:
    """One recipe.

    Attributes
    ----------
    name : str
        Of the file.
    about : str
        Where such a file occurs in life.
    make : callable
        Takes the path to write to.
    kind : str
        By which clips are grouped: codec, container, time, cut, damage, size or tracks.
    size : tuple of int
        ``(H, W)`` of a frame as it is shown.
    disputed : str
        Why versions or documents of FFmpeg disagree about what is right; empty if they do not.
    untimed : str
        Why the file does not say when each frame is shown, so that nobody is asked by time; empty if it does.
    """

    name: str
    about: str
    make: Callable[[Path], object]
    kind: str
    size: tuple[int, int] = SIZE
    disputed: str = ""
    untimed: str = ""


def encode(
    path: Path,
    codec: str = "libx264",
    n: int = N,
    size: tuple[int, int] = SIZE,
    pts: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    rate: Any = 25,
    start: int = 0,
    bit_rate: int | None = None,
    muxer: Mapping[str, str] | None = None,
    turned: int = 0,
    container: str | None = None,
    **options: Any,
) -> Path:
    """Encode numbered frames.

    Parameters
    ----------
    path : Path
    codec : str
    n, size, start : int, tuple of int, int
        How many frames, of which height and width, and the number of the first.
    pts : sequence of int, optional
        When each is shown, in milliseconds; by default `rate` frames per second.
    pix_fmt : str
    rate : int or Fraction
    bit_rate : int, optional
    muxer : dict, optional
        Options of the container.
    turned : int, degrees
        Rotation that the container asks for, counter-clockwise.
    container : str, optional
        FFmpeg's name, if the path's extension does not tell.
    **options
        Of the encoder; ``x264`` and ``x265`` stand for their own parameters.
    """
    import av

    if codec == "libx264":
        options = {"preset": "fast", "crf": "20", **options}
    for name in ("x264", "x265"):
        if name in options:
            options[f"{name}-params"] = options.pop(name)
    if codec == "libx265":
        options["x265-params"] = ":".join(filter(None, ["log-level=none", options.get("x265-params")]))
    with av.open(str(path), "w", format=container, options=dict(muxer or {})) as file:
        out: Any = file.add_stream(codec, rate=rate, options=options)
        out.height, out.width, out.pix_fmt = *size, pix_fmt
        if bit_rate:
            out.bit_rate = bit_rate
        if turned:
            out.set_display_rotation(turned)
        if pts is not None:
            out.codec_context.time_base = MS
        with ordinary_priority():
            file.start_encoding()
        for i, image in enumerate(numbered(n, size, start=start)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image.transpose(1, 2, 0)), format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = int(pts[i]), MS
            file.mux(out.encode(frame))
        file.mux(out.encode(None))
    return path


def x264(parameters: str = "", **options: Any) -> Callable[[Path], object]:
    """Return a recipe for H.264."""
    return partial(encode, x264=parameters, **options) if parameters else partial(encode, **options)


def by_ffmpeg(
    recipe: Callable[[Path], object], *arguments: str, before: Sequence[str] = (), source: str = ".mp4"
) -> Any:
    """Return a recipe: FFmpeg's program works on the file that another recipe makes."""

    def make(path: Path) -> None:
        first = path.with_name(f"{path.stem}-source{source}")
        recipe(first)
        run(*before, "-i", first, *arguments, path)
        first.unlink()

    return make


def irregular(n: int = N, seed: int = 0) -> list[int]:
    """Return milliseconds at which frames of a variable rate are shown."""
    shown: list[int] = np.cumsum(np.random.default_rng(seed).integers(15, 300, n)).tolist()
    return shown


def with_sound(path: Path, recipe: Callable[[Path], object], delay: float, seconds: float) -> None:
    """Mux sound of some seconds with a video that begins later."""
    first = path.with_name(f"{path.stem}-source.mkv")
    recipe(first)
    tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}:sample_rate=48000"]
    run("-itsoffset", str(delay), "-i", first, *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", path)
    first.unlink()


def two_tracks(path: Path) -> None:
    """Mux a small preview before the video proper, which is marked as the default."""
    small, large = path.with_name("small-source.mp4"), path.with_name("large-source.mp4")
    encode(small, size=(64, 64), start=1000)
    encode(large, g="12")
    marks = ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    run("-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy", *marks, path)
    small.unlink()
    large.unlink()


def with_cover(path: Path) -> None:
    """Add a picture as the first track, as tagged films have."""
    import av

    video, cover = path.with_name("video-source.mp4"), path.with_name("cover-source.jpg")
    encode(video, g="12")
    picture = av.VideoFrame.from_ndarray(np.full((200, 300, 3), 200, np.uint8), format="rgb24")
    picture.save(str(cover))
    marks = ["-disposition:v:0", "attached_pic"]
    run("-i", cover, "-i", video, "-map", "0", "-map", "1", "-c", "copy", *marks, path)
    video.unlink()
    cover.unlink()


def joined(path: Path, **options: Any) -> None:
    """Put two transport streams one after the other, so that time jumps back."""
    encode(path, n=N // 2, **options)
    first = path.read_bytes()
    encode(path, n=N // 2, start=N // 2, **options)
    path.write_bytes(first + path.read_bytes())


def doubled(path: Path) -> None:
    """Encode pairs of frames that a clock of milliseconds cannot tell apart: every tenth has its neighbour's time."""
    import av

    source = path.with_name("doubled-source.mkv")
    encode(source, g="12", bf="0")
    with av.open(str(source)) as given, av.open(str(path), "w") as file:
        out = file.add_stream_from_template(given.streams.video[0])
        for k, packet in enumerate(p for p in given.demux(video=0) if p.size):
            packet.stream = out
            if k % 10 == 9:
                packet.pts = packet.dts = 40 * (k - 1)
            file.mux(packet)
    source.unlink()


def patched(path: Path, recipe: Callable[[Path], object], change: Callable[[bytearray], object]) -> None:
    """Make a file and change its bytes."""
    recipe(path)
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def miscounted(frames: int) -> Callable[[bytearray], object]:
    """Return a change that lets an AVI's header announce another number of frames."""

    def change(data: bytearray) -> None:
        for name, offset in ((b"avih", 16), (b"strh", 32)):
            at = data.index(name) + 8 + offset
            data[at : at + 4] = struct.pack("<I", frames)

    return change


def renamed(old: bytes, new: bytes) -> Callable[[bytearray], object]:
    """Return a change that gives a box of an MP4 another name, so that it is skipped."""

    def change(data: bytearray) -> None:
        at = data.index(old)
        data[at : at + 4] = new

    return change


def beheaded(data: bytearray) -> None:
    """Let a transport stream begin somewhere in its first half."""
    del data[: len(data) * 2 // 5 // 188 * 188]


def packet_zeroed(path: Path, recipe: Callable[[Path], object], k: int) -> None:
    """Overwrite the bytes of one packet."""
    import av

    recipe(path)
    with av.open(str(path)) as file:
        packets = [bytes(p) for p in file.demux(video=0) if p.size]
    data = path.read_bytes()
    at = data.find(packets[k])
    path.write_bytes(data[:at] + bytes(len(packets[k])) + data[at + len(packets[k]) :])


def truncated(path: Path, recipe: Callable[[Path], object], keep: float) -> None:
    """Cut a file's end off."""
    recipe(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])


_PLAIN = x264(g="24")
_HIDDEN: dict[str, Any] = {"auto-alt-ref": "1", "lag-in-frames": "16"}
_FIRST = "-c", "copy", "-movflags", "+faststart"

CLIPS: list[Clip] = [
    Clip("h264.mp4", "what most encoders write: B-frames, a key frame each 250", x264(), "codec"),
    Clip("gop1.mp4", "all key frames: editing", x264(g="1"), "codec"),
    Clip("gop2.mp4", "a key frame every second frame: robot data sets", x264(g="2"), "codec"),
    Clip("gop12.mp4", "a key frame each half second: made for training", x264(g="12"), "codec"),
    Clip("pyramid.mp4", "B-frames that refer to B-frames", x264("bframes=8:b-pyramid=normal:ref=5:keyint=60"), "codec"),
    Clip("no_b.mp4", "no B-frames: web cameras and calls", x264(g="30", bf="0", tune="zerolatency"), "codec"),
    Clip("open_gop.mp4", "open groups: broadcast and disc encoders", x264("open-gop=1:keyint=12:bframes=3:scenecut=0"), "codec"),
    Clip("open_gop.mkv", "the same in Matroska", x264("open-gop=1:keyint=12:bframes=3:scenecut=0"), "codec"),
    Clip("intra_refresh.mp4", "columns refreshed one by one instead of key frames: low-delay cameras", x264("intra-refresh=1:keyint=20:bframes=0"), "codec"),
    Clip("slices.mp4", "several slices a frame: hardware encoders", x264("slices=4:keyint=20"), "codec"),
    Clip("ten_bit.mp4", "H.264 of 10 bits: anime and masters", x264(pix_fmt="yuv420p10le", g="20"), "codec"),
    Clip("lossless444.mkv", "H.264 without loss, colours at full size", x264(pix_fmt="yuv444p", crf="0", g="20"), "codec"),
    Clip("hevc.mp4", "HEVC: phones", partial(encode, codec="libx265", x265="keyint=20"), "codec"),
    Clip("hevc_open.mp4", "HEVC with open groups, as its encoder does by default", partial(encode, codec="libx265", x265="keyint=20:open-gop=1"), "codec"),
    Clip("hevc_ten_bit.mkv", "HEVC of 10 bits: HDR phones", partial(encode, codec="libx265", pix_fmt="yuv420p10le", x265="keyint=20"), "codec"),
    Clip("vp8.webm", "VP8 with hidden frames: older browsers", partial(encode, codec="libvpx", g="20", bit_rate=1_000_000, **_HIDDEN), "codec"),
    Clip("vp9.webm", "VP9 with hidden frames: the web", partial(encode, codec="libvpx-vp9", g="20", deadline="realtime", **_HIDDEN), "codec"),
    Clip("av1.mp4", "AV1: LeRobot, YouTube", partial(encode, codec="libsvtav1", g="20", preset="11", crf="20"), "codec"),
    Clip("av1.webm", "AV1 in WebM", partial(encode, codec="libsvtav1", g="40", preset="11", crf="20"), "codec"),
    Clip("mpeg2.mkv", "MPEG-2 with B-frames: DVD rips", partial(encode, codec="mpeg2video", g="12", bf="2", bit_rate=2_000_000), "codec"),
    Clip("mpeg4.mp4", "MPEG-4 part 2, as OpenCV writes", partial(encode, codec="mpeg4", g="12", bit_rate=2_000_000), "codec"),
    Clip("mjpeg.avi", "motion JPEG: microscopes and old cameras", partial(encode, codec="mjpeg", pix_fmt="yuvj420p", bit_rate=4_000_000), "codec"),
    Clip("ffv1.mkv", "FFV1: archives", partial(encode, codec="ffv1", g="12"), "codec"),
    Clip("prores.mov", "ProRes: editing", partial(encode, codec="prores_ks", pix_fmt="yuv422p10le"), "codec"),
    Clip("wmv2.wmv", "Windows Media", partial(encode, codec="wmv2", g="12", bit_rate=2_000_000), "codec"),
    Clip("gif.gif", "GIF: demonstrations on the web", partial(encode, codec="gif", pix_fmt="rgb8"), "codec"),
    Clip("apng.apng", "animated PNG", partial(encode, codec="apng", pix_fmt="rgb24", n=40), "codec"),
    Clip("raw.y4m", "frames as they are, from one program to the next", by_ffmpeg(partial(encode, codec="ffv1"), source=".mkv"), "codec"),
    Clip("h264.mkv", "Matroska: screen recorders", _PLAIN, "container"),
    Clip("h264.mov", "QuickTime: phones and cameras", _PLAIN, "container"),
    Clip("h264.avi", "H.264 in AVI, which has no time of presentation: cheap cameras", _PLAIN, "container", untimed="AVI has no time of presentation: FFmpeg guesses, two frames late"),
    Clip("h264.ts", "transport stream: broadcast, camcorders, HLS", _PLAIN, "container"),
    Clip("h264.flv", "Flash: live streams", _PLAIN, "container"),
    Clip("h264.h264", "a raw stream, without container: embedded boards", _PLAIN, "container"),
    Clip("hevc.hevc", "a raw stream of HEVC", partial(encode, codec="libx265", x265="keyint=20"), "container"),
    Clip("mpeg2.mpg", "program stream: DVDs", partial(encode, codec="mpeg2video", g="12", bf="2", bit_rate=2_000_000), "container"),
    Clip("mpeg2.ts", "MPEG-2 in a transport stream: broadcast", partial(encode, codec="mpeg2video", g="12", bf="2", bit_rate=2_000_000), "container"),
    Clip("mpeg4_b.avi", "MPEG-4 with B-frames in AVI: DivX and XviD", partial(encode, codec="mpeg4", g="12", bf="2", bit_rate=2_000_000), "container", untimed="AVI has no time of presentation: FFmpeg guesses, one frame late"),
    Clip("vp9.ivf", "IVF: test streams of encoders", partial(encode, codec="libvpx-vp9", g="20", deadline="realtime"), "container"),
    Clip("fragmented.mp4", "fragments: streaming and cameras that may lose power", partial(encode, g="20", muxer={"movflags": "frag_keyframe+empty_moov"}), "container"),
    Clip("no_duration.mkv", "written to a pipe: neither duration nor index", partial(encode, g="20", muxer={"live": "1"}), "container"),
    Clip("variable_rate.mp4", "variable rate: phones in the dark", x264(pts=irregular(), g="20"), "time"),
    Clip("variable_rate.mkv", "variable rate: screen recorders", x264(pts=irregular(), g="20"), "time"),
    Clip("two_rates.mkv", "30 frames a second, then 5", x264(pts=[*range(0, 60 * 33, 33), *range(2000, 14000, 200)], g="20"), "time"),
    Clip("late.mp4", "begins after 5 seconds: cut from a longer recording", x264(pts=[5000 + 40 * k for k in range(N)], g="20"), "time"),
    Clip("late.mkv", "the same in Matroska", x264(pts=[5000 + 40 * k for k in range(N)], g="20"), "time"),
    Clip("negative.mkv", "begins before zero: encoders with delay", x264(pts=[40 * k - 400 for k in range(N)], g="20", muxer={"avoid_negative_ts": "disabled"}), "time", untimed="Matroska cannot hold times before zero: the first frames have none"),
    Clip("doubled.mkv", "two frames at one time: merged or repaired files", doubled, "time"),
    Clip("pause.mkv", "sound goes on while the picture stands: slides", partial(with_sound, recipe=x264(pts=[40 * k + 200_000 * (k >= 60) for k in range(N)], g="20"), delay=0, seconds=205), "time"),
    Clip("sound_first.mp4", "sound long before the first picture", partial(with_sound, recipe=x264(g="20"), delay=120, seconds=126), "time"),
    Clip("joined.ts", "two recordings one after the other: time jumps back", partial(joined, g="20"), "time", disputed="what is shown at the seam depends on the version"),
    Clip("ntsc.mov", "30000/1001 frames a second: American cameras", x264(rate=Fraction(30000, 1001), g="15"), "time"),
    Clip("cut_start.mp4", "cut with -c copy between key frames: trimmed on a phone", by_ffmpeg(_PLAIN, "-c", "copy", before=("-ss", "1.3")), "cut"),
    Clip("cut_both.mp4", "cut at both ends with -c copy", by_ffmpeg(_PLAIN, "-c", "copy", before=("-ss", "0.7", "-t", "2.5")), "cut"),
    Clip("cut_vp9.mp4", "VP9 cut with -c copy", by_ffmpeg(partial(encode, codec="libvpx-vp9", g="60", deadline="realtime"), "-c", "copy", before=("-ss", "0.7")), "cut"),
    Clip("cut_mpeg4.mov", "MPEG-4 cut with -c copy", by_ffmpeg(partial(encode, codec="mpeg4", g="60", bit_rate=2_000_000), "-c", "copy", before=("-ss", "0.7")), "cut"),
    Clip("cut_start.mkv", "cut with -c copy into Matroska, which has no edit list", by_ffmpeg(_PLAIN, "-c", "copy", before=("-ss", "1.3")), "cut"),
    Clip("joined_in.ts", "an open group cut through: recorded from the middle of a broadcast", partial(patched, recipe=x264("open-gop=1:keyint=12:bframes=3:scenecut=0"), change=beheaded), "cut"),
    Clip("joined_in_mpeg2.ts", "the same in MPEG-2", partial(patched, recipe=partial(encode, codec="mpeg2video", g="12", bf="2", bit_rate=2_000_000, container="mpegts"), change=beheaded), "cut"),
    Clip("delayed.mp4", "an empty edit before the picture: sound and picture aligned", by_ffmpeg(_PLAIN, "-c", "copy", before=("-itsoffset", "0.6")), "cut"),
    Clip("miscounted.avi", "a header that announces too few frames: a recorder that crashed", partial(patched, recipe=partial(encode, codec="mpeg4", g="12", bit_rate=2_000_000), change=miscounted(10)), "damage"),
    Clip("overcounted.avi", "a header that announces a million frames", partial(patched, recipe=partial(encode, codec="mpeg4", g="12", bit_rate=2_000_000), change=miscounted(1_000_000)), "damage"),
    Clip("no_stss.mp4", "every frame marked as a key frame: careless muxers", partial(patched, recipe=partial(encode, codec="mpeg4", g="12", bit_rate=2_000_000), change=renamed(b"stss", b"free")), "damage"),
    Clip("bad_packet.mp4", "one packet of zeros: a bad sector", partial(packet_zeroed, recipe=x264(g="20", bf="0"), k=50), "damage", disputed="FFmpeg leaves the frame out; a reader may keep its place"),
    Clip("bad_packet.avi", "the same in motion JPEG", partial(packet_zeroed, recipe=partial(encode, codec="mjpeg", pix_fmt="yuvj420p", bit_rate=4_000_000), k=50), "damage", disputed="FFmpeg leaves the frame out; a reader may keep its place"),
    Clip("truncated.mp4", "the end is missing: a download that stopped", partial(truncated, recipe=by_ffmpeg(_PLAIN, *_FIRST), keep=0.6), "damage", disputed="the packet that was cut through"),
    Clip("truncated.mkv", "the same in Matroska", partial(truncated, recipe=_PLAIN, keep=0.6), "damage", disputed="the packet that was cut through"),
    Clip("interlaced.mp4", "interlaced H.264: camcorders", x264("tff=1:keyint=24"), "codec"),
    Clip("interlaced.ts", "interlaced MPEG-2: broadcast", partial(encode, codec="mpeg2video", g="12", bf="2", bit_rate=4_000_000, flags="+ilme+ildct"), "codec"),
    Clip("preview.mp4", "a small preview before the video proper: drones, action cameras", two_tracks, "tracks"),
    Clip("cover.mp4", "a cover picture as the first track: tagged films", with_cover, "tracks"),
    Clip("odd.mkv", "odd height and width: cropped by software", x264(pix_fmt="yuv444p", size=(97, 131), g="20"), "size", (97, 131)),
    Clip("rotated.mp4", "recorded upright: phones", x264(turned=90, g="20"), "size", (128, 96)),
    Clip("small.mp4", "120 lines: faces cut out", x264(size=(120, 120), g="12"), "size", (120, 120)),
    Clip("vga.mp4", "480 lines", x264(size=(480, 640), g="30"), "size", (480, 640)),
    Clip("hd.mp4", "1080 lines", x264(size=(1080, 1920), n=60, g="30", preset="ultrafast"), "size", (1080, 1920)),
    Clip("hd_cut.mp4", "1080 lines, cut with -c copy", by_ffmpeg(x264(size=(1080, 1920), n=60, g="60", preset="ultrafast"), "-c", "copy", before=("-ss", "0.7")), "size", (1080, 1920)),
]  # fmt: skip
"""All clips, in the order of the table."""


def make(clip: Clip, folder: Path) -> Path:
    """Return the path of a clip in `folder`, making it if it is not there.

    Raises
    ------
    ImportError
        If PyAV or FFmpeg's program is missing.
    """
    path = folder / clip.name
    if not path.exists():
        unfinished = path.with_name(f"making-{clip.name}")
        clip.make(unfinished)
        unfinished.rename(path)
    return path


def named(name: str) -> Clip:
    """Return the clip of that name."""
    return next(clip for clip in CLIPS if clip.name == name)
