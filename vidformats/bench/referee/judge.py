"""What FFmpeg's own program shows, frame after frame: the judge of all readers."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from fractions import Fraction

import numpy as np

from vidformats.errors import install
from vidformats.testing.numbered import number_of


@functools.cache
def program() -> str:
    """Return FFmpeg's program: that of imageio-ffmpeg, whose version is known, else the system's.

    Raises
    ------
    ImportError
        If there is none.
    """
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        if found := shutil.which("ffmpeg"):
            return found
        raise ImportError(f"the judge requires FFmpeg: {install('referee')}") from None


def run(*arguments: str | os.PathLike[str], ffmpeg: str | None = None, data: bytes | None = None) -> bytes:
    """Run FFmpeg's program and return what it writes to its standard output.

    Raises
    ------
    RuntimeError
        If it fails; the message is its last lines.
    """
    command = [ffmpeg or program(), "-v", "error", "-y", *[os.fspath(part) for part in arguments]]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode and not done.stdout:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-800:]}")
    return done.stdout


def command(path: str | os.PathLike[str], track: int | None = None) -> list[str]:
    """Return the arguments by which FFmpeg shows every frame as it is, in grey levels on its standard output."""
    which = ["-map", f"0:v:{track}"] if track is not None else []
    return ["-i", os.fspath(path), *which, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]


def frames(
    path: str | os.PathLike[str], size: tuple[int, int], track: int | None = None, ffmpeg: str | None = None
) -> np.ndarray:
    """Return all frames as FFmpeg shows them.

    Parameters
    ----------
    path : path-like
    size : tuple of int
        ``(H, W)`` as shown.
    track : int, optional
        Which video track; by default the one that FFmpeg takes.
    ffmpeg : str, optional
        Another program than `program`.

    Returns
    -------
    (T, 1, H, W) ndarray of uint8
    """
    shown = run(*command(path, track), ffmpeg=ffmpeg)
    return np.frombuffer(shown, np.uint8).reshape(-1, 1, *size)


def numbers(path: str | os.PathLike[str], size: tuple[int, int], ffmpeg: str | None = None) -> list[int]:
    """Return the number that each frame shows."""
    return [number_of(frame) for frame in frames(path, size, ffmpeg=ffmpeg)]


def times(path: str | os.PathLike[str], ffmpeg: str | None = None) -> tuple[list[float], list[float]]:
    """Return when each frame is shown.

    Parameters
    ----------
    path : path-like
    ffmpeg : str, optional
        Another program than `program`.

    Returns
    -------
    player, stream : list of float, seconds
        Counted from the start of the file, as FFmpeg and players do; and as the file's own time stamps say.
    """
    player, stream = (_stamps(path, options, ffmpeg) for options in ([], ["-copyts"]))
    return player, stream


def _stamps(path: str | os.PathLike[str], options: list[str], ffmpeg: str | None) -> list[float]:
    how = ["-map", "0:V:0?", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-pix_fmt", "gray"]
    said = run(*options, "-i", os.fspath(path), *how, "-c:v", "rawvideo", "-f", "framecrc", "-", ffmpeg=ffmpeg)
    lines = said.decode().splitlines()
    base = next(Fraction(line.split(":")[1].strip()) for line in lines if line.startswith("#tb"))
    return [float(int(line.split(",")[2]) * base) for line in lines if not line.startswith("#")]
