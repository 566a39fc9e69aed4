"""What reading frames from Zarr costs: four layouts of one video in a folder, opened afresh before every sample."""

from typing import Any

import numcodecs
import numpy as np
import zarr

from .corpus import ACCESSES, REPEAT, SHAPE, SHUFFLED, TIMER, check_pinned, check_result, touch_memory, video

FRAME = (1, *SHAPE[1:])
BLOSC = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE)


def write(path: str, frames: np.ndarray, chunks: tuple[int, ...], compressor: Any) -> None:
    """Write an array of Zarr's format 2, which all releases read."""
    told = "zarr_version" if zarr.__version__.startswith("2.") else "zarr_format"
    options = {"shape": frames.shape, "dtype": frames.dtype, "chunks": chunks, "compressor": compressor, told: 2}
    zarr.open_array(path, mode="w", **options)[:] = frames


class _Layout:
    version = "1"
    timer = TIMER
    number = 1
    repeat = REPEAT
    rounds = 1
    warmup_time = 0.0
    timeout = 120
    layout: str
    params = [[*ACCESSES, "single frames"]]
    param_names = ["access"]

    # asv runs an inherited setup_cache once for all the classes: its key is this line.
    def setup_cache(self) -> None:
        """Write the video once in each layout."""
        check_pinned("zarr", zarr.__version__)
        frames = video()
        np.save("video.npy", frames)
        write("raw.zarr", frames, FRAME, None)
        write("frames.zarr", frames, FRAME, BLOSC)
        write("blocks.zarr", frames, (60, *SHAPE[1:]), BLOSC)
        if hasattr(zarr, "create_array"):
            codec = zarr.codecs.ZstdCodec(level=3)
            more = {"shards": (100, *SHAPE[1:]), "compressors": codec, "zarr_format": 3}
            zarr.create_array("shards.zarr", shape=SHAPE, dtype="uint8", chunks=FRAME, **more)[:] = frames

    def setup(self, access: str) -> None:
        check_pinned("zarr", zarr.__version__)
        if self.layout == "shards" and not hasattr(zarr, "create_array"):
            raise NotImplementedError("this release has no shards")
        self.video: Any = zarr.open_array(f"{self.layout}.zarr", mode="r")
        self.got: Any = None
        touch_memory()

    def teardown(self, access: str) -> None:
        if getattr(self, "got", None) is not None:
            index: Any = SHUFFLED[:100] if access == "single frames" else ACCESSES[access]
            check_result(np.asarray(self.got), np.array(np.load("video.npy", mmap_mode="r")[index]))

    def time_read(self, access: str) -> None:
        if access == "single frames":
            self.got = [self.video[int(frame)] for frame in SHUFFLED[:100]]
        elif access in ("sorted list", "mask"):
            self.got = self.video.oindex[ACCESSES[access]]
        else:
            self.got = self.video[ACCESSES[access]]


class Raw(_Layout):
    """One frame per chunk, not compressed."""

    layout = "raw"


class Frames(_Layout):
    """One frame per chunk, Blosc with zstd."""

    layout = "frames"


class Blocks(_Layout):
    """Sixty frames per chunk, Blosc with zstd."""

    layout = "blocks"


class Shards(_Layout):
    """One frame per chunk with zstd, a hundred in a file: format 3."""

    layout = "shards"
