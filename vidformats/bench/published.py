"""The published experiment: nine rows, written and loaded just as published, faults included.

Each load returns what the published code returned. What is wrong with it is found out by measurement,
with `verdict`, not known in advance.

>>> [row.label for row in ROWS]
['jpg', 'mp4', 'binary', 'mat', 'pickle', 'h5 1', 'h5 2', 'npy 1', 'npy 2']
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

N_FRAMES, SIZE, STEP = 10_000, 120, 4
"""One video of the experiment: frames, pixels along each side, and the load: the first frame of every four."""


class Row(NamedTuple):
    """One row of the published table.

    Attributes
    ----------
    label : str
        As printed there.
    name : str
        The same, fit for a parameter of a benchmark.
    format : str
        Our format of the same file.
    load : callable
        ``load(path) -> ndarray``, the published way.
    disk, memory : float, MB
        As published.
    time : float, s
        As published.
    """

    label: str
    name: str
    format: str
    load: Callable[[str], np.ndarray]
    disk: float
    memory: float
    time: float


def _jpg(path: str) -> np.ndarray:
    from PIL import Image

    names = os.listdir(path)[::STEP]  # in whatever order the system gives them
    first = np.asarray(Image.open(os.path.join(path, names[0])))
    data = np.zeros((len(names), *np.moveaxis(first, -1, 0).shape), np.uint8)
    for k, name in enumerate(names):
        data[k] = np.moveaxis(np.asarray(Image.open(os.path.join(path, name))), -1, 0)
    return data


def _mp4(path: str) -> np.ndarray:
    from vidformats.opencv import cv2

    capture = cv2.VideoCapture(path)
    n_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    height, width = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    data = np.zeros((len(range(0, n_frames, STEP)), 3, height, width), np.uint8)
    for i in range(n_frames):
        _, frame = capture.read()
        if i % STEP == 0:
            data[i // STEP] = np.moveaxis(frame, -1, 0)  # in OpenCV's order, BGR
    capture.release()
    return data


def _binary(path: str) -> np.ndarray:
    return np.fromfile(path)[::STEP]


def _mat(path: str) -> np.ndarray:
    from scipy.io import loadmat

    return loadmat(path)["video"][::STEP]


def _pickle(path: str) -> np.ndarray:
    with open(path, "rb") as file:
        return pickle.load(file)[::STEP]


def _h5(path: str) -> np.ndarray:
    import h5py

    with h5py.File(path, "r") as file:
        return file["video"][()][::STEP]


def _npy(path: str) -> np.ndarray:
    return np.load(path)[::STEP]


def _npy_mapped(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="c")[::STEP]


ROWS = (
    Row("jpg", "jpg", "jpg", _jpg, 118.000, 102.0, 4.358),
    Row("mp4", "mp4", "mp4", _mp4, 36.088, 102.6, 1.578),
    Row("binary", "binary", "binary", _binary, 432.000, 411.9, 0.335),
    Row("mat", "mat", "mat", _mat, 432.000, 412.1, 0.358),
    Row("pickle", "pickle", "pickle", _pickle, 432.000, 412.0, 0.864),
    Row("h5 1", "h5_plain", "h5_plain", _h5, 432.361, 416.0, 0.804),
    Row("h5 2", "h5_chunked", "h5_chunked", _h5, 442.021, 881.1, 2.644),
    Row("npy 1", "npy", "npy", _npy, 432.000, 412.0, 0.309),
    Row("npy 2", "npy_mapped", "npy", _npy_mapped, 432.000, 0.0, 0.004),
)
"""Source of the figures: the published table, 10,000 frames of 3 x 120 x 120 white noise, one run each."""


def get_row(name: str) -> Row:
    """Return the row of that name or label."""
    return next(row for row in ROWS if name in (row.name, row.label))


def is_whole(result: np.ndarray) -> bool:
    """Tell whether an array is contiguous and holds its own memory, rather than a lazy or strided view."""
    return bool(result.flags.owndata and result.flags.c_contiguous)


def made_whole(result: np.ndarray) -> np.ndarray:
    """Return `result` as a contiguous array of its own; a view is copied."""
    return result if is_whole(result) else np.array(result, order="C")


NEAR = 2.0
"""Grey levels, on average, that two correct decoders of one file may differ: they round colours differently."""


def verdict(result: np.ndarray, expected: np.ndarray, near: float = NEAR) -> str:
    """Say whether a load delivered the right pixels, and if not, what is wrong.

    Parameters
    ----------
    result : ndarray
        What a load returned.
    expected : (N, 3, H, W) ndarray of uint8
        The frames asked for, in order, in RGB, decoded one by one by another library.
    near : float, grey levels
        How far from them right pixels may be on average; 0 for a lossless format.

    Returns
    -------
    str
        ``"right"``, or the fault.
    """
    if result.dtype != expected.dtype or result.shape != expected.shape:
        return f"wrong: {result.dtype} {'x'.join(map(str, result.shape))}, not frames"
    if isinstance(result, np.memmap) or isinstance(result.base, np.memmap):
        return "nothing read: a lazy view"
    if is_near(result, expected, near):
        return "right" if result.flags.owndata else "right, but a view that keeps all frames"
    if is_near(result[:, ::-1], expected, near):
        return "wrong: BGR"
    if _is_reordered(result, expected):
        return "wrong order"
    return "wrong pixels"


def is_near(a: np.ndarray, b: np.ndarray, near: float) -> bool:
    """Compare a block at a time, for the arrays are as large as memory allows."""
    total = 0
    for start in range(0, len(a), 64):
        total += int(np.abs(a[start : start + 64].astype(np.int16) - b[start : start + 64]).sum(dtype=np.int64))
    return total <= near * a.size


def _is_reordered(result: np.ndarray, expected: np.ndarray) -> bool:
    """Tell frames of this video in another order (and maybe others of its frames) from frames of none."""
    known = {frame.ravel()[::41].tobytes() for frame in expected}
    return any(frame.ravel()[::41].tobytes() in known for frame in result)
