"""The pages around asv's: which format to choose, drawn from the results, and one navigation over all of them."""

from __future__ import annotations

import functools
import html
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

import click

from vidformats.bench.published import ROWS
from vidformats.bench.report import answers
from vidformats.bench.report import table as report
from vidformats.bench.report.document import machine_line
from vidformats.history.readers import readers_page
from vidformats.history.recordings import COLUMNS, from_table, recordings
from vidformats.history.releases import LIBRARIES, generate
from vidformats.history.runner import run_asv

LOCAL = "local"
"""The machine's name in results of ``make bench``."""

MEMORY_FLOOR = 1e6
"""Bytes: smaller changes of a peak are pages that the allocator happened to touch."""

MEASURED = {
    "reads": "CPU milliseconds of one read by the library itself; <em>param</em> is the access, such as a slice.",
    "frames": "Frames of 40 asked for whose picture is another one (wrong) or that raised an error (refused), by clip.",
}
"""What the suites of a library's releases measure."""

_PAGE = resources.files("vidformats.history") / "page"
_SCRIPT_END = re.compile(r"<(?=/script|!--)", re.IGNORECASE)


def published_releases(results: Path) -> list[str]:
    """Return the libraries whose releases are recorded beside a folder of results."""
    return sorted(path.parent.parent.name for path in results.parent.glob("releases/*/results/benchmarks.json"))


def navigation(
    releases: Iterable[str], current: str, root: str = "", documents: bool = False, readers: bool = False
) -> str:
    """Return the navigation that every page begins with, and the link that skips it.

    Parameters
    ----------
    releases : iterable of str
        Libraries whose histories are published, each in ``releases/<library>``.
    current : str
        The address of this page, relative to the site's root.
    root : str
        The way from this page to the root.
    documents, readers : bool
        Whether the documents, and the page on readers of video, are on the site.
    """
    pages = [
        ("index.html", "Which format?"),
        *[("readers.html", "Which reader?")] * readers,
        ("history.html", "History"),
        ("history.html#view=regressions", "Regressions"),
        *((f"releases/{library}/index.html", f"{library} releases") for library in releases),
        *[("docs/index.html", "Documents")] * documents,
    ]
    links = [
        f'<a href="{root}{address}"{" aria-current=page" if address == current else ""}>{html.escape(title)}</a>'
        for address, title in pages
    ]
    skip = '<a class="skip" href="#main">Skip to the content</a>'
    return f'{skip}<nav class="site-nav" aria-label="Site"><strong>vidformats</strong>{"".join(links)}</nav>'


def publish(folder: Path, config: str) -> Path:
    """Write the whole site: landing page, history, histories of recorded libraries, and documents.

    Parameters
    ----------
    folder : Path
        The folder of asv's configuration.
    config : str
        The configuration's name.

    Returns
    -------
    html_dir : Path
        Where the pages are.
    """
    from asv.config import Config

    conf = Config.load(str(folder / config))
    html_dir, results = folder / conf.html_dir, folder / conf.results_dir
    libraries, documents = published_releases(results), sorted((folder / "docs").glob("*.md"))
    referee = folder / "docs" / "results" / "referee.json"
    nav = functools.partial(navigation, libraries, documents=bool(documents), readers=referee.exists())

    _asv_publish(folder, html_dir, folder / conf.repo, [f"--config={config}"])
    drawn = json.loads((html_dir / "index.json").read_text())["graph_param_list"]
    recorded = recordings(results)
    for one in recorded:
        one["graph"] = _query(drawn, one["machine"] | one["libraries"])
    (html_dir / "site.css").write_text(_text("site.css"))
    _dress(html_dir, "history.html", nav("history.html"), _text("history.html"), start=_fullest(recorded))

    mine, theirs = _tables(folder / ".asv" / "local", "measured here"), _tables(folder / "docs" / "results", "recorded")
    # What was measured on this machine comes first: `make bench` records it under the name "local".
    recorded.sort(key=lambda one: one["machine"].get("machine") != LOCAL)
    found = [*(from_table(*table) for table in mine), *recorded, *(from_table(*table) for table in theirs)]
    whose = "Measured on this machine." if mine else "Recorded by the authors of vidformats; make bench measures yours."
    limits = folder / "docs" / "results" / "limits.json"
    best = answers.rows(json.loads(limits.read_text())) if limits.exists() else []
    (html_dir / "index.html").write_text(
        landing(found, [table for table, _ in mine or theirs], nav("index.html"), whose, best)
    )

    if referee.exists():
        (html_dir / "readers.html").write_text(readers_page(json.loads(referee.read_text()), nav("readers.html")))
    for name in libraries:
        source, page = results.parent / "releases" / name, f"releases/{name}/index.html"
        generate(LIBRARIES[name], source, LIBRARIES[name].releases)
        found_here = _finding(folder / "docs" / "releases.md", LIBRARIES[name].title)
        publish_releases(name, source, html_dir / "releases" / name, nav(page, "../../"), found_here, "../../")
    if documents:
        write_documents(folder, html_dir / "docs", functools.partial(nav, root="../"))
    return html_dir


