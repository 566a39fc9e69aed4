"""``vidformats info`` as a user types it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import vidformats as vf
from vidformats.cli import main


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def path(tmp_path):
    return vf.write(np.random.default_rng(0).integers(0, 254, (30, 3, 16, 16), np.uint8), tmp_path / "a.npy")


def test_text_json_and_picture(path, tmp_path):
    done = run("info", path, "--seconds", 0.01, "--picture", tmp_path / "sheet.png")
    assert done.exit_code == 0, done.output
    assert "30 frames of 3 x 16 x 16 uint8" in done.stdout
    assert "random" in done.stdout
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
    (record,) = json.loads(run("info", path, "--seconds", 0, "--json").stdout)
    assert record["shape"] == [30, 3, 16, 16]
    assert record["costs"] == []


def test_one_bad_file_does_not_stop_the_others(path, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "many").mkdir()
    done = run("info", tmp_path / "bad.npy", tmp_path / "many", path, "--seconds", 0)
    assert done.exit_code == 1
    assert "bad.npy" in done.stderr
    assert f"vidformats doctor {tmp_path / 'many'}" in done.stderr
    assert "30 frames" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["none.npy"], [".", "--access", "sideways"], [".", "--seconds", "-1"]])
def test_what_is_not_understood_is_2(arguments):
    assert run("info", *arguments).exit_code == 2
