"""Files of the codecs in use, by key-frame interval and frame size: what an access costs, and what the file takes.

112 files of the scene, square: ``VIDFORMATS_CODECS=h264,av1`` and ``VIDFORMATS_LINES=120,240`` write fewer of them.
"""

import os
from pathlib import Path

import vidformats as vf
from benchmarks.common import PROFILE, _module, cache, content, corpus, disk, memory

rivals = _module("vidformats.bench.measure.rivals")

CODECS = ["h264", "h264_fast", "hevc", "av1", "vp9", "ffv1", "h264_rgb"]
KEYFRAME_INTERVALS = ["1", "2", "12", "250"]
LINES = ["120", "240", "480", "1080"]

N_FRAMES = {"120": 260, "240": 260, "480": 130, "1080": 48}
"""Frames of a file: fewer of large ones, which take long to encode and would say no more."""
if PROFILE == "tiny":
    N_FRAMES = {"120": 24}


def folder_of(interval, lines):
    """Return where the files of one key-frame interval and size lie, in the working folder of every benchmark."""
    return Path("videos", lines, interval)


def chosen(lines):
    """Return the codecs and key-frame intervals of which files of this size are written."""
    if PROFILE == "tiny":
        return [("h264", "2")] if lines == "120" else []
    if lines not in os.environ.get("VIDFORMATS_LINES", ",".join(LINES)).split(","):
        return []
    codecs = os.environ.get("VIDFORMATS_CODECS", ",".join(CODECS)).split(",")
    return [(codec, every) for codec in CODECS if codec in codecs for every in KEYFRAME_INTERVALS]


class Videos:
    """Reads of one file from the page cache."""

    param_names = ["codec", "keyframe_interval", "lines"]
    params = [CODECS, KEYFRAME_INTERVALS, LINES]
    version = "1"
    timeout = 300
    number = rounds = 1
    repeat = 3
    warmup_time = 0
    video = None

    def setup_cache(self):
        """Write the files, those of one size from one video."""
        written = []
        for lines in LINES:
            cases = [(codec, every) for codec, every in chosen(lines) if codec in vf.formats()]
            frames = content.make("scene", N_FRAMES[lines], int(lines)) if cases else None
            for codec, every in cases:
                folder = folder_of(every, lines)
                folder.mkdir(parents=True, exist_ok=True)
                vf.write(frames, corpus.path_of(folder, codec), codec, fps=25, keyframe_interval=int(every))
                written.append((codec, every, lines))
        return written

    setup_cache.timeout = 3600

    def setup(self, written, codec, interval, lines):
        if (codec, interval, lines) not in written:
            raise NotImplementedError(f"{codec} of {lines} lines, a key frame every {interval}, was not written")
        self.path = corpus.path_of(folder_of(interval, lines), codec)
        cache.warm(self.path)
        self.requests = rivals.requests(N_FRAMES[lines])
        self.video = vf.open(self.path)

    def teardown(self, written, codec, interval, lines):
        if self.video is not None:
            self.video.close()

    def read(self, access):
        for frames in self.requests[access]:
            self.video[frames]

    def time_open(self, written, codec, interval, lines):
        with vf.open(self.path) as video:
            len(video)

    def time_single_frames(self, written, codec, interval, lines):
        """Time eight single frames, anywhere."""
        self.read("single frames")

    def time_windows(self, written, codec, interval, lines):
        """Time four windows of 16 frames, anywhere."""
        self.read("windows of 16")

    def time_batch(self, written, codec, interval, lines):
        """Time 64 frames, anywhere, in one call."""
        self.read("batch of 64")

    def time_every_4th(self, written, codec, interval, lines):
        self.read("every 4th")

    def track_memory(self, written, codec, interval, lines):
        """Return the peak while windows are read, above what the process had with the file open."""
        with memory.Peak() as peak:
            self.read("windows of 16")
        return float("nan") if peak.increment is None else float(peak.increment)

    def peakmem_windows(self, written, codec, interval, lines):
        self.read("windows of 16")

    def track_disk(self, written, codec, interval, lines):
        return float(disk.size(self.path))

    track_memory.unit = track_disk.unit = "bytes"
