"""What the suites share: the video they read, the frames they ask for, and the checks of version and result."""

import json
import os
import time
from importlib import metadata
from pathlib import Path

import numpy as np

SHAPE = (1200, 3, 120, 120)
"""Frames, channels, height, width: 52 MB of uint8, which no last-level cache holds."""

REPEAT = 6
"""Samples of each benchmark in one pass; a statistical verdict takes at least six on either side."""

TIMER = time.process_time
"""CPU seconds: on a shared machine the wall clock measures the neighbours. The time of threads adds up."""

_choice = np.random.default_rng(7)
SHUFFLED = _choice.permutation(SHAPE[0])[:400]
SORTED = np.sort(SHUFFLED[:100])
MASK = np.isin(np.arange(SHAPE[0]), SORTED)

ACCESSES = {
    "slice": np.s_[300:700],
    "stride": np.s_[300:700:4],
    "sorted list": SORTED.tolist(),
    "mask": MASK,
    "window": np.s_[400:700, :, 10:110, 10:110],
    "strided window": np.s_[300:700:4, :, 10:110, 10:110],
}
"""What is read, by name: the same for every library that indexes."""


def video() -> np.ndarray:
    """Return a moving picture with sensor noise, which compresses neither as badly as noise nor as well as zeros.

    Returns
    -------
    (1200, 3, 120, 120) ndarray of uint8
        The same bytes in every call.
    """
    generator = np.random.default_rng(0)
    ramp = np.arange(120, dtype=np.uint8)
    picture = ramp[:, None] + ramp[None, :]
    noise = generator.integers(0, 8, SHAPE, dtype=np.uint8)
    for frame, colour in np.ndindex(SHAPE[:2]):
        noise[frame, colour] += np.roll(picture, frame * (colour + 1), axis=1)
    return noise


def touch_memory() -> None:
    """Touch and free as much memory as a read takes.

    On a virtual machine, memory that was given back to the host costs many times more to touch again: the first
    sample would measure the host.
    """
    np.ones(SHAPE, np.uint8)


def check_pinned(distribution: str, imported: str) -> None:
    """Raise an error unless the installed and imported release is the one that the commit pins.

    Parameters
    ----------
    distribution : str
        The name the library is installed by.
    imported : str
        The version that its module gives.

    Raises
    ------
    RuntimeError
        If the commit's ``pin.txt``, the installation and the import do not agree.
    """
    pin = Path(os.environ["ASV_ENV_DIR"], "project", "pin.txt").read_text().strip()
    version = metadata.version(distribution)
    found = f"{distribution}=={version}"
    if " @ " in pin:  # a build of one's own: pip notes the digest of the wheel that it took
        noted = json.loads(metadata.distribution(distribution).read_text("direct_url.json") or "{}")
        digest = noted.get("archive_info", {}).get("hash", "no wheel of one's own").replace("=", ":")
        found, pin = f"{distribution} {digest}", f"{distribution} {pin.rpartition('#')[2].replace('=', ':')}"
    if found != pin or not version.startswith(imported):
        raise RuntimeError(f"expected {pin}, but {found} is installed and {imported} is imported")


def check_result(got: np.ndarray, expected: np.ndarray) -> None:
    """Raise an error unless a read returned what it was asked for: outside the clock, after every sample.

    Raises
    ------
    RuntimeError
        If shape, dtype or a value differs.
    """
    if got.dtype != expected.dtype or not np.array_equal(got, expected):
        raise RuntimeError(f"expected the {expected.shape} that were asked for, got others: {got.dtype} {got.shape}")
