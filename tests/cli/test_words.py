"""Words that people type first are answered with the command that is meant, and shells complete every command."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from vidformats.cli import MEANT, main


@pytest.mark.parametrize("word", MEANT)
def test_a_word_is_answered_with_the_command_that_is_meant(word):
    done = CliRunner().invoke(main, [word, "clips"], prog_name="vidformats")
    assert done.exit_code == 2
    assert f"vidformats {MEANT[word]}" in done.output
    assert MEANT[word] in main.commands
    assert word not in main.commands


def test_another_word_is_no_command():
    assert "No such command 'sideways'" in CliRunner().invoke(main, ["sideways"]).output


def test_examples_keep_their_lines():
    for name in main.commands:
        said = CliRunner().invoke(main, [name, "-h"]).output
        assert "\\b" not in said, name
    said = CliRunner().invoke(main, ["doctor", "-h"]).output.splitlines()
    assert "      vidformats doctor recordings" in said


def test_a_shell_completes_every_command():
    asked = {"_VIDFORMATS_COMPLETE": "bash_complete", "COMP_WORDS": "vidformats ", "COMP_CWORD": "1"}
    code = "from vidformats.cli import main; main(prog_name='vidformats')"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == set(main.commands)
