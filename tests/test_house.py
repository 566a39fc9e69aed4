"""The house stands as docs/design.md draws it: every file is drawn, and imports go up the page only."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vidformats"
DRAWING = (ROOT / "docs" / "design.md").read_text().partition("vidformats/\n")[2].partition("```")[0]


def drawn():
    """Return the rooms in the order of the drawing, and every file in it, relative to the package."""
    rooms, files, room = [], [], ""
    for line in DRAWING.splitlines():
        if found := re.match(r"  (\w[\w/]*?)(/|\.py)\s+", line):
            name, kind = found.groups()
            rooms.append(name)
            room = f"{name}/" if kind == "/" else ""
            files += [] if room else [f"{name}.py"]
            line = line[found.end() :]
        files += [room + name for name in re.findall(r"\w+\.py\b", line)]
    return rooms, files


ROOMS, FILES = drawn()
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}


def imported(name):
    """Return the modules of ours that a module imports, those imported inside functions among them."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or ".suites" in name, f"{name}: expected absolute imports"
            base = node.module if not node.level else f"{name.rpartition('.')[0]}.{node.module}"
            whole = {f"{base}.{alias.name}" for alias in node.names}
            found |= {one if one in MODULES else base for one in whole}
    return found & MODULES.keys()


def room_of(module):
    """Return the room, drawn in a line of its own, that a module belongs to."""
    path = module.removeprefix("vidformats").removeprefix(".").replace(".", "/") or "__init__"
    return max((room for room in ROOMS if f"{path}/".startswith(f"{room}/")), key=len)


def test_the_house_stands_as_drawn():
    built = {str(path.relative_to(PACKAGE)) for path in MODULES.values()}
    kept = {name for name in built if not name.endswith("/__init__.py")}
    assert sorted(set(FILES) - built) == [], "drawn in docs/design.md, but not there"
    assert sorted(kept - set(FILES)) == [], "there, but not drawn in docs/design.md"


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_up_the_page_only(name):
    own = ROOMS.index(room_of(name))
    assert [other for other in sorted(imported(name)) if ROOMS.index(room_of(other)) > own] == []


def test_no_import_cycle():
    left = {name: imported(name) - {name} for name in MODULES}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}, "these import each other"
