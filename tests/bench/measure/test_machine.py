import json
import os
import platform
import socket

import pytest

from vidformats.bench.measure import cache, machine


def test_facts_are_there_and_fit_for_json(tmp_path):
    facts = machine.facts(tmp_path)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["cpus"] >= 1
    assert facts["python"] == platform.python_version()
    libraries = facts["libraries"]
    assert {"numpy", "h5py", "hdf5", "pillow", "scipy"} <= set(libraries)
    assert {"opencv-python", "opencv-python-headless"} & set(libraries)
    assert set(machine.facts()) == set(facts)
    assert machine.facts()["file_system"] is None


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems tell less")
def test_on_linux_all_is_known(tmp_path):
    facts = machine.facts(tmp_path)
    assert all(facts[name] for name in ("cpu", "memory_gib", "system", "kernel"))
    # A bare chroot is not told what its own root is mounted from.
    assert facts["file_system"] or cache.file_system(os.sep) is None
    assert facts["kernel"][0].isdigit()


def test_nothing_tells_whose_machine_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "labs-own-host")
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-27-labs-own-host")
    text = json.dumps(machine.facts(tmp_path))
    assert machine.facts()["kernel"] == "6.1.0"
    for secret in ("labs-own-host", str(tmp_path), os.path.expanduser("~") + "/", socket.gethostname() + "."):
        assert secret not in text


def test_huge_pages_as_numpy_was_told():
    asked = machine.facts()["numpy_huge_pages"]
    assert asked in (True, False, None)
    if os.environ.get("NUMPY_MADVISE_HUGEPAGE") == "0":
        assert not asked


def test_files_that_are_not_there():
    assert machine._text("/no/such/file") == ""


def test_a_machine_that_tells_nothing(monkeypatch):
    def nothing(*_):
        raise OSError

    monkeypatch.setattr(machine, "_text", lambda path: "")
    monkeypatch.setattr(machine.os, "sysconf", nothing, raising=False)
    monkeypatch.setattr(machine.platform, "freedesktop_os_release", nothing)
    facts = machine.facts()
    assert facts["memory_gib"] is None
    assert facts["huge_pages"] is None
    assert facts["system"] == platform.system()
