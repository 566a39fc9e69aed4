"""Tables with a time column as streams."""

import pickle

import numpy as np
import pytest

import vidformats as vf
from vidformats.training.labels import Labels

TEXT = "time,valence,note,arousal\n0,0.5,calm,1\n0.25,,tense,2\n1,0.75,calm,3\n1.25,1,calm,4\n"


def test_rows_hold_from_their_time_on(tmp_path):
    (tmp_path / "l.csv").write_text(TEXT)
    labels = Labels(tmp_path / "l.csv")
    assert labels.columns == ["valence", "arousal"]
    assert labels.shape == (4, 2)
    assert labels.dtype == np.float32
    assert labels.at([-0.1, 0, 0.2, 0.25, 0.99, 1, 1.49, 1.5, 9]).tolist() == [-1, 0, 0, 1, 1, 2, 3, 4, 4]
    assert np.isnan(labels.read([1])[0, 0])
    held = Labels(tmp_path / "l.csv", hold=0.3, columns="arousal", dtype="f8")
    assert held.at([0.5, 0.54, 0.56, 1.4]).tolist() == [1, 1, 4, 3]
    assert held.shape == (4,)
    assert pickle.loads(pickle.dumps(held)).read([3, 0]).tolist() == [4, 1]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("l.tsv", b"Time\tx\n0\t1\n0.5\t2\n"),
        ("l.csv", "seconds;x\n0,0;1\n0,5;2\n".encode("utf-16")),
        ("l.txt", b"x,t\n1,0:00:00\n2,0:00:00.5\n"),
        ("l.csv", b",Time (s),x\n0,0,1\n1,0.5,2\n"),
        ("l.csv", b"Unnamed: 0,timestamp [sec],x\n0,0,1\n1,0.5,2\n"),
    ],
)
def test_kinds_of_tables(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    labels = Labels(tmp_path / name)
    assert labels.times.tolist() == [0, 0.5]
    assert labels.read([0, 1]).ravel().tolist() == [1, 2]


def test_parquet(tmp_path):
    pandas = pytest.importorskip("pandas", reason="it writes the file")
    pytest.importorskip("pyarrow", reason="it reads the file")
    times = pandas.to_timedelta([0, 1500], unit="ms")
    pandas.DataFrame({"timestamp": times, "x": [1.5, np.nan]}).to_parquet(tmp_path / "l.parquet")
    labels = Labels(tmp_path / "l.parquet")
    assert labels.times.tolist() == [0, 1.5]
    assert np.array_equal(labels.read([0, 1]), [[1.5], [np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("text", "options", "fault"),
    [
        ("a,b\n1,2\n", {}, "needs one time column, such as 'time'; it has 'a', 'b'; options="),
        ("time (ms),b\n1,2\n", {}, "needs one time column"),
        ("time,t,b\n1,2,3\n", {}, "needs one time column"),
        ("time,b\n0,1\n1,2\n1,3\n", {}, "times must rise: row 3 has 1 after 1"),
        ("time,b\n0,1\n,2\n", {}, "expected seconds or h:mm:ss in 'time', got '' in row 2"),
        ("time,b\n", {}, "has no rows"),
        ("time,b\n0,calm\n", {}, "has no column of numbers beside 'time'; 'b' has 'calm'"),
        (",time\n0,1\n", {}, "has no column of numbers beside 'time'$"),
        ("time,b,c\n0,1,2\n1,o,2\n2,3,4\n", {}, "expected a number in 'b', got 'o' in row 2; 'columns' among"),
        ("time,b\n0,calm\n", {"columns": ["b"]}, "expected a number in 'b', got 'calm' in row 1"),
        ("time,b\n0,\n", {"columns": "b", "dtype": "i4"}, "expected a number in 'b', got '' in row 1"),
        ("time,b\n0,1.5\n", {"columns": "b", "dtype": "i4"}, "int32 in 'b', got '1.5' in row 1"),
        ("time,b\n0,1\n", {"columns": "c"}, "has no column 'c'"),
    ],
)
def test_faults_are_named(tmp_path, text, options, fault):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(vf.FormatError, match=fault):
        Labels(tmp_path / "l.csv", **options)


def test_a_table_is_a_stream_sampled_by_time(tmp_path):
    """Labels at uneven times that begin late, on a time line of 4 Hz, started 2 s into the recording."""
    times = np.unique(np.random.default_rng(0).uniform(1, 30, 200).round(3))
    rows = "\n".join(f"{time},{time},{'' if 40 < k < 45 else time * 2}" for k, time in enumerate(times))
    (tmp_path / "l.csv").write_text("time,own,twice\n" + rows)
    vf.write(np.arange(1200, dtype="f8")[:, None] / 60, tmp_path / "v.npy")
    table = {"trial": ["a"], "n_frames": [80], "fps": [4], "video": ["v.npy"], "label": ["l.csv"], "label.start": [2]}
    w = vf.windows(table, size=16, hop=9, root=tmp_path)
    options = {"label": {"dtype": "float64"}}
    ds = w.dataset(streams=["video", "label"], rate={"video": 15}, options=options, phase=7)
    assert ds.n_phases == 15, "rows of a table have no phases"
    for sample in ds:
        seconds = 2 + sample["frame"] / 4 + 7 / 60
        rows = np.searchsorted(times, seconds, side="right") - 1
        assert sample["label"][:, 0].tolist() == times[rows].tolist()
        empty = (rows > 40) & (rows < 45)
        assert sample["label_mask"].tolist() == (~empty).tolist()
        assert sample["mask"].tolist() == sample["label_mask"].tolist()
        assert sample["video_mask"].all()
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    loader = torch.utils.data.DataLoader(ds, 4, num_workers=1, multiprocessing_context="spawn", collate_fn=ds.collate)
    for batch in loader:
        for k, row in enumerate(batch["row"].tolist()):
            assert np.array_equal(batch["label"][k], ds[row]["label"], equal_nan=True)


def test_tables_that_end_too_soon_are_named(tmp_path):
    for k, seconds in enumerate((20, 10)):
        rows = "".join(f"{i / 4},{i}\n" for i in range(seconds * 4))
        (tmp_path / f"{k}.csv").write_text("time,x\n" + rows)
    table = {"trial": ["a", "b"], "n_frames": [80, 80], "fps": [4, 4], "label": ["0.csv", "1.csv"]}
    w = vf.windows(table, size=16, hop=16, root=tmp_path)
    with pytest.raises(vf.FormatError, match=r"1\.csv: ends at 10 s; the label of trial 'b' needs 19.75 s"):
        w.dataset(streams=["label"])
    assert w.dataset(w["trial"] == "a", streams=["label"])[4]["label"].ravel().tolist() == list(range(64, 80))


def written(folder, *texts):
    """Write tables, and return windows over a trial of 10 s at 4 Hz for each."""
    names = [f"{k}.csv" for k in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (folder / name).write_text(text)
    table = {"trial": names, "n_frames": [40] * len(names), "fps": [4] * len(names), "label": names}
    return vf.windows(table, size=8, hop=8, root=folder), table


def rows(first, step=0.25, n=40):
    return "time,x\n" + "".join(f"{first + k * step},{k}\n" for k in range(n))


def test_tables_of_other_columns_are_not_mixed(tmp_path):
    text = "time,x,y\n" + "".join(f"{k / 4},{k},{-k}\n" for k in range(40))
    for other in (text.replace("x,y", "y,x"), text.replace("x,y", "x,z"), rows(0)):
        w, _ = written(tmp_path, text, other, text)
        with pytest.raises(vf.FormatError, match=r"1\.csv: 1 of 3 tables hold other columns of numbers than 'x', 'y'"):
            w.dataset(streams=["label"])
        ds = w.dataset(streams=["label"], options={"label": {"columns": ["x"]}})
        assert {sample["label"].shape for sample in ds} == {(8, 1)}
        w.dataset(w["trial"] == "1.csv", streams=["label"])


def test_a_table_with_a_clock_of_its_own_is_told(tmp_path, recwarn):
    """Seconds since 1970, a recording that was begun later, and milliseconds."""
    w, table = written(tmp_path, rows(1.7e9), rows(0), rows(-11))
    with pytest.raises(
        vf.FormatError, match=r"has rows from 1700000000 to 1700000010 s, .* from 0 to 10 s and meets none"
    ):
        w.dataset(w["trial"] == "0.csv", streams=["label"])
    with pytest.raises(vf.FormatError, match=r"2\.csv: ends at -1 s"):
        w.dataset(w["trial"] == "2.csv", streams=["label"])
    w.dataset(w["trial"] == "1.csv", streams=["label"])
    begun = vf.windows(table | {"label.start": [1.7e9, "", -11]}, size=8, hop=8, root=tmp_path)
    assert all(sample["mask"].all() for sample in begun.dataset(streams=["label"]))

    w, table = written(tmp_path, rows(0), rows(3), rows(0, 250), rows(3, n=30), rows(0, n=400))
    assert not recwarn.list
    with pytest.warns(
        UserWarning, match=r"2 of 5 files may have .*1\.csv has rows from 3 to 13 s.*label.start.*2\.csv has"
    ) as told:
        w.dataset(streams=["label"])
    assert len(told) == 1
    begun = vf.windows(table | {"label.start": ["", 3, 0, "", ""]}, size=8, hop=8, root=tmp_path)
    begun.dataset(streams=["label"])
    assert len(recwarn.list) == 0
