"""The command that tells whether converted collections are right."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

import vidformats as vf
from vidformats.cli.watch import Watch, asked
from vidformats.tools.verify import Problem


@click.command()
@click.argument("folder", metavar="STORE", type=click.Path(file_okay=False, path_type=Path))
@click.option("--against", multiple=True, metavar="SRC", help="The sources, as given to convert; several times.")
@click.option("--quick", is_flag=True, help="Sizes and a sample of frames only.")
@click.option("--repair", is_flag=True, help="Convert again what is wrong.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Results at once; as many as CPUs by default.")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For one result.")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def verify(
    folder: Path,
    against: tuple[str, ...],
    quick: bool,
    repair: bool,
    jobs: int | None,
    time_limit: float | None,
    as_json: bool,
) -> None:
    r"""Find out whether a folder of converted videos is right, frame by frame.

    \b
        vidformats verify small
        vidformats verify small --against recordings --repair

    Without --against, each result must be what its receipt says. Against the sources, every frame is made anew and
    compared, which also finds what a faulty converter wrote. Exit code 1: something is wrong.
    """
    counts: list[int] = []
    with Watch(quiet=as_json, what="results") as watch:

        def begin(n: int) -> None:
            counts.append(n)
            watch.start(n, n)

        def seen(path: str, problems: list[Problem]) -> None:
            watch.count(1, failed=any(problem.is_fault for problem in problems))

        problems = asked(
            lambda: vf.verify(
                folder,
                against or None,
                quick=quick,
                repair=repair,
                jobs=jobs,
                seconds=time_limit,
                begin=begin,
                seen=seen,
            )
        )
    faults = [problem for problem in problems if problem.is_fault]
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in problems], indent=1))
    else:
        for problem in problems:
            click.echo(problem)
        wrong = len({problem.path for problem in faults})
        click.echo(f"{sum(counts)} results looked at, {wrong} wrong" if wrong else f"{sum(counts)} results, all right")
    raise SystemExit(int(bool(faults)))


COMMANDS = (verify,)
"""What the command line offers."""
