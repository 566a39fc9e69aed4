"""Which frames the readers of video return, and at what cost: a sample of the referee's clips, its seeded requests.

Readers that this environment lacks are taken from the environments that ``vidformats referee --install`` made, and
skipped by name if those are not there either. A reader works in a process of its own, so its memory is tracked as what
that process tells: ``peakmem_`` would tell that of asv's.
"""

from pathlib import Path

from benchmarks.common import PROFILE, _module

referee = {
    name: _module(f"vidformats.bench.referee.{name}") for name in ("clips", "questions", "results", "roster", "trial")
}

READERS = [
    "vidformats-pyav", "vidformats-opencv", "pyav-seek", "pyav-sequential", "opencv-seek", "opencv-sequential",
    "torchcodec-exact", "torchcodec-approximate", "decord", "decord2", "imageio-pyav", "imageio-pyav-variable",
    "imageio-ffmpeg", "video-reader-rs", "video-reader-rs-sequential", "moviepy",
]  # fmt: skip
CLIPS = [
    "h264.mp4", "open_gop.mp4", "hevc_open.mp4", "vp9.webm", "av1.mp4", "h264.ts", "mpeg4_b.avi", "fragmented.mp4",
    "variable_rate.mp4", "variable_rate.mkv", "late.mp4", "cut_start.mp4", "small.mp4", "vga.mp4", "hd.mp4",
]  # fmt: skip
"""One for each thing that misleads a reader, then the three frame sizes."""

BUILT = ["open_gop.mp4", "small.mp4"] if PROFILE == "tiny" else CLIPS
REQUESTS, SEED = {"tiny": 16}.get(PROFILE, 200), 0


class Spent:
    """A clock for asv that shows the seconds which readers said they took, what starting them took left out."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


SPENT = Spent()


class Asked:
    """What a reader answers to one kind of request about one clip; skipped by name if it cannot be asked that."""

    access, answered = "frame", False

    param_names = ["reader", "clip"]
    params = [READERS, CLIPS]
    version = "1"
    timeout = 300
    number = rounds = 1
    repeat = 3
    warmup_time = 0
    timer = SPENT

    def setup_cache(self):
        """Make the clips, and ask FFmpeg's program what it shows of each."""
        clips, results = referee["clips"], referee["results"]
        try:
            return {
                "known": {
                    name: found[1:] for name, found in results.known(map(clips.named, BUILT), Path("referee")).items()
                }
            }
        except (NotImplementedError, ImportError) as error:
            return {"missing": str(error)}

    setup_cache.timeout = 900

    def setup(self, facts, reader, clip):
        if "missing" in facts:
            raise NotImplementedError(facts["missing"])
        if clip not in facts["known"]:
            raise NotImplementedError(f"{clip} is not among the clips of this profile")
        roster, trial = referee["roster"], referee["trial"]
        try:
            self.process = trial.Process(roster.READERS[reader], roster.home(roster.READERS[reader]))
        except (roster.Missing, ImportError) as error:
            raise NotImplementedError(f"{reader}: {error}") from None
        # asv skips what its setup refuses; an error in a benchmark itself is a failure.
        if self.access not in self.process.calls:
            raise NotImplementedError(f"{self.process.reader.title} has no call for {self.access}")
        path, truth = facts["known"][clip]
        self.cell = trial.trial(self.process, path, clip, truth, self.access, REQUESTS, SEED)
        if self.answered and not self.cell.right + self.cell.wrong:
            raise NotImplementedError(f"no frame of {clip}: {self.cell.error}")

    def teardown(self, facts, reader, clip):
        if hasattr(self, "process"):
            self.process.close()


class Frames(Asked):
    """Single frames at random."""

    def track_wrong_frames(self, facts, reader, clip):
        return self.cell.wrong

    def track_refused(self, facts, reader, clip):
        return self.cell.refused

    def track_lost(self, facts, reader, clip):
        """Return the frames that never came: the process died, or was stopped."""
        return self.cell.failed + self.cell.hung

    def track_peak_memory(self, facts, reader, clip):
        """Return the bytes that the process took for random frames, above what it had before it opened the clip."""
        return self.cell.peak

    track_wrong_frames.unit = track_refused.unit = track_lost.unit = "frames"
    track_peak_memory.unit = "bytes"


class RandomFrames(Asked):
    """What one of them takes, if any came."""

    answered = True

    def time_random_frame(self, facts, reader, clip):
        SPENT.seconds += self.cell.seconds


class Windows(Asked):
    """Windows and choices of eight, by the reader's call for several frames."""

    access, answered = "frames", True

    def time_window(self, facts, reader, clip):
        SPENT.seconds += self.cell.seconds
