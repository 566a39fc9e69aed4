"""A call in a child process: its result comes back, a fault is one error that names the file, nothing is left."""

import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from vidformats import FormatError
from vidformats.readers import isolated
from vidformats.readers.isolated import Child, ChildFault, each


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(first)


def double(x):
    return x * 2


def telling(n):
    for k in range(n):
        isolated.report(k)
    return n


def die(path, how):
    print("last words")
    sys.stdout.flush()
    os.kill(os.getpid(), how)


def leave(path):
    os._exit(7)


def hang(path):
    while True:
        time.sleep(1)


def greedy(path):
    return np.ones(1 << 40, np.uint8)


def local(path):
    return lambda: path


def fails(path):
    raise FormatError(path, "expected frames, got none")


def system_error(path):
    raise OSError(5, "Input/output error", path)


def raises_unpicklable(path):
    raise Unpicklable(1, 2)


def pid(*_):
    return os.getpid()


def threads():
    from vidformats.threads import default_threads

    return default_threads()


def core_limit():
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def gone(process):
    """Tell whether a process ends within a while; one that has ended may still be a zombie of its new parent."""
    for _ in range(400):
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def child():
    with Child() as child:
        yield child


def test_arrays_and_numbers_come_back(child):
    video = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    np.testing.assert_array_equal(child.call(double, video), video * 2)
    assert child.call(math.sqrt, 9.0, seconds=60) == 3.0


def test_one_process_serves_many_calls_with_one_thread_and_no_core_file(child):
    assert child.call(pid) == child.call(pid) != os.getpid()
    assert child.call(threads) == 1
    assert child.call(core_limit) == 0


@pytest.mark.parametrize(
    ("function", "args", "kind", "says"),
    [
        (die, (signal.SIGSEGV,), "crash", "Segmentation fault (last words)"),
        (die, (signal.SIGABRT,), "crash", "Aborted"),
        (die, (signal.SIGKILL,), "crash", "Killed"),
        (leave, (), "crash", "exit code 7"),
        (hang, (), "hang", "expected an answer within 0.2 s, got none"),
        (greedy, (), "memory", "ran out of memory"),
        (local, (), "result", "the result of local cannot be pickled"),
        (raises_unpicklable, (), "result", "Unpicklable: 1"),
    ],
)
def test_a_fault_names_the_file_and_the_next_call_works(child, function, args, kind, says):
    with pytest.raises(ChildFault) as raised:
        child.call(function, "/data/clip.mp4", *args, seconds=0.2 if kind == "hang" else 60)
    assert raised.value.kind == kind
    assert str(raised.value).startswith("/data/clip.mp4: ")
    assert says in str(raised.value)
    assert isinstance(raised.value, FormatError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.kind, str(again)) == (kind, str(raised.value))
    assert child.call(double, 2) == 4


@pytest.mark.parametrize(("function", "error"), [(fails, FormatError), (system_error, OSError)])
def test_what_a_function_raises_is_raised_and_the_child_stays(child, function, error):
    before = child.call(pid)
    with pytest.raises(error, match=r"clip\.mp4") as raised:
        child.call(function, "clip.mp4")
    assert type(raised.value) is error
    assert child.call(pid) == before


def test_a_memory_limit_holds():
    with Child(memory=2 << 30) as child:
        assert child.call(double, b"1") == b"11"
        with pytest.raises(ChildFault, match="with a limit of 2,147 MB"):
            child.call(np.ones, 3 << 27)


def test_a_child_that_was_killed_between_calls_is_replaced(child):
    first = child.call(pid)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert child.call(pid) != first


def test_what_a_function_tells_comes_before_what_it_returns(child):
    told = []
    assert child.call(telling, 3, told=told.append, seconds=60) == 3
    assert told == [0, 1, 2]
    assert child.call(telling, 2) == 2
    assert telling(2) == 2, "outside a child nothing is told"


def test_a_child_of_which_nothing_is_asked_ends_and_is_replaced():
    with Child(idle=0.05) as child:
        first = child.call(pid)
        assert gone(first)
        assert child.call(pid) != first


def test_a_function_of_main_is_refused(child, monkeypatch):
    monkeypatch.setattr(double, "__module__", "__main__")
    with pytest.raises(ValueError, match="of a module that can be imported"):
        child.call(double, 1)


def test_ctrl_c_leaves_no_answer_for_the_next_call(child, monkeypatch):
    child.call(pid)

    def interrupted(pipe, seconds=None):
        signal.raise_signal(signal.SIGINT)
        time.sleep(60)  # Python delivers a signal between two bytecodes, or here

    monkeypatch.setattr(type(child._pipe), "poll", interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.call(double, 1)
    monkeypatch.undo()
    assert child.call(double, 2) == 4


def test_close_and_garbage_end_the_process():
    child = Child()
    first = child.call(pid)
    child.close()
    assert gone(first)
    second = child.call(pid)
    del child
    assert gone(second)


SCRIPT = """
import os, signal, sys, threading, time
from vidformats.readers.isolated import Child
from tests.readers import test_isolated
print("main", flush=True)
child = Child()
print(child.call(test_isolated.pid), flush=True)
{more}
"""


@pytest.mark.parametrize(
    "more",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "threading.Thread(target=child.call, args=(test_isolated.hang, 'x'), daemon=True).start(); time.sleep(0.5)\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        "if os.fork() == 0: time.sleep(60)\nos.kill(os.getpid(), signal.SIGKILL)",
        "sys.exit(0)",
    ],
    ids=["killed", "killed in a call", "killed with a fork alive", "exit"],
)
def test_no_child_outlives_its_parent_and_no_script_runs_twice(more):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(more=more)], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline().strip() for _ in range(2)]
    assert lines[0] == "main"
    assert gone(int(lines[1]))


def test_a_forked_process_has_its_own_child(child):
    first = child.call(pid)
    read, write = os.pipe()
    if (forked := os.fork()) == 0:
        try:
            os.write(write, f"{child.call(pid)}".encode())
        finally:
            os._exit(0)
    os.waitpid(forked, 0)
    other = int(os.read(read, 20))
    os.close(read), os.close(write)
    assert other != first
    assert gone(other)
    assert child.call(pid) == first


def test_each_gives_every_result_and_every_fault_once():
    items = [(n, "die") if n in (3, 7) else (n, "") for n in range(12)]
    got = list(each(_item, items, children=2, seconds=60))
    assert sorted(item for item, _ in got) == sorted(items)
    assert {n: result for (n, _), result in got if n not in (3, 7)} == {n: n * n for n in range(12) if n not in (3, 7)}
    assert all(isinstance(result, ChildFault) for (n, _), result in got if n in (3, 7))


def _item(item):
    n, what = item
    if what:
        os.kill(os.getpid(), signal.SIGSEGV)
    return n * n


def test_each_that_is_left_early_ends_its_children_and_threads():
    before = threading.active_count()
    results = each(pid, range(100), children=2)
    children = {next(results)[1] for _ in range(4)}
    results.close()
    assert all(gone(process) for process in children)
    assert threading.active_count() == before


def test_an_error_of_the_items_is_raised():
    def items():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(each(double, items()))


def test_a_child_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(isolated, "CODE", "raise SystemExit('no such module')")
    with pytest.raises(ChildFault, match=r"exit code 1 \(no such module\)"):
        Child().call(pid)
