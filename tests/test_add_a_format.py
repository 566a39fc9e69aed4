"""The package of docs/add-a-format.md, taken from the page as it stands, installed, and tested by its own tests."""

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from vidformats import registry

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-format.md").read_text()
FILES = dict(re.findall(r"^`(\S+\.(?:py|toml))`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lay out the page's package, installed: its metadata lies beside its module, as pip would leave it."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    info = folder / "zframes-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zframes\nVersion: 0.1.0\n")
    lines = FILES["pyproject.toml"].partition(f'[project.entry-points."{registry.GROUP}"]\n')[2].partition("\n\n")[0]
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{lines.replace(chr(34), '')}\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def installed(folder):
    """Let this process find the package for the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        registry._brought.cache_clear()
        yield
    registry._brought.cache_clear()
    sys.modules.pop("zframes", None)
    sys.modules.pop("rawframes", None)


TESTS = {}
exec(FILES["test_zframes.py"], TESTS)


class TestZframes(TESTS["TestZframes"]):
    pass


class TestRawFrames(TESTS["TestRawFrames"]):
    pass


def test_the_page_shows_every_file_of_the_package():
    listed = re.search(r"zframes/\n((?:  \S+\n)+)", PAGE)[1].split()
    assert listed == list(FILES) == ["pyproject.toml", "zframes.py", "rawframes.py", "test_zframes.py"]


def test_built_in_names_are_the_same_on_every_machine():
    assert "zframes" not in vf.formats()
    assert vf.formats(installed=True) == sorted([*vf.formats(), "rawframes", "zframes"])


def test_in_a_process_of_its_own_its_tests_pass(folder):
    """By the entry point alone: nothing of this process helps."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "round_trip or told"]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_extension_chooses_it_and_its_options_reach_it(tmp_path):
    video = np.zeros((9, 3, 8, 8), np.uint8)
    small, large = (vf.write(video, tmp_path / f"{level}.zf", level=level) for level in (9, 1))
    assert np.array_equal(vf.load(small), vf.load(large))
    assert repr(vf.get_format("zframes", level=1)) == "Zframes(name='zframes', level=1)"
    with pytest.raises(ValueError, match=r"zframes: level must be from 1 to 9, got 0"):
        vf.write(video, tmp_path / "x.zf", level=0)


@pytest.mark.parametrize(
    "claim",
    [
        '{"shape": [1, 9999999999], "dtype": "|u1"}',
        '{"shape": [1], "dtype": "|O"}',
        '{"shape": [Infinity], "dtype": "|u1"}',
        '{"shape": [1], "dtype": "(2,"}',
        '{"shape": [1' + 70 * ", 1" + '], "dtype": "|u1"}',
        '{"shape": [1], "dtype": "|u1"}',  # its only frame has no bytes
        '{"shape": ' + 9000 * "[",
        "[]",
    ],
)
def test_it_believes_no_claim(tmp_path, claim):
    path = tmp_path / "liar.zf"
    path.write_bytes(b"ZFRAMES\n" + (16).to_bytes(8, "little") + claim.encode() + b"\n" + bytes(16))
    with pytest.raises(vf.FormatError, match=r"liar\.zf"):
        vf.open(path)


# Packages that are at fault


def bring(monkeypatch, name, value):
    points = {name: EntryPoint(name, value, registry.GROUP)} if name not in registry.FORMATS else {}
    monkeypatch.setattr(registry, "_brought", lambda: points)


def test_a_sniff_that_fails_does_no_harm(tmp_path, monkeypatch):
    def sniff(self, head, names):
        raise IndexError("its own fault")

    faulty = type("Faulty", (importlib.import_module("zframes").Zframes,), {"sniff": sniff})
    monkeypatch.setattr(importlib.import_module("zframes"), "Faulty", faulty, raising=False)
    bring(monkeypatch, "faulty", "zframes:Faulty")
    (tmp_path / "a.unknown").write_bytes(b"nothing known")
    with pytest.warns(RuntimeWarning, match=r"faulty can't be asked: its sniff raised IndexError\('its own fault'\)"):
        assert vf.format_of(tmp_path / "a.unknown") == "binary"


def test_two_packages_with_one_extension_are_told(tmp_path, monkeypatch):
    points = {name: EntryPoint(name, "zframes:Zframes", registry.GROUP) for name in ("one", "two")}
    monkeypatch.setattr(registry, "_brought", lambda: points)
    with pytest.warns(RuntimeWarning, match=r"\.zf is the extension of one and two: one is taken; choose by format="):
        path = vf.write(np.zeros((3, 4)), tmp_path / "a.zf")
    vf.write(np.zeros((3, 4)), tmp_path / "b.zf", "two")
    assert vf.load(path, format="two").shape == (3, 4)


def test_limits_measure_it(tmp_path, folder):
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    command = "limits --format zframes --content natural --frames 40 --size 32 --rounds 1 --access every_4th"
    done = subprocess.run(
        [sys.executable, "-m", "vidformats", *command.split()], env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "zframes" in done.stdout


@pytest.mark.parametrize(
    "value", ["no_such_module:Thing", "json:no_such_name", "json:loads", "json.decoder:JSONDecoder"]
)
def test_a_package_at_fault_is_named_and_does_no_harm(tmp_path, monkeypatch, value):
    bring(monkeypatch, "broken", value)
    path = vf.write(np.zeros((3, 4)), tmp_path / "a.npy")
    assert vf.load(path).shape == (3, 4)
    (tmp_path / "a.unknown").write_bytes(b"nothing known")
    with pytest.warns(RuntimeWarning, match="format broken can't be used"):
        assert vf.format_of(tmp_path / "a.unknown") == "binary"
    with pytest.raises((ImportError, AttributeError, TypeError)):
        vf.get_format("broken")


def test_built_in_formats_are_asked_first(tmp_path, monkeypatch):
    greedy = type("Greedy", (importlib.import_module("zframes").Zframes,), {"sniff": lambda self, head, names: True})
    monkeypatch.setattr(importlib.import_module("zframes"), "Greedy", greedy, raising=False)
    bring(monkeypatch, "greedy", "zframes:Greedy")
    assert vf.format_of(vf.write(np.zeros((3, 4)), tmp_path / "a.npy")) == "npy"
    (tmp_path / "a.unknown").write_bytes(b"nothing known")
    assert vf.format_of(tmp_path / "a.unknown") == "greedy"


def test_a_built_in_name_stays_what_it_is(folder, monkeypatch):
    point = EntryPoint("npy", "zframes:Zframes", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [*entry_points(group=group), point])
    registry._brought.cache_clear()
    assert type(vf.get_format("npy")).__name__ == "Npy"
    assert "zframes" in vf.formats(installed=True)
    registry._brought.cache_clear()
