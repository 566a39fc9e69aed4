"""What a DataLoader delivers: frames a second and memory, from our datasets and from what a user would write.

All ways deliver the same windows of the same videos, shuffled, in batches, and each batch is copied once, as on
its way to a device.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure.clock import interleave
from vidformats.bench.measure.fresh import fresh_python
from vidformats.bench.measure.loop import Held, epoch
from vidformats.bench.measure.machine import facts
from vidformats.registry import FORMATS

N_TRIALS, BATCH = 4, 8
NEAR = 3.0
"""Grey levels that two decoders of one lossy file may differ by on average."""


def mapped(path: str, frames: np.ndarray) -> np.ndarray:
    """Read as the researcher's trainers do: the file is mapped anew for each window."""
    return np.load(path, mmap_mode="c")[frames]


def clips(path: str, frames: np.ndarray) -> np.ndarray:
    """Read a window that was stored as a file of its own."""
    return np.load(_clip(path, int(frames[0])))


def h5py_list(path: str, frames: np.ndarray) -> np.ndarray:
    """Read by h5py's list of indices."""
    import h5py

    with h5py.File(path) as file:
        return file["video"][frames]


def pillow(path: str, frames: np.ndarray) -> np.ndarray:
    """Open image after image."""
    from PIL import Image

    return np.stack([np.asarray(Image.open(f"{path}/{i}.jpg")).transpose(2, 0, 1) for i in frames.tolist()])


def cv2_seek(path: str, frames: np.ndarray) -> np.ndarray:
    """Seek to the first frame by its number, and read on."""
    from vidformats.opencv import cv2

    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_FRAMES, int(frames[0]))
    wanted, found = set(frames.tolist()), []
    for number in range(int(frames[0]), int(frames[-1]) + 1):
        image = capture.read()[1]
        if number in wanted:
            found.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB).transpose(2, 0, 1))
    return np.stack(found)


def torchcodec(path: str, frames: np.ndarray) -> np.ndarray:
    """Decode with PyTorch's own library."""
    try:
        from torchcodec.decoders import VideoDecoder
    except (OSError, RuntimeError) as error:  # it is there, but libraries that it loads are not
        raise ImportError(error) from None

    return VideoDecoder(path).get_frames_at(frames.tolist()).data.numpy()


class Way(NamedTuple):
    """A way to feed a DataLoader.

    Attributes
    ----------
    format : str
    read : callable or None
        What a user would write: from path and frames to an array; None is our dataset.
    about : str
    collate : bool
        Whether batches are made by our dataset's ``collate``.
    """

    format: str
    read: Callable[[str, np.ndarray], np.ndarray] | None
    about: str
    collate: bool = False


WAYS = {
    "npy": Way("npy", None, "ours", collate=True),
    "npy_default": Way("npy", None, "ours, default collate"),
    "npy_mapped": Way("npy", mapped, '`np.load(mmap_mode="c")[indices]`, as the researcher\'s trainers'),
    "npy_clips": Way("npy", clips, "one npy a window, written beforehand"),
    "h5": Way("h5", None, "ours", collate=True),
    "h5_list": Way("h5", h5py_list, "h5py, list of indices"),
    "jpg": Way("jpg", None, "ours", collate=True),
    "jpg_pillow": Way("jpg", pillow, "Pillow, image by image"),
    "mp4": Way("mp4", None, "ours", collate=True),
    "mp4_cv2": Way("mp4", cv2_seek, "OpenCV, seek and read"),
    "mp4_torchcodec": Way("mp4", torchcodec, "torchcodec"),
}
"""Name -> way; those of one format deliver the same pixels."""


class Usual:
    """The map-style dataset that a user would write around a reading function."""

    def __init__(self, windows: Any, read: Callable[[str, np.ndarray], np.ndarray]):
        self.windows, self.read = windows, read

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        window = self.windows[row]
        path = self.windows.manifest.path("path", self.windows.manifest.index[window.trial])
        frames = np.arange(window.start, window.stop, self.windows.stride)
        return {"video": self.read(path, frames), "row": row}


