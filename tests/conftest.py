"""What all tests share: what must be there is there, and no test slows down those after it."""

import gc
import importlib
import os
import shutil
import signal

import pytest


def pytest_configure(config):
    """Hear Ctrl-C, and end at once if a program or module named in ``VIDFORMATS_REQUIRE`` is missing.

    `make test` and CI name them.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in the background of a shell; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in filter(None, os.environ.get("VIDFORMATS_REQUIRE", "").split(",")):
        if shutil.which(name):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise pytest.UsageError(f"VIDFORMATS_REQUIRE: expected {name}, a program or a module: {error}") from None


@pytest.fixture(autouse=True, scope="module")
def _quick_collections():
    """Leave what earlier modules made out of collections of garbage, which some tests make at each step."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _ordinary_priority():
    """Fail a test that leaves its process before all others of the machine, as SVT-AV1 does: they would stand still."""
    usual = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    yield
    if usual is not None and os.sched_getscheduler(0) != usual:
        os.sched_setscheduler(0, usual, os.sched_param(0))
        pytest.fail(f"expected the process to be scheduled as before ({usual}), as every other program is")
