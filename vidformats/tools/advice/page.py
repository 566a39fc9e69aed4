"""The report as one HTML file, which needs nothing else: the answer, the Pareto picture, the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from vidformats.tools.advice.decide import Result, figure, frontier, rate, size
from vidformats.tools.advice.report import COLUMNS, Advice, about, notes, rows, sentence

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --paper: #fff; --line: #d8d8d8; --fit: #0b6fb8;
  --miss: #9a9a9a; --best: #b5500f; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --soft: #a8a8a8; --paper: #161616; --line: #3a3a3a;
  --fit: #6db6ee; --miss: #7a7a7a; --best: #f2a064; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.answer { font-size: 1.15rem; } .soft { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper);
  white-space: normal; min-width: 7rem; } td:last-child { text-align: left; }
tr.advised td { font-weight: 600; color: var(--best); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); font-size: 12px; } svg line, svg polyline { stroke: var(--line); fill: none; }
svg polyline { stroke: var(--soft); stroke-dasharray: 4 3; } svg .fit { fill: var(--fit); stroke: var(--fit); }
svg .miss { fill: var(--miss); stroke: var(--miss); } svg .best { fill: var(--best); stroke: var(--best); }
svg .bar { stroke-width: 1.5; } pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); }
"""

WIDTH, HEIGHT = 640, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 44


def page(advice: Advice) -> str:
    """Return the report: one file, light or dark as the reader's system is, readable on a phone."""
    told = [line for line in notes(advice) if not line.startswith("Convert")]
    command = f"<h2>Do it</h2><pre>{escape(advice.command)}</pre>" if advice.command else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>vidformats advise</title><style>{STYLE}</style></head><body>
<h1>Which format for these videos?</h1>
<p class="answer">{escape(sentence(advice))}</p>
<p class="soft">{escape(about(advice))}</p>
{command}
<h2>Disk and speed</h2>
{picture(advice)}
<p class="soft">Right and low is better. Blue fulfils what was asked, grey does not; bars are intervals. No other
candidate beats those on the dashed line in both.</p>
<h2>All candidates</h2>
<div class="wide"><table><thead><tr>{"".join(f'<th scope="col">{name}</th>' for name in COLUMNS)}</tr></thead>
<tbody>{_body(rows(advice))}</tbody></table></div>
<ul>{"".join(f"<li>{escape(line)}</li>" for line in told)}</ul>
</body></html>
"""


def _body(table: Sequence[Sequence[str]]) -> str:
    lines = []
    for row in table:
        kind = ' class="advised"' if row[-1].startswith("advised") else ""
        lines.append(f"<tr{kind}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    return "\n".join(lines)


def picture(advice: Advice) -> str:
    """Return the Pareto picture as SVG: disk over frames per second, both logarithmic."""
    choice, wants = advice.choice, advice.wants
    everyone = [*choice.ranked, *choice.others]
    if not everyone:
        return "<p>Nothing was measured.</p>"
    spans = {result.name: rate(result, wants) for result in everyone}
    across = _Scale([one for span in spans.values() for one in span], LEFT, WIDTH - RIGHT)
    up = _Scale([result.nbytes for result in everyone], HEIGHT - BOTTOM, TOP)
    parts = _axes(across, up)
    edge = frontier(choice.ranked, wants)
    points = " ".join(f"{across(spans[r.name].middle):.1f},{up(r.nbytes):.1f}" for r in edge)
    parts.append(f'<polyline points="{points}"/>')
    fit = {result.name for result in choice.ranked}
    for result in sorted(everyone, key=lambda r: (r.name in fit, r is choice.winner)):
        kind = "best" if result is choice.winner else "fit" if result.name in fit else "miss"
        parts.append(_mark(result, kind, spans[result.name], across, up))
    parts += _labels([r for r in [choice.winner, choice.nearest, *edge] if r], spans, across, up)
    label = "Candidates by disk and frames per second"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


class _Scale:
    """A logarithmic axis: from figures to places."""

    def __init__(self, figures: Sequence[float], first: float, last: float):
        self.low, self.high = 0.8 * min(figures), 1.25 * max(figures)
        self._first, self._last = first, last

    def __call__(self, figure: float) -> float:
        part = math.log(figure / self.low) / math.log(self.high / self.low)
        return self._first + part * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Return round figures on the axis: decades, or 1, 2 and 5 of each if there are few."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        wide = self.high / self.low > 3000
        found = [m * 10.0**k for k in decades for m in ((1,) if wide else (1, 2, 5))]
        return [one for one in found if self.low <= one <= self.high]


def _axes(across: _Scale, up: _Scale) -> list[str]:
    parts = []
    for one in across.ticks():
        x = across(one)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle"'
        parts.append(f'<text {place} class="soft">{figure(one)}</text>')
    for one in up.ticks():
        y = up(one)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" class="soft">{_short(one)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" class="soft">frames per second</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}" class="soft">upwards: disk</text>')
    return parts


def _short(nbytes: float) -> str:
    number, unit = size(nbytes).split()
    return f"{float(number.replace(',', '')):g} {unit}"


def _mark(result: Result, kind: str, span: Sequence[float], across: _Scale, up: _Scale) -> str:
    low, middle, high = (across(one) for one in span)
    y = up(result.nbytes)
    told = escape(f"{result.name}: {figure(span[1])} frames/s, {size(result.nbytes)}")
    bar = f'<line class="bar {kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    dot = f'<circle class="{kind}" cx="{middle:.1f}" cy="{y:.1f}" r="{6 if kind == "best" else 4}">'
    return f"<g>{bar}{dot}<title>{told}</title></circle></g>"


def _labels(results: Sequence[Result], spans: Mapping[str, Sequence[float]], across: _Scale, up: _Scale) -> list[str]:
    """Return the names of the most telling candidates, no two over each other."""
    parts: list[str] = []
    taken: list[tuple[float, float]] = []
    for result in results:
        x, y = across(spans[result.name][1]), up(result.nbytes) - 9
        if any(abs(x - a) < 150 and abs(y - b) < 14 for a, b in taken):
            continue
        taken.append((x, y))
        anchor = "end" if x > WIDTH / 2 else "start"
        parts.append(f'<text x="{x:.1f}" y="{max(y, 12):.1f}" text-anchor="{anchor}">{escape(result.name)}</text>')
    return parts
