"""Jobs at work: in child processes with a time limit, or wherever an executor takes them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from vidformats.readers.isolated import Child, ChildFault
from vidformats.tools import receipts
from vidformats.tools.estimate import Estimate
from vidformats.tools.job import Job, Outcome, attempt, note
from vidformats.tools.receipts import Failure, Receipt

Seen = Callable[[Job, Outcome], object]

Told = Callable[[Job, int, int], object]

HOUR = 3600.0
"""Seconds for a source in the child process, and the same again for each `SLICE`: what takes longer hangs."""

SLICE = 100e6
"""Bytes."""

IDLE = 60.0
"""Seconds after which a child process that nothing was asked of ends."""

GONE = "it was converted, and is not there any more"

PAUSE = 0.5
"""Seconds after which to look again whether another converter has ended with its source."""


class Receipts(NamedTuple):
    """What a run of `convert` did.

    Attributes
    ----------
    new : list of Receipt
        What was converted now.
    kept : list of Receipt
        What had a valid receipt.
    failures : list of Failure
        Sources that could not be converted, and why.
    estimate : Estimate or None
        What a dry run found.
    """

    new: list[Receipt]
    kept: list[Receipt]
    failures: list[Failure]
    estimate: Estimate | None = None


@contextlib.contextmanager
def workers(
    n: int, executor: Executor | None, seconds: float | None, told: Told | None = None
) -> Iterator[Callable[..., Future[Any]]]:
    """Lend ``submit(job, function)``: to child processes with a time limit, here or where an executor has its own."""
    if executor is not None:
        yield lambda job, function: executor.submit(guarded, job, function, seconds)
        return
    team = list[Child]()

    def call(job: Job, function: Callable[[Job], Any]) -> Any:
        return guarded(job, function, seconds, (lambda facts: told(job, *facts)) if told else None, team)

    with ThreadPoolExecutor(n) as pool:
        try:
            yield lambda job, function: pool.submit(call, job, function)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in team:
                child.kill()
            raise
        finally:
            pool.shutdown()
            for child in team:
                child.close()


_thread = threading.local()


def guarded(
    job: Job,
    function: Callable[[Job], Any],
    seconds: float | None = None,
    told: Callable[[Any], object] | None = None,
    team: list[Child] | None = None,
) -> Any:
    """Return ``function(job)``, computed in the child process of this thread, within a time limit.

    The process is kept for the next job, and in a worker of somebody else's cluster ends a while after the last. To
    `team` a new one is added.
    """
    if not hasattr(_thread, "child"):
        _thread.child = Child(idle=IDLE)
        if team is not None:
            team.append(_thread.child)
    try:
        return _thread.child.call(function, job, seconds=seconds or limit(job), path=job.source, told=told)
    except ChildFault:
        receipts.tidy(job.target)
        raise


def limit(job: Job) -> float:
    """Return the seconds after which a job hangs."""
    try:
        return HOUR * (1 + receipts.size_and_time(Path(job.source))[0] / SLICE)
    except OSError:
        return HOUR


def run(jobs: list[Job], submit: Callable[..., Future[Any]], seen: Seen | None = None) -> Receipts:
    """Do all jobs; those that another converter has begun are looked at again until they are done.

    A result that is gone by then, because somebody removed its folder meanwhile, counts as failed.
    """
    done = Receipts([], [], [])
    asked = {job.path: job for job in jobs}
    while jobs:
        waiting = {submit(job, attempt): job for job in jobs}
        busy = []
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                job = waiting.pop(future)
                try:
                    outcome = future.result()
                except Exception as error:  # of the child process, or the executor
                    outcome = Outcome(note(job, job.failed(error)))
                if outcome.told is None:
                    busy.append(job)
                    continue
                if isinstance(outcome.told, Failure):
                    done.failures.append(outcome.told)
                else:
                    (done.new if outcome.new else done.kept).append(outcome.told)
                if seen:
                    seen(job, outcome)
        jobs = sorted(busy, key=lambda job: job.path)
        if jobs:
            time.sleep(PAUSE)
    for some in (done.new, done.kept):
        gone = {receipt.path for receipt in some if not asked[receipt.path].target.exists()}
        done.failures.extend(asked[path].failed(f"FileNotFoundError: {asked[path].target}: {GONE}") for path in gone)
        some[:] = sorted((r for r in some if r.path not in gone), key=lambda receipt: receipt.path)
    return done
