"""Receipts: what became of a source, kept beside the result; and the lock by which one writer at a time makes it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vidformats._version import __version__
from vidformats.writing import NEW, hidden_folder, sweep

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: nothing keeps two writers of one result apart, and the later one wins
    fcntl = None

END = ".receipt.json"

LIBRARIES = ("numpy", "opencv-python", "opencv-python-headless", "av", "h5py", "pillow")
"""Libraries that decode, scale or encode: receipts tell their versions."""


class Busy(Exception):
    """Another writer is making this result."""


@dataclass(frozen=True)
class Receipt:
    """What was made of one source.

    Attributes
    ----------
    path : str
        The result, below the folder.
    source : dict
        ``name``, ``path`` (as seen from the folder), ``size`` in bytes, ``mtime_ns``, ``sha256``; ``cut``, what
        it lacks, if it ends early.
    recipe : dict
        What was asked for, without defaults.
    shape, dtype, fps
        Of the frames that were given to the writer.
    decoded, stored : list of str
        XXH3 (128 bits) of each 64 frames, as they were given to the writer, and as the result gives them back.
    result : dict
        ``format``, ``size``, ``sha256``.
    versions : dict
    columns : dict
        What the manifest says of it: trial, subject, labels.
    """

    path: str
    source: dict[str, Any]
    recipe: dict[str, Any]
    shape: list[int]
    dtype: str
    fps: float | None
    decoded: list[str]
    stored: list[str]
    result: dict[str, Any]
    versions: dict[str, str]
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Number of frames in the result."""
        return self.shape[0]

    def text(self) -> str:
        """Return it as JSON, the same for the same content."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Failure:
    """A source that could not be converted; until it is, this stands in place of a receipt.

    Attributes
    ----------
    source, path : str
        The source, and the result that is missing, below the folder.
    error : str
        ``Kind: message``.
    """

    source: str
    path: str
    error: str

    def text(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


def place(target: Path) -> Path:
    """Return where the receipt of a result lies."""
    return target.with_name(f".{target.name}{END}")


def read(target: Path) -> Receipt | None:
    """Return the receipt of a result; None if there is none that is whole."""
    try:
        return Receipt(**json.loads(place(target).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def failure(target: Path) -> Failure | None:
    """Return why there is no result; None if nothing says so."""
    try:
        return Failure(**json.loads(place(target).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save(target: Path, receipt: Receipt | Failure) -> None:
    """Write a receipt beside its result."""
    put(place(target), receipt.text())


def put(path: Path, text: str) -> None:
    """Write a file, whole under its name or not at all."""
    with hidden_folder(path.parent) as folder:
        new = folder / NEW / "text"
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)


def targets(folder: Path) -> Iterator[Path]:
    """Yield, in order, all results of a folder that have a receipt, finished or not."""
    for root, folders, files in os.walk(folder):
        own = sorted(name[1 : -len(END)] for name in files if name.startswith(".") and name.endswith(END))
        folders[:] = sorted(name for name in set(folders) - set(own) if not name.startswith(".vidformats-"))
        yield from (Path(root, name) for name in own)


@contextlib.contextmanager
def claimed(target: Path) -> Iterator[None]:
    """Hold the right to make a result; an empty receipt says that it was begun.

    Raises
    ------
    Busy
        If another process, or thread, holds it.
    FileExistsError
        If something is there that was not made here.
    """
    if os.path.lexists(target) and not place(target).exists():
        raise FileExistsError(f"{target}: is there already, and no receipt says that it was converted; move it away")
    lock = _locked(place(target))
    try:
        yield
    finally:
        _unclaim(target, lock)
        os.close(lock)


def _locked(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None:
                return lock
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Busy(str(path)) from None
        except OSError:
            return lock  # a file system without locks
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)  # the one who held it has replaced or removed it


def _unclaim(target: Path, lock: int) -> None:
    """Remove an empty receipt whose result did not come."""
    if os.fstat(lock).st_size == 0 and not os.path.lexists(target):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(lock), os.stat(place(target))):
                place(target).unlink()


def tidy(target: Path) -> None:
    """Remove what a killed writer left of one result: its hidden folder, and a receipt that was only begun."""
    if target.parent.is_dir():
        sweep(target.parent)
        with contextlib.suppress(OSError, Busy):
            if place(target).stat().st_size == 0:
                with claimed(target):
                    pass


def tidy_all(folder: Path) -> None:
    """Remove what killed writers left in a folder and below."""
    for target in list(targets(folder)):
        tidy(target)
    for root, folders, files in os.walk(folder):
        results = {name[1 : -len(END)] for name in files if name.endswith(END)}
        hidden = [name for name in folders if name.startswith(".vidformats-")]
        folders[:] = [name for name in folders if name not in results and name not in hidden]
        if hidden:
            sweep(Path(root))


# Facts about files and folders


def pieces(path: Path) -> list[Path]:
    """Return the files that a file or folder of frames consists of, a sidecar among them."""
    if path.is_dir():
        return sorted(entry for entry in path.rglob("*") if entry.is_file())
    sidecar = path.with_name(path.name + ".json")
    return [path, sidecar] if sidecar.exists() else [path]


def size_and_time(path: Path) -> tuple[int, int]:
    """Return the bytes of all pieces, and when the last of them was changed, in nanoseconds."""
    facts = [piece.stat() for piece in pieces(path)]
    changed = [fact.st_mtime_ns for fact in facts] + ([path.stat().st_mtime_ns] if path.is_dir() else [])
    return sum(fact.st_size for fact in facts), max(changed)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; of several pieces, that of the list of their names and digests."""
    found = pieces(path)
    lines = []
    for piece in found:
        with open(piece, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # A file is written under another name first: its own stays out.
        lines.append(f"{digest}  {piece.relative_to(path) if path.is_dir() else piece.name.removeprefix(path.name)}\n")
    return digest if len(found) == 1 and path.is_file() else hashlib.sha256("".join(lines).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what decodes, scales and encodes, and the processor, for whose kind they have code."""
    found = {"vidformats": __version__, "processor": _processor()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
