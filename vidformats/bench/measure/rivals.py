"""How fast libraries read frames of one H.264 file, ours and others in turns; each used as its documents say."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import vidformats as vf
from vidformats.bench.measure.clock import interleave
from vidformats.bench.measure.machine import facts

Progress = Callable[[str], object]
Read = Callable[[Any, list[int]], Any]

GOPS, LINES = (1, 2, 12, 250), (120, 1080)
"""Frames from one key frame to the next, and lines of a frame: those of the table in docs/limits.md."""

SINGLES, WINDOWS, WINDOW, BATCH, STEP = 8, 4, 16, 64, 4

HOPELESS = 3.0
"""A rival that takes so many times our time in the first round is not asked again: it would take most of the run."""

SAME = 4.0
"""Grey levels by which readers differ on average, as they convert colour by different arithmetic; a neighbouring frame
differs by 10 and more."""


def write(path: Path, gop: int, lines: int, n_frames: int) -> Path:
    """Write a pan over a landscape of noise, 16 by 9, and a little noise that stays in place."""
    height, width = lines, lines * 16 // 9 // 2 * 2
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (lines // 8 + 2, (width + 4 * n_frames) // 8 + 2, 3), np.uint8)
    ground = cv2.resize(ground, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 12, (3, height, width), np.uint8)

    def frames() -> Iterator[np.ndarray]:
        for k in range(n_frames):
            image = ground[k % 8 : k % 8 + height, 4 * k : 4 * k + width].transpose(2, 0, 1)
            yield image // 16 * 15 + grain

    return Path(vf.write(frames(), path, "h264", n_frames=n_frames, fps=25, keyframe_interval=gop, preset="veryfast"))


def requests(n_frames: int) -> dict[str, list[list[int]]]:
    """Return what is asked for in each access: one list of frames per request."""
    rng = np.random.default_rng(1)
    starts = rng.integers(0, max(1, n_frames - WINDOW), WINDOWS).tolist()
    return {
        "single frames": [[int(i)] for i in rng.integers(0, n_frames, SINGLES)],
        "windows of 16": [list(range(start, min(start + WINDOW, n_frames))) for start in starts],
        "batch of 64": [sorted(rng.integers(0, n_frames, BATCH).tolist())],
        "every 4th": [list(range(0, n_frames, STEP))],
    }


def readers(threads: int) -> dict[str, tuple[Callable[[Path], Any], Read]]:
    """Return for each reader that is installed how it opens a file, with its index, and how it reads frames."""
    found: dict[str, tuple[Callable[[Path], Any], Read]] = {
        "vidformats": (lambda path: vf.open(path, threads=threads), lambda video, frames: video[frames]),
        "OpenCV": (_opencv, _opencv_frames),
    }
    for n in sorted({1, threads}):
        if find_spec("av"):
            found[f"PyAV, {n}"] = (partial(_pyav, threads=n), _pyav_frames)
        if find_spec("torchcodec"):
            found[f"torchcodec, {n}"] = (partial(_torchcodec, threads=n), _torchcodec_frames)
    return found


def _pyav(path: Path, threads: int) -> Any:
    """Open, and read the time of each packet: without an index of times no frame is known by its number."""
    import av

    file: Any = av.open(str(path))
    stream = file.streams.video[0]
    stream.thread_type = "AUTO" if threads > 1 else "NONE"
    stream.codec_context.thread_count = threads
    packets = [packet for packet in file.demux(stream) if packet.pts is not None]
    times = sorted(packet.pts for packet in packets)
    return file, stream, times, sorted(packet.pts for packet in packets if packet.is_keyframe)


def _pyav_frames(opened: Any, frames: list[int]) -> np.ndarray:
    """Seek to the key frame before, unless it lies behind us, and decode: PyAV's documents of `Container.seek`."""
    file, stream, times, keys = opened
    out: list[np.ndarray] = []
    came, decoded, image = -1, iter(()), np.empty(0)  # type: int, Iterator[Any], np.ndarray
    for i in frames:
        if came != i:
            key = keys[max(0, bisect_right(keys, times[i]) - 1)]
            if came < 0 or not key <= times[came] < times[i]:
                file.seek(times[i], stream=stream)
                decoded = file.decode(stream)
            image = next(frame for frame in decoded if frame.pts >= times[i]).to_ndarray(format="rgb24")
            came = i
        out.append(image)
    return np.stack(out)


