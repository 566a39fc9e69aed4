"""``python -m vidformats``: the commands."""

from vidformats.cli import main

if __name__ == "__main__":
    main(prog_name="vidformats")
