"""A helper: a process that does one thing after another, and may crash or hang without harm."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, cast

START = "import sys; sys.path[:] = {path!r}; from vidformats.tools.advice.trial import main; main({parent})"


class Failed(Exception):
    """What was asked for was not done; the message says why."""


STARTING = 120.0
"""Seconds that its start and its imports may take; no limit of a call counts them."""


class Helper:
    """A process that runs the functions of `vidformats.tools.advice.trial`; it is started when needed.

    Parameters
    ----------
    modules : sequence of str
        What it imports as it starts.

    Examples
    --------
    >>> with Helper() as helper:
    ...     helper.call("probe", 60, path="nowhere.mp4", options={})
    Traceback (most recent call last):
    vidformats.tools.advice.helper.Failed: FileNotFoundError: [Errno 2] No such file or directory: ...
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = list(modules)
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, do: str, limit: float, /, **arguments: Any) -> Any:
        """Return what a function gives.

        Parameters
        ----------
        do : str
            A key of `trial.TASKS`.
        limit : float, seconds
            After which it is ended.
        **arguments
            Its own, fit for JSON.

        Raises
        ------
        Failed
            If it raised, crashed, or took too long.
        """
        process = self.start()
        return self._ask(process, limit, do=do, **arguments)

    def _ask(self, process: subprocess.Popen[bytes], limit: float, **request: Any) -> Any:
        given = cast(IO[bytes], process.stdin)
        try:
            given.write(json.dumps(request).encode() + b"\n")
            given.flush()
        except OSError:
            pass  # it is gone: the answer will be missing
        answer = self._answer(process, limit)
        if "fault" in answer:
            raise Failed(answer["fault"])
        return answer["gives"]

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process, ready for a call."""
        if self._process is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115, it is closed with the process
            self._process = subprocess.Popen(
                [sys.executable, "-c", START.format(path=sys.path, parent=os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,  # so that it is ended with its workers, and Ctrl-C reaches us alone
            )
            self._ask(self._process, STARTING, do="ready", modules=self._modules)
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> Any:
        answers = cast(IO[bytes], process.stdout)
        with selectors.DefaultSelector() as waiting:
            waiting.register(answers, selectors.EVENT_READ)
            if not waiting.select(max(seconds, 0.01)):
                self.close()
                raise Failed(f"took more than {seconds:.3g} s")
        line = answers.readline()
        if line:
            return json.loads(line)
        code, said = process.wait(), self._last_words()
        self.close()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise Failed(f"its process {how}{': ' + said if said else ''}")

    def _last_words(self) -> str:
        self._said.seek(0)
        return (self._said.read().decode(errors="replace").strip().splitlines() or [""])[-1][:300]

    def close(self) -> None:
        """End the process and its workers."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]
        self._said.close()

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
