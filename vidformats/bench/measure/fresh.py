"""Work in a fresh process, so that nothing an earlier piece left behind counts."""

from __future__ import annotations

import subprocess
import sys


def fresh_python(label: str, *arguments: str, given: str | None = None) -> str:
    r"""Return what a new Python, started with `arguments`, printed.

    Parameters
    ----------
    label : str
        Begins the message of an error.
    given : str, optional
        For its standard input.

    Raises
    ------
    RuntimeError
        With the end of what it said, where it failed.

    Examples
    --------
    >>> fresh_python("a sum", "-c", "print(40 + 2)")
    '42\n'
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{label}: {done.stderr.strip()[-2000:]}")
    return done.stdout
