from fractions import Fraction

import numpy as np
import pytest

import vidformats as vf
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


KINDS = {
    "commas": "trial,subject,n_frames,fps\na,Ann,40,29.97\nb,Bo,30,25\n",
    "semicolons and decimal commas": "\ufefftrial;subject;n_frames;fps\r\na;Ann;40;29,97\r\nb;Bo;30;25\r\n",
    "tabs": "trial\tsubject\tn_frames\tfps\na\tAnn\t40\t29.97\nb\tBo\t30\t25\n",
    "bars": "trial|subject|n_frames|fps\na|Ann|40|29.97\nb|Bo|30|25\n",
    "a word to Excel": "sep=;\r\ntrial;subject;n_frames;fps\r\na;Ann;40;29,97\r\nb;Bo;30;25\r\n",
    "floats of pandas": "trial,subject,n_frames,fps\na,Ann,40.0,29.97\nb,Bo,30.0,25.0\n",
    "empty rows and columns": "trial,subject,n_frames,fps,,\n,,,,,\na,Ann,40,29.97,,\nb,Bo,30,25,,\n,,,,,\n\n",
    "spaces": " trial , subject , n_frames , fps \n a , Ann , 40 , 29.97 \n b , Bo , 30 , 25 \n",
    "quotes": '"trial","subject","n_frames","fps"\n"a","Ann","40","29.97"\n"b","Bo","30","25"\n',
    "old Macs": "trial,subject,n_frames,fps\ra,Ann,40,29.97\rb,Bo,30,25\r",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", KINDS)
def test_csvs_as_people_have_them(tmp_path, kind, encoding):
    if encoding != "utf-8" and (kind == "a word to Excel" or "\ufeff" in KINDS[kind]):
        text = KINDS[kind].removeprefix("\ufeff")
    else:
        text = KINDS[kind]
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    manifest = Manifest(tmp_path / "m.csv")
    assert manifest.trials == ["a", "b"]
    assert manifest.n_frames.tolist() == [40, 30]
    assert manifest.identities("subject").tolist() == ["Ann", "Bo"]
    assert manifest.values("fps").tolist() == [29.97, 25]
    assert manifest.number("fps", 0) == Fraction(2997, 100)


def test_what_is_no_text_table_names_its_cure(tmp_path):
    for data, cure in [
        (b"PK\x03\x04xl/workbook", "is a spreadsheet; save it as 'CSV UTF-8'"),
        ("trial,n_frames\nM\u00fcller,3\n".encode("latin-1"), "byte 16; save it as 'CSV UTF-8'"),
        (b"PAR1 and no more", "is not Parquet that can be read"),
    ]:
        (tmp_path / "m.csv").write_bytes(data)
        with pytest.raises((FormatError, ImportError), match=rf"{cure}|requires pyarrow"):
            Manifest(tmp_path / "m.csv")
    with pytest.raises(FormatError, match=r"is a folder, expected a table; vidformats.manifest\(folder"):
        Manifest(tmp_path)


def test_parquet(tmp_path):
    pandas = pytest.importorskip("pandas", reason="it writes the file")
    pytest.importorskip("pyarrow", reason="it reads the file")
    table = pandas.DataFrame({"trial": ["a", "b"], "n_frames": [40.0, 30.0], "subject": [7, 8], "mood": [None, "calm"]})
    table.to_parquet(tmp_path / "m.parquet")
    manifest = Manifest(tmp_path / "m.parquet")
    assert manifest.n_frames.tolist() == [40, 30]
    assert manifest.identities("subject").tolist() == ["7", "8"]
    assert manifest.root == tmp_path


def both_ways(tmp_path, subjects):
    """Return manifests of the same subjects, from a CSV and from memory."""
    n = len(subjects)
    columns = {"trial": [f"t{k}" for k in range(n)], "subject": subjects, "n_frames": [16] * n}
    lines = ["trial,subject,n_frames", *(f't{k},"{"" if s is None else s}",16' for k, s in enumerate(subjects))]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    return Manifest(tmp_path / "m.csv"), Manifest(columns)


@pytest.mark.parametrize(
    ("subjects", "names"),
    [
        (["1_11", "11_1", "2_1"], ["1_11", "11_1", "2_1"]),
        (["1e2", "100", "2e2"], ["1e2", "100", "2e2"]),
        (["12345678901234567890", "12345678901234567891"], ["12345678901234567890", "12345678901234567891"]),
        (["Ann", "Ann ", " Bo"], ["Ann", "Ann", "Bo"]),
        (["01", "02"], ["01", "02"]),
        ([1, 2], ["1", "2"]),
        ([1.0, 2.0], ["1", "2"]),
        (["True", "False"], ["True", "False"]),
        (["Na", "Nan Li"], ["Na", "Nan Li"]),
    ],
)
def test_identities_are_text_from_wherever_they_come(tmp_path, subjects, names):
    from_file, from_memory = both_ways(tmp_path, subjects)
    assert from_memory.values("subject").tolist() == names
    if not any(isinstance(subject, float) for subject in subjects):
        assert from_file.values("subject").tolist() == names


@pytest.mark.parametrize("missing", ["", " ", "NA", "nan", "NaN", "None", "n/a", "#N/A", "null", None, np.nan])
def test_missing_identities_are_errors_that_name_all_trials(tmp_path, missing):
    pandas = pytest.importorskip("pandas", reason="its missing values are of many kinds")
    for manifest in (
        *both_ways(tmp_path, ["Ann", missing, "Bo", missing]),
        Manifest(pandas.DataFrame({"trial": list("abcd"), "subject": ["Ann", missing, "Bo", missing], "n_frames": 16})),
    ):
        with pytest.raises(FormatError, match=r"2 of 4 trials have no entry for subject: '(t1|b)', '(t3|d)'"):
            manifest.identities("subject")
    with pytest.raises(FormatError, match="has no entry for trial in row 2"):
        Manifest({"trial": ["a", missing], "n_frames": [3, 3]})


@pytest.mark.parametrize(("one", "other"), [("Ann", "ann"), ("S 1", "S1"), ("S01", "S1"), ("Zoe\u0301", "Zo\u00e9")])
def test_nearly_the_same_names_are_kept_apart_with_a_warning(one, other):
    manifest = Manifest({"trial": ["a", "b", "c"], "subject": [one, other, "Bo"], "n_frames": [3] * 3})
    with pytest.warns(UserWarning, match=f"nearly the same subject, taken for different ones: '{one}' and '{other}'"):
        assert len(set(manifest.identities("subject"))) == 3


def test_numbers_of_other_columns():
    texts = {"age": ["31", "", "40"], "score": ["1.5", "nan", "2"], "code": ["1_1", "2", "3"], "long": ["9" * 20] * 3}
    manifest = Manifest({"trial": ["a", "b", "c"], "n_frames": [3] * 3} | texts)
    assert np.array_equal(manifest.values("age"), [31, np.nan, 40], equal_nan=True)
    assert np.array_equal(manifest.values("score"), [1.5, np.nan, 2], equal_nan=True)
    assert manifest.values("code").tolist() == ["1_1", "2", "3"]
    assert manifest.values("long").tolist() == ["9" * 20] * 3


def test_tables_in_memory_that_make_no_sense():
    pandas = pytest.importorskip("pandas", reason="a DataFrame may have a column twice")
    for table, fault in [
        ({"trial": "abc", "n_frames": [1, 2, 3]}, "column 'trial' must be a list of entries, got 'abc'"),
        ({"trial": ["a"], "n_frames": 3}, "column 'n_frames' must be a list of entries, got 3"),
        (pandas.DataFrame([["a", "b", 3]], columns=["trial", "trial", "n_frames"]), "column 'trial' more than once"),
        (
            {"trial": list("abc"), "n_frames": [1, 0, 2.5]},
            "'b' has 0 for n_frames, trial 'c' has 2.5 for n_frames",
        ),
        ({"trial": ["a"], "n_frames": [True]}, "has True for n_frames"),
    ]:
        with pytest.raises(FormatError, match=fault):
            Manifest(table)


def test_a_manifest_of_a_folder(tmp_path):
    for subject, trial, n in [("Ann", 1, 20), ("Ann", 2, 30), ("Bo", 1, 25)]:
        vf.write(np.zeros((n, 3, 16, 16), "uint8"), tmp_path / f"{subject}_trial_{trial}.npy")
        (tmp_path / f"{subject}_trial_{trial}_label.csv").write_text("time,valence\n0,1\n0.5,2\n")
    table = vf.manifest(tmp_path, pattern="{subject}_trial_{trial}")
    assert table.trials == ["Ann_1", "Ann_2", "Bo_1"]
    assert table.identities("subject").tolist() == ["Ann", "Ann", "Bo"]
    assert table.n_frames.tolist() == [20, 30, 25]
    assert table.path("path", 1) == str(tmp_path / "Ann_trial_2.npy")
    assert "fps" not in table.columns

    (tmp_path / "lists").mkdir()
    table.save(tmp_path / "lists" / "m.csv")
    again = Manifest(tmp_path / "lists" / "m.csv")
    assert again.trials == table.trials
    assert [again.path("path", k) for k in range(3)] == [table.path("path", k) for k in range(3)]
    w = vf.windows(table, size=8, hop=8)
    assert len(list(w.dataset())) == len(w)
    labelled = {"video": "{subject}_trial_{trial}.npy", "label": "{subject}_trial_{trial}_label.csv"}
    assert vf.manifest(tmp_path, labelled).path("label", 2) == str(tmp_path / "Bo_trial_1_label.csv")

    (tmp_path / "Bo_trial_1_label.csv").rename(tmp_path / "Bo_trial_1_label.tsv")
    with pytest.raises(
        ValueError, match=r"Bo_1 has no label; sought: label by '.*\.csv'; files that .*Bo_trial_1_label.tsv"
    ):
        vf.manifest(tmp_path, labelled)
    labelled["label"] = "{subject}_trial_{trial}_label.*sv"
    assert vf.manifest(tmp_path, labelled).path("label", 2) == str(tmp_path / "Bo_trial_1_label.tsv")


def test_names_that_do_not_tell_trials_apart(tmp_path):
    for name in ("Ann/1.npy", "Bo/1.npy", "Bo/2.npy", "Bo/2.h5", "Bo/.hidden.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        vf.write(np.zeros((4, 3, 16, 16), "uint8"), tmp_path / name)
    vf.write(np.zeros((4, 3, 16, 16), "uint8"), tmp_path / "Bo" / "images", "png")
    with pytest.raises(ValueError, match=r"'Bo/2.h5' and 'Bo/2.npy' are both path of one trial"):
        vf.manifest(tmp_path, "{subject}/{trial}")
    with pytest.warns(UserWarning, match=r"2 files fit no pattern: Bo/2.h5, Bo/images"):
        assert vf.manifest(tmp_path, "{subject}/{trial}.npy").trials == ["Ann_1", "Bo_1", "Bo_2"]
    with pytest.warns(UserWarning, match="fit no pattern"):
        assert vf.manifest(tmp_path, "*/{trial}s").trials == ["image"]
    with pytest.raises(ValueError, match="every trial needs all streams: Ann_1 has no b, Bo_1 has no b"):
        vf.manifest(tmp_path, {"a": "{subject}/{trial}.npy", "b": "{subject}/{trial}.h5"})
    with pytest.raises(FileNotFoundError, match=r"no file fits '\{trial\}.mp4'; there is 'Ann/1.npy'"):
        vf.manifest(tmp_path, "{trial}.mp4")
    with pytest.raises(ValueError, match="names in braces"):
        vf.manifest(tmp_path, "*.npy")
    with pytest.raises(FileNotFoundError, match="expected a folder"):
        vf.manifest(tmp_path / "nowhere", "{trial}")


@pytest.mark.parametrize("name", ["~/m.csv", "lists\\m.csv", "caf\u0065\u0301.csv", "m.csv"])
def test_a_manifest_that_is_not_there_is_hinted(tmp_path, monkeypatch, name):
    (tmp_path / "lists").mkdir()
    for path in ("lists/m.csv", "caf\u00e9.csv"):
        (tmp_path / path).write_text("trial,n_frames\na,4\n")
    monkeypatch.chdir(tmp_path)
    hints = {"~": "'~' is not expanded", "l": r"'\\' becomes '/'", "c": "Unicode form NFC", "m": "No such file"}
    with pytest.raises(FileNotFoundError, match=hints[name[0]]) as told:
        vf.windows(name, 4, 4)
    assert told.value.filename == name