def build(folder: Path, kind: str, n_frames: int, size: int) -> None:
    """Cut one content into trials and write them in each format, windows as files of their own included."""
    folder.mkdir(parents=True, exist_ok=True)
    video = content.make(kind, n_frames, size)
    length = n_frames // N_TRIALS
    for form in sorted({way.format for way in WAYS.values()}):
        rows = []
        for k in range(N_TRIALS):
            name = f"{form}-{k}{FORMATS[form].suffix}"
            vf.write(video[k * length : (k + 1) * length], folder / name, form)
            rows.append({"trial": k, "subject": k, "n_frames": length, "fps": 64, "path": name})
        with open(folder / f"{form}.csv", "w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    w = windows(folder, "npy")
    for row in w.rows:
        window = w[row]
        path = w.manifest.path("path", w.manifest.index[window.trial])
        np.save(_clip(path, window.start), vf.load(path, slice(window.start, window.stop)))


def _clip(path: str, start: int) -> str:
    return f"{path.removesuffix('.npy')}-from-{start}.npy"


def windows(folder: Path, form: str) -> Any:
    """Return windows of 300 frames with hop 200, as the researcher's; smaller ones where trials are short."""
    manifest = folder / f"{form}.csv"
    size = min(300, int(vf.windows(manifest, 1, 1).manifest.n_frames.min()) // 2)
    return vf.windows(manifest, size, max(1, size * 2 // 3))


def loader(folder: Path, name: str, workers: int) -> Any:
    """Return a DataLoader of one way, whose workers stay from epoch to epoch.

    Raises
    ------
    ImportError
        Without torch.
    """
    import torch

    way = WAYS[name]
    w = windows(folder, way.format)
    dataset: Any = Usual(w, way.read) if way.read else w.dataset()
    return torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=dataset.collate if way.collate else None,
    )


def check(folder: Path, name: str) -> None:
    """Compare every window of one way, in this process, with our reading of the same file.

    Raises
    ------
    ImportError
        Without the library of that way.
    AssertionError
        Where pixels differ by more than two decoders may.
    """
    way = WAYS[name]
    ours = windows(folder, way.format).dataset()
    for batch in loader(folder, name, 0):
        for row, video in zip(batch["row"].tolist(), batch["video"].numpy(), strict=True):
            error = np.abs(video.astype(np.int16) - ours[row]["video"]).mean()
            if error > (NEAR if vf.get_format(way.format).tolerance else 0):
                raise AssertionError(f"{name}: window {row} is wrong")


def seconds(folder: Path, names: list[str], workers: int, rounds: int) -> dict[str, list[float]]:
    """Time whole epochs, all ways in turns, after one that is not counted: files and memory are warm."""
    loaders = {name: loader(folder, name, workers) for name in names}
    for batches in loaders.values():
        epoch(batches)
    return interleave({name: partial(epoch, batches) for name, batches in loaders.items()}, rounds)


def memory(folder: Path, name: str, workers: int) -> dict[str, int] | None:
    """Return the peak of an epoch's memory, summed over this process and its workers, less what it held before.

    Proportional set size: a page that several processes hold is shared out among them. ``file`` is the part
    that maps files, which the system may take back.
    """
    batches = loader(folder, name, 0)
    next(iter(batches))  # what is imported on first use counts for no way
    del batches
    with Held() as held:
        batches = loader(folder, name, workers)
        for _ in range(2):
            epoch(batches)
    return held.peak


def memory_in_own_process(folder: Path, name: str, workers: int) -> dict[str, int] | None:
    """Return `memory`, of a fresh process."""
    code = (
        "import json, sys; from pathlib import Path; from vidformats.bench.measure.train import memory;"
        "print(json.dumps(memory(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))"
    )
    return json.loads(fresh_python(name, "-c", code, str(folder), name, str(workers)).splitlines()[-1])


def measure(folder: Path, kind: str, n_frames: int, size: int, rounds: int, names: list[str]) -> dict[str, Any]:
    """Measure all ways with 0, 1 and 2 workers.

    Returns
    -------
    dict
        Fit for JSON: ``seconds``, workers -> way -> list over the rounds; ``memory``, way -> bytes with
        2 workers; ``frames``, delivered in an epoch.
    """
    build(folder, kind, n_frames, size)
    installed = []
    for name in names:
        try:
            check(folder, name)
            installed.append(name)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    w = windows(folder, "npy")
    result: dict[str, Any] = {"content": kind, "n_frames": n_frames, "size": size, "rounds": rounds}
    result |= {"window": w.size, "hop": w.hop, "batch": BATCH, "frames": len(w) * w.size, "machine": facts(folder)}
    result["seconds"] = {str(n): seconds(folder, installed, n, rounds) for n in (0, 1, 2)}
    result["memory"] = {name: memory_in_own_process(folder, name, 2) for name in installed}
    return result
