"""What `vidformats convert` prints, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import vidformats as vf
from tests.tools.made import video
from vidformats.cli import main

pytest.importorskip("xxhash")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, n in (("Ann_1", 20), ("Bo_1", 30)):
        video(Path("study", f"{name}.avi"), n)


def run(*words, code=0):
    done = CliRunner().invoke(main, ["convert", *words])
    assert done.exit_code == code, done.output
    return done


def test_a_folder_is_converted_and_a_second_run_has_nothing_to_do(study):
    words = ("study", "out", "--to", "h5_frames", "--size", "16", "-o", "level=1", "--subject-pattern", "{subject}_*")
    assert "2 converted, 0 done before, 0 failed: 50 frames" in run(*words).stdout
    assert "0 converted, 2 done before, 0 failed: 50 frames" in run(*words).stdout
    table = vf.windows("out/manifest.csv", 10, 10).manifest
    assert table.values("subject").tolist() == ["Ann", "Bo"]


def test_json_tells_what_was_done_and_failed(study):
    Path("study/c.mp4").write_bytes(b"nothing")
    done = run("study", "out", "--to", "npy", "-j", "2", "--json", code=1)
    facts = json.loads(done.stdout)
    assert facts["converted"] == ["Ann_1.npy", "Bo_1.npy"]
    assert [Path(failure["source"]).name for failure in facts["failed"]] == ["c.mp4"]
    assert facts["frames"] == 50


def test_progress_is_a_plain_line_without_a_terminal(study):
    done = run("study", "out", "--to", "npy", "--center-crop", "--every", "5", "--grey")
    assert "2 of 2 videos" in done.stderr
    with vf.open("out/Bo_1.npy") as result:
        assert result.shape == (6, 1, 32, 32)


def test_shards_are_merged(study):
    run("study", "out", "--to", "npy", "--shard", "1/2")
    run("study", "out", "--to", "npy", "--shard", "2/2")
    assert "0 converted, 2 done before, 0 failed" in run("--merge", "out").stdout
    assert Path("out/manifest.csv").exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["study", "out"], "expected --to FORMAT"),
        (["study", "out", "--to", "npy", "--size", "big"], "expected h,w, got 'big'"),
        (["study", "out", "--to", "npy", "--crop", "1,2,3"], "expected x,y,w,h, got '1,2,3'"),
        (["study", "out", "--to", "npy", "--crop", "1,2,3,4", "--center-crop"], "exclude each other"),
        (["study", "out", "--to", "npy", "-o", "level"], "expected NAME=VALUE, got 'level'"),
        (["study", "out", "--to", "jpg", "-o", "size=3"], "size of what is read is --size"),
        (["study", "out", "--to", "npy", "-o", "level=3"], "unexpected keyword argument 'level'"),
        (["study", "out", "--to", "npy", "--shard", "3/2"], "shard must be"),
        (["study", "out", "--to", "nothing"], "Invalid value for '--to'"),
        (["study", "--merge", "out"], "--merge takes the folder only"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_usage(study, words, fault):
    done = run(*words, code=2)
    assert fault in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("out").exists()


def test_a_missing_source_is_a_failure(study):
    assert "no such file or folder" in run("nothing", "out", "--to", "npy", code=1).stderr


def test_verify_says_what_is_wrong_and_repairs(study):
    run("study", "out", "--to", "npy")

    def verify(*words, code=0):
        done = CliRunner().invoke(main, ["verify", "out", *words])
        assert done.exit_code == code, done.output
        return done.stdout

    assert verify() == "2 results, all right\n"
    with open("out/Bo_1.npy", "r+b") as file:
        file.seek(1000)
        file.write(b"\x55\xaa\x55")
    told = verify("--against", "study", "--json", code=1)
    assert [problem["kind"] for problem in json.loads(told)] == ["bytes", "unreadable"]
    assert "2 results looked at, 1 wrong" in verify("--quick", code=1)
    assert verify("--against", "study", "--repair") == "2 results, all right\n"


def test_a_dry_run_tells_the_disk_it_takes(study):
    assert (
        "2 to convert, 0 done before, 0 would fail\n50 frames, about 0.2 MB"
        in run("study", "out", "--to", "npy", "--dry-run").stdout
    )
    assert json.loads(run("study", "out", "--to", "npy", "--dry-run", "--json").stdout)["frames"] == 50
    assert not Path("out").exists()


def test_one_file_is_converted_into_another(study):
    def one(*words, code=0):
        done = CliRunner().invoke(main, ["convert-one", *words])
        assert done.exit_code == code, done.output
        return done

    Path("out").mkdir()
    assert one("study/Bo_1.avi", "out/b.npy", "--to", "npy", "--size", "16").stdout == "out/b.npy: 30 frames, 0.0 MB\n"
    assert vf.load("out/b.npy").shape == (30, 3, 16, 24)
    assert "no such file" in one("study/none.avi", "out/c.npy", "--to", "npy", code=1).stderr.lower()
    assert "expected --to FORMAT" in one("study/Bo_1.avi", "out/c.npy", code=2).stderr
