"""What reading frames with NumPy costs: whole files, memory maps, and arrays in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .corpus import ACCESSES, REPEAT, SHUFFLED, TIMER, check_pinned, check_result, touch_memory, video

LOADS: dict[str, Callable[[], Any]] = {
    "npy": lambda: np.load("video.npy"),
    "npy, Fortran order": lambda: np.load("fortran.npy"),
    "npz": lambda: np.load("video.npz")["video"],
    "npz, compressed": lambda: np.load("small.npz")["video"],
    "fromfile": lambda: np.fromfile("video.bin", np.uint8),
    "fromfile, a part": lambda: np.fromfile("video.bin", np.uint8, 400 * 43200, offset=300 * 43200),
}


class _Suite:
    version = "3"
    timer = TIMER
    number = 1
    repeat = REPEAT
    rounds = 1
    warmup_time = 0.0
    timeout = 120

    # asv runs an inherited setup_cache once for all the classes: its key is this line.
    def setup_cache(self) -> None:
        """Write the video once in each format."""
        check_pinned("numpy", np.__version__)
        frames = video()
        frames.tofile("video.bin")
        np.save("video.npy", frames)
        np.save("fortran.npy", np.asfortranarray(frames))
        np.savez("video.npz", video=frames)
        np.savez_compressed("small.npz", video=frames[:300])


class Files(_Suite):
    params = [list(LOADS)]
    param_names = ["file"]

    def setup(self, file: str) -> None:
        check_pinned("numpy", np.__version__)
        self.load, self.got = LOADS[file], None
        touch_memory()

    def teardown(self, file: str) -> None:
        if self.got is not None:
            source = np.load("video.npy", mmap_mode="r")
            part: Any = {"npz, compressed": np.s_[:300], "fromfile, a part": np.s_[300:700]}.get(file, np.s_[:])
            check_result(self.got.reshape(-1, *source.shape[1:]), source[part])

    def time_load(self, file: str) -> None:
        self.got = self.load()


class _Indexing(_Suite):
    video: np.ndarray
    index: Any
    got: Any = None
    params = [[*ACCESSES, "shuffled list"]]
    param_names = ["access"]

    def teardown(self, access: str) -> None:
        if self.got is not None:
            check_result(self.got, np.array(np.load("video.npy", mmap_mode="r")[self.index]))

    def time_read(self, access: str) -> None:
        taken = self.video[self.index]
        # A list or a mask gives an array of its own; a slice gives a view, which has read nothing yet.
        self.got = np.array(taken) if isinstance(self.index, (slice, tuple)) else taken


class Mapped(_Indexing):
    """A memory map of a cached file, indexed and copied."""

    def setup(self, access: str) -> None:
        self.index = ACCESSES.get(access, SHUFFLED)
        self.video = np.load("video.npy", mmap_mode="r")
        touch_memory()


class Memory(_Indexing):
    """An array in memory, indexed and copied."""

    def setup(self, access: str) -> None:
        self.index = ACCESSES.get(access, SHUFFLED)
        self.video = np.load("video.npy")
        touch_memory()


class Convert(_Suite):
    """What loaders do next: other axes, other types, batches."""

    params = [["channels first", "channels last", "float32", "scaled", "stack", "take into out"]]
    param_names = ["to"]

    def setup(self, to: str) -> None:
        self.video = np.load("video.npy")[:400]
        self.images = np.ascontiguousarray(self.video.transpose(0, 2, 3, 1))
        self.out = np.zeros_like(self.video)
        self.order = SHUFFLED % 400
        self.convert: Callable[[], Any] = {
            "channels first": lambda: np.ascontiguousarray(self.images.transpose(0, 3, 1, 2)),
            "channels last": lambda: np.ascontiguousarray(self.video.transpose(0, 2, 3, 1)),
            "float32": lambda: self.video.astype(np.float32),
            "scaled": lambda: np.divide(self.video, 255, dtype=np.float32),
            "stack": lambda: np.stack(list(self.video)),
            "take into out": lambda: np.take(self.video, self.order, axis=0, out=self.out, mode="clip"),
        }[to]

        given = {"channels last": self.video.transpose(0, 2, 3, 1), "take into out": self.video[self.order]}
        self.expected, self.got = np.asarray(given.get(to, self.video)), None

    def teardown(self, to: str) -> None:
        if self.got is not None:
            check_result((self.got * (255 if to == "scaled" else 1)).round().astype(np.uint8), self.expected)

    def time_convert(self, to: str) -> None:
        self.got = self.convert()