def publish_releases(name: str, folder: Path, html_dir: Path, nav: str = "", finding: str = "", root: str = "") -> None:
    """Write the pages of a library's history.

    Parameters
    ----------
    name : str
        The library.
    folder : Path
        As `vidformats.history.releases.generate` made it, with results.
    html_dir : Path
        Gets the pages.
    nav : str
        As `navigation` returns it.
    finding : str
        What the history shows, in a sentence.
    root : str
        The way from `html_dir` to the site's root, where ``site.css`` is.
    """
    _asv_publish(folder, html_dir, folder / "repository.git", [f"--html-dir={html_dir.absolute()}"])
    (html_dir / root / "site.css").write_text(_text("site.css"))
    measured = " ".join(MEASURED["frames" if suite == "frames" else "reads"] for suite in LIBRARIES[name].suites)
    about = Template(_text("releases.html")).substitute(
        library=html.escape(name), finding=html.escape(finding), measured=measured
    )
    _dress(html_dir, "index.html", nav, about, root)


def _asv_publish(folder: Path, html_dir: Path, repository: Path, options: Iterable[str]) -> None:
    """Run ``asv publish`` and ``asv-tachyon install``, and keep noise out of the list of regressions."""
    if run_asv(["publish", "--no-pull", *options], folder):
        raise click.ClickException("asv publish failed")
    subprocess.run([sys.executable, "-m", "asv_tachyon", "install", "--no-backup", str(html_dir)], check=True)
    _complete(html_dir, repository)
    path = html_dir / "regressions.json"
    found = json.loads(path.read_text())
    found["regressions"] = [one for one in found["regressions"] if _counts(one)]
    path.write_text(json.dumps(found))


def _counts(regression: list[Any]) -> bool:
    """Tell whether a regression counts: not in code that never changes, and not below a megabyte of memory."""
    name, _, _, _, now, best, *_ = regression
    if name.startswith(("formats.Published.", "formats.Baseline.")):
        return False
    return "mem" not in name.rpartition(".")[2] or abs(now - best) >= MEMORY_FLOOR


def _dress(html_dir: Path, name: str, nav: str, about: str, root: str = "", start: str = "") -> None:
    """Give the interface's page its name, our navigation, a word on what it shows, and the address it opens with."""
    index = html_dir / "index.html"
    page = index.read_text()
    opening = f"<script>if (location.hash.length < 2) history.replaceState(null, '', '#view=overview&{start}')</script>"
    for mark, ours in (
        ("<title>asv · tachyon</title>", "<title>History · vidformats</title>"),
        ("</head>", f'<link rel="stylesheet" href="{root}site.css">{opening if start else ""}</head>'),
        ("<body>", f'<body class="history">{nav}<main id="main" tabindex="-1">{about}'),
        ("</body>", f"</main><script>{_text('history.js')}</script></body>"),
    ):
        if mark not in page:
            raise RuntimeError(f"expected {mark} in the page of asv-tachyon, which must be another version")
        page = page.replace(mark, ours)
    index.unlink()
    (html_dir / name).write_text(page)


