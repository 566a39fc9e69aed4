"""What the documents say is true: their commands and code run, their tables are current, their links lead somewhere.

``python -m tests.test_docs`` brings the table of ``docs/formats.md`` up to date.
"""

import doctest
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench.referee import results as referee
from vidformats.bench.report import limits, rivals, table, train
from vidformats.bench.report.document import replace_block
from vidformats.registry import FORMATS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

ELSEWHERE = {
    "docs/add-a-format.md": "its code is a package; tests/test_add_a_format.py runs it",
}
"""Documents whose Python is run by another test."""

SMALLER = [
    (r"^vidformats rivals\b", "--frames 48 --lines 32 --gop 4 --rounds 1", "the published sizes take minutes"),
    (r"^vidformats (table|limits)\b", "--frames 48 --size 32 --rounds 1", "the published size takes minutes"),
    (
        r"referee --install",
        "referee --clip gop1.mp4 --reader vidformats-pyav",
        "all clips and readers take half an hour",
    ),
    (r"(--content \w+ )+", "--content scene ", "the clip of the face may need a network; one content is enough"),
]
"""Pattern, what is put in its place (an option: at the end, where the last one counts), and why."""

DRY = [
    (r"^vidformats advise\b", "{0[0]} {0[1]} --help", "takes two minutes; tests/cli/test_advise.py runs it"),
    (r"^make \w+( \w+=\S+)*$", "make -n {0[1]}", "sets up environments and runs for minutes: only looked at"),
    (r"^git clone ", "true", "needs a network"),
    (r"^cd ", "true", "each command runs in a shell of its own"),
    (r"pip install ", "true", "changes the environment; the extras it names are checked"),
    (r"^python -m pytest test_zframes", "true", "tests/test_add_a_format.py lays out that package and runs its tests"),
    (r"^python examples/", "true", "needs torch; tests/test_examples.py runs it where that is installed"),
    (r"^python -m vidformats\.", "{0[0]} {0[1]} {0[2]} --help", "as for the examples; its options are checked"),
    (r"^sbatch ", "true", "tests/tools/test_cluster.py runs it with what does Slurm's work"),
    (r"--merge ", "vidformats convert --help", "needs what an array of jobs made; tests/tools/test_cluster.py runs it"),
    (r"--dask ", "vidformats convert --help", "needs a cluster; tests/tools/test_cluster.py starts one"),
    (r"^asv ", "{0[0]} {0[1]} --help", "takes minutes even when tiny; its options are checked"),
    (r"^vidformats record\b", "asv run --help", "its options are those of asv run"),
    (r"^vidformats (releases|compare|site)\b", "{0[0]} {0[1]} --help", "needs wheels or results; as for asv"),
]
"""Pattern, what is run in its place (of the command's words), and why."""


