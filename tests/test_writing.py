"""Writing: whole under its name or not at all, and what may be replaced."""

import ctypes
import errno
import json
import multiprocessing
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

import vidformats as vf
from vidformats import writing as module
from vidformats.registry import FORMATS

VIDEO = np.random.default_rng(0).integers(0, 250, (12, 3, 16, 18), np.uint8)
OTHER = VIDEO[::-1] // 2
LOSSLESS = ["binary", "h5", "h5_frames", "mat", "npy", "npz", "pickle", "png"]
posix = pytest.mark.skipif(os.name != "posix", reason="rename over open files, links and forks are POSIX's")


def path_of(folder, name):
    return folder / f"video{FORMATS[name].suffix}"


STEPS = [("replace", name) for name in LOSSLESS] + [("fsync", name) for name in LOSSLESS if name != "png"]


def without(monkeypatch, *functions):
    """Pretend that the C library lacks these functions, as systems other than Linux do."""
    real = module._libc
    monkeypatch.setattr(module, "_libc", lambda name, *args: name not in functions and real(name, *args))


@pytest.mark.parametrize(("breaks", "name"), [*STEPS, ("rename", "png"), ("fsync", "png")])
def test_when_the_last_step_fails_what_was_there_stays(tmp_path, monkeypatch, breaks, name):
    path = path_of(tmp_path, name)
    vf.write(VIDEO, path, name)
    before = sorted(os.listdir(tmp_path))

    def broken(*args):
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(os, breaks, broken)
        without(patch, "renameat2", "syncfs")
        with pytest.raises(OSError, match="the disk went away"):
            vf.write(OTHER, path, name)
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("function", ["renameat2", "syncfs"])
def test_an_error_of_the_c_library_is_an_os_error(tmp_path, monkeypatch, function):
    path = vf.write(VIDEO, tmp_path / "frames", "png")

    class Failing:
        def __getattr__(self, name):
            return lambda *args: ctypes.set_errno(errno.EIO) or -1

    real = module._libc
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda *args, **kw: Failing())
        patch.setattr(module, "_libc", lambda name, *args: name == function and real(name, *args))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            vf.write(OTHER, path, "png")
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    assert os.listdir(tmp_path) == ["frames"]


@pytest.mark.parametrize("lacks", [(), ("renameat2",), ("syncfs",), ("renameat2", "syncfs")])
def test_folders_are_replaced_with_or_without_linux(tmp_path, monkeypatch, lacks):
    without(monkeypatch, *lacks)
    for video in (VIDEO, OTHER):
        np.testing.assert_array_equal(vf.load(vf.write(video, tmp_path / "frames", "png")), video)
        assert os.listdir(tmp_path) == ["frames"]


def test_it_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: steps.append(name) or real(*args))
    vf.write(VIDEO, tmp_path / "a.npy")
    assert steps[:2] == ["fsync", "replace"]
    assert steps[2:] == (["fsync"] if os.name == "posix" else [])  # of the folder that holds the name


def test_images_are_flushed_and_the_whole_machine_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sync", lambda: pytest.fail("sync flushes the disks of everybody"))
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd, real=os.fsync: flushed.append(os.readlink(f"/proc/self/fd/{fd}")))
    without(monkeypatch, "syncfs")
    vf.write(VIDEO, tmp_path / "frames", "png")
    names = [os.path.basename(path) for path in flushed]
    assert sorted(names[: len(VIDEO)]) == sorted(f"{k}.png" for k in range(len(VIDEO)))
    assert names[len(VIDEO) :] == ["frames", tmp_path.name]


def test_nothing_is_seen_under_the_name_before_the_end(tmp_path):
    path, seen = tmp_path / "a.npy", []

    def frames():
        for frame in VIDEO:
            seen.append(path.exists())
            yield frame

    vf.write(frames(), path)
    assert not any(seen)
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.parametrize(("first", "second"), [("npy", "png"), ("png", "webp"), ("binary", "npz")])
def test_another_format_under_the_same_name(tmp_path, first, second):
    path = tmp_path / "video"
    vf.write(VIDEO, path, first)
    vf.write(OTHER, path, second, **({"lossless": True} if second == "webp" else {}))
    np.testing.assert_array_equal(vf.load(path, format=second), OTHER)
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".json")] == ["video"]


