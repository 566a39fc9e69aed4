"""The suites run as asv runs them, and a library that does not do the work is found out."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from vidformats.history import frames
from vidformats.history.releases import LIBRARIES
from vidformats.history.suites import frames as frames_suite
from vidformats.history.suites.corpus import check_pinned, check_result


@pytest.fixture(scope="module", params=[name for name, library in LIBRARIES.items() if library.suite != "frames"])
def suite(request, tmp_path_factory):
    """A library's classes of benchmarks, with their files written."""
    if request.param == "zarr":
        pytest.importorskip("zarr", reason="asv installs it, the tests do not")
    folder = tmp_path_factory.mktemp("suite")
    (folder / "project").mkdir()
    (folder / "project" / "pin.txt").write_text(f"{request.param}=={metadata.version(request.param)}\n")
    module = importlib.import_module(f"vidformats.history.suites.{LIBRARIES[request.param].suite}")
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    classes = [c for c in classes if not c.__name__.startswith("_")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASV_ENV_DIR", str(folder))
        patch.chdir(folder)
        classes[0]().setup_cache()
        yield classes


def run(cls, case, spoil=False):
    benchmark = cls()
    benchmark.setup(case)
    (name,) = [name for name in dir(cls) if name.startswith("time_")]
    getattr(benchmark, name)(case)
    if spoil:
        benchmark.got = np.zeros_like(benchmark.got)
    if hasattr(benchmark, "teardown"):
        benchmark.teardown(case)


def test_every_class_reads_what_it_was_asked_for(suite):
    for cls in suite:
        for case in cls.params[0][:2]:
            run(cls, case)


def test_a_result_that_was_not_read_is_an_error(suite):
    checked = [cls for cls in suite if hasattr(cls, "teardown")]
    assert checked
    for cls in checked:
        with pytest.raises(RuntimeError, match="expected the"):
            run(cls, cls.params[0][0], spoil=True)


def test_another_release_than_the_pinned_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pin.txt").write_text("numpy==0.0.1\n")
    monkeypatch.setenv("ASV_ENV_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"expected numpy==0\.0\.1, but numpy=="):
        check_pinned("numpy", np.__version__)


def test_results_are_compared_with_dtype_and_shape():
    frames = np.arange(6, dtype=np.uint8)
    check_result(frames, frames.copy())
    for wrong in (frames[:-1], frames.astype(np.int16), frames[::-1]):
        with pytest.raises(RuntimeError, match="asked for"):
            check_result(wrong, frames)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The suite of frames beside what it asks, for PyAV read in order, as a repository of releases holds it."""
    pytest.importorskip("av", reason="of the extra codecs")
    folder = tmp_path_factory.mktemp("releases")
    benchmarks = folder / "benchmarks"
    benchmarks.mkdir()
    for name in ("__init__", "corpus", "frames"):
        shutil.copyfile(Path(frames_suite.__file__).with_name(f"{name}.py"), benchmarks / f"{name}.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "CLIPS", ("h264.mp4", "late.mkv"))
        frames.prepare("av", ["pyav-sequential"], folder)
    return folder


def counts(folder, adapter=None):
    """Return right, wrong and refused frames of each clip, in a process that knows nothing of this project."""
    code = (
        "import json; from benchmarks import frames; "
        "found = {case: frames.Frames().outcomes(case) for case in frames.ASKED['cases']}; "
        "print(json.dumps(found))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if adapter:
        (folder / "benchmarks" / "adapter_pyav_sequential.py").write_text(adapter)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_frames_are_counted(asked):
    found = counts(asked)
    assert {tuple(case) for case in found.values()} == {(frames.REQUESTS, 0, 0)}
    adapter = (asked / "benchmarks" / "adapter_pyav_sequential.py").read_text()
    late = adapter + "\n\n_right = Video.frame\nVideo.frame = lambda self, i: _right(self, max(0, i - 1))\n"
    for right, wrong, _ in counts(asked, late).values():
        assert wrong > 0.9 * frames.REQUESTS > right