def fences(path):
    """Return language, number of the first line and text of each block of code."""
    found, text = [], path.read_text()
    for match in re.finditer(r"^( *)```(\w+)\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL):
        lines = (line.removeprefix(match[1]) for line in match[3].splitlines(keepends=True))
        found.append((match[2], text.count("\n", 0, match.start(3)) + 1, "".join(lines)))
    return found


def commands(path):
    """Return line and text of each command shown, continued lines put together."""
    found = []
    for language, line, text in fences(path):
        if language not in ("console", "bash", "sh"):
            continue
        for row in text.replace("\\\n", " ").splitlines():
            # In a console what begins with a prompt is typed, all else is answered.
            command = row.removeprefix("$ ") if row.startswith("$ ") or language != "console" else ""
            command = re.sub(r"\s+#.*", "", command).strip()
            if command and not command.startswith("#"):
                found.append((line, re.sub(r"\s+", " ", command)))
    return found


SHOWN = {command: (name, line) for name, path in zip(NAMES, DOCUMENTS, strict=True) for line, command in commands(path)}
COMMANDS = [(name, line, command) for command, (name, line) in SHOWN.items()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Make a folder in which a reader of the documents may sit: the repository, and some data."""
    folder = tmp_path_factory.mktemp("desk")
    settings = ("asv.conf.json", "pyproject.toml", "setup.cfg", "constraints.txt", "Makefile", ".ci")
    for name in ("tests", "benchmarks", "vidformats", *settings):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "README.md", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "docs" / "results").mkdir(exist_ok=True)
    program = folder / "bin" / "vidformats"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vidformats "$@"\n')
    program.chmod(0o755)
    video = np.random.default_rng(0).integers(0, 254, (96, 3, 32, 32), np.uint8)
    for name in ("video.npy", "video.mp4"):
        vf.write(video, folder / name)
    vf.write(video, folder / "frames", "jpg")
    (folder / "recordings").mkdir()
    for name in ("Ann_1", "Bo_1"):
        vf.write(video, folder / "recordings" / f"{name}.mp4", fps=25)
    return folder


def run(command, folder):
    """Run a command as typed in a shell; return its output, and fail with it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment["PATH"] = os.pathsep.join([f"{folder}/bin", str(Path(sys.executable).parent), environment["PATH"]])
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.timeout(320)  # a command measures many loads, each in a process of its own
@pytest.mark.skipif(os.name != "posix", reason="the documents show a POSIX shell")
@pytest.mark.parametrize(("document", "line", "command"), COMMANDS, ids=[f"{d}:{n} {c}" for d, n, c in COMMANDS])
def test_every_command_runs(document, line, command, desk):
    settings = r"^(\w+=\w+ )+"
    for pattern, instead, _ in DRY:
        if re.search(pattern, words := re.sub(settings, "", command)):
            said = run(instead.format(words.split()), desk)
            if "--help" in instead:
                assert [option for option in re.findall(r"--[\w-]+", command) if option not in said] == []
            for names in re.findall(r"vidformats\[([\w,]+)\]", command):
                assert set(names.split(",")) <= extras()
            return
    for pattern, instead, _ in SMALLER:
        if re.search(pattern, command):
            appended = instead.startswith("--frames")
            command = f"{command} {instead}" if appended else re.sub(pattern, instead, command)
    run(command, desk)


def extras():
    section = (ROOT / "setup.cfg").read_text().split("[options.extras_require]")[1].split("\n[")[0]
    return set(re.findall(r"^(\w+) =", section, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_piece_of_python_runs(name, desk, monkeypatch):
    """Block after block, in one namespace and folder, as a reader would type them."""
    if name in ELSEWHERE:
        pytest.skip(ELSEWHERE[name])
    monkeypatch.chdir(desk)
    space = {"__name__": "__main__"}
    for language, line, text in fences(ROOT / name):
        if language != "python":
            continue
        try:
            if text.startswith(">>>"):
                check_session(text, space, name, line)
            else:
                exec(compile("\n" * (line - 1) + text, name, "exec"), space)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] not in ("torch", "sklearn", "pandas", "dask"):
                raise
            pytest.skip(f"line {line} needs an extra that is not installed: {error.name}")


def check_session(text, space, name, line):
    test = doctest.DocTestParser().get_doctest(text, space, name, name, line - 1)
    failed = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, clear_globs=False).failed
    assert failed == 0, f"{name}:{line}: see what was printed"
    space.update(test.globs)


def slug(heading):
    """Return the anchor of a heading, as the usual sites make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    path, broken = ROOT / name, []
    prose = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(<?([^)>\s]+)>?\)", prose):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        goal = path.parent / target if target else path
        if not goal.exists():
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in map(slug, re.findall(r"^#+ (.*)", goal.read_text(), re.MULTILINE)):
            broken.append(f"{link}: no such heading")
    assert broken == []


def block(path, name):
    """Return what stands between a document's two marks."""
    text = path.read_text()
    assert f"<!-- {name} -->" in text, f"{path.name} has no block called {name}"
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- end {name} -->")[0]


@pytest.mark.parametrize(
    ("document", "name", "markdown"),
    [
        ("docs/results.md", "table", table.markdown),
        ("docs/limits.md", "limits", limits.markdown),
        ("docs/limits.md", "rivals", rivals.markdown),
        ("docs/training.md", "train", train.markdown),
    ],
)
def test_measured_figures_are_those_recorded(document, name, markdown):
    recorded = ROOT / "docs" / "results" / f"{name}.json"
    if name == "rivals" and not recorded.exists():
        assert not block(ROOT / document, name)  # not recorded yet
        return
    assert recorded.exists(), f"{document} shows figures of a measurement: record it in docs/results/{name}.json"
    results = json.loads(recorded.read_text())
    assert block(ROOT / document, name) == "\n".join(map(markdown, results))


def test_the_verdict_on_readers_is_that_recorded():
    found = json.loads((ROOT / "docs" / "results" / "referee.json").read_text())
    page = ROOT / "docs" / "referee.md"
    assert block(page, "referee") == referee.markdown(found)
    assert block(page, "referee-answer") == referee.answer(found)
    lines = referee.summary(found)
    wrong, clips = sum(bool(line["wrong"]) for line in lines), max(line["clips"] for line in lines)
    told = f"{wrong} of {len(lines)} ways of reading video return wrong frames on some of {clips} awkward clips"
    assert told in " ".join((ROOT / "README.md").read_text().split())
    assert [line["reader"] for line in lines if not line["wrong"] + line["refused"]] == ["vidformats-pyav"]


def test_the_readme_opens_with_the_answer():
    opening, _, rest = (ROOT / "README.md").read_text().partition("\n## ")
    assert re.search(r"^Store what you read often as `\w+`\.", opening, re.MULTILINE)
    assert len(re.findall(r"!\[[^]]+\]\(docs/results/table\.png\)", opening)) == 1
    headings = re.findall(r"^## (.*)", f"## {rest}", re.MULTILINE)
    assert headings == ["Install", "Use", "Measure it on your machine", "More"]
    code, loop = [text for language, _, text in fences(ROOT / "README.md") if language == "python"]
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 10
    assert "mp4" in lines[1], "it starts from the user's own video"
    assert "vf.convert(" in loop
    assert "DataLoader(" in loop, "from a folder of videos to a training loop"


@pytest.mark.parametrize("name", NAMES)
def test_no_table_is_wider_than_a_page(name):
    heads = re.findall(r"^\|.*\|$(?=\n\| ---)", (ROOT / name).read_text(), re.MULTILINE)
    limit = 11 if name == "docs/releases.md" else 7  # there, one narrow column per release
    assert [head for head in heads if head.count("|") - 1 > limit] == []


def formats_table():
    """Return the table of formats as the registry has it."""
    lines = ["| name | file | what it is | needs |", "| --- | --- | --- | --- |"]
    for name in vf.formats():
        row = FORMATS[name]
        needs = f"`vidformats[{row.extra}]`" if row.extra else ""
        lines.append(f"| `{name}` | {f'`{row.suffix}`' if row.suffix else 'folder'} | {row.about} | {needs} |")
    return "\n".join(lines)


def test_the_table_of_formats_is_current():
    assert block(ROOT / "docs" / "formats.md", "formats") == formats_table(), "python -m tests.test_docs cures it"


def test_every_format_is_described():
    described = re.findall(r"^## (.*)", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE)
    named = {name for heading in described for name in re.findall(r"`(\w+)`", heading)}
    assert named == set(vf.formats())


MODULES = ["vidformats", *(info.name for info in pkgutil.walk_packages(vf.__path__, "vidformats."))]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"an extra is not installed: {error}")
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in finder.find(module, name):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


if __name__ == "__main__":
    page = Path("docs/formats.md")
    page.write_text(replace_block(page.read_text(), "formats", formats_table()))
