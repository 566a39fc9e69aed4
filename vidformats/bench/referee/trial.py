"""Clips x readers x requests: what each reader answered, judged by what FFmpeg's program shows."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from vidformats import testing
from vidformats.bench.referee import child
from vidformats.bench.referee.questions import Truth, asked_of, requests, same, seed_of
from vidformats.bench.referee.roster import ADAPTERS, OURS, Home, Reader

NUMBERED = Path(testing.__file__).with_name("numbered.py")

BUGS = {
    "AssertionError", "AttributeError", "KeyError", "MemoryError", "NameError", "SystemError", "TypeError",
    "UnboundLocalError", "ZeroDivisionError",
}  # fmt: skip
"""Errors by which a reader breaks, rather than refuses a file; its answer counts as failed."""

LIMIT = 60.0
"""Seconds that a cell may take."""


@dataclass
class Cell:
    """What a reader answered to one kind of request about one clip.

    Attributes
    ----------
    reader, clip, access : str
    asked, right, wrong, refused, failed, hung : int, frames
        Refused: the reader raised an error. Failed: its process died, or what it gave is no frame. Hung: it gave no
        answer within the limit of the cell.
    turned : int, frames
        Of the right ones, those that were not turned upright as the file asks.
    length, frames : int
        How many the reader says there are, and how many there are; -1 where it was not asked or did not say.
    seconds : float
        For one frame, opening excluded.
    opened : float, seconds
    peak, read : int, bytes
        Memory above that of the process before, and what was read from files.
    error : str
        The first, if there was one.
    mistakes : list of list
        The wrong ones: the frame that was asked for, what it looks like, and what was shown.
    """

    reader: str
    clip: str
    access: str
    asked: int = 0
    right: int = 0
    wrong: int = 0
    refused: int = 0
    failed: int = 0
    hung: int = 0
    turned: int = 0
    length: int = -1
    frames: int = -1
    seconds: float = 0.0
    opened: float = 0.0
    peak: int = 0
    read: int = 0
    error: str = ""
    mistakes: list[list[Any]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return what is written into results: without defaults, and of the mistakes the first."""
        kept = {k: v for k, v in asdict(self).items() if v != getattr(type(self), k, None)}
        kept["mistakes"] = self.mistakes[:1]
        return kept if self.mistakes else {k: v for k, v in kept.items() if k != "mistakes"}