def test_a_folder_that_is_no_video_is_never_taken_away(tmp_path):
    thesis = tmp_path / "work" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("five months")
    (tmp_path / "work" / "0.jpg").write_bytes(b"")
    for path in (tmp_path / "work", tmp_path):
        with pytest.raises(FileExistsError, match=r"holds (thesis\.tex|work), which jpg does not replace"):
            vf.write(VIDEO, path, "jpg")
    assert thesis.read_text() == "five months"
    assert os.listdir(tmp_path) == ["work"]


@pytest.mark.parametrize("name", [n for n in LOSSLESS if n != "png"] + ["mp4"])
@pytest.mark.parametrize("images", [True, False])
def test_a_format_that_writes_a_file_takes_no_folder_away(tmp_path, name, images):
    folder = tmp_path / "photos"
    vf.write(VIDEO, folder, "png") if images else folder.mkdir()
    with pytest.raises(FileExistsError, match=f"photos: expected a file or nothing, got a folder; {name}"):
        vf.write(VIDEO, folder, name)
    assert len(os.listdir(folder)) == (len(VIDEO) if images else 0)
    assert os.listdir(tmp_path) == ["photos"]


@posix
@pytest.mark.parametrize("name", ["npy", "binary", "h5", "png"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe"])
def test_only_regular_files_are_replaced(tmp_path, name, kind):
    path = tmp_path / "a"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.path.relpath(path))
    else:
        os.mkfifo(path)
    if kind.startswith("link"):
        (tmp_path / "l").symlink_to(path)
        path = tmp_path / "l"
    with pytest.raises(FileExistsError, match="expected a regular file or nothing"):
        vf.write(VIDEO, path, name)
    assert not path.is_file()
    with pytest.raises(FileExistsError):
        vf.write(VIDEO, os.devnull, name)
    assert not os.path.isfile(os.devnull)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "frames").mkdir()
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "frames", "png")), VIDEO)


@posix
@pytest.mark.parametrize("name", ["npy", "png", "binary"])
def test_behind_a_link_what_it_leads_to_is_replaced(tmp_path, name):
    (tmp_path / "disk").mkdir()
    (tmp_path / "here").mkdir()
    target, link = path_of(tmp_path / "disk", name), path_of(tmp_path / "here", name)
    vf.write(VIDEO, target, name)
    link.symlink_to(target)
    vf.write(OTHER, link, name)
    assert link.is_symlink()
    np.testing.assert_array_equal(vf.load(target, format=name), OTHER)
    assert sorted(os.listdir(tmp_path / "here")) == [link.name]


