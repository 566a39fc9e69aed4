"""Functions that run in a child process with limits: a file that crashes a decoder or hangs it ends only that child."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, TypeVar

from vidformats.errors import FormatError
from vidformats.threads import one_each

T = TypeVar("T")

START = 60.0
"""Seconds that a child may take to start, on a busy machine."""

CODE = (
    "import sys; sys.path[:] = sys.argv[4:]\n"
    "from vidformats.readers.isolated import _serve; _serve(*map(int, sys.argv[1:4]))"
)


class ChildFault(FormatError):
    """A call in a child process that ended without an answer; the message names the file and the fault.

    Attributes
    ----------
    kind : {"crash", "hang", "memory", "result"}
        ``"result"`` if what the function returned or raised cannot be pickled.
    """

    def __init__(self, path: str | os.PathLike[str], fault: str, kind: str):
        super().__init__(path, fault)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return ChildFault, (self.path, self.fault, self.kind)


class Child:
    """A child process that serves many calls, started at the first one and replaced after a fault.

    It is a fresh interpreter, neither a fork nor a copy of ``__main__``, so threads may start it and scripts need no
    ``if __name__ == "__main__"``. It writes no core file, does not get Ctrl-C, and ends with this process however that
    ends, SIGKILL included. Calls of several threads wait for each other; for parallel work take several children.

    Parameters
    ----------
    memory : int, bytes, optional
        Limit of the child's address space, about 400 MB of which go to the interpreter and its libraries.
    idle : float, optional, seconds
        End the process if no call comes for so long; the next one starts another.

    Examples
    --------
    >>> import math
    >>> with Child() as child:
    ...     child.call(math.sqrt, 9.0, seconds=60)
    3.0
    """

    def __init__(self, memory: int | None = None, idle: float | None = None):
        self.memory, self.idle = memory, idle
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        _children.add(self)

    def call(
        self,
        function: Callable[..., T],
        *args: Any,
        seconds: float | None = None,
        path: str | os.PathLike[str] | None = None,
        told: Callable[[Any], object] | None = None,
    ) -> T:
        """Return ``function(*args)``, computed in the child.

        Parameters
        ----------
        function : callable
            Of a module that the child can import.
        *args
            Anything that pickles. Paths should be absolute: the child stays in the folder in which it was started.
        seconds : float, optional
            Kill the child, and raise, if there is no answer by then. Starting the child does not count.
        path : path-like, optional
            The file that a fault names; by default the first of `args`.
        told : callable, optional
            Called, in this thread, with what the function tells by `report` before it returns.

        Raises
        ------
        ChildFault
            If the child crashed, hung, had too little memory, or could not return the result.
        Exception
            Whatever the function itself raised.
        """
        if getattr(function, "__module__", "") == "__main__":
            raise ValueError(f"expected a function of a module that can be imported, got {function!r} of __main__")
        if path is None:
            path = str(args[0]) if args else getattr(function, "__name__", repr(function))
        job = pickle.dumps((function, args), 5)
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            process = self._started()
            ends = None if seconds is None else time.monotonic() + seconds
            try:
                os.ftruncate(self._errors.fileno(), 0)
                self._pipe.send_bytes(job)
                kind = "told"
                while kind == "told":
                    if not self._pipe.poll(ends and max(0.0, ends - time.monotonic())):
                        raise ChildFault(path, f"expected an answer within {seconds:g} s, got none", "hang")
                    kind, value = pickle.loads(self._pipe.recv_bytes())
                    if kind == "told" and told is not None:
                        told(value)
                if kind == "memory":
                    limit = f" with a limit of {self.memory / 1e6:,.0f} MB" if self.memory else ""
                    raise ChildFault(path, f"the process that read it ran out of memory{limit}", kind)
            except (EOFError, OSError):
                raise ChildFault(path, self._last_words(process), "crash") from None
            except BaseException:  # a fault from above, or Ctrl-C: an answer that comes late is not the next call's
                self.close()
                raise
            if self.idle is not None:
                self._timer = threading.Timer(self.idle, self._rest)
                self._timer.daemon = True
                self._timer.start()
        if kind == "result":
            raise ChildFault(path, value, kind)
        if kind == "error":
            raise value
        return value  # type: ignore[no-any-return]

    def _rest(self) -> None:
        with self._lock:
            self.close()

    def kill(self) -> None:
        """End a call that another thread has under way; there it raises `ChildFault`."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the child at once. The next call starts another."""
        process, self._process = self._process, None
        if self._timer is not None:
            self._timer.cancel()
        if process is not None:
            process.kill()
            process.wait()
            self._pipe.close()
            self._lifeline.close()
            self._errors.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the interpreter, which ends the child anyway
            self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process, a new one if there is none or it has ended since the last call."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        ours, theirs = multiprocessing.Pipe()
        ends, held = os.pipe()
        self._pipe, self._lifeline = ours, os.fdopen(held, "wb")
        self._errors = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        fcntl.fcntl(self._errors, fcntl.F_SETFL, os.O_APPEND)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(theirs.fileno()), str(ends), str(self.memory or 0), *sys.path],
                pass_fds=(theirs.fileno(), ends),
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                process_group=0,
                env={"OPENBLAS_NUM_THREADS": "1", **os.environ},  # whose threads take 30 MB of address space each
            )
        finally:
            theirs.close()
            os.close(ends)
        if not ours.poll(START):
            self.close()
            raise TimeoutError(f"expected a child process to start within {START:g} s: {sys.executable}")
        try:
            ours.recv_bytes()
        except EOFError:
            raise ChildFault(sys.executable, self._last_words(self._process), "crash") from None
        return self._process

    def _last_words(self, process: subprocess.Popen[bytes]) -> str:
        """Return how the child ended, with the last line that it wrote."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.poll()
        end = os.fstat(self._errors.fileno()).st_size
        lines = os.pread(self._errors.fileno(), 4096, max(0, end - 4096)).decode(errors="replace").split("\n")
        said = next((f" ({line.strip()[:200]})" for line in reversed(lines) if line.strip()), "")
        self.close()
        if code is not None and code < 0:
            return f"the process that read it crashed: {signal.strsignal(-code)}{said}"
        return f"the process that read it ended with exit code {code}{said}"


_children: weakref.WeakSet[Child] = weakref.WeakSet()


def _forget() -> None:
    """In a forked process: let go of the children, which are the parent's, or they would outlive it."""
    for child in list(_children):
        if child._process is not None:
            child._process.returncode = 0  # not ours to wait for
            child._process = None
            child._pipe.close()
            child._lifeline.close()
            child._errors.close()
        child._lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def each(
    function: Callable[[T], Any],
    items: Iterable[T],
    children: int = 1,
    seconds: float | None = None,
    memory: int | None = None,
) -> Iterator[tuple[T, Any]]:
    """Yield ``(item, function(item))`` in the order in which the results come, from several children.

    In place of a result comes the exception that the call raised. Closing the iterator ends the children.

    Parameters
    ----------
    function : callable
    items : iterable
        The argument of each call.
    children : int
        How many processes work at once.
    seconds : float, optional
        For each call.
    memory : int, bytes, optional
        Of each child.

    Examples
    --------
    >>> import math
    >>> dict(each(math.sqrt, [4.0, 9.0]))
    {4.0: 2.0, 9.0: 3.0}
    """
    pending, lock = iter(items), threading.Lock()
    results: SimpleQueue[tuple[T, Any] | BaseException | None] = SimpleQueue()
    team = [Child(memory) for _ in range(children)]
    ending = threading.Event()

    def work(child: Child) -> None:
        try:
            while not ending.is_set():
                with lock:
                    item = next(pending)
                try:
                    results.put((item, child.call(function, item, seconds=seconds)))
                except Exception as error:
                    results.put((item, error))
        except StopIteration:
            results.put(None)
        except BaseException as error:  # of `items`
            results.put(error)
        finally:
            child.close()

    threads = [threading.Thread(target=work, args=(child,), daemon=True) for child in team]
    try:
        for thread in threads:
            thread.start()
        working = children
        while working:
            result = results.get()
            if result is None:
                working -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        ending.set()
        for child, thread in zip(team, threads, strict=True):
            while thread.is_alive():
                child.kill()
                thread.join(0.05)