def write_documents(folder: Path, target: Path, nav: Callable[[str], str]) -> None:
    """Write the README and the documents as pages.

    Parameters
    ----------
    folder : Path
        The repository.
    target : Path
        Gets the pages and the pictures in them.
    nav : callable
        From the address of a page to its navigation.
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    sources = {"README": folder / "README.md", **{path.stem: path for path in (folder / "docs").glob("*.md")}}
    (target / "results").mkdir(parents=True, exist_ok=True)
    for picture in (folder / "docs" / "results").glob("*.png"):
        shutil.copyfile(picture, target / "results" / picture.name)
    for name, path in sources.items():
        if not path.exists():
            continue
        body = reader.render(path.read_text())
        body = re.sub(r"<h([1-6])>(.*?)</h\1>", lambda h: f'<h{h[1]} id="{_anchor(h[2])}">{h[2]}</h{h[1]}>', body)
        body = re.sub(
            r'<a href="([^"]*)">(.*?)</a>', lambda link: _link(link[1], link[2], sources), body, flags=re.DOTALL
        )
        body = body.replace('src="docs/results/', 'src="results/')
        body = body.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>')
        body = body.replace("</table>", "</table></div>")
        body = body.replace("<pre>", '<pre tabindex="0">')  # long lines scroll, by keyboard too
        title = re.sub(r"<[^>]+>", "", (re.search(r"<h1[^>]*>(.*?)</h1>", body) or ["", name])[1])
        page = Template(_text("document.html")).substitute(
            title=title, style=_text("which.css"), nav=nav(f"docs/{name}.html"), body=body
        )
        (target / f"{name}.html").write_text(page)


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as the usual sites make it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]+>", "", heading).strip().lower()).replace(" ", "-")


def _link(address: str, text: str, sources: Mapping[str, Path]) -> str:
    """Return a link between documents as one between pages; what is not on the site is text."""
    target, _, anchor = address.partition("#")
    if "://" in address or not target:
        return f'<a href="{address}">{text}</a>'
    stem = Path(target).stem
    if not target.endswith(".md") or stem not in sources:
        return text
    return f'<a href="{stem}.html{"#" * bool(anchor)}{anchor}">{text}</a>'


def _finding(document: Path, title: str) -> str:
    """Return the sentence on a library with which the findings in a document begin."""
    if not document.exists():
        return ""
    found = re.search(rf"^\*\*{re.escape(title)}\.\*\* (.*?)(?=\n\n)", document.read_text(), re.MULTILINE | re.DOTALL)
    return " ".join(found[1].replace("`", "").split()) if found else ""


def _complete(html_dir: Path, repository: Path) -> None:
    """Write the files that the interface asks for and asv does not write: each is an error in the browser's console."""
    benchmarks = json.loads((html_dir / "index.json").read_text())["benchmarks"]
    (html_dir / "commits.json").write_text(json.dumps({"by_hash": _subjects(repository)}))
    (html_dir / "profiles.json").write_text("{}")
    (html_dir / "regressions-ignore.json").write_text("[]")
    graphs = html_dir / "graphs"
    drawn = {graph.parent for graph in graphs.rglob("*.json")}
    for graph in [folder / f"{benchmark}.json" for folder in drawn for benchmark in benchmarks]:
        if not graph.exists():
            graph.write_text("[]")
        samples = html_dir / "samples" / graph.relative_to(graphs)
        samples.parent.mkdir(parents=True, exist_ok=True)
        samples.write_text("{}")


def _tables(folder: Path, name: str) -> list[tuple[dict[str, Any], str]]:
    """Return what ``vidformats table --json`` wrote into a folder, each with a name for where it comes from."""
    return [(table, name) for path in sorted(folder.glob("table*.json")) for table in json.loads(path.read_text())]


