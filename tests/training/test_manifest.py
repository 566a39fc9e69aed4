import numpy as np
import pytest

from vidformats import FormatError
from vidformats.training.manifest import Manifest

CSV = """trial,subject,n_frames,fps,video,label,mood
a,01,10,4,v/a.npy,l/a.npy,calm
b,02,7,4,v/b.npy,l/b.npy,tense
"""
COLUMNS = {"trial": ["a", "b"], "n_frames": [10, 7], "path": ["x.npy", "y.npy"]}


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "manifest.csv").write_text(CSV)
    return Manifest(tmp_path / "manifest.csv")


def test_csv(manifest, tmp_path):
    assert manifest.trials == ["a", "b"]
    assert manifest.n_frames.tolist() == [10, 7]
    assert manifest.path("label", 1) == str(tmp_path / "l" / "b.npy")
    assert manifest.values("mood").tolist() == ["calm", "tense"]
    assert manifest.values("fps").tolist() == [4, 4]
    assert manifest.values("subject").tolist() == ["01", "02"], "a leading zero is part of a name"


def test_csv_of_spreadsheets(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode() + b"\r\n")
    assert Manifest(tmp_path / "m.csv").trials == ["a", "b"]


def test_tables_in_memory_are_alike():
    pandas = pytest.importorskip("pandas", reason="a DataFrame is only one of the tables taken")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
    tables = [COLUMNS, rows, pandas.DataFrame(COLUMNS), pandas.DataFrame(COLUMNS).astype({"n_frames": float})]
    for table in tables:
        manifest = Manifest(table, root="here")
        assert manifest.trials == ["a", "b"]
        assert manifest.n_frames.tolist() == [10, 7]
        assert manifest.path("path", 1).endswith("here/y.npy")


def test_absolute_paths_stay(tmp_path):
    assert Manifest(COLUMNS | {"path": [str(tmp_path / "x"), "y"]}).path("path", 0) == str(tmp_path / "x")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "first line"),
        ("trial,trial\na,b\n", "distinct"),
        ("trial,subject\na,b\n", "has no column 'n_frames'; it has 'trial', 'subject'"),
        ("trial,n_frames\n", "names no trials"),
        ("trial,n_frames\na,10\na,9\n", "the trial 'a' more than once"),
        ("trial,n_frames\na,10\nb\n", "line 3 has 1 entries"),
        ("trial,n_frames\na,many\n", "trial 'a' has 'many' for n_frames"),
        ("trial,n_frames\na,0\n", "'0' for n_frames"),
        ("trial,n_frames\na,-5\n", "'-5' for n_frames"),
        ("trial,n_frames\na,10.5\n", "'10.5' for n_frames"),
        ("trial,n_frames\na,99999999999999999999\n", "for n_frames"),
        ("trial,n_frames\na,nan\n", "'nan' for n_frames"),
    ],
)
def test_faults_are_named(tmp_path, text, fault):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(FormatError, match=fault) as caught:
        Manifest(tmp_path / "m.csv")
    assert str(tmp_path / "m.csv") in str(caught.value)


def test_not_text(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\x93NUMPY\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"UTF-8|first line"):
        Manifest(tmp_path / "m.csv")


def test_faults_in_memory():
    with pytest.raises(FormatError, match="different lengths"):
        Manifest({"trial": ["a", "b"], "n_frames": [1]})
    with pytest.raises(FormatError, match="row 1"):
        Manifest([{"trial": "a", "n_frames": 1}, {"trial": "b"}])
    with pytest.raises(FormatError, match=r"2.5 for n_frames"):
        Manifest({"trial": ["a"], "n_frames": [2.5]})
    with pytest.raises(FormatError, match="nan for a path"):
        Manifest(COLUMNS | {"path": [np.nan, "y"]}).path("path", 0)
    with pytest.raises(TypeError, match="got int"):
        Manifest(7)
    with pytest.raises(FileNotFoundError):
        Manifest("nowhere.csv")