def test_no_folder_to_write_into(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        vf.write(VIDEO, tmp_path / "none" / "a.npy")


def test_a_video_may_be_written_over_itself(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    with vf.open(path) as video:
        vf.write(video, path)
    np.testing.assert_array_equal(vf.load(path), VIDEO)


def test_an_error_names_the_path_that_was_asked_for(tmp_path, monkeypatch):
    def full(self, video, path):
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(type(vf.get_format("npy")), "write", full)
    with pytest.raises(OSError, match=r"a\.npy") as caught:
        vf.write(VIDEO, tmp_path / "a.npy")
    assert caught.value.filename == str(tmp_path / "a.npy")
    assert ".vidformats" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_at_least_one(tmp_path, threads):
    with pytest.raises(ValueError, match=f"threads must be an integer >= 1, got {threads}"):
        vf.write(VIDEO, tmp_path / "a.npy", threads=threads)


def test_a_path_of_bytes(tmp_path):
    path = os.fsencode(tmp_path / "a.npy")
    assert vf.write(VIDEO, path) == os.fsdecode(path)
    np.testing.assert_array_equal(np.load(path), VIDEO)


@posix
@pytest.mark.parametrize("name", ["npy", "h5", "mp4", "pickle"])
@pytest.mark.parametrize("length", [230, 250, 255])
def test_names_as_long_as_the_file_system_takes(tmp_path, name, length):
    suffix = FORMATS[name].suffix
    path = tmp_path / ("x" * (length - len(suffix)) + suffix)
    assert vf.load(vf.write(VIDEO, path)).shape == VIDEO.shape
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        vf.write(VIDEO, path.with_name("x" * 256), name)
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("name", ["mp4", "avi_mjpg", "h5", "mat", "npz"])
@pytest.mark.parametrize("target", ["clip", "clip.dat", "clip.npy", "clip.v2.final", "lock", "new"])
def test_any_name_with_a_format(tmp_path, name, target):
    vf.write(VIDEO, tmp_path / target, name)
    assert vf.load(tmp_path / target, format=name).shape == VIDEO.shape
    assert os.listdir(tmp_path) == [target]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_of_a_file_stays(tmp_path, mode):
    path = vf.write(VIDEO, tmp_path / "a.bin")
    usual = stat.S_IMODE(os.stat(path).st_mode)
    for name in (path, path + ".json"):
        os.chmod(name, mode)
    vf.write(OTHER, path)
    assert {stat.S_IMODE(os.stat(name).st_mode) for name in (path, path + ".json")} == {mode}
    assert stat.S_IMODE(os.stat(vf.write(VIDEO, tmp_path / "b.bin")).st_mode) == usual


# Data and sidecar


@pytest.mark.parametrize(
    "text",
    ['{"subject": "Ann"}', "notes", "", '{"shape": [12, 3, 16, 18], "dtype": "|u1", "subject": "Ann"}', "[1]"],
)
def test_a_sidecar_that_is_not_ours_stays(tmp_path, text):
    (tmp_path / "clip.bin.json").write_text(text)
    with pytest.raises(FileExistsError, match=r"clip\.bin\.json: is no sidecar of binary; move it"):
        vf.write(VIDEO, tmp_path / "clip.bin")
    assert (tmp_path / "clip.bin.json").read_text() == text
    assert os.listdir(tmp_path) == ["clip.bin.json"]


def test_a_folder_in_place_of_the_sidecar_stays(tmp_path):
    (tmp_path / "clip.bin.json").mkdir()
    with pytest.raises(FileExistsError, match="is no sidecar"):
        vf.write(VIDEO, tmp_path / "clip.bin")


def test_our_own_sidecar_is_replaced_old_or_new(tmp_path):
    (tmp_path / "clip.bin.json").write_text('{"shape": [1], "dtype": "|u1"}')
    for video in (VIDEO, OTHER):
        np.testing.assert_array_equal(vf.load(vf.write(video, tmp_path / "clip.bin")), video)


@pytest.mark.parametrize("last", [OTHER.astype("<i2")[:6], OTHER[..., :9].repeat(2, 0), OTHER[:3]])
def test_a_crash_between_sidecar_and_data_is_noticed(tmp_path, monkeypatch, last):
    """Of equal size or not: the new sidecar never describes the old data."""
    path, new = vf.write(VIDEO, tmp_path / "a.bin"), vf.write(last, tmp_path / "b.bin")
    shutil.copy(new + ".json", path + ".json")
    with pytest.raises(vf.FormatError, match=r"a\.bin: (is not the data that a\.bin\.json was written with|expected)"):
        vf.open(path)
    np.testing.assert_array_equal(vf.load(path, shape=VIDEO.shape, dtype="u1"), VIDEO)


@pytest.mark.parametrize("there", [True, False])
def test_when_the_datas_rename_fails_the_sidecar_goes_back(tmp_path, monkeypatch, there):
    path = tmp_path / "a.bin"
    if there:
        vf.write(VIDEO, path)
    before = sorted(os.listdir(tmp_path))
    real = os.replace

    def second(new, old):
        if str(old) == str(path):
            raise OSError("the disk went away")
        real(new, old)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", second)
        with pytest.raises(OSError, match="went away"):
            vf.write(OTHER[:5].astype("u2"), path)
    assert sorted(os.listdir(tmp_path)) == before
    if there:
        np.testing.assert_array_equal(vf.load(path), VIDEO)


@posix
@pytest.mark.parametrize("ends", ["written", "never written"])
def test_a_reader_that_comes_between_sidecar_and_data(tmp_path, monkeypatch, ends):
    """It waits for the writer, and opens what came; if nothing comes, it says what is wrong."""
    path, opened = vf.write(VIDEO, tmp_path / "a.bin"), []
    replace, reader = module._replace, ThreadPoolExecutor(1)
    monkeypatch.setattr("vidformats.sidecar.PATIENCE", 20.0 if ends == "written" else 0.1)

    def slowly(new, place, old):
        if place.suffix == ".bin":
            opened.append(reader.submit(vf.load, path))
            if ends == "never written":
                opened[0].exception()
            else:
                time.sleep(0.2)  # long enough for the reader to meet the new sidecar beside the old data
        replace(new, place, old)

    monkeypatch.setattr(module, "_replace", slowly)
    vf.write(OTHER[:7].astype("u2"), path)
    if ends == "written":
        np.testing.assert_array_equal(opened[0].result(), OTHER[:7])
    else:
        assert "is not the data" in str(opened[0].exception())
    reader.shutdown()


def test_sidecars_of_earlier_versions_are_read(tmp_path):
    VIDEO.tofile(tmp_path / "a.bin")
    (tmp_path / "a.bin.json").write_text(json.dumps({"shape": VIDEO.shape, "dtype": "|u1"}))
    np.testing.assert_array_equal(vf.load(tmp_path / "a.bin"), VIDEO)


# What killed writers leave


def endless():
    while True:
        yield VIDEO[0]


def write_until_killed(path, name, started):
    def frames():
        for k, frame in enumerate(endless()):
            if k == 5:
                started.set()
            yield frame

    vf.write(frames(), path, name)


@pytest.fixture
def killed(tmp_path):
    """Kill a writer in its midst, by the signal asked for, and leave what it left."""

    def kill(name, number):
        context = multiprocessing.get_context("fork")
        started = context.Event()
        writer = context.Process(target=write_until_killed, args=(path_of(tmp_path, name), name, started))
        writer.start()
        assert started.wait(60)
        os.kill(writer.pid, number)
        writer.join(60)
        assert writer.exitcode == -number

    return kill


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["npy", "png", "binary", "h5_frames"])
def test_the_next_write_sweeps_what_a_killed_one_left(tmp_path, killed, name, number):
    killed(name, number)
    assert [n for n in os.listdir(tmp_path) if n.startswith(".")]
    path = vf.write(VIDEO, path_of(tmp_path, name), name)
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    assert [n for n in os.listdir(tmp_path) if n.startswith(".")] == []


@posix
def test_a_writer_at_work_is_left_alone(tmp_path):
    def frames():
        yield VIDEO[0]
        vf.write(OTHER, tmp_path / "other.npy")  # sweeps, and must not sweep us
        yield VIDEO[1]

    np.testing.assert_array_equal(vf.load(vf.write(frames(), tmp_path / "a.npy")), VIDEO[:2])
    np.testing.assert_array_equal(vf.load(tmp_path / "other.npy"), OTHER)


@posix
def test_what_is_not_ours_is_not_swept(tmp_path):
    for name in (".vidformats-notes", ".vidformats", ".a.12345678.npy", f"{module.PREFIX}x"):
        (tmp_path / name).mkdir()
    (tmp_path / ".vidformats-thing").write_text("a file")
    before = {name for name in os.listdir(tmp_path)}
    vf.write(VIDEO, tmp_path / "a.npy")
    assert {*os.listdir(tmp_path)} == before | {"a.npy"}


@posix
@pytest.mark.parametrize(("age", "left"), [(60, True), (3 * module.ABANDONED, False)])
def test_the_folder_of_another_host_is_swept_when_it_is_old(tmp_path, age, left):
    """A lock may not reach us from there."""
    folder = tmp_path / ".vidformats-00000000-abc"
    (folder / "new").mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "new" / "a.npy").write_bytes(b"some")
    then = time.time() - age
    for path in (folder / "new" / "a.npy", folder / "new", folder / "lock", folder):
        os.utime(path, (then, then))
    vf.write(VIDEO, tmp_path / "a.npy")
    assert folder.exists() == left


