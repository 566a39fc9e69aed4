"""asv as a child process, and how this machine is described to it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from vidformats.bench.measure.machine import facts
from vidformats.errors import install


def machine_facts() -> dict[str, str]:
    """Describe this machine for asv, named by its size and never by its host name.

    Returns
    -------
    facts : dict of str
        ``machine``, ``os``, ``arch``, ``cpu``, ``num_cpu`` and ``ram``. They are keys of every graph, and a
        change splits the history: kernel releases and clock rates are left out.

    Examples
    --------
    >>> sorted(machine_facts())
    ['arch', 'cpu', 'machine', 'num_cpu', 'os', 'ram']
    """
    known, arch = facts(), os.uname().machine
    count, memory = str(known["cpus"]), f"{known['memory_gib']} GiB"
    return {
        "machine": f"{arch}-{count}cpu-{known['memory_gib']}gib",
        "os": os.uname().sysname,
        "arch": arch,
        "cpu": f"{count} cores",
        "num_cpu": count,
        "ram": memory,
    }


def describe_machine(described: Mapping[str, str]) -> str:
    """Write the description of this machine to asv's file in the user's home, and return the machine's name.

    Parameters
    ----------
    described : mapping of str
        As `machine_facts` returns it.
    """
    from asv.machine import MachineCollection

    # "asv machine" would leave out every field that happens to equal what it finds by itself.
    MachineCollection.save(described["machine"], dict(described))
    return described["machine"]


def require_asv() -> None:
    """Raise a `click.ClickException` if asv is not installed."""
    if importlib.util.find_spec("asv") is None:
        raise click.ClickException(f"asv is not installed: {install('bench')}")


def run_asv(arguments: Iterable[str], folder: Path) -> int:
    """Run a command of asv, which prints its own progress, and return its exit code.

    Parameters
    ----------
    arguments : iterable of str
        As after ``asv`` on a command line.
    folder : Path
        The folder of ``asv.conf.json``.

    Returns
    -------
    code : int
        The exit code of asv. For ``run``: 0 if all is well, 1 if there is nothing to run, 2 if a benchmark failed.
    """
    return subprocess.run([sys.executable, "-m", "asv", *arguments], cwd=folder, check=False).returncode


if __name__ == "__main__":
    describe_machine(machine_facts() | {"machine": sys.argv[1]})
