"""What the suite promises of itself: a hang fails, what is required is there, and all Pythons get the same versions."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
)


def run_pytest(folder, test, *arguments, **environment):
    """Run a suite of one test with this suite's settings."""
    (folder / "test_one.py").write_text(test)
    for name in ("pyproject.toml", "tests/conftest.py"):
        (folder / Path(name).name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--override-ini=testpaths=.", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=60)


def test_a_test_that_hangs_fails(tmp_path):
    done = run_pytest(tmp_path, "import threading\ndef test(): threading.Event().wait()", "--override-ini=timeout=1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Timeout" in done.stdout
    assert "1 failed" in done.stdout


def test_a_process_that_no_signal_reaches_ends(tmp_path):
    hang = (
        "import signal, time\ndef test():\n signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n time.sleep(50)"
    )
    done = run_pytest(tmp_path, hang, "--override-ini=timeout=1", "--override-ini=faulthandler_timeout=3")
    assert done.returncode != 0
    assert "Timeout (0:00:03)" in done.stderr


@pytest.mark.parametrize("name", ["no_such_module", "no-such-program"])
def test_what_is_required_and_missing_fails(tmp_path, name):
    done = run_pytest(tmp_path, "def test(): pass", VIDFORMATS_REQUIRE=f"numpy,git,{name}")
    assert done.returncode != 0
    assert f"expected {name}, a program or a module" in done.stderr


def test_what_is_required_and_there_is_no_failure(tmp_path):
    done = run_pytest(tmp_path, "def test(): pass", VIDFORMATS_REQUIRE="git,,numpy,")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_matrix_of_asv_is_that_of_the_constraints():
    config = json.loads((ROOT / "asv.conf.json").read_text())
    measured = {name.removeprefix("pip+"): versions[0] for name, versions in config["matrix"]["req"].items()}
    measured |= dict(re.findall(r"([\w-]+)==([\w.]+)", " ".join(config["install_command"])))
    assert "av" in measured
    assert measured == {name: PINNED[name] for name in measured}


def test_every_requirement_of_the_tests_is_pinned():
    text = (ROOT / "setup.cfg").read_text()
    groups = dict(re.findall(r"^(\w+) =\n((?:    .*\n)+)", text, re.MULTILINE))
    chosen = ("install_requires", "codecs", "arrays", "convert", "referee", "bench", "test")
    wanted = "".join(groups[name] for name in chosen)
    names = {name.lower() for name in re.findall(r"^    ([\w-]+)", wanted, re.MULTILINE)} - {"vidformats"}
    assert len(names) > 20
    assert names <= {name.lower() for name in PINNED}


def test_the_libraries_installed_are_those_named_as_the_cure():
    installed = re.search(r"LIBRARIES = \((.*)\)", (ROOT / ".ci" / "opencv.py").read_text())[1].replace('"', "")
    assert f"apt-get install {installed.replace(',', '')}," in (ROOT / "vidformats" / "opencv.py").read_text()


@pytest.mark.parametrize(
    ("fault", "apt", "cures"),
    [
        ("libGL.so.1: cannot open shared object file", "cures", ["apt-get update", "apt-get install"]),
        ("libGL.so.1: cannot open shared object file", "fails", ["apt-get update", "apt-get install", "pip install"]),
        ("libGL.so.1: cannot open shared object file", "is not there", ["pip install"]),
        ("numpy.core.multiarray failed to import", "cures", []),  # no library of the system: nothing is installed
        ("", "cures", []),
    ],
)
def test_a_missing_library_is_installed_or_the_build_without_windows(tmp_path, fault, apt, cures):
    done_by, cured = tmp_path / "done", tmp_path / "cured"
    (tmp_path / "cv2.py").write_text(
        f"import os\nif {fault!r} and not os.path.exists({str(cured)!r}): raise ImportError({fault!r})"
    )
    (tmp_path / "pip.py").write_text(
        f"import sys\nopen({str(done_by)!r}, 'a').write('pip ' + ' '.join(sys.argv[1:]) + chr(10))\n"
        f"open({str(cured)!r}, 'w')"
    )
    if apt != "is not there":
        script = f"#!/bin/sh\necho apt-get $* >>'{done_by}'\n"
        script += f": >'{cured}'" if apt == "cures" else "echo no network; exit 100"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "apt-get").write_text(script)
        (tmp_path / "bin" / "apt-get").chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "opencv.py")],
        env={"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done_by.read_text().splitlines() if done_by.exists() else []
    if os.geteuid() != 0:
        cures = ["pip install"] if cures else []
    assert [" ".join(line.split()[:2]) for line in said] == cures
    assert all("--no-deps --force-reinstall opencv-python-headless==" in line for line in said if line[:3] == "pip")
    assert done.returncode == bool(fault and not cures)
    assert len(done.stdout.splitlines()) == len({line.split()[0] for line in said}), "one line for each cure tried"
    assert all(fault in line for line in done.stdout.splitlines())
    assert cures or fault in done.stderr
