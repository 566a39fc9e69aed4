"""The pages around asv's: which format to choose, drawn from the results, and one navigation over all of them."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import click

from vidformats.bench.published import ROWS
from vidformats.bench.report import table as report
from vidformats.bench.report.document import machine_line
from vidformats.history.recordings import COLUMNS, from_table, recordings
from vidformats.history.releases import LIBRARIES, generate
from vidformats.history.runner import run_asv

_PAGE = resources.files("vidformats.history") / "page"
_SCRIPT_END = re.compile(r"<(?=/script|!--)", re.IGNORECASE)


def published_releases(results: Path) -> list[str]:
    """Return the libraries whose releases are recorded beside a folder of results."""
    return sorted(path.parent.parent.name for path in results.parent.glob("releases/*/results/benchmarks.json"))


def navigation(releases: Iterable[str], current: str, root: str = "", alone: bool = False) -> str:
    """Return the navigation that every page begins with.

    Parameters
    ----------
    releases : iterable of str
        Libraries whose histories are published, each in ``releases/<library>``.
    current : str
        The address of this page, seen from the site's root.
    root : str
        The way from this page to the root.
    alone : bool
        There are no other pages than asv's: a library's history by itself.
    """
    pages = [
        (f"{root}index.html", "Which format?"),
        (f"{root}history.html", "History"),
        (f"{root}history.html#view=regressions", "Regressions"),
        *((f"{root}releases/{library}/index.html", f"{library} releases") for library in releases),
    ]
    links = [
        f'<a href="{address}"{" aria-current=page" if address == root + current else ""}>{html.escape(title)}</a>'
        for address, title in ([("index.html", "History")] if alone else pages)
    ]
    return f'<nav class="site-nav" aria-label="Site"><strong>vidformats</strong>{"".join(links)}</nav>'


def publish(folder: Path, config: str) -> Path:
    """Write the whole site: the landing page, the history of this project, and those of recorded libraries.

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
    libraries = published_releases(results)
    nav = navigation(libraries, "history.html")
    _publish(folder, html_dir, folder / conf.repo, "history.html", nav, options=[f"--config={config}"])
    index = json.loads((html_dir / "index.json").read_text())
    tables = _tables(folder)
    found = recordings(results)
    for one in found:
        one["graph"] = _place(index["graph_param_list"], one["machine"] | one["libraries"])
    found += [from_table(table, name) | {"graph": 0} for name, table in tables]
    page = landing(found, [table for _, table in tables], navigation(libraries, "index.html"))
    (html_dir / "index.html").write_text(page)
    for name in libraries:
        source = results.parent / "releases" / name
        generate(LIBRARIES[name], source, LIBRARIES[name].releases)
        page_name = f"releases/{name}/index.html"
        nav = navigation(libraries, page_name, "../../")
        publish_releases(name, source, html_dir / "releases" / name, nav, "../../")
    return html_dir


def publish_releases(name: str, folder: Path, html_dir: Path, nav: str, root: str = "") -> None:
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
    root : str
        The way from `html_dir` to the site's root.
    """
    options = [f"--html-dir={html_dir.absolute()}"]
    _publish(folder, html_dir, folder / "repository.git", "index.html", nav, root, options)


def _publish(
    folder: Path, html_dir: Path, repository: Path, name: str, nav: str, root: str = "", options: Iterable[str] = ()
) -> None:
    """Run ``asv publish`` and ``asv-tachyon install``, and give the page its name, our navigation and our style."""
    if run_asv(["publish", "--no-pull", *options], folder):
        raise click.ClickException("asv publish failed")
    subprocess.run([sys.executable, "-m", "asv_tachyon", "install", "--no-backup", str(html_dir)], check=True)
    index = html_dir / "index.html"
    page = index.read_text()
    for mark, ours in (
        ("<title>asv · tachyon</title>", "<title>History · vidformats</title>"),
        ("</head>", f'<link rel="stylesheet" href="{root}site.css"></head>'),
        ("<body>", f"<body>{nav}"),
    ):
        if mark not in page:
            raise RuntimeError(f"the page of asv-tachyon has no {mark}: another version than the one known here")
        page = page.replace(mark, ours)
    index.unlink()
    (html_dir / name).write_text(page)
    (html_dir / root / "site.css").write_text(_text("site.css"))
    _complete(html_dir, repository)


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


def _tables(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return what ``vidformats table --json`` measured, with the name of its file."""
    paths = sorted((folder / "docs" / "results").glob("table*.json"))
    return [(path.stem, table) for path in paths for table in json.loads(path.read_text())]


def _place(drawn: list[dict[str, Any]], settings: dict[str, str]) -> int:
    """Return the place of an environment among those that the interface lists."""
    for place, params in enumerate(drawn):
        if all(str(params.get(key)) == value for key, value in settings.items()):
            return place
    return 0


def _subjects(repository: Path) -> dict[str, str]:
    command = ["git", "-C", str(repository), "log", "--all", "--format=%H %s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {line[:40]: line[41:] for line in done.stdout.splitlines()}


def landing(recordings: list[dict[str, Any]], tables: list[dict[str, Any]], nav: str) -> str:
    """Return the page that answers which format to choose.

    Parameters
    ----------
    recordings : list of dict
        As `vidformats.history.recordings.recordings` returns them, each with ``graph``, the place of its
        environment among the graphs of the history.
    tables : list of dict
        What ``vidformats table --json`` wrote.
    nav : str
        As `navigation` returns it.

    Returns
    -------
    page : str
        HTML that asks nothing of any other address: data, chart and scripts are in it.
    """
    published = _published(tables)
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


def _published(tables: list[dict[str, Any]]) -> str:
    """Return what was measured beside the published figures, or those alone."""
    parts = []
    for place, measured in enumerate(tables):
        parts.append(f"<h2>What you get: {html.escape(measured['content'])}</h2>")
        caption = f"{report.title(measured)}. {report.NOTE} {machine_line(measured)}"
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
