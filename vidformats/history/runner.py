"""asv as a child process: its own commands, with a bar that tells what runs and how much is left."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vidformats.bench.measure.machine import facts

_PERCENT = re.compile(r"\[\s*(\d+\.\d+)%\][ ·]*(.*)")
_WORTH_SAYING = re.compile(r"fail|error|warning|could not|couldn't", re.IGNORECASE)


def machine_facts() -> dict[str, str]:
    """Return asv's description of this machine, under a name that tells of its size and not of its owner.

    Returns
    -------
    facts : dict of str
        ``machine``, ``os``, ``arch``, ``cpu``, ``num_cpu`` and ``ram``. They are keys of every graph: a
        change splits the history, so kernel releases and exact clock rates are left out.

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
    """Tell asv what machine this is, in its own file in the user's home, and return the machine's name.

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
    """Raise a plain error where asv is not installed."""
    if importlib.util.find_spec("asv") is None:
        raise click.ClickException("asv is missing: pip install 'vidformats[bench]'")


def run_asv(arguments: Iterable[str], folder: Path, label: str) -> int:
    """Run one command of asv, show its progress, and return its exit code.

    Parameters
    ----------
    arguments : iterable of str
        As after ``asv`` on a command line.
    folder : Path
        Where the configuration lies.
    label : str
        What the bar calls the run.

    Returns
    -------
    code : int
        asv's own: of ``run``, 0 fine, 1 nothing ran, 2 a benchmark failed.
    """
    require_asv()
    console = Console(stderr=True)
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[doing]}"),
    )
    command = [sys.executable, "-m", "asv", *arguments]
    tail: list[str] = []
    # asv writes through Python's buffer, which would keep the bar still for minutes.
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        Progress(*columns, console=console, transient=True) as bar,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child,
    ):
        task = bar.add_task(label, total=100.0, doing="")
        for line in child.stdout or ():
            tail = [*tail[-30:], line.rstrip()]
            if found := _PERCENT.match(line):
                bar.update(task, completed=float(found[1]), doing=found[2].split("  ")[0].strip()[:50])
            if _WORTH_SAYING.search(line):
                console.print(line.rstrip(), markup=False, highlight=False)
        code = child.wait()
    if code:
        console.print("\n".join(tail), markup=False, highlight=False)
    return code


if __name__ == "__main__":
    describe_machine(machine_facts() | {"machine": sys.argv[1]})
