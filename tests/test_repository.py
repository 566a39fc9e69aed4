"""What the repository must not hold, and what each of its files must have."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import socket
import subprocess
from pathlib import Path

import pytest

import vidformats

ROOT = Path(__file__).parents[1]
LARGEST = 1_000_000


def _tracked():
    if not (ROOT / ".git").exists():
        return []
    # What is not committed yet counts too, unless git ignores it.
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(path for name in names if name and (path := ROOT / name).is_file())


TRACKED = _tracked()
TEXTS = [path for path in TRACKED if path.suffix not in (".png", ".gz")]

needs_git = pytest.mark.skipif(not TRACKED, reason="which files belong to the repository only git tells")


def lines_with(pattern, paths):
    """Return ``file:line: text`` wherever `pattern` is found."""
    search = re.compile(pattern).search
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:160]}"
        for path in paths
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if search(line)
    ]


@needs_git
def test_no_path_of_a_machine():
    # Where a test needs such a path, it invents one: /home/x.
    home = r"""(?<![\w.~/])/(?:root|work|Users|home/(?!x\b)\w+)(?:/|\b)(?!/?[*<])"""
    assert lines_with(home + r"|(?<!\w)[A-Z]:\\\w", TEXTS) == []


@needs_git
def test_no_name_of_this_machine_or_its_user():
    host = socket.gethostname()
    # An ordinary word may stand in prose; in results and settings no name has a place.
    paths = TEXTS if re.search(r"[\d.-]", host) else [p for p in TEXTS if p.suffix in (".json", ".csv", ".cfg")]
    assert lines_with(rf"(?<![\w-]){re.escape(host)}(?![\w-])", paths) == []
    home = Path.home()
    # A home that is the root, or a folder in it that all systems have, names nobody.
    if len(home.parts) > 2:
        assert lines_with(rf"(?<![\w/]){re.escape(str(home))}(?![\w-])", TEXTS) == []


@needs_git
@pytest.mark.parametrize("home", ["/", "/nonexistent", "/home/x"])
def test_the_search_for_names_holds_for_any_home(home, monkeypatch):
    monkeypatch.setenv("HOME", home)
    if home == "/home/x":  # the one that tests invent
        with pytest.raises(AssertionError):
            test_no_name_of_this_machine_or_its_user()
    else:
        test_no_name_of_this_machine_or_its_user()


@needs_git
def test_no_address_of_a_package_registry():
    hosts = r"pypi[.]org|pypi[.]python[.]org|pythonhosted[.]org|anaconda[.]org|registry[.]npmjs|proxy[.]golang"
    assert lines_with(hosts + r"|--(extra-)?index-[u]rl|PIP_(EXTRA_)?INDEX_[U]RL", TEXTS) == []


@needs_git
def test_no_large_file_and_no_video():
    assert [str(p.relative_to(ROOT)) for p in TRACKED if p.stat().st_size > LARGEST] == []
    media = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".whl", ".npy", ".h5", ".mat")
    assert [str(p.relative_to(ROOT)) for p in TRACKED if p.suffix in media] == []


@needs_git
def test_results_name_no_machine_but_by_its_size():
    for path in (p for p in TRACKED if p.name == "machine.json"):
        assert json.loads(path.read_text())["machine"] in (path.parent.name, "local"), path


def test_no_guard_is_lost_under_python_O():
    """``python -O`` drops every assert; only the tests that others inherit may have some."""
    package = ROOT / "vidformats"
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in package.rglob("*.py")
        if package / "testing" not in path.parents
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    }
    assert found == set()


def modules():
    return [info.name for info in pkgutil.walk_packages(vidformats.__path__, "vidformats.")]


@pytest.mark.parametrize("name", modules())
def test_every_public_name_is_explained(name):
    if ".suites." in name:
        pytest.skip("benchmarks are named for what they measure; asv shows no more")
    if ".referee.readers." in name:
        pytest.skip("what the methods of an adapter do is said once, for all of them")
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"an extra is not installed: {error}")
    bare = [] if inspect.getdoc(module) else [name]
    for key, item in vars(module).items():
        if key.startswith("_") or getattr(item, "__module__", None) != name:
            continue
        if inspect.isclass(item):
            bare += [f"{key}.{k}" for k in public_methods(item) if not inspect.getdoc(getattr(item, k))]
        if (inspect.isclass(item) or inspect.isroutine(item)) and not getattr(item, "__doc__", None):
            bare.append(key)
    assert bare == []


def public_methods(cls):
    kinds = (property, staticmethod, classmethod)
    return [
        k for k, v in vars(cls).items() if not k.startswith("_") and (inspect.isfunction(v) or isinstance(v, kinds))
    ]


def test_the_changelog_knows_this_version():
    headings = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]?", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == vidformats.__version__


def test_the_citation_knows_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {vidformats.__version__}\n" in text
    assert "name: The vidformats developers" in text
