"""The command that tells what in a data set hurts training."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from vidformats.cli.info import access_of
from vidformats.errors import FormatError
from vidformats.tools.checks.findings import CODES, SEVERITIES, Finding
from vidformats.tools.doctor import findings

GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
"""Severity to what GitHub calls it."""


def codes_of(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> frozenset[str]:
    """Return codes, several of which may be in one text; an unknown one is a usage error."""
    found = frozenset(code.upper() for text in texts for code in text.replace(",", " ").split())
    if unknown := sorted(found - CODES.keys()):
        raise click.BadParameter(f"expected codes from {min(CODES)} to {max(CODES)}, got {', '.join(unknown)}")
    return found


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--deep", is_flag=True, help="Decode every frame, rather than the first, the middle and the last.")
@click.option(
    "--access",
    callback=lambda context, parameter, text: access_of(context, parameter, (text,))[0] if text else None,
    metavar="ACCESS",
    help="How training reads: window=64,hop=32,stride=4 or every=4 or full or random. Finds what is slow for it.",
)
@click.option(
    "--ignore", multiple=True, callback=codes_of, metavar="CODES", help="Leave out findings, such as VF022,VF041."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, at the end.")
@click.option(
    "--github",
    is_flag=True,
    default=lambda: os.environ.get("GITHUB_ACTIONS") == "true",
    help="Print annotations of GitHub; by default if run by its actions.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Files at once; as many as CPUs by default.")
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For one file: 60, 1800 if deep."
)
def doctor(
    folder: Path,
    deep: bool,
    access: str | None,
    ignore: frozenset[str],
    as_json: bool,
    github: bool,
    jobs: int | None,
    time_limit: float | None,
) -> None:
    r"""Tell what in a data set hurts training: files, labels, tables and folds.

    Nothing is written. Each finding is printed as soon as it is found, with the command that cures it.

    \b
        vidformats doctor recordings
        vidformats doctor recordings --deep --access window=64,hop=32,stride=4 --ignore VF022,VF048

    docs/doctor.md has all codes and what each does not check. Exit code 0: nothing found; 1: findings.
    """
    found: list[Finding] = []
    screen = Console(stderr=True)
    columns = (TextColumn("looking"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
    with bar:
        task = bar.add_task("", total=None)
        for one in findings(
            folder,
            deep=deep,
            access=access,
            ignore=ignore,
            jobs=jobs,
            seconds=time_limit,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        ):
            found.append(one)
            if not as_json:
                first = one.code not in {other.code for other in found[:-1]}
                click.echo(annotation(one) if github else told(one, first))
        looked = int(bar.tasks[0].completed)
    if as_json:
        click.echo(json.dumps([one.record() for one in found], indent=1))
    else:
        counts = Counter(one.severity for one in found)
        parts = [f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in SEVERITIES if counts[name]]
        click.echo(f"{looked} files and folders looked at: {', '.join(parts) or 'nothing found'}", err=bool(github))
    raise SystemExit(int(bool(found)))


def told(finding: Finding, first: bool = True) -> str:
    """Return a finding as people read it; why it hurts is said once per code."""
    why = f"\n    {finding.why}" if first else ""
    return f"{finding}{why}\n    cure: {_plain(finding.cure)}"


def _plain(text: str) -> str:
    return str(FormatError("", text)).removeprefix(": ")


def annotation(finding: Finding) -> str:
    """Return a finding as GitHub shows it beside a file.

    Examples
    --------
    >>> annotation(Finding.of("VF003", "a,b.mp4", "has 0 bytes"))
    '::error file=a%2Cb.mp4,title=VF003 empty file::has 0 bytes. It stands for data that were lost ...'
    """

    def escaped(text: str, more: str = "") -> str:
        for letter in "%\r\n" + more:
            text = text.replace(letter, f"%{ord(letter):02X}")
        return text

    where = f"file={escaped(finding.path, ':,')},title={finding.code} {finding.title}"
    return f"::{GITHUB[finding.severity]} {where}::{escaped(f'{finding.message}. {finding.why}')}"


COMMANDS = (doctor,)
"""What the command line offers."""