class Process:
    """A reader's process, which is started again if it dies; as a context manager it ends with the block.

    It leads a group of its own, so that what it starts, programs of the reader included, ends with it. Only this group
    is ever sent a signal: its number is not given away before `close` has waited for the process.

    Parameters
    ----------
    reader : Reader
    home : Home
    adapter : Path, optional
        Another adapter than the reader's own.
    """

    def __init__(self, reader: Reader, home: Home, adapter: Path | None = None) -> None:
        self.reader, self.home = reader, home
        self.adapter = adapter or ADAPTERS / f"{reader.adapter}.py"
        self._start()

    def _start(self) -> None:
        command = [self.home.python, "-P", "-W", "ignore", child.__file__, str(self.adapter)]
        command += [json.dumps(dict(self.reader.options)), str(NUMBERED)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=self.home.environment,
            bufsize=0,
            process_group=0,
        )
        self.given, self.said = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)
        self.rest = b""
        hello = next(self._lines(LIMIT), None)
        if hello is None:
            self.close()
            raise ImportError(f"{self.reader.package} {self.home.version} cannot be imported: {self._why()}")
        self.calls, self.clock = hello["calls"], hello["clock"]

    def _why(self) -> str:
        """Return the last line of what the adapter says when it is imported."""
        command = [self.home.python, "-P", "-W", "ignore", str(self.adapter)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.home.environment)
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1]

    def ask(self, cell: dict[str, Any], limit: float) -> tuple[list[dict[str, Any]], str]:
        """Return a cell's answers and how it ended: ``""``, ``"died"`` or ``"hung"``."""
        if self.process.poll() is not None:
            self._start()
        self.given.write(json.dumps(cell).encode() + b"\n")
        answers: list[dict[str, Any]] = []
        for line in self._lines(limit):
            if "ended" in line:
                return answers, "died" if line["ended"] else ""
            answers.append(line)
        self.close()
        return answers, "hung"

    def _lines(self, limit: float) -> Iterator[dict[str, Any]]:
        """Yield what the process says until it ends or the time is over."""
        end, pipe = time.monotonic() + limit, self.said.fileno()
        while True:
            line, found, rest = self.rest.partition(b"\n")
            if found:
                self.rest = rest
                yield json.loads(line)
                continue
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return
            more = os.read(pipe, 1 << 16)
            if not more:
                return
            self.rest += more

    def close(self) -> None:
        """End the process and what it started."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def trial(
    process: Process,
    path: Path,
    name: str,
    known: Truth,
    access: str,
    most: int,
    seed: int,
    limit: float | None = None,
) -> Cell:
    """Ask one kind of request about one file, and judge the answers.

    Parameters
    ----------
    process : Process
    path : Path
    name : str
        Of the clip.
    known : Truth
    access : str
        One of `ACCESSES`.
    most : int
        Frames to ask for.
    seed : int
    limit : float, optional
        Seconds; by default `LIMIT`.
    """
    cell = Cell(process.reader.name, name, access)
    asked = asked_of(process.reader, known.size, most)
    calls, places = requests(access, known, process.clock or "player", asked, seed_of(seed, name, access))
    thumbnails = bool(known.looks) and isinstance(known.looks[0], str)
    asking = {"path": str(path), "access": access, "calls": calls, "size": known.size, "most": len(known.looks) + 8}
    answers, end = process.ask(asking | {"thumbnails": thumbnails}, LIMIT if limit is None else limit)
    if access == "length":
        cell.frames = len(known.looks)
    cell.asked = sum(map(len, places))
    given: list[dict[str, Any]] = []
    for answer in answers:
        if "error" in answer:
            cell.error = cell.error or answer["error"].replace(str(path), name).replace(str(path.parent), "")
        if "shown" in answer or ("error" in answer and access != "scan"):
            given.append(answer)
        cell.seconds += answer.get("took", 0.0)
        cell.opened = answer.get("opened", cell.opened)
        cell.peak, cell.read = answer.get("peak", cell.peak), answer.get("read", cell.read)
        cell.length = answer.get("length", cell.length)
    opening_failed = bool(cell.error) and not cell.opened
    for place, answer in zip(places, given, strict=False):
        _count(cell, place, answer, known)
    rest = sum(map(len, places[len(given) :]))
    if not breaks(cell.reader, cell.error) and (opening_failed or (access == "scan" and not end)):
        cell.refused = cell.asked if opening_failed else rest
    elif end == "hung":
        cell.hung += rest
    else:
        cell.failed += rest
    if access == "length" and end:
        cell.error = cell.error or end
    answered = cell.right + cell.wrong
    cell.seconds = cell.seconds / answered if answered else 0.0
    return cell


def breaks(reader: str, error: str) -> bool:
    """Tell whether an error is a fault of the reader's; ours refuses a file by `FormatError` or `ValueError` alone.

    Examples
    --------
    >>> breaks("decord", "IndexError: no"), breaks("vidformats-pyav", "IndexError: no"), breaks("decord", "KeyError: 3")
    (False, True, True)
    """
    kind = error.partition(":")[0]
    return kind in BUGS or (reader in OURS and bool(kind) and kind not in ("FormatError", "ValueError"))


def _count(cell: Cell, places: list[int], answer: dict[str, Any], known: Truth) -> None:
    """Add the answer to one call to a cell."""
    if "error" in answer:
        if breaks(cell.reader, answer["error"]):
            cell.failed += len(places)
        else:
            cell.refused += len(places)
        return
    for place, shown in zip(places, answer["shown"], strict=False):
        due = known.looks[place]
        turned = isinstance(shown, list)
        if same(shown, due, known.looks):
            cell.right += 1
            cell.turned += turned
        else:
            cell.wrong += 1
            cell.mistakes.append([place, due, shown])
    cell.failed += max(0, len(places) - len(answer["shown"]))
