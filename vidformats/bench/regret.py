"""How good the advice of `advise` is: its choice against a measurement of every candidate, on the same clips and disk.

``python -m vidformats.bench.regret CLIP...`` measures, and tells the regret of each case: how many times longer an
epoch takes with what was advised than with what turned out best.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import click
import numpy as np

from vidformats.bench.measure.machine import facts
from vidformats.bench.report.document import machine_line, replace_block, table
from vidformats.threads import cpus
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.candidates import AS_IS, CANDIDATES, Candidate, available
from vidformats.tools.advice.decide import Result, Wants, figure, interval, misses
from vidformats.tools.advice.helper import Failed, Helper
from vidformats.tools.advice.run import READS, READY
from vidformats.tools.advise import MIN_PSNR, advise
from vidformats.writing import hidden_folder

ACCESSES = ("window=64,hop=32,stride=4", "every=4", "full", "random")

WISHES = ("fast", "lossless", "a tenth")
"""What is asked for: nothing but 38 dB; every bit; and 38 dB in a tenth of the bytes of npy."""

WITHIN = 1.1
"""Regret up to which advice is called good."""

PATIENCE = 90.0
"""Seconds that one candidate may take to be written, or to be read once."""

NEAR, FINALS = 0.75, 3
"""What comes this near to the best is measured in so many more rounds, in turns."""

Case = dict[str, Any]


def wants(wish: str, results: Sequence[Result]) -> Wants:
    """Return what a wish means for a clip of which all candidates were measured."""
    plain = next((result.nbytes for result in results if result.name == "npy"), 0.0)
    budget = 0.1 * plain if wish == "a tenth" else None
    return Wants(lossless=wish == "lossless", min_psnr=MIN_PSNR, budget=budget, cache="warm")


def regret(advised: str | None, results: Sequence[Result], asked: Wants) -> tuple[str | None, float | None]:
    """Return the best candidate, and how many times longer an epoch takes with the one advised.

    The regret is 1 if nothing fits and the advice says so, and None if the advice is wrong about what fits.

    Examples
    --------
    >>> found = [Result(n, n, {}, 0, True, 1e6, warm=[rate]) for n, rate in (("npy", 100.0), ("png", 40.0))]
    >>> regret("png", found, Wants()), regret(None, found, Wants(budget=1.0))
    (('npy', 2.5), (None, 1.0))
    """
    rates = {r.name: interval(r.warm).middle for r in results if r.warm and not misses(r, asked)}
    best = max(rates, key=lambda name: rates[name], default=None)
    if best is None:
        return best, 1.0 if advised is None else None
    return best, rates[best] / rates[advised] if advised in rates else None


class Truth:
    """A clip, written whole by all candidates and read by every access; what is written lies in one folder.

    Parameters
    ----------
    clip : Path
    folder : Path
        Where to write, removed by the caller.
    helper : Helper
    size : int or None
        What the shorter side is scaled to.
    candidates : sequence of Candidate
    """

    def __init__(
        self, clip: Path, folder: Path, helper: Helper, size: int | None, candidates: Sequence[Candidate]
    ) -> None:
        options = {} if size is None else {"size": size}
        fact = helper.call("probe", PATIENCE, path=str(clip), options=options)
        n, source = fact["n_frames"], str(folder / "source.npy")
        helper.call("excerpt", PATIENCE, path=str(clip), options=options, start=0, stop=n, to=source)
        self.helper = helper
        self.written: list[Result] = []
        self.items: dict[str, dict[str, Any]] = {}
        for k, candidate in enumerate(candidates):
            item = {"path": str(clip), "n_frames": n, "start": 0, "stop": n, "group": 0, "open": options}
            result = Result(candidate.name, candidate.format, candidate.options, k, candidate.lossless, fact["nbytes"])
            if candidate.name != AS_IS:
                try:
                    found = helper.call(
                        "store", PATIENCE, sources=[source], rates=[fact["fps"]], form=candidate.format,
                        options=candidate.options, folder=str(folder / str(k)), seconds=PATIENCE, least=n, stride=1,
                    )  # fmt: skip
                except Failed:
                    continue
                result.nbytes, result.psnr = found["nbytes"][0], found["psnr"]
                item |= {"path": found["paths"][0], "open": {}}
            self.written.append(result)
            self.items[candidate.name] = item

    def read(self, access: str, workers: int, seconds: float, seen: Callable[[str], object]) -> list[Result]:
        """Return all candidates with their rates from memory; those near the best of any wish have the most rounds."""
        results = [Result(**{**result.__dict__, "warm": [], "cold": []}) for result in self.written]
        for result in results:
            seen(result.name)
            self._measure(result, access, workers, seconds, 2)
        near: dict[str, Result] = {}
        for wish in WISHES:
            asked = wants(wish, results)
            fit = [r for r in results if r.warm and not misses(r, asked)]
            best = max((interval(r.warm).middle for r in fit), default=0.0)
            near |= {r.name: r for r in fit if interval(r.warm).middle > NEAR * best}
        rng, finalists = np.random.default_rng(0), list(near.values())
        for _ in range(FINALS):
            for k in rng.permutation(len(finalists)):
                seen(finalists[k].name)
                self._measure(finalists[k], access, workers, 3 * seconds, 3)
        return results

    def _measure(self, result: Result, access: str, workers: int, seconds: float, rounds: int) -> None:
        try:
            found = self.helper.call(
                "load", PATIENCE, items=[self.items[result.name]], access=Access.parse(access).__dict__,
                workers=workers, seconds=seconds, rounds=rounds, cold=False, held=False,
            )  # fmt: skip
        except Failed:
            return
        result.warm += found["warm"]


def cases(
    clips: Sequence[Path], place: Path, *, size: int | None, time: float, accesses: Sequence[str] = ACCESSES,
    wishes: Sequence[str] = WISHES, runs: int = 1, workers: int | None = None, seconds: float = 0.1,
    done: Sequence[Case] = (), until: float = math.inf, candidates: Sequence[Candidate] = CANDIDATES,
    seen: Callable[[str], object] = lambda what: None,
) -> Iterator[Case]:  # fmt: skip
    """Yield each case as it is measured: clip, access, wish, what was advised, what is best, and the regret.

    Parameters
    ----------
    clips : sequence of Path
    place : Path
        A folder on the disk in question.
    size : int or None
        What the shorter side is scaled to.
    time : float, seconds
        That `advise` may take.
    accesses, wishes : sequence of str
    runs : int
        How often advice is asked for.
    workers : int, optional
        Of the loader; by default as many as CPUs.
    seconds : float
        Of one pass over a candidate; for those near the best three times as long.
    done : sequence of case
        Measured before: they are not measured again, and what they say of the candidates is used.
    until : float
        By `time.monotonic`; no case is begun after it.
    candidates : sequence of Candidate
    seen : callable
        Is told what is done.
    """
    workers = cpus() if workers is None else workers
    kept = available(names=tuple(candidates))[0]
    known = {(case["clip"], case["access"]): case["measured"] for case in done if "measured" in case}
    had = {(case["clip"], case["access"], case["wish"], case["run"]) for case in done}
    for clip in clips:
        asked = [(a, w, k) for a in accesses for w in wishes for k in range(runs)]
        todo = [one for one in asked if (clip.stem, *one) not in had]
        if not todo or monotonic() > until:
            continue
        with hidden_folder(place) as folder, Helper(READY + READS) as helper:
            truth: Truth | None = None
            for access in dict.fromkeys(one[0] for one in todo):
                if monotonic() > until:
                    return
                measured, fresh = known.get((clip.stem, access)), False
                if measured is None:
                    if truth is None:
                        seen(f"{clip.stem}: all candidates are written")
                        truth = Truth(clip, folder, helper, size, kept)
                    results = truth.read(access, workers, seconds, lambda name: None)
                    measured, fresh = [_figures(result) for result in results], True
                results = [Result(**one) for one in measured]
                for wish, run in [one[1:] for one in todo if one[0] == access]:
                    if monotonic() > until:
                        return
                    case = _case(clip, place, access, wish, results, size, time, workers, candidates)
                    case |= {"clip": clip.stem, "access": access, "wish": wish, "run": run}
                    yield case | ({"measured": measured} if fresh else {})
                    fresh = False


def _figures(result: Result) -> dict[str, Any]:
    """Return what regret needs of a result, fit for JSON."""
    names = ("name", "format", "options", "plain", "lossless", "nbytes", "psnr")
    return {name: getattr(result, name) for name in names} | {"warm": [round(rate, 1) for rate in result.warm]}


def _case(
    clip: Path, place: Path, access: str, wish: str, results: Sequence[Result], size: int | None, time: float,
    workers: int, candidates: Sequence[Candidate],
) -> Case:  # fmt: skip
    asked = wants(wish, results)
    found = advise(
        clip, place, access, workers=workers, size=size, budget=asked.budget, lossless=asked.lossless, time=time,
        cache_state="warm", candidates=candidates,
    )  # fmt: skip
    best, ratio = regret(found.winner, results, asked)
    return {
        "advised": found.winner,
        "equal": [result.name for result in found.choice.equals],
        "best": best,
        "regret": ratio,
        "seconds": found.seconds,
    }


COLUMNS = ["clip", "access", "asked for", "advised: frames/s", "best: frames/s", "regret"]


def summary(found: Sequence[Case]) -> str:
    """Return the regret in a sentence, and where it errs.

    Examples
    --------
    >>> summary([{"regret": 1.02, "seconds": 20.0}, {"regret": 1.3, "seconds": 21.0}])
    'In 1 of 2 cases an epoch takes at most 10 % longer than with the best; median 1.16, worst 1.30; 21 s at most.'
    """
    ratios = [math.inf if case["regret"] is None else case["regret"] for case in found]
    good = sum(ratio <= WITHIN for ratio in ratios)
    return (
        f"In {good} of {len(found)} cases an epoch takes at most 10 % longer than with the best; "
        f"median {np.median(ratios):.2f}, worst {max(ratios):.2f}; "
        f"{max(case['seconds'] for case in found):.0f} s at most."
    )


def told(case: Case) -> str:
    """Return the regret for people."""
    return "wrong" if case["regret"] is None else f"{case['regret']:.2f}"


def record(figures: Mapping[str, Any]) -> str:
    """Return all figures as JSON, a line for each case."""
    lines = ",\n".join(json.dumps(case) for case in figures["cases"])
    head = json.dumps({name: value for name, value in figures.items() if name != "cases"}, indent=1)
    return f'{head[:-2]},\n "cases": [\n{lines}\n]}}\n'


def report(figures: Mapping[str, Any]) -> str:
    """Return the summary and all cases as Markdown."""
    found = figures["cases"]
    measured = {(case["clip"], case["access"]): case["measured"] for case in found if "measured" in case}
    lines = []
    for case in found:
        rates = {one["name"]: one["warm"] for one in measured[case["clip"], case["access"]] if one["warm"]}
        cells = [case["clip"], case["access"].replace(",", ", "), case["wish"]]
        for name in (case["advised"], case["best"]):
            rate = f": {figure(interval(rates[name]).middle)}" if name in rates else ""
            cells.append(f"{name or 'nothing fits'}{rate}")
        lines.append([*cells, told(case)])
    parts = [f"**{summary(found)}**", table(COLUMNS, lines, figures=False), machine_line(dict(figures))]
    return "\n\n".join(parts)


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--on", "place", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--size", type=click.IntRange(1), help="Scale the shorter side to this.")
@click.option("--time", default=120.0, show_default=True, type=click.FloatRange(5), help="Seconds for each advice.")
@click.option("--access", "accesses", multiple=True, default=ACCESSES, help="All four by default.")
@click.option("--wish", "wishes", multiple=True, default=WISHES[:1], show_default=True, type=click.Choice(WISHES))
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="How often advice is asked for.")
@click.option("--minutes", type=click.FloatRange(0), help="Begin no case later; the next run goes on from --json.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Add the cases to this file."
)
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Write the table here.")
def main(
    clips: tuple[Path, ...], minutes: float | None, json_file: Path | None, document: Path | None, place: Path,
    **options: Any,
) -> None:  # fmt: skip
    r"""Measure the regret of `vidformats advise` on CLIPS: its choice against all candidates.

    \b
    Example:
      python -m vidformats.bench.regret clips/*.mp4 --size 120 --time 30 --json regret.json
    """
    until = math.inf if minutes is None else monotonic() + 60 * minutes
    figures: dict[str, Any] = {"machine": facts(place), "size": options["size"], "time": options["time"], "cases": []}
    if json_file and json_file.exists():
        before = json.loads(json_file.read_text())
        for name in ("size", "time"):
            if before[name] != figures[name]:
                raise click.UsageError(f"{json_file}: expected cases of --{name} {figures[name]}, got {before[name]}")
        figures["cases"] = before["cases"]
    for case in cases(clips, place, until=until, done=figures["cases"][:], seen=click.echo, **options):
        figures["cases"].append(case)
        names = f"{case['advised']}, best {case['best']}, {told(case)}"
        click.echo(f"{case['clip']}, {case['access']}, {case['wish']}: {names}")
        if json_file:
            json_file.write_text(record(figures))
    if figures["cases"]:
        click.echo(summary(figures["cases"]))
        if document:
            document.write_text(replace_block(document.read_text(), "regret", report(figures)))


if __name__ == "__main__":
    main()