def _torchcodec(path: Path, threads: int) -> Any:
    from torchcodec.decoders import VideoDecoder

    return VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=threads)


def _torchcodec_frames(decoder: Any, frames: list[int]) -> np.ndarray:
    return np.asarray(decoder.get_frames_at(frames).data.permute(0, 2, 3, 1))


def _opencv(path: Path) -> Any:
    return cv2.VideoCapture(str(path))


def _opencv_frames(capture: Any, frames: list[int]) -> np.ndarray:
    """Set the position unless the frame is near; if none comes, begin anew, as near the end of a file it needs."""
    out: list[np.ndarray] = []
    came, image = -STEP - 1, np.empty(0)
    for i in frames:
        if came != i:
            if not came < i <= came + STEP:
                capture.set(cv2.CAP_PROP_POS_FRAMES, i)
                came = i - 1
            done = all(capture.grab() for _ in range(i - came))
            if not done:
                capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
                done = all(capture.grab() for _ in range(i + 1))
            if not done:
                raise OSError(f"OpenCV does not come to frame {i}")
            image, came = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), i
        out.append(image)
    return np.stack(out)


def measure(
    gops: tuple[int, ...] = GOPS,
    lines: tuple[int, ...] = LINES,
    n_frames: int = 260,
    rounds: int = 7,
    threads: int | None = None,
    progress: Progress = lambda step: None,
) -> dict[str, Any]:
    """Time each reader, file and access in turns.

    Frames are compared with ours outside the clock, and a reader whose frames differ is not timed.

    Parameters
    ----------
    gops, lines : tuple of int
        Key-frame intervals and heights of the files.
    n_frames, rounds : int
    threads : int, optional
        All CPUs by default. PyAV and torchcodec run with one thread, too: for small frames that is faster.
    progress : callable
        Called after each file.

    Returns
    -------
    dict
        Fit for JSON. ``files`` : list of dict, with ``lines``, ``gop``, and ``seconds`` : access -> reader -> list over
        the rounds, only the first for a reader that takes `HOPELESS` times ours; ``wrong`` : readers of other frames.

    Examples
    --------
    >>> found = measure(gops=(4,), lines=(32,), n_frames=24, rounds=1)
    >>> found["files"][0]["gop"], "vidformats" in found["files"][0]["seconds"]["open"]
    (4, True)
    """
    threads = threads or vf.threads.default_threads()
    files = []
    with tempfile.TemporaryDirectory(prefix="vidformats-") as folder:
        for height in lines:
            for gop in gops:
                path = write(Path(folder, "a.mp4"), gop, height, n_frames)
                seconds, wrong = _timed(path, n_frames, rounds, threads)
                files.append({"lines": height, "gop": gop, "seconds": seconds, "wrong": wrong})
                progress(f"{height} lines, a key frame every {gop}")
        machine = facts(folder)
    return {"n_frames": n_frames, "rounds": rounds, "threads": threads, "files": files, "machine": machine}


def _timed(path: Path, n_frames: int, rounds: int, threads: int) -> tuple[dict[str, Any], list[str]]:
    ways = readers(threads)
    opened = {name: way[0](path) for name, way in ways.items()}
    ours, wrong = opened["vidformats"], []
    for name, (_, read) in ways.items():
        frames = [n_frames // 2, n_frames // 2 + 1, n_frames - 2]
        got = read(opened[name], frames)
        got = got if name != "vidformats" else got.transpose(0, 2, 3, 1)
        if np.abs(got.astype(np.int16) - ours[frames].transpose(0, 2, 3, 1)).mean() > SAME:
            wrong.append(name)
    right = [name for name in ways if name not in wrong]
    seconds = {}
    for access, asked in requests(n_frames).items():

        def case(name: str, asked: list[list[int]] = asked) -> Callable[[], Any]:
            return lambda: [ways[name][1](opened[name], frames) for frames in asked]

        seconds[access] = _rounds({name: case(name) for name in right}, rounds)
    # OpenCV counts nothing when it opens a file: it is no rival there.
    seconds["open"] = _rounds({n: partial(ways[n][0], path) for n in right if n != "OpenCV"}, rounds)
    ours.close()
    return seconds, wrong


def _rounds(cases: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    first = interleave(cases, 1)
    near = {name: case for name, case in cases.items() if first[name][0] < HOPELESS * first["vidformats"][0]}
    more = interleave(near, rounds - 1, seed=1)
    return {name: first[name] + more.get(name, []) for name in cases}
