"""The command line: one module per group of commands, each command a thin layer over a function."""

from __future__ import annotations

import click

import vidformats as vf
from vidformats.cli import advise, convert, doctor, history, info, measure, referee, verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vf.__version__)
def main() -> None:
    """Store videos so that training reads them fast, in little memory and little disk.

    Exit codes: 0 fine, 1 findings or failures, 2 a command that was not understood.
    """


for group in (info, doctor, advise, convert, verify, measure, history, referee):
    for command in group.COMMANDS:
        main.add_command(command)
