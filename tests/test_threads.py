"""Sharing work, and how many threads there are to share it."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest

from vidformats.threads import behind, cpu_quota, default_threads, dismiss, ordinary_priority, share, spread, worth


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_every_item_goes_to_exactly_one_worker(threads):
    done = []
    spread(done.append, iter(range(500)), threads)
    assert sorted(done) == list(range(500))


def test_one_thread_works_here_and_in_order():
    done = []
    spread(lambda n: done.append((n, threading.get_ident())), range(9), 1)
    assert done == [(n, threading.get_ident()) for n in range(9)]


def test_all_threads_take_part():
    barrier, seen = threading.Barrier(3, timeout=30), set()

    def work(mine):
        for _ in mine:
            seen.add(threading.get_ident())
            barrier.wait()  # passes only when three hold an item each

    share(work, range(3), 3)
    assert len(seen) == 3
    assert threading.get_ident() in seen


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_stops_all_and_is_raised_here(threads):
    done = []

    def work(n):
        if n == 50:
            raise KeyError("fifty")
        done.append(n)

    with pytest.raises(KeyError, match="fifty"):
        spread(work, range(100_000), threads)
    assert len(done) < 100_000


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_items_themselves_is_raised_here(threads):
    def items():
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        spread(print, items(), threads)


def test_threads_are_kept_for_the_next_work_and_end_before_a_fork():
    dismiss()
    before = threading.active_count()
    for _ in range(5):
        spread(lambda n: None, range(100), 8)
    assert before < threading.active_count() <= before + 7
    dismiss()
    assert threading.active_count() == before


def test_without_more_threads_those_there_are_do_the_work(monkeypatch):
    dismiss()

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    done = []
    spread(done.append, range(100), 8)
    assert sorted(done) == list(range(100))


def test_what_a_thread_worked_on_is_let_go():
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    spread(lambda n, held=held: None, range(100), 4)
    del held
    gc.collect()
    assert gone() is None


def test_only_threads_that_pay_off(monkeypatch):
    monkeypatch.setattr("vidformats.threads.cpus", lambda: 40)
    assert worth(64, 5 << 20, 120) == 1  # one share of 4 MB
    assert worth(64, 64 << 20, 1600) == 16
    assert worth(2, 64 << 20, 1600) == 2
    assert worth(64, 64 << 20, 3) == 3
    assert worth(64, 0, 0) == 1
    monkeypatch.setattr("vidformats.threads.cpus", lambda: 2)
    assert worth(64, 64 << 20, 1600) == 2  # more than the CPUs copy no faster


CFS = {"quota": "300000", "period": "100000"}


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/a\n", {"a/cpu.max": "max 100000"}, None),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "-1", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("4:memory:/x\n", {"memory/x/cpu.max": "100000 100000"}, None),
        ("0::/a\n", {"a/cpu.max": "nonsense"}, None),
        ("0::/a\n", {"a/cpu.max": "100000 0"}, None),
    ],
)
def test_a_containers_quota(tmp_path, monkeypatch, own, files, expected):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_quota(str(tmp_path), str(tmp_path / "own")) == expected
    monkeypatch.setattr("vidformats.threads.cpu_quota", lambda: expected)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert default_threads() == (expected or 64)


def test_default_is_the_cpus_of_this_process(monkeypatch):
    monkeypatch.setattr("vidformats.threads.cpu_quota", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert default_threads() == 3


@pytest.mark.parametrize(("counted", "expected"), [(6, 6), (None, 1)])
def test_default_without_affinity_is_the_cpus_there_are(monkeypatch, counted, expected):
    monkeypatch.setattr("vidformats.threads.cpu_quota", lambda: None)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert default_threads() == expected


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux's kinds of scheduling")
def test_a_library_cannot_change_how_this_thread_and_those_that_it_starts_are_scheduled():
    usual, end, seen = os.sched_getscheduler(0), threading.Event(), []

    def body():
        seen.append(threading.get_native_id())
        end.wait(60)

    threads = [threading.Thread(target=body, daemon=True) for _ in range(3)]
    try:
        with ordinary_priority():
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            for thread in threads:
                thread.start()  # inherits it
            while len(seen) < 3:
                time.sleep(0.001)
            assert {os.sched_getscheduler(task) for task in (0, *seen)} == {os.SCHED_BATCH}
        assert {os.sched_getscheduler(task) for task in (0, *seen)} == {usual}
    finally:
        end.set()
        os.sched_setscheduler(0, usual, os.sched_param(0))


CHILD = """
import multiprocessing, sys
from vidformats.threads import behind, cpu_quota, default_threads, dismiss, ordinary_priority, share, spread, worth
def put(queue):
    queue.put(default_threads())
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.SimpleQueue()
    child = context.Process(target=put, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"] if os.name == "posix" else ["spawn"])
def test_default_in_a_child_process_is_one(tmp_path, method):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, script, method], capture_output=True, text=True, env=env, timeout=120)
    assert done.stdout.strip() == "1", done.stderr


def test_work_behind_is_done_in_order_by_one_other_thread():
    done = []
    with behind(2) as later:
        for n in range(100):
            later(lambda n=n: done.append((n, threading.get_ident())))
    assert [n for n, _ in done] == list(range(100))
    assert {who for _, who in done}.isdisjoint({threading.get_ident()})
    assert len({who for _, who in done}) == 1


def test_work_behind_is_never_far_behind():
    go, done = threading.Event(), []
    with behind(2) as later:
        later(lambda: go.wait(30))
        feeder = threading.Thread(target=lambda: [later(lambda n=n: done.append(n)) for n in range(10)], daemon=True)
        feeder.start()
        feeder.join(0.2)
        assert feeder.is_alive()  # two wait, the third has to
        go.set()
        feeder.join(30)
    assert done == list(range(10))


def test_after_an_error_behind_nothing_more_is_done():
    done = []

    def fail():
        raise KeyError("third")

    def work():
        with behind(1) as later:
            for job in (lambda: done.append(1), fail, lambda: done.append(2)):
                later(job)

    with pytest.raises(KeyError, match="third"):
        work()
    assert done == [1]


def test_an_error_in_front_waits_for_the_work_behind():
    done = []

    def work():
        with behind(4) as later:
            later(lambda: (time.sleep(0.05), done.append(1)))
            raise ValueError("front")

    with pytest.raises(ValueError, match="front"):
        work()
    assert done == [1]


def test_without_further_threads_work_behind_is_done_here(monkeypatch):
    def refuse(*given):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("vidformats.threads._hand_over", refuse)
    done = []
    with behind(2) as later:
        later(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]