@posix
def test_a_folder_that_stepped_aside_for_a_killed_writer_comes_back(tmp_path):
    path, old = vf.write(VIDEO, tmp_path / "frames", "png"), tmp_path / f"{module.PREFIX}abc" / "old"
    old.mkdir(parents=True)
    (old.parent / "lock").touch()
    os.rename(path, old / "frames")
    vf.write(VIDEO, tmp_path / "a.npy")
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "frames"]
    np.testing.assert_array_equal(vf.load(tmp_path / "frames"), VIDEO)


@posix
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def unsupported(*args):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    np.testing.assert_array_equal(vf.load(vf.write(VIDEO, tmp_path / "a.npy")), VIDEO)
    assert os.listdir(tmp_path) == ["a.npy"]


# A full disk

FULL = """
import errno, os, resource, signal, sys, warnings
import numpy as np
import vidformats as vf

warnings.simplefilter("ignore")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, names = sys.argv[1], sys.argv[2:]
video = np.random.default_rng(0).integers(0, 255, (30, 3, 64, 64), np.uint8)

def state(work, path):
    return sorted(os.listdir(work)), vf.load(path).tobytes()

def largest(path):
    return max(os.path.getsize(e) for e in (os.scandir(path) if os.path.isdir(path) else [path]))

for name in names:
    work = os.path.join(folder, name)
    os.mkdir(work)
    path = os.path.join(work, "video" + vf.registry.FORMATS[name].suffix)
    limit = largest(vf.write(video, path, name)) - 1
    vf.write(video[:5], path, name)
    before = state(work, path)
    for most in (0, 1, limit // 3, limit):
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            try:
                vf.write(video, path, name)
                os._exit(1)
            except OSError as error:
                os._exit(0 if error.errno == errno.EFBIG and ".vidformats" not in str(error) else 2)
            except BaseException:
                os._exit(3)
        code, after = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), state(work, path)
        if code or after != before:
            print(name, most, "exit", code, after[0], "old file kept:", after[1] == before[1], flush=True)
"""


