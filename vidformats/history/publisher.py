"""What ``asv publish`` runs besides its own publishers: named in ``plugins`` of ``asv.conf.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asv.console import log
from asv.publishing import OutputPublisher


class WhichFormat(OutputPublisher):
    """The landing page and the interface, over the results that asv has just written."""

    name = "formats"
    button_label = "Which format?"
    description = "What each format costs, drawn from the results"

    @classmethod
    def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        """Write the pages into ``conf.html_dir``; asv calls this after its own publishers."""
        # Plugins are imported for every command of asv: what only pages need is imported here.
        from vidformats.history import site
        from vidformats.history.recordings import from_table, recordings

        folder, results = Path(conf.html_dir), Path(conf.results_dir)
        tables = [
            (path.stem, table)
            for path in sorted(Path("docs", "results").glob("table*.json"))
            for table in json.loads(path.read_text())
        ]
        drawn = _graphs(graphs)
        found = recordings(results)
        for one in found:
            one["graph"] = _place(drawn, one["machine"] | one["libraries"])
        found += [from_table(table, name) | {"graph": 0} for name, table in tables]
        log.info(f"{len(found)} recordings on the page")
        releases = site.published_releases(results)
        nav = site.navigation(releases, "history.html")
        site.install_interface(folder, list(benchmarks), Path(conf.repo), "history.html", nav)
        site.write_styles(folder)
        page = site.landing(found, [table for _, table in tables], site.navigation(releases, "index.html"))
        (folder / "index.html").write_text(page)


def _graphs(graphs: Any) -> list[dict[str, Any]]:
    """Return the parameters of every graph as asv will list them, by which the interface knows environments."""
    listed: list[dict[str, Any]] = []
    for _, graph in graphs:
        if "summary" not in graph.params and graph.params not in listed:
            listed.append(graph.params)
    return listed


def _place(drawn: list[dict[str, Any]], settings: dict[str, str]) -> int:
    for place, params in enumerate(drawn):
        if all(str(params.get(key)) == value for key, value in settings.items()):
            return place
    return 0
