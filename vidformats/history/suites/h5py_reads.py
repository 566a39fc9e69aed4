"""What reading frames from HDF5 costs: three layouts of one video, opened afresh before every sample."""

import h5py
import numpy as np

from .corpus import ACCESSES, REPEAT, SHAPE, SHUFFLED, TIMER, check_pinned, touch_memory, video

LAYOUTS = {
    "contiguous": {},
    "frames": {"chunks": (1, *SHAPE[1:]), "compression": "gzip", "compression_opts": 4},
    "blocks": {"chunks": (1, 2, 60, 60), "compression": "gzip", "compression_opts": 4},
}


class _Layout:
    version = "2"
    timer = TIMER
    number = 1
    repeat = REPEAT
    rounds = 1
    warmup_time = 0.0
    timeout = 120
    layout: str
    params = [[*ACCESSES, "single frames", "read_direct"]]
    param_names = ["access"]

    # asv runs an inherited setup_cache once for all the classes: its key is this line.
    def setup_cache(self) -> None:
        """Write the video once in each layout."""
        check_pinned("h5py", h5py.__version__)
        frames = video()
        with h5py.File("video.h5", "w") as file:
            for name, options in LAYOUTS.items():
                file.create_dataset(name, data=frames, **options)

    def setup(self, access: str) -> None:
        self.file = h5py.File("video.h5", "r")
        self.video = self.file[self.layout]
        self.out = np.zeros((400, *SHAPE[1:]), np.uint8)
        touch_memory()

    def teardown(self, access: str) -> None:
        self.file.close()

    def time_read(self, access: str) -> None:
        if access == "single frames":
            for frame in SHUFFLED[:100]:
                self.video[frame]
        elif access == "read_direct":
            self.video.read_direct(self.out, np.s_[300:700])
        else:
            self.video[ACCESSES[access]]


class Contiguous(_Layout):
    layout = "contiguous"


class Frames(_Layout):
    """One frame a chunk."""

    layout = "frames"


class Blocks(_Layout):
    """The chunks that h5py chooses for a dataset of frames that grows one at a time."""

    layout = "blocks"


class Lists(_Layout):
    """What one more frame in a list costs, scattered over a contiguous dataset."""

    layout = "contiguous"
    params = [["10", "100", "1000"]]
    param_names = ["frames"]

    def setup(self, frames: str) -> None:
        super().setup(frames)
        self.frames = np.sort(np.random.default_rng(7).choice(SHAPE[0], int(frames), replace=False))

    def time_read(self, frames: str) -> None:
        self.video[self.frames]