@posix
def test_a_full_disk_is_an_os_error_and_ends_no_process(tmp_path):
    """Wherever it gets full: nothing is left behind, the old file stays, and no library crashes or overlooks it."""
    names = [name for name, row in FORMATS.items() if not row.extra or find_spec("av")]
    command = [sys.executable, "-c", FULL, str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


def test_what_a_writer_killed_while_it_cleaned_up_leaves_is_swept(tmp_path, monkeypatch):
    removed = []

    def killed(path, *args, **kwargs):
        removed.append(os.path.basename(path))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            vf.write(VIDEO, tmp_path / "a", "png")
    left = [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert removed == ["new"]
    assert [os.path.exists(path / "lock") for path in left] == [True]
    vf.write(VIDEO, tmp_path / "a", "png")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_another_process_still_fills_is_swept_later(tmp_path, monkeypatch):
    """A helper outlives its killed parent by a moment: the folder keeps its lock, by which the next sweep knows it."""
    (left := tmp_path / f"{module.PREFIX}x" / "new").mkdir(parents=True)
    (left.parent / "lock").touch()

    def filled_meanwhile(path, **kwargs):
        if not kwargs.get("ignore_errors"):
            (path / "lock").unlink(missing_ok=True)
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", filled_meanwhile)
        vf.write(VIDEO, tmp_path / "a.npy")
    assert (left.parent / "lock").exists()
    vf.write(VIDEO, tmp_path / "a.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.skipif(module.fcntl is None, reason="no locks here")
def test_a_folder_that_a_sweep_has_locked_is_left_to_it(tmp_path, monkeypatch):
    made, lock = [], module.fcntl.flock

    def sweep_first(fd, how):
        made.append(fd)
        if len(made) == 1:
            raise BlockingIOError
        lock(fd, how)

    monkeypatch.setattr(module.fcntl, "flock", sweep_first)
    folder, fd = module._locked(tmp_path)
    os.close(fd)
    assert len(made) == 2
    assert len(list(tmp_path.iterdir())) == 2, "its own, and the one that the sweep removes"
    assert folder in tmp_path.iterdir()
