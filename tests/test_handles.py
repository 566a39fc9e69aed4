"""Forks, signals and threads beside reads: nothing hangs, and nothing stays locked."""

import os
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats import handles
from vidformats.select import plan

posix = pytest.mark.skipif(os.name != "posix", reason="forks")

FORKS = """
import faulthandler, os, sys, threading, time
{imports}
path, what = sys.argv[1:]
reads = [0]
def work():
    video = vf.open(path)
    while True:
        video[::5] if what == "read" else vf.load(path, 0)
        reads[0] += 1
threading.Thread(target=work, daemon=True).start()
while reads[0] < 3:
    time.sleep(0.01)
faulthandler.dump_traceback_later(100, exit=True)
for k in range(30):
    before = reads[0]
    pid = os.fork()
    if pid == 0:
        vf.load(path, 1)  # the child reads too, before it goes
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    while reads[0] < before + 2:  # and the parent's thread goes on
        time.sleep(0.001)
print("30 forks done", flush=True)
"""


@posix
@pytest.mark.parametrize(
    "imports",
    [
        "import vidformats as vf",
        "import h5py; import vidformats as vf",
        "import vidformats as vf; import h5py",
        "import vidformats as vf; import vidformats.readers.hdf5, vidformats.handles as h; h.before_other_hooks()",
    ],
    ids=["h5py later", "h5py first", "h5py by the user later", "hooks registered again"],
)
@pytest.mark.parametrize("what", ["read", "open"])
def test_forks_beside_reads_of_hdf5(tmp_path, imports, what):
    path = tmp_path / "a.h5"
    video = np.random.default_rng(0).integers(0, 255, (100, 3, 32, 32), np.uint8)
    with h5py.File(path, "w") as file:  # lzf: only h5py reads it
        file.create_dataset("video", data=video, chunks=(1, 3, 32, 32), compression="lzf" if what == "read" else None)
    command = [sys.executable, "-c", FORKS.format(imports=imports), str(path), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.stdout.strip() == "30 forks done", done.stderr[-2000:]
    assert done.returncode == 0, done.stderr[-2000:]  # the thread still read when the interpreter ended


INTERRUPTED = """
import faulthandler, os, signal, sys, threading, time
import numpy as np
import vidformats as vf
from vidformats import handles

faulthandler.dump_traceback_later(100, exit=True)
reading, let_go = threading.Event(), threading.Event()
def hold():
    with handles.reading:
        reading.set()
        let_go.wait()
thread = threading.Thread(target=hold)
thread.start()
reading.wait()
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored if the tests run in the background
signal.signal(signal.SIGALRM, {handler})
signal.setitimer(signal.ITIMER_REAL, 0.2)
came = "nothing"
try:
    pid = os.fork()
    if pid == 0:
        vf.load(sys.argv[1], 0)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    time.sleep(5)
except BaseException as error:
    came = type(error).__name__
let_go.set()
thread.join()
vf.load(sys.argv[1], 0)
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
vf.load(sys.argv[1], 0)
print(came)
"""


@posix
@pytest.mark.parametrize(
    ("handler", "came"),
    [("signal.default_int_handler", "KeyboardInterrupt"), ("lambda *a: 1 / 0", "nothing")],
    ids=["Ctrl-C", "a handler that raises"],
)
def test_a_signal_while_a_fork_waits(tmp_path, handler, came):
    path = vf.write(np.zeros((3, 1, 8, 8), np.uint8), tmp_path / "a.npy")
    # From 3.12 on os.fork warns of threads after all hooks, in Python code within which it loses a Ctrl-C.
    quiet = ["-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *quiet, "-c", INTERRUPTED.format(handler=handler), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.stdout.strip() == came, done.stderr[-2000:]


@posix
def test_a_fork_waits_only_so_long(monkeypatch):
    monkeypatch.setattr(handles, "LONGEST", 0.05)
    begun, end = threading.Event(), threading.Event()

    def hang():
        with handles.reading:
            begun.set()
            end.wait()

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    end.set()
    thread.join()


def test_closing_in_another_thread_leaves_nothing_open(tmp_path):
    path = vf.write(np.zeros((30, 1, 8, 8), np.uint8), tmp_path / "a.npy")
    for _ in range(50):
        video = vf.open(path)
        handles._make_room(10**6)  # the next read opens the file again
        start = threading.Barrier(2)

        def read(video=video, start=start):
            start.wait()
            try:
                video[3]
            except ValueError as error:
                assert "closed" in str(error)

        thread = threading.Thread(target=read)
        thread.start()
        start.wait()
        video.close()
        thread.join()
        assert video._handle.reader is None
        with pytest.raises(ValueError, match="closed"):
            video[3]


@pytest.mark.parametrize("asked", [{}, {"size": 16}, {"fps": 20}, {"layout": "THWC"}, {"size": 16, "layout": "THWC"}])
@pytest.mark.parametrize("suffix", ["mp4", "npy"])
def test_videos_that_rest_go_on_as_they_were_asked_for(tmp_path, monkeypatch, asked, suffix):
    if suffix == "npy" and "fps" in asked:
        pytest.skip("an array has no time")
    monkeypatch.setattr(handles, "MAX_OPEN", 1)
    content = np.random.default_rng(0).integers(0, 255, (12, 3, 32, 48), np.uint8)
    videos = [vf.open(vf.write(content + k, tmp_path / f"{k}.{suffix}"), **asked) for k in range(3)]
    expected = [video[:] for video in videos]
    for k in (0, 1, 2, 1, 0):
        assert np.array_equal(videos[k][::2], expected[k][::2])
    assert [video._handle.reader is None for video in videos] == [False, True, True]


def test_a_read_under_way_goes_on_while_its_reader_is_put_to_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "MAX_OPEN", 1)
    content = np.random.default_rng(0).integers(0, 255, (12, 3, 32, 48), np.uint8)
    first, second = (vf.open(vf.write(content, tmp_path / name), threads=1) for name in ("a.mp4", "b.mp4"))
    whole, reader = first[:], first._handle.reader
    second[0]
    assert first._handle.reader is None
    reader._idle.clear()  # so that the read has to open a decoder
    out = np.empty((1, 3, 32, 48), np.uint8)
    reader.read(plan(np.array([7])), out)
    reader.source.check()
    assert np.array_equal(out[0], whole[7])
