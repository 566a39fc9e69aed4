"""`doctor` finds each kind of fault in a case made for it, nothing in a clean data set, and survives hostile files."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from click import Context

import vidformats as vf
from tests.tools.cases import CASES, clean, videos
from vidformats.bench.referee import clips
from vidformats.cli import main
from vidformats.errors import FormatError
from vidformats.readers.isolated import ChildFault
from vidformats.tools import doctor as room
from vidformats.tools.checks import tables
from vidformats.tools.checks.facts import Facts, _explain, _traps
from vidformats.tools.checks.findings import CODES, SEVERITIES, Finding
from vidformats.tools.checks.mixed import mixed

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()

ELSEWHERE = {
    "VF005": "test_a_crash_is_a_finding",
    "VF006": "test_a_missing_library_is_a_note",
    **dict.fromkeys(("VF021", "VF022", "VF023", "VF024", "VF025"), "test_traps_of_videos"),
    "VF044": "test_mixed_colour",
}
"""Codes whose case is made by another test."""


@pytest.fixture
def here(monkeypatch):
    """Look at files in this process: a child takes a second to start, and one test uses real ones."""

    def each(function, items, *limits):
        for item in items:
            try:
                yield item, function(item)
            except Exception as error:
                yield item, error

    monkeypatch.setattr(room, "each", each)


def codes(folder, **options):
    return sorted({finding.code for finding in room.doctor(folder, **options)})


@pytest.mark.parametrize("code", CASES)
def test_the_case_of_a_code_fires_it_alone(code, tmp_path, here):
    CASES[code](tmp_path)
    found = room.doctor(tmp_path, access="random" if code == "VF034" else None)
    assert sorted({one.code for one in found}) == [code], [str(one) for one in found]
    for one in found:
        assert one.path.startswith(str(tmp_path))
        assert "{" not in one.cure
    assert codes(tmp_path, ignore={code}) == []


def test_every_code_has_a_case():
    assert CODES.keys() == CASES.keys() | ELSEWHERE.keys()
    assert set(ELSEWHERE.values()) <= globals().keys()


@pytest.mark.parametrize("deep", [False, True])
def test_a_clean_data_set_has_no_findings(deep, tmp_path, here):
    clean(tmp_path)
    assert [str(one) for one in room.doctor(tmp_path, deep=deep)] == []


def test_with_real_children(tmp_path):
    CASES["VF003"](tmp_path)
    videos(tmp_path, 3)
    assert codes(tmp_path, jobs=1) == ["VF003"]


def test_findings_come_while_files_are_looked_at(tmp_path, here):
    videos(tmp_path, 3)
    CASES["VF003"](tmp_path)
    seen = []
    found = room.findings(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert (next(found).code, seen) == ("VF003", [])
    assert (list(found), seen) == ([], [(1, 3), (2, 3), (3, 3)])


def test_a_crash_is_a_finding(tmp_path, monkeypatch):
    videos(tmp_path, 2)
    monkeypatch.setattr(room, "look", crash)
    found = room.doctor(tmp_path, jobs=1)
    assert [(one.code, os.path.basename(one.path)) for one in found] == [("VF005", "t0.npy"), ("VF005", "t1.npy")]
    assert "crashed" in found[0].message


def crash(item, deep):
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_hang_is_a_finding(tmp_path, monkeypatch):
    videos(tmp_path, 1)
    fault = ChildFault("a", "expected an answer within 60 s, got none", "hang")
    monkeypatch.setattr(room, "each", lambda function, items, *limits: ((item, fault) for item in items))
    assert codes(tmp_path) == ["VF005"]


def test_a_missing_library_is_a_note(tmp_path, here, monkeypatch):
    def missing(path):
        raise ImportError("pip install pyarrow")

    (tmp_path / "a.csv").write_text("time,valence\n0,1\n")
    monkeypatch.setattr(tables, "read_table", missing)
    (one,) = room.doctor(tmp_path)
    assert (one.code, one.severity, one.cure) == ("VF006", "note", "pip install pyarrow")


INFO = {"gop": 20, "keyframes": 20, "container": "mov"}


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ({}, None),
        ({"variable_rate": True}, "VF021"),
        ({"rotation": 90}, "VF022"),
        ({"interlaced": True}, "VF023"),
        ({"keyframes": 1}, "VF024"),
        ({"hidden": 3}, "VF025"),
    ],
)
def test_traps_of_videos(info, code):
    facts = Facts("a.mp4", 1, "h264", (400, 3, 16, 16), "uint8", 25.0, 16.0, "coded", INFO | info)
    _traps(facts)
    assert [found for found, _, _ in facts.found] == ([code] if code else [])
    for found, text, more in facts.found:
        assert "{" not in Finding.of(found, "a.mp4", text, **more).cure


@pytest.mark.parametrize(
    ("name", "code"), [("variable_rate.mp4", "VF021"), ("fragmented.mp4", None), ("no_b.mp4", None)]
)
def test_real_clips(name, code, tmp_path, here):
    pytest.importorskip("av")
    clip = next(clip for clip in clips.CLIPS if clip.name == name)
    clip.make(tmp_path / name)
    assert codes(tmp_path) == ([code] if code else [])


def test_an_upright_copy_of_a_turned_video_asks_for_nothing(tmp_path, here):
    pytest.importorskip("av")
    clip = next(clip for clip in clips.CLIPS if clip.name == "rotated.mp4")
    clip.make(tmp_path / "a.mp4")
    for name in ("b.npy", "c.mp4"):
        vf.write(vf.open(tmp_path / "a.mp4"), tmp_path / name)
    vf.write(vf.open(tmp_path / "a.mp4", rotate=False), tmp_path / "d.npy")
    found = room.doctor(tmp_path)
    assert [Path(one.path).name for one in found if one.code == "VF022"] == ["a.mp4", "d.npy"]


def test_the_cure_of_labels_of_another_length_can_be_run(tmp_path, here):
    vf.write(np.zeros((100, 3, 16, 16), "uint8"), tmp_path / "a.mp4", fps=25)
    (tmp_path / "a.csv").write_text("time,valence\n" + "".join(f"{3 + k / 4},{k}\n" for k in range(16)))
    (one,) = room.doctor(tmp_path)
    assert (one.code, one.cure) == ("VF051", f"tail -n 3 {tmp_path / 'a.csv'}")
    assert "its rows run from 3.00 to 7.00 s, a.mp4 ends at 4.00 s" in one.message


def test_mixed_colour():
    def one(k, colour):
        return Facts(f"a/{k}.mp4", 1, "h264", (9, 3, 16, 16), "uint8", 25.0, 1.0, "coded", {"colour": colour})

    found = list(mixed([one(k, "bt709" if k else "bt601") for k in range(6)], "a"))
    assert [(finding.code, finding.path) for finding in found] == [("VF044", "a/0.mp4")]


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_documented_and_its_cure_is_a_command(code):
    given = CODES[code]
    entry = re.search(rf"^#### {code} (.*?)(?=^###|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert entry, f"{code} has no entry in docs/doctor.md"
    assert entry[1].startswith(f"{given.title}\n\n*{given.severity.capitalize()}.*")
    assert given.why in entry[1]
    assert "Not checked: " in entry[1]
    assert given.severity in SEVERITIES
    if given.cure.startswith("vidformats "):
        words = given.cure.split()
        takes = {name for one in main.get_command(Context(main), words[1]).params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= takes


def test_only_codes_of_the_table_are_documented():
    assert re.findall(r"^#### (VF\d+)", PAGE, re.MULTILINE) == list(CODES)


def test_no_file_writes_to_a_terminal(tmp_path, here):
    (tmp_path / "a\x1b[2J.mp4").touch()
    assert "\x1b" not in str(room.doctor(tmp_path)[0])


def test_labels_of_floats_are_no_pictures(tmp_path, here):
    for k in range(4):
        np.save(tmp_path / f"t{k}.npy", np.random.default_rng(k).random((30 + k, 2)))
    assert codes(tmp_path) == []


def test_what_is_not_understood(tmp_path):
    with pytest.raises(ValueError, match="expected codes from VF001"):
        vf.doctor(tmp_path, ignore={"VF999"})
    with pytest.raises(FileNotFoundError):
        vf.doctor(tmp_path / "none")
    with pytest.raises(ValueError, match="expected window="):
        vf.doctor(tmp_path, access="sideways")


def test_a_gap_is_said_once_and_repeats_no_other_finding(tmp_path, here):
    videos(tmp_path, 9)
    for k in range(9):
        np.save(tmp_path / f"t{k}_valence.npy", np.arange(8.0) + k)
    for path in tmp_path.glob("t4*"):
        path.unlink()
    (tmp_path / "t6.npy").write_bytes(b"")
    found = {(one.code, os.path.basename(one.path)): one.message for one in room.doctor(tmp_path)}
    assert found.keys() == {("VF003", "t6.npy"), ("VF048", "t#.npy")}
    assert found["VF048", "t#.npy"].endswith("without 4")
    rows = "\n".join(f"{k},t{k}.npy,t{k}_valence.npy" for k in range(9))
    (tmp_path / "manifest.csv").write_text(f"trial,video,label.valence\n{rows}\n")
    assert "VF048" not in codes(tmp_path)


@pytest.mark.parametrize(
    ("head", "code"), [(b"no video at all", "VF001"), (b"\0\0\0\x10ftypisom\0\0\2\0\0\0\0\x08moov", "VF006")]
)
def test_only_a_known_container_may_open_with_another_library(head, code, tmp_path):
    facts = Facts(str(tmp_path / "a.mp4"), format="mp4")
    Path(facts.path).write_bytes(head + bytes(5000) * (code == "VF001"))
    fault = "holds no video that can be opened: it is empty, cut short, or of a kind that OpenCV cannot read"
    _explain(facts, FormatError(facts.path, f"{fault}; PyAV may read it: pip install av"))
    assert [found[0] for found in facts.found] == [code]


def test_an_odd_file_is_named_if_streams_differ_too():
    sizes = {"face": 16, "body": 24}
    files = [(f"s/t{k}_{word}.npy", size) for k in range(12) for word, size in sizes.items()]
    items = [Facts(path, shape=(8, 3, size, size), layout="coded") for path, size in files]
    assert list(mixed(items, "s")) == []
    for k in (6, 9):
        items[k].shape = (8, 3, 20, 20)
    found = [one for one in mixed(items, "s") if one.code == "VF041"]
    assert [one.path for one in found] == ["s/t3_face.npy", "s/t4_body.npy"]
    assert "11 of all 12 have frames of 16 x 16 (height x width)" in found[0].message