def _query(drawn: list[dict[str, Any]], settings: dict[str, str]) -> str:
    """Return the interface's address of an environment, such as ``machine=a&f-h5py=3.16.0``; nothing if it has none."""
    for params in drawn:
        if all(str(params.get(key)) == value for key, value in settings.items()):
            own = ("machine", "branch", "python")
            return urlencode({key if key in own else f"f-{key}": value for key, value in params.items() if value})
    return ""


def _fullest(recorded: list[dict[str, Any]]) -> str:
    """Return the environment with the most results, those of this machine before all others."""
    counts: Counter[tuple[bool, str]] = Counter()
    for one in recorded:
        counts[one["machine"].get("machine") == LOCAL, one["graph"]] += len(one["rows"])
    return max(counts, key=lambda key: (key[0], counts[key]), default=(False, ""))[1]


def _subjects(repository: Path) -> dict[str, str]:
    command = ["git", "-C", str(repository), "log", "--all", "--format=%H %s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {line[:40]: line[41:] for line in done.stdout.splitlines()}


def landing(
    recordings: list[dict[str, Any]],
    tables: list[dict[str, Any]],
    nav: str,
    whose: str = "",
    best: list[list[str]] | None = None,
) -> str:
    """Return the page that answers which format to choose.

    Parameters
    ----------
    recordings : list of dict
        As `vidformats.history.recordings.recordings` returns them, those of a graph with ``graph``, the address of
        their environment in the history. The first is shown first.
    tables : list of dict
        What ``vidformats table --json`` wrote.
    nav : str
        As `navigation` returns it.
    whose : str
        Who measured the tables.
    best : list of list of str, optional
        As `vidformats.bench.report.answers.rows` returns them.

    Returns
    -------
    page : str
        HTML that makes no request: data, chart and scripts are in it.
    """
    published = _published(tables, whose)
    if best:
        caption = "Frames per second and MB on disk, recorded by the authors of vidformats; = joins ties."
        published = (
            "<h2>By content, frame size and access</h2>"
            + _html_table("answers", caption, answers.COLUMNS, best)
            + published
        )
    if not recordings:
        body, scripts = Template(_text("empty.html")).substitute(published=published), ""
    else:
        body = Template(_text("body.html")).substitute(published=published)
        data = {"columns": COLUMNS, "recordings": _labelled(recordings), "chart": _chart()}
        held = _SCRIPT_END.sub(r"\\u003c", json.dumps(data, separators=(",", ":")))
        scripts = f'<script type="application/json" id="measurements">{held}</script>\n<script>{_bundle()}</script>'
    return Template(_text("which.html")).substitute(style=_text("which.css"), nav=nav, body=body, scripts=scripts)


def _text(name: str) -> str:
    return (_PAGE / name).read_text()


def _labelled(recordings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name each recording by its day, its commit and what tells its environment and machine from the others."""
    settings = [
        one["libraries"] | {"machine": one["machine"].get("machine", "")} for one in recordings if one["commit"]
    ]
    varied = {key for found in settings for key in found if len({other.get(key) for other in settings}) > 1}
    labelled = []
    for one in recordings:
        own = one["libraries"] | {"machine": one["machine"].get("machine", "")}
        told = [f"{key} {own[key]}" for key in sorted(varied & own.keys())] if one["commit"] else []
        labelled.append(one | {"label": " · ".join(filter(None, [one["date"], one["commit"][:8], *told]))})
    return labelled


def _chart() -> dict[str, Any]:
    """Return the scatter of time against disk as Vega-Lite; the page fills its two data sets."""
    import altair as alt

    points = alt.Chart(alt.Data(name="points"))
    axes = {
        "x": alt.X("seconds:Q").scale(type="log", nice=False, padding=24).axis(_ticks(1e3)).title("time to load, ms"),
        "y": alt.Y("disk:Q").scale(type="log", nice=False, padding=24).axis(_ticks(1e-6)).title("disk, MB"),
    }
    tooltip = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (
            ("name", "format"),
            ("way", "way"),
            ("time", "time"),
            ("spread", "quartiles"),
            ("size", "disk"),
            ("peak", "memory"),
        )
    ]
    colour = (
        alt.Color("way:N").scale(domain=["ours", "published"], range=["var(--ours)", "var(--published)"]).legend(None)
    )
    shape = alt.Shape("way:N").scale(domain=["ours", "published"], range=["circle", "square"]).legend(None)
    marked = {"color": colour, "shape": shape, "tooltip": tooltip, "href": "href:N", **axes}
    full = alt.condition("datum.inside", alt.value(1), alt.value(0))
    front = points.transform_filter("datum.front").mark_line(strokeDash=[5, 3], color="var(--front)", strokeWidth=1.5)
    layers = [
        front.encode(**axes, order="seconds:Q"),
        points.mark_point(size=110, filled=False, cursor="pointer").encode(**marked),
        points.mark_point(size=110, filled=True, cursor="pointer").encode(opacity=full, **marked),
        alt.Chart(alt.Data(name="labels"))
        .mark_text(fontSize=12, baseline="middle")
        .encode(text="name:N", x=alt.X("x:Q").scale(None).axis(None), y=alt.Y("y:Q").scale(None).axis(None)),
    ]
    chart = alt.layer(*layers).properties(width="container", height=420, background="transparent")
    config = chart.configure(font="system-ui, sans-serif", autosize=alt.AutoSizeParams(type="fit", contains="padding"))
    return config.configure_view(stroke=None).configure_axis(labelFontSize=12, titleFontSize=13).to_dict()


def _ticks(factor: float) -> Any:
    """Return an axis that tells 1, 2 and 5 of each decade, in a unit of which `factor` make one of the data's."""
    import altair as alt

    told = "test(/^[125]/, format(datum.value, '.0e'))"
    return alt.Axis(
        labelExpr=f"{told} ? format(datum.value * {factor}, '~g') : ''",
        labelOverlap="greedy",
        labelSeparation=6,
        gridOpacity={"condition": {"test": told, "value": 1}, "value": 0},
        tickOpacity={"condition": {"test": told, "value": 1}, "value": 0},
    )


def _bundle() -> str:
    """Return Vega, Vega-Lite, Vega-Embed and the page's own script as one."""
    import altair as alt
    import vl_convert

    version = "v" + ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return _SCRIPT_END.sub(r"\\x3c", vl_convert.javascript_bundle(_text("which.js"), vl_version=version))


def _published(tables: list[dict[str, Any]], whose: str) -> str:
    """Return what was measured beside the published figures, or those alone."""
    parts = []
    for place, measured in enumerate(tables):
        parts.append(f"<h2>What you get: {html.escape(measured['content'])}</h2>")
        caption = f"{whose} {report.title(measured)}. {report.NOTE} {machine_line(measured)}"
        parts.append(_html_table(f"yours-{place}", caption, report.YOURS, report.yours(measured)))
    if tables:
        caption = "The published figures, and the same code on the machine above, as it returns: a view is not a load."
        columns, rows = list(report.THEIRS), report.theirs(tables[0])
    else:
        caption, columns = "Figures as published; vidformats table measures them again.", list(report.THEIRS[:4])
        rows = [[row.label, f"{1e3 * row.time:.0f}", f"{row.memory:.0f}", f"{row.disk:.0f}"] for row in ROWS]
    parts.append('<h2 id="published">What was published</h2>' + _html_table("theirs", caption, columns, rows))
    return "\n".join(parts)


def _html_table(name: str, caption: str, columns: Iterable[str], rows: list[list[str]]) -> str:
    """Return a table whose first column heads the rows; cells that are not figures are set as text."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>{"".join(map(_cell, rest))}</tr>' for first, *rest in rows
    )
    return (
        f'<p class="quiet" id="{name}">{html.escape(caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{name}">'
        f'<table aria-labelledby="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(text: str) -> str:
    kind = "" if not text or text[0].isdigit() or text == "-" else "text"
    return f'<td class="{kind}">{html.escape(text)}</td>'
