"""Sources are found wherever they are, with the names and columns that go with them."""

from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from tests.tools.made import video
from vidformats.tools.sources import Item, box_for, boxes_of, discover, told

pytest.importorskip("xxhash")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("study/Ann/1.avi", "study/Bo/1.avi", "more/x.npy", "study/frames/1.png", "study/frames/2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("png"):
            continue
        video(Path(name), 3, (16, 16))
    vf.write(np.zeros((2, 3, 8, 8), "uint8"), "study/frames", "png")
    for name in ("study/notes.txt", "study/.hidden.avi", "study/Ann/1.avi.json", "study/readme"):
        Path(name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("study", ["Ann/1", "Bo/1", "frames"]),
        (["study/Ann/1.avi"], ["1"]),
        (["study/Ann"], ["1"]),
        (["study", "more"], ["more/x", "study/Ann/1", "study/Bo/1", "study/frames"]),
        ("study/frames", ["frames"]),
        ("study/*/1.avi", ["Ann/1", "Bo/1"]),
        ("study/**/*.avi", ["Ann/1", "Bo/1"]),
        (["study", "study/Ann/1.avi"], ["1", "Ann/1", "Bo/1", "frames"]),
    ],
)
def test_sources_are_found_and_named(study, sources, expected):
    assert [item.name for item in discover(sources)] == expected
    assert all(Path(item.path).exists() for item in discover(sources))


def test_results_are_no_sources(study):
    vf.convert("study", "study/small", "npy", size=8, jobs=1)
    assert [item.name for item in discover("study", study / "study" / "small")] == ["Ann/1", "Bo/1", "frames"]
    vf.convert("study", "study", "npy", size=8, jobs=1)
    assert [item.name for item in discover("study/Ann", study / "study")] == ["1"]
    assert [item.name for item in discover("study/small")] == ["Ann/1", "Bo/1", "frames"], "to convert them again"


@pytest.mark.parametrize("source", ["nothing", "nothing/*.mp4", "study/none"])
def test_what_is_not_there_is_told(study, source):
    Path("study/none").mkdir()
    with pytest.raises(FileNotFoundError, match=source.replace("*", r"\*")):
        discover([source])


def test_urls_are_refused(study):
    with pytest.raises(ValueError, match="URLs are not read: download it first"):
        discover(["https://example.org/a.mp4"])


def test_columns_of_a_manifest_come_along(study):
    Path("study/table.csv").write_text(
        "trial,video,labels,mood,n_frames\na,Ann/1.avi,notes.txt,calm,9\nb,Bo/1.avi,notes.txt,,9\n"
    )
    first, second = discover("study/table.csv")
    assert (first.name, second.name) == ("Ann/1", "Bo/1")
    assert first.columns == {"trial": "a", "labels": study / "study" / "notes.txt", "mood": "calm"}
    vf.convert("study/table.csv", "out", "npy", jobs=1)
    table = vf.windows("out/manifest.csv", 2, 2).manifest
    assert table.trials == ["a", "b"]
    assert table.values("mood").tolist() == ["calm", ""]
    assert Path(table.path("labels", 0)) == study / "study" / "notes.txt"


def test_a_pattern_tells_more_of_names():
    item = Item("/x/Ann_trial_7.mp4", "deep/Ann_trial_7", {})
    assert told(item, "{subject}_trial_{n}.mp4") == {"subject": "Ann", "n": "7"}
    assert told(item, "deep/{subject}_*") == {"subject": "Ann"}
    with pytest.raises(ValueError, match="expected a name like"):
        told(item, "{subject}-{n}")


def test_boxes_come_from_a_table(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("video,x,y,w,h\na.mp4,1,2,3,4\nb/c,5,6,7,8\n")
    boxes = boxes_of(path)
    assert box_for(boxes, Item("/s/a.mp4", "a", {})) == (1, 2, 3, 4)
    assert box_for(boxes, Item("/s/b/c.avi", "b/c", {})) == (5, 6, 7, 8)
    with pytest.raises(ValueError, match="expected a box for 'd'"):
        box_for(boxes, Item("/s/d.avi", "d", {}))
    path.write_text("video,frame,x,y,w,h\na,1,1,2,3,4\na,0,5,6,7,8\n")
    assert boxes_of(path) == {"a": ((5, 6, 7, 8), (1, 2, 3, 4))}
    path.write_text("video,frame,x,y,w,h\na,1,1,2,3,4\na,1,5,6,7,8\n")
    with pytest.raises(vf.FormatError, match="a box for each frame 0 to 1"):
        boxes_of(path)
    path.write_text("video,x,y,w,h\na,1,2,,4\n")
    with pytest.raises(vf.FormatError, match="expected pixels for w, got ''"):
        boxes_of(path)
