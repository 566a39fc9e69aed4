"""The command line: one module per group of commands, each command a thin layer over a function."""

from __future__ import annotations

import click

import vidformats as vf
from vidformats.cli import advise, convert, doctor, history, info, measure, referee, verify

MEANT = {
    "check": "doctor", "diagnose": "doctor", "lint": "doctor", "validate": "doctor", "inspect": "info", "show": "info",
    "probe": "info", "describe": "info", "choose": "advise", "recommend": "advise", "suggest": "advise",
    "compress": "convert", "encode": "convert", "resize": "convert", "transcode": "convert", "bench": "table",
    "benchmark": "table",
}  # fmt: skip
"""Words that people type first, and the command that is meant."""


class Commands(click.Group):
    """A group that answers words which are no command with the command that is meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a word that is none, name the one that is meant."""
        if not ctx.resilient_parsing and args[0] in MEANT and args[0] not in self.commands:
            meant = MEANT[args[0]]
            ctx.fail(f"No such command {args[0]!r}. You may mean: vidformats {meant}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vf.__version__)
def main() -> None:
    """Store videos so that training reads them fast, in little memory and little disk.

    Exit codes: 0 fine, 1 findings or failures, 2 a command that was not understood.
    """


for group in (info, doctor, advise, convert, verify, measure, history, referee):
    for command in group.COMMANDS:
        # What keeps the lines of an example is the character, not the two that a raw docstring has.
        command.help = (command.help or "").replace("\\b\n", "\b\n")
        main.add_command(command)