_caller: Connection | None = None
"""In a child: where its answers go."""


def report(value: Any) -> None:
    """In a child, tell the caller something before the function returns; elsewhere do nothing."""
    if _caller is not None:
        _caller.send_bytes(pickle.dumps(("told", value), 5))


def _serve(fd: int, lifeline: int, memory: int) -> None:
    """Answer calls until the other end closes: what a child runs."""
    global _caller
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    # The kernel sends SIGIO, which ends this process, when the parent's end of the lifeline closes. A thread that
    # watched it would not run while a library holds the interpreter's lock.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    one_each()
    pipe = _caller = Connection(fd)
    pipe.send_bytes(b"ready")
    while True:
        try:
            job = pipe.recv_bytes()
        except EOFError:
            os._exit(0)
        pipe.send_bytes(_answer(job))


def _answer(job: bytes) -> bytes:
    try:
        function, args = pickle.loads(job)
        result = function(*args)
    except MemoryError:
        return pickle.dumps(("memory", None))
    except BaseException as error:
        try:
            answer = pickle.dumps(("error", error), 5)
            pickle.loads(answer)
        except Exception:
            return pickle.dumps(("result", f"{type(error).__name__}: {error}"))
        return answer
    try:
        return pickle.dumps(("value", result), 5)
    except MemoryError:
        return pickle.dumps(("memory", None))
    except Exception as error:
        return pickle.dumps(("result", f"the result of {function.__name__} cannot be pickled: {error}"))
