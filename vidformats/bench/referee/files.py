"""Which readers agree with FFmpeg on a user's own file, told in plain words."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from vidformats.bench.referee import judge
from vidformats.bench.referee.child import thumbnail
from vidformats.bench.referee.questions import REQUESTS, Truth
from vidformats.bench.referee.roster import Missing, Reader, home
from vidformats.bench.referee.trial import Cell, Process, trial

SECONDS = 25.0
"""What looking at one file may take."""

MOST = 64_000_000
"""Pixels that are decoded as the truth: the first frames of a long video, and requests stay among them."""

AT_ONCE = 2
"""Readers that are asked side by side: what they take is not told here."""

Line = tuple[str, bool]
"""A sentence, and whether it tells a fault."""


def look(path: Path) -> tuple[Truth, dict[str, Any]]:
    """Return what FFmpeg shows of a file, and what it says of it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    truth : Truth
        Its looks are thumbnails of the first frames.
    about : dict
        ``variable`` rate, ``whole``: whether all frames are in the truth.

    Raises
    ------
    RuntimeError
        If FFmpeg shows no frame.
    """
    size = _size(path)
    most = max(8, MOST // (size[0] * size[1]))
    # In colour, as readers give frames: FFmpeg's grey is another mean, which may differ by more than two frames do.
    shown = judge.run(*judge.command(path)[:-1], "-frames:v", str(most), "-pix_fmt", "rgb24", "-")
    frames = np.frombuffer(shown, np.uint8)
    frames = frames[: frames.size // (3 * size[0] * size[1]) * 3 * size[0] * size[1]].reshape(-1, *size, 3)
    if not len(frames):
        raise RuntimeError(f"{path}: FFmpeg shows no frame")
    player, stream = judge.times(path)
    steps = np.diff(sorted(player))
    variable = len(steps) > 2 and bool(np.ptp(steps[steps > 0]) > 0.5 * np.median(steps))
    whole, n = len(player) == len(frames), len(frames)
    truth = Truth([thumbnail(frame).hex() for frame in frames], player[:n], stream[:n], size)
    return truth, {"variable": variable, "whole": whole, "frames": len(player)}


def _size(path: Path) -> tuple[int, int]:
    """Return height and width as shown: those of the first frame as FFmpeg's program writes it."""
    header = judge.run("-i", path, "-frames:v", "1", "-pix_fmt", "yuv444p", "-f", "yuv4mpegpipe", "-strict", "-1", "-")
    found = re.match(rb"YUV4MPEG2 W(\d+) H(\d+)", header)
    if not found:
        raise RuntimeError(f"{path}: FFmpeg shows no frame")
    return int(found[2]), int(found[1])


def report(path: Path, readers: Sequence[Reader], seed: int = 0, seconds: float = SECONDS) -> Iterator[Line]:
    """Yield sentences about one file: what it is, then what each reader makes of it.

    Parameters
    ----------
    path : Path
    readers : sequence of Reader
        Those that are not installed are named at the end.
    seed : int
        Of the frames asked for.
    seconds : float
        After which readers that are left are not asked.
    """
    end = time.monotonic() + seconds
    truth, about = look(path)
    kind = ", of a variable frame rate" if about["variable"] else ""
    part = "" if about["whole"] else f"; asked about the first {len(truth.looks)}"
    yield f"{path}: {about['frames']} frames of {truth.size[1]} x {truth.size[0]}{kind}{part}.", False
    absent: list[str] = []
    late: list[str] = []

    def ask(place: int) -> Cell | None:
        reader = readers[place]
        try:
            found = home(reader)
            if time.monotonic() >= end:
                late.append(reader.title)
                return None
            process = Process(reader, found)
        except (Missing, ImportError) as error:
            absent.append(f"{reader.title} ({str(error).splitlines()[0]})" if str(error) else reader.title)
            return None
        with process:
            left = max(1.0, end - time.monotonic())
            limit = min(left, max(3.0, AT_ONCE * left / (len(readers) - place)))
            return trial(process, path, path.name, truth, "frame", REQUESTS, seed, limit)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for reader, cell in zip(readers, pool.map(ask, range(len(readers))), strict=True):
            if cell:
                yield sentence(reader, cell)
                if cell.wrong:
                    again = f"vidformats referee {shlex.quote(str(path))} --reader {reader.name} --seed {seed}"
                    yield f"  again: {again}", False
    for told, found in (("Not asked, for the time was over", late), ("Not installed", absent)):
        if found:
            yield f"{told}: {'; '.join(found)}.", False


def sentence(reader: Reader, cell: Cell) -> Line:
    """Return what a reader made of single frames at random, in words."""
    answered = cell.right + cell.wrong
    told = f"{reader.title}: "
    if cell.refused == cell.asked:
        return f"{told}cannot read it: {cell.error}", True
    if cell.failed:
        return f"{told}its process ended, or gave no frame, on {cell.failed} of {cell.asked} requests.", True
    slow = f" ({cell.asked - answered} more took too long)" if cell.hung else ""
    if cell.hung and not answered:
        return f"{told}no answer in time.", True
    refused = f", and refuses {cell.refused}" if cell.refused else ""
    if cell.wrong:
        place, _, _ = cell.mistakes[0]
        first = f"; the first was frame {place}"
        return f"{told}returns the wrong frame on {cell.wrong} of {answered} requests{refused}{first}{slow}.", True
    if cell.refused:
        return f"{told}is right on {cell.right} requests{refused}: {cell.error}{slow}", True
    return f"{told}agrees with FFmpeg on all {answered} requests{slow}.", False
