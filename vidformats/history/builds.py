"""Builds of a library that no index has: wheels on this disk, and what pip builds of a folder or a git reference.

A build is named ``LIBRARY@WHERE``, and afterwards ``LIBRARY-LABEL``: its version and the first digits of its digest,
or of its commit after a g, such as ``h5py-3.17.0+1f0c9d2a``.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class ReleaseError(ValueError):
    """A release that is not available or has no date; the message says which and why."""


@dataclass(frozen=True)
class Build:
    """A wheel that is kept beside those of releases.

    Parameters
    ----------
    name : str
        The library's, for pip.
    label : str
        Its version and what tells it from others of that version.
    wheel : Path
    """

    name: str
    label: str
    wheel: Path

    @property
    def day(self) -> str:
        """The day on which it was kept here: a wheel that can be built twice alike has no day in it."""
        return str(datetime.date.fromtimestamp(self.wheel.parent.stat().st_mtime))

    @property
    def pin(self) -> str:
        """The line by which pip installs it: asv says the folder, and pip checks the digest."""
        place = "/".join(self.wheel.parts[-3:])
        return f"{self.name} @ file://${{ASV_CONF_DIR}}/wheels/{place}#sha256={_digest(self.wheel)}"


def known(folder: Path) -> dict[str, Build]:
    """Return the builds in a folder of wheels by their labels.

    Examples
    --------
    >>> known(Path("no such folder"))
    {}
    """
    found = sorted(folder.glob("builds/*/*.whl"))
    return {path.parent.name: Build(_name(path)[0], path.parent.name, path) for path in found}


def keep(name: str, folder: Path) -> str:
    """Take or make the wheel that a name such as ``h5py@dist/h5py-3.17.0-....whl`` means, and return its short name.

    Parameters
    ----------
    name : str
        ``LIBRARY@WHERE``; where is a wheel, a folder or an archive of the source, or ``git+URL@REF``. What has no ``@``
        is returned as it is.
    folder : Path
        The folder of wheels; gets ``builds/LABEL/WHEEL``.

    Returns
    -------
    short : str
        ``LIBRARY-LABEL``.

    Raises
    ------
    ReleaseError
        If there is nothing, if pip cannot build it, or if it is another library.

    Examples
    --------
    >>> keep("h5py-3.11.0", Path("wheels"))
    'h5py-3.11.0'
    """
    library, found, where = name.partition("@")
    if not found:
        return name
    commit = _commit(where) if where.startswith("git+") else ""
    for label, build in known(folder).items():
        if commit and build.name == library and label.endswith(f"+g{commit[:8]}"):
            return f"{library}-{label}"
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _wheel(where, Path(scratch))
        told, version = _name(wheel)
        if told != library:
            raise ReleaseError(f"{name}: expected a wheel of {library}, got {wheel.name}")
        known_by = f"g{commit[:8]}" if commit else _digest(wheel)[:8]
        label = f"{version}{'.' if '+' in version else '+'}{known_by}"
        place = folder / "builds" / label
        if not place.exists():
            place.mkdir(parents=True)
            shutil.copyfile(wheel, place / wheel.name)
    return f"{library}-{label}"


def _wheel(where: str, scratch: Path) -> Path:
    """Return the wheel itself, or the one that pip builds."""
    if where.endswith(".whl"):
        wheel = Path(where).expanduser()
        if not zipfile.is_zipfile(wheel):
            raise ReleaseError(f"{where}: expected a wheel, got {'another file' if wheel.exists() else 'nothing'}")
        return wheel
    if "://" not in where and not Path(where).expanduser().exists():
        raise ReleaseError(
            f"{where}: expected a wheel, a folder or an archive of the source, or git+URL@REF; got nothing"
        )
    source = where if "://" in where else str(Path(where).expanduser().absolute())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={scratch}", source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = list(scratch.glob("*.whl"))
    if done.returncode or not made:
        said = [line for line in done.stderr.splitlines() if line.strip().startswith("ERROR")] or ["pip failed"]
        raise ReleaseError(f"cannot build {where}: {said[-1]}")
    return made[0]


def _commit(where: str) -> str:
    """Return the commit that a git reference means now."""
    url, _, reference = where.removeprefix("git+").partition("#")[0].rpartition("@")
    if "/" in reference and "://" not in url:  # no reference: the @ is that of user@host, or there is none
        url, reference = where.removeprefix("git+"), "HEAD"
    if re.fullmatch("[0-9a-f]{40}", reference):
        return reference
    done = subprocess.run(
        ["git", "ls-remote", url, reference, f"{reference}^{{}}"], capture_output=True, text=True, check=False
    )
    lines = done.stdout.split("\n")[:-1]
    if not lines:
        said = done.stderr.strip().splitlines() or [f"there is no {reference}"]
        raise ReleaseError(
            f"{where}: expected git+URL@REF with a branch, a tag or a whole commit; git says: {said[-1]}"
        )
    return lines[-1].split()[0]  # of an annotated tag the commit comes last


def wheel_date(wheel: Path) -> str:
    """Return the day on which a wheel was built, the newest time stamp in it, as ``YYYY-MM-DD``.

    Raises
    ------
    ReleaseError
        If its time stamps are those that tools write to make the same wheel twice.
    """
    with zipfile.ZipFile(wheel) as archive:
        day = str(datetime.date(*max(entry.date_time for entry in archive.infolist())[:3]))
    if day in ("1980-01-01", "2016-01-01", "2020-02-02"):
        raise ReleaseError(f"{wheel.name} does not tell its day: give it by --date VERSION=YYYY-MM-DD")
    return day


def _name(wheel: Path) -> tuple[str, str]:
    """Return the library and the version in a wheel's file name."""
    parts = wheel.name.split("-")
    return re.sub("[-_.]+", "-", parts[0]).lower(), parts[1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
