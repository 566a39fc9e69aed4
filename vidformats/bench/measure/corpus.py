"""The videos on disk that are measured: one content, byte for byte the same in every format."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure import cache
from vidformats.bench.measure.fresh import fresh_python
from vidformats.bench.published import STEP
from vidformats.registry import row_of
from vidformats.threads import default_threads

BYTES_A_FRAME = {"jpg": 1.2, "webp": 1.2, "mp4": 0.3}
"""Disk a format may take on noise, as a multiple of the payload; 1.05 for those not named."""


class AnotherCorpus(ValueError):
    """The folder holds videos of another content, length or size."""


def path_of(folder: str | os.PathLike[str], name: str) -> str:
    """Return where the corpus in `folder` has the format `name`."""
    return str(Path(folder) / f"{name}{row_of(name).suffix}")


def build(
    folder: str | os.PathLike[str],
    kind: str,
    names: Iterable[str],
    n_frames: int,
    size: int,
    seed: int = 0,
    progress: Callable[[str], object] = lambda name: None,
) -> None:
    """Write one content in several formats, and the frames that lossy ones should give.

    What is there already, from an earlier call with the same content, is kept: `folder` may be used again. In the
    end, all are in the page cache in the same state.

    Parameters
    ----------
    folder : path-like
        Made where missing.
    kind : str
        One of `vidformats.bench.content.CONTENTS`.
    names : iterable of str
        Formats; npy, the source of the others, is always written.
    n_frames, size, seed : int
        As `vidformats.bench.content.make` takes them.
    progress : callable
        Called with the name of each format when it is written.

    Raises
    ------
    ContentUnavailable
        For ``"face"`` without its clip.
    AnotherCorpus
        Where `folder` holds one.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    facts, note = {"content": kind, "n_frames": n_frames, "size": size, "seed": seed}, folder / "corpus.json"
    if note.exists() and json.loads(note.read_text()) != facts:
        raise AnotherCorpus(f"{folder}: holds another corpus; name an empty folder")
    if not note.exists():
        vf.write(content.make(kind, n_frames, size, seed), path_of(folder, "npy"))
        note.write_text(json.dumps(facts))
    names = list(dict.fromkeys(names))
    missing = [name for name in names if not all(map(os.path.exists, _files(folder, name)))]
    # Slow writers first, so that none is left alone at the end; most of them are one thread of C.
    missing.sort(key=lambda name: not name.startswith(("h5_", "webp", "png", "mat")))
    with ThreadPoolExecutor(default_threads()) as pool:
        for name in pool.map(lambda name: _in_own_process(folder, name), missing):
            progress(name)
    for name in names:
        cache.settle(path_of(folder, name))


def _files(folder: Path, name: str) -> list[str]:
    """Return what `store` writes, the last at last: an interruption in between must not pass for the whole."""
    return [path_of(folder, name), *([_expected(folder, name)] if vf.get_format(name).tolerance else [])]


def _expected(folder: str | os.PathLike[str], name: str) -> str:
    return str(Path(folder) / f"{name}.expected.npy")


def _in_own_process(folder: Path, name: str) -> str:
    fresh_python(f"{name} could not be written", "-m", "vidformats.bench.measure.corpus", str(folder), name)
    return name


def store(folder: str, name: str) -> None:
    """Write one format of a corpus."""
    options = {"fps": 64} if hasattr(vf.get_format(name), "fps") else {}  # as published
    vf.write(np.load(path_of(folder, "npy"), mmap_mode="r"), path_of(folder, name), name, threads=1, **options)
    if vf.get_format(name).tolerance:
        vf.write(decoded_elsewhere(name, path_of(folder, name), STEP), _expected(folder, name))


def _mapped(path: str) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def expected(folder: str | os.PathLike[str], name: str) -> np.ndarray:
    """Return the frames 0, 4, 8, ... that `name` should give, mapped: the source's own where it is lossless."""
    if os.path.exists(decoded := _expected(folder, name)):
        return _mapped(decoded)
    return _mapped(path_of(folder, "npy"))[::STEP]


def decoded(folder: str | os.PathLike[str], name: str) -> np.ndarray:
    """Return all frames that `name` should give: the source, mapped, or what another decoder makes of a lossy file."""
    source = _mapped(path_of(folder, "npy"))
    if not vf.get_format(name).tolerance:
        return source
    frames = np.empty(source.shape, source.dtype)
    for frame, got in zip(frames, decoded_elsewhere(name, path_of(folder, name)), strict=True):
        frame[:] = got
    return frames


def decoded_elsewhere(name: str, path: str, step: int = 1) -> Iterable[np.ndarray]:
    """Yield every `step`-th frame of a lossy file, ``(C, H, W)`` RGB, by another way than ours: one by one."""
    if os.path.isdir(path):
        from PIL import Image

        for i in range(0, len(os.listdir(path)), step):
            with Image.open(f"{path}/{i}{vf.get_format(name).suffix}") as image:  # type: ignore[attr-defined]
                yield np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        return
    from vidformats.opencv import cv2

    capture, i = cv2.VideoCapture(path), 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        if i % step == 0:
            yield frame[..., ::-1].transpose(2, 0, 1)
        i += 1
    capture.release()


def disk_needed(names: Iterable[str], n_frames: int, size: int) -> int:
    """Return the bytes of disk, at most, that a corpus takes."""
    payload = n_frames * 3 * size * size
    lossy = sum(1 for name in names if vf.get_format(name).tolerance)
    return int(payload * (sum(BYTES_A_FRAME.get(name, 1.05) for name in names) + lossy / STEP + 1.1))


if __name__ == "__main__":
    store(*sys.argv[1:])
