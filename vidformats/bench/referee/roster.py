"""The readers that are judged: where the adapter of each is, what it requires, and the Python that has it."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidformats._version import __version__

ADAPTERS = Path(__file__).with_name("readers")


@dataclass(frozen=True)
class Reader:
    """A reader in one way of using it.

    Attributes
    ----------
    name : str
        On the command line and in results.
    title : str
        In tables.
    adapter : str
        Its file in `vidformats.bench.referee.readers`.
    package : str
        What is installed for it, and whose version is told.
    pinned : str
        The version that is installed on demand.
    options : mapping
        For the adapter's `open`.
    also : tuple of str
        Further requirements beside it.
    few : bool
        Whether it starts a program to go back, so that it is asked fewer questions.
    own_libraries : bool
        Whether its wheel does not find the libraries that it brings, so that it must be told their folder.
    """

    name: str
    title: str
    adapter: str
    package: str
    pinned: str
    options: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    few: bool = False
    own_libraries: bool = False


OURS = "vidformats-pyav", "vidformats-opencv"
"""Names of our own, one for each decoder."""

READERS = {
    reader.name: reader
    for reader in (
        Reader("vidformats-pyav", "vidformats", "ours", "vidformats", ""),
        Reader("vidformats-opencv", "vidformats without PyAV", "ours", "vidformats", "", {"decoder": "opencv"}),
        Reader("pyav-seek", "PyAV, seek", "pyav_seek", "av", "18.1.0"),
        Reader("pyav-sequential", "PyAV, from the start", "pyav_sequential", "av", "18.1.0"),
        Reader("opencv-seek", "OpenCV, seek", "opencv_seek", "opencv-python", "5.0.0.93"),
        Reader("opencv-sequential", "OpenCV, from the start", "opencv_sequential", "opencv-python", "5.0.0.93"),
        Reader("torchcodec-exact", "torchcodec, exact", "torchcodec", "torchcodec", "0.13.0", also=("torch==2.13.0",)),
        Reader(
            "torchcodec-approximate",
            "torchcodec, approximate",
            "torchcodec",
            "torchcodec",
            "0.13.0",
            {"seek_mode": "approximate"},
            ("torch==2.13.0",),
        ),
        Reader("decord", "decord", "decord", "decord", "0.6.0"),
        Reader("decord2", "decord2", "decord", "decord2", "3.4.0"),
        Reader("imageio-pyav", "imageio, pyav", "imageio_pyav", "imageio", "2.38.1", also=("av==18.1.0",)),
        Reader(
            "imageio-pyav-variable",
            "imageio, pyav, constant_framerate=False",
            "imageio_pyav",
            "imageio",
            "2.38.1",
            {"constant_framerate": False},
            ("av==18.1.0",),
        ),
        Reader(
            "imageio-ffmpeg",
            "imageio, ffmpeg",
            "imageio_ffmpeg",
            "imageio",
            "2.38.1",
            also=("imageio-ffmpeg==0.8.1",),
            few=True,
        ),
        Reader("video-reader-rs", "video-reader-rs", "video_reader_rs", "video-reader-rs", "0.4.5", own_libraries=True),
        Reader(
            "video-reader-rs-sequential",
            "video-reader-rs, with_fallback",
            "video_reader_rs",
            "video-reader-rs",
            "0.4.5",
            {"with_fallback": True},
            own_libraries=True,
        ),
        Reader("moviepy", "moviepy", "moviepy", "moviepy", "2.2.1", few=True),
    )
}
"""Name -> reader, in the order of tables."""


class Missing(Exception):
    """A reader that is not there; the message says why."""


@dataclass(frozen=True)
class Home:
    """A Python that has a reader.

    Attributes
    ----------
    python : str
        Its path.
    version : str
        Of the reader.
    environment : dict of str
        For its processes.
    """

    python: str
    version: str
    environment: dict[str, str]


def cache() -> Path:
    """Return the folder for clips and environments: in ``$VIDFORMATS_CACHE``, or in the user's cache."""
    import platformdirs

    return Path(os.environ.get("VIDFORMATS_CACHE") or platformdirs.user_cache_dir("vidformats")) / "referee"


def home(reader: Reader, install: bool = False) -> Home:
    """Return the Python that has a reader: this one, or an environment of the reader's own.

    Parameters
    ----------
    reader : Reader
    install : bool
        Make the environment if it is not there.

    Raises
    ------
    Missing
        If it is not installed, or cannot be.
    """
    version = _version(reader.package)
    if version:
        return Home(sys.executable, version, _seeing_ours() if reader.package == "vidformats" else dict(os.environ))
    folder = cache() / f"{reader.package}-{reader.pinned}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        if not install:
            raise Missing(f"{reader.package} is not installed; --install makes an environment of its own for it")
        _install(reader, folder, python)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if reader.own_libraries:
        found = [str(libraries) for libraries in folder.glob("lib/python*/site-packages/*.libs")]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(found)
    return Home(str(python), reader.pinned, environment)


def _version(package: str) -> str:
    """Return the version of a package beside this one, empty if there is none."""
    if package == "vidformats":
        return __version__
    names = (package, f"{package}-headless") if package == "opencv-python" else (package,)
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _seeing_ours() -> dict[str, str]:
    """Return an environment whose Python imports this very vidformats, installed or not."""
    root = str(Path(__file__).parents[3])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


def _install(reader: Reader, folder: Path, python: Path) -> None:
    """Make an environment with the pinned version of a reader."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    wanted = ["numpy", f"{reader.package}=={reader.pinned}", *reader.also]
    for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, *wanted]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["failed"]
            raise Missing(f"{reader.package} {reader.pinned} cannot be installed: {said[-1]}")
    (folder / "complete").touch()
