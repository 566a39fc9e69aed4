"""A DataLoader over windows of several videos: our datasets, and what a user would write instead."""

from pathlib import Path

from benchmarks.common import N_FRAMES, PROFILE, SIZE, clock, train

WAYS = [
    "npy", "npy_mapped", "npy_clips", "h5", "h5_list", "jpg", "jpg_pillow", "mp4", "mp4_cv2", "mp4_torchcodec",
]  # fmt: skip
TRIED = [("npy", "2"), ("npy_mapped", "0")]
"""What the tiny profile runs, since each case imports torch; tests/bench/measure/test_train.py runs all ways."""


class Loader:
    """Shuffled windows of the scene from the page cache, with 0, 1 and 2 workers."""

    param_names = ["way", "workers"]
    params = [WAYS, ["0", "1", "2"]]
    version = "1"
    timeout = 600
    loader = None
    rounds = number = 1  # an epoch is long enough; further rounds would write the videos anew
    repeat = 3
    warmup_time = 0

    def setup_cache(self):
        """Write the videos, windows as files of their own included."""
        try:
            train.build(Path("train"), "scene", N_FRAMES, SIZE)
        except NotImplementedError as error:
            return {"missing": str(error)}
        return {"folder": "train"}

    setup_cache.timeout = 1800

    def setup(self, facts, way, workers):
        if "missing" in facts:
            raise NotImplementedError(facts["missing"])
        if PROFILE == "tiny" and (way, workers) not in TRIED:
            raise NotImplementedError("the tiny profile runs one case of each kind")
        self.folder = Path(facts["folder"])
        try:
            train.check(self.folder, way)
            self.loader = train.loader(self.folder, way, int(workers))
        except ImportError as error:
            raise NotImplementedError(str(error)) from None
        train.epoch(self.loader)  # workers started, files and memory warm

    def teardown(self, facts, way, workers):
        """End the workers now, not while the next case is measured."""
        self.loader = None

    def time_epoch(self, facts, way, workers):
        """Copy each batch once, as on its way to a device."""
        train.epoch(self.loader)

    def track_epoch_over_mapped(self, facts, way, workers):
        """Return the median ratio to ``np.load(mmap_mode="c")[indices]``, both timed in turns."""
        seconds = train.seconds(self.folder, [way, "npy_mapped"], int(workers), self.repeat)
        return clock.ratios(seconds[way], seconds["npy_mapped"]).median

    track_epoch_over_mapped.unit = "of the mapped way's time"

    def track_memory(self, facts, way, workers):
        """Return the peak proportional set size of the training process and its workers, less that before it."""
        held = train.memory_in_own_process(self.folder, way, int(workers))
        return float("nan") if held is None else held["pss"]

    track_memory.unit = "bytes"
