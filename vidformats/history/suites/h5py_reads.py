"""What reading frames from HDF5 costs: three layouts of one video, opened afresh before every sample."""

from typing import Any

import h5py
import numpy as np

from .corpus import ACCESSES, REPEAT, SHAPE, SHUFFLED, TIMER, check_pinned, check_result, touch_memory, video

VALUES = np.arange(400_000, dtype=np.float64)

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
        np.save("video.npy", frames)
        with h5py.File("video.h5", "w") as file:
            file["values"] = VALUES
            for name, options in LAYOUTS.items():
                file.create_dataset(name, data=frames, **options)

    def setup(self, access: str) -> None:
        check_pinned("h5py", h5py.__version__)
        self.file = h5py.File("video.h5", "r")
        self.video = self.file[self.layout]
        self.out = np.zeros((400, *SHAPE[1:]), np.uint8)
        self.got: Any = None
        touch_memory()

    def teardown(self, access: str) -> None:
        self.file.close()
        if self.got is not None:
            check_result(np.asarray(self.got), self.expected(access))

    def expected(self, access: str) -> np.ndarray:
        """Return what the file holds there, by NumPy."""
        single: dict[str, Any] = {"single frames": SHUFFLED[:100], "read_direct": np.s_[300:700]}
        return np.array(np.load("video.npy", mmap_mode="r")[single.get(access, ACCESSES.get(access))])

    def time_read(self, access: str) -> None:
        if access == "single frames":
            self.got = [self.video[frame] for frame in SHUFFLED[:100]]
        elif access == "read_direct":
            self.video.read_direct(self.out, np.s_[300:700])
            self.got = self.out
        else:
            self.got = self.video[ACCESSES[access]]


class Contiguous(_Layout):
    layout = "contiguous"


class Frames(_Layout):
    """One frame per chunk."""

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

    def expected(self, frames: str) -> np.ndarray:
        return np.load("video.npy", mmap_mode="r")[self.frames]

    def time_read(self, frames: str) -> None:
        self.got = self.video[self.frames]


class Indices(_Layout):
    """What many indices cost: of 400,000 values in a contiguous dataset, by a sorted list or a mask."""

    layout = "values"
    params = [["list of 1000", "list of 5000", "list of 10000", "mask of 10000", "mask of 100000", "mask of 400000"]]
    param_names = ["indices"]

    def setup(self, indices: str) -> None:
        super().setup(indices)
        kind, count = indices.split()[0], int(indices.split()[-1])
        chosen = np.sort(np.random.default_rng(7).choice(len(VALUES), count, replace=False))
        self.index = chosen if kind == "list" else np.isin(np.arange(len(VALUES)), chosen)

    def expected(self, indices: str) -> np.ndarray:
        return VALUES[self.index]

    def time_read(self, indices: str) -> None:
        self.got = self.video[self.index]
