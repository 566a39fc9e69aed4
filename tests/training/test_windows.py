import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vidformats as vf


def reference(lengths, size, hop, stride, tail):
    """Write windows down the plain way: (trial, the frames of its samples) one after another."""
    found = []
    for trial, n in enumerate(lengths):
        frames = list(range(n))
        start, here = 0, []
        while True:
            samples = [start + k * stride for k in range(size)]
            if samples[-1] >= n:
                break
            here.append(samples)
            start += hop * stride
        reached = here[-1][-1] if here else -1
        if tail == "anchor" and reached < n - 1:
            first = n - 1 - (size - 1) * stride if frames[-1] >= (size - 1) * stride else 0
            here.append([first + k * stride for k in range(size)])
        if tail == "pad" and reached < n - 1 and start < n:
            here.append([start + k * stride for k in range(size)])
        found += [(trial, samples) for samples in here]
    return found


def table(lengths, **columns):
    return {"trial": [f"t{k}" for k in range(len(lengths))], "n_frames": lengths} | columns


ragged = st.tuples(
    st.lists(st.integers(1, 60), min_size=1, max_size=6),
    st.integers(1, 20),
    st.integers(1, 24),
    st.integers(1, 5),
    st.sampled_from(["anchor", "pad", "drop"]),
)


@settings(max_examples=3000, deadline=None)
@given(ragged)
@example(([1], 1, 1, 1, "anchor"))
@example(([15], 3, 10, 1, "anchor"))
@example(([15], 3, 10, 1, "pad"))
@example(([4, 5, 6], 2, 1, 4, "anchor"))
def test_windows_equal_the_reference(case):
    lengths, size, hop, stride, tail = case
    w = vf.windows(table(lengths), size, hop, stride, tail)
    expected = reference(*case)
    assert len(w) == len(expected)
    assert w.rows.tolist() == list(range(len(expected)))
    trials, starts = w.locate(w.rows)
    samples = (starts[:, None] + stride * np.arange(size)).tolist()
    assert list(zip(trials.tolist(), samples, strict=True)) == expected
    for row in (0, len(w) // 2, -1):
        if expected:
            trial, samples = expected[row]
            assert w[row] == (row % len(w), f"t{trial}", samples[0], samples[-1] + 1)


def test_the_origin():
    """Windows of 300 with hop 200, the last one anchored to the end, a short trial kept whole."""
    w = vf.windows(table([1000, 900, 120]), size=300, hop=200)
    assert w[w.rows].start.tolist() == [0, 200, 400, 600, 700, 0, 200, 400, 600, 0]
    assert w[w.rows].trial.tolist() == ["t0"] * 5 + ["t1"] * 4 + ["t2"]


def test_rows_that_are_not_there():
    w = vf.windows(table([10]), size=4, hop=4)
    for rows in (3, -4, [0, 3], [-1]):
        with pytest.raises(IndexError, match="rows"):
            w[rows]
    with pytest.raises(IndexError, match="integers"):
        w[[0.5]]
    with pytest.raises(vf.FormatError, match="no column 'mood'"):
        w["mood"]


def test_columns_become_rows():
    w = vf.windows(table([8, 4], mood=["calm", "tense"], age=["31", "40"]), size=4, hop=4)
    assert w["mood"].tolist() == ["calm", "calm", "tense"]
    assert w["age"].tolist() == [31, 31, 40]


@pytest.mark.parametrize(("name", "value"), [("size", 0), ("hop", 0), ("stride", 0), ("hop", -3), ("tail", "wrap")])
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=rf"{name} (must be at least 1|must be one of)"):
        vf.windows(table([10]), **({"size": 2, "hop": 1} | {name: value}))
    with pytest.raises(TypeError):
        vf.windows(table([10]), size=2.5, hop=1)


def test_a_million_windows_cost_little():
    lengths = [10_000] * 100
    tracemalloc.start()
    w = vf.windows(table(lengths), size=300, hop=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(w) == 970_100
    assert peak < 1 << 20
    assert len(pickle.dumps(w)) < 100_000
    assert w[970_099] == (970_099, "t99", 9_700, 10_000)


selection = pytest.importorskip("sklearn.model_selection", reason="its splitters make the folds")
SUBJECTS = ["Cy", "Ann", "Bo", "Ann", "Dee", "Cy"]
CLASSES = ["0", "1", "1", "0", "1", "0"]


@pytest.fixture
def six():
    return vf.windows(table([100, 80, 60, 40, 90, 30], subject=SUBJECTS, mood=CLASSES), size=10, hop=7)


@pytest.mark.parametrize(
    "splitter",
    [
        selection.GroupKFold(3),
        selection.LeaveOneGroupOut(),
        selection.StratifiedGroupKFold(2),
        selection.GroupShuffleSplit(4, random_state=0),
    ],
    ids=lambda s: type(s).__name__,
)
def test_folds_keep_subjects_apart(six, splitter):
    subjects, folds = six["subject"], list(six.split(splitter, by="subject", y="mood"))
    assert folds
    for train, test in folds:
        assert not set(subjects[train]) & set(subjects[test])
        assert sorted([*train, *test]) == six.rows.tolist()
        assert train.dtype == test.dtype == np.int64
    if not isinstance(splitter, selection.GroupShuffleSplit):
        assert sorted(np.concatenate([test for _, test in folds])) == six.rows.tolist()


def test_leave_one_subject_out(six):
    tested = [set(six["subject"][test]) for _, test in six.split(selection.LeaveOneGroupOut())]
    assert tested == [{"Ann"}, {"Bo"}, {"Cy"}, {"Dee"}]


@pytest.mark.parametrize("splitter", [5, "GroupKFold", selection.GroupKFold, None])
def test_what_is_no_splitter_is_named(six, splitter):
    with pytest.raises(TypeError, match=r"splitter must have split\(X, y, groups\), such as GroupKFold\(5\), got"):
        next(six.split(splitter))


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_overlap_is_refused(six):
    with pytest.raises(ValueError, match="same subject into training and test: Ann, Bo, Cy;"):
        list(six.split(selection.KFold(2)))
    with pytest.raises(vf.FormatError, match="no column 'site'"):
        next(six.split(selection.GroupKFold(2), by="site"))


def test_folds_do_not_depend_on_anything_but_the_table(six, tmp_path):
    lines = ["trial,subject,n_frames,path"]
    lines += [f"t{k},{SUBJECTS[k]},{n},t{k}.npy" for k, n in enumerate([100, 80, 60, 40, 90, 30])]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    again = vf.windows(tmp_path / "m.csv", size=10, hop=7)
    for a, b in zip(six.split(selection.GroupKFold(3)), again.split(selection.GroupKFold(3)), strict=True):
        assert np.array_equal(a[0], b[0])
        assert np.array_equal(a[1], b[1])


def test_masks_and_slices_choose_windows(six):
    subjects = six["subject"]
    ann = np.flatnonzero(subjects == "Ann")
    assert six[subjects == "Ann"].row.tolist() == ann.tolist()
    assert six[0:3].start.tolist() == [0, 7, 14]
    assert six[-2:].row.tolist() == [len(six) - 2, len(six) - 1]
    assert six[np.int64(3)] == six[3]
    assert six.select([]).tolist() == []
    for rows, fault in [
        (np.ones(3, bool), f"expected a mask of the {len(six)} windows, got one of shape \\(3,\\)"),
        ([[0, 1]], "a boolean mask or a slice, got shape"),
        ([0.5], "rows must be integers"),
    ]:
        with pytest.raises(IndexError, match=fault):
            six[rows]
    for row in (1.0, True, "x", None):
        with pytest.raises((TypeError, vf.FormatError, IndexError)):
            six[row]


@pytest.mark.parametrize("kind", ["rows", "mask"])
def test_folds_within_folds_keep_subjects_apart(six, kind):
    subjects = six["subject"]
    for outer, test in six.split(selection.LeaveOneGroupOut()):
        rows = outer if kind == "rows" else np.isin(six.rows, outer)
        inner = list(six.split(selection.GroupKFold(3), rows=rows, y="mood"))
        assert len(inner) == 3
        for train, validation in inner:
            assert not set(subjects[train]) & set(subjects[validation])
            assert not {*train, *validation} & set(test)
            assert sorted([*train, *validation]) == outer.tolist()
    with pytest.raises(ValueError, match="same subject into training and test: Ann"):
        list(six.split(selection.ShuffleSplit(2, random_state=0), rows=subjects != "Cy"))


def test_identities_of_folds_are_text_and_none_is_missing(six):
    lengths, people = [16] * 3, ["1_11", "11_1", "2_1"]
    w = vf.windows(table(lengths, subject=people), 8, 8)
    assert w["subject"].tolist() == ["1_11"] * 2 + ["11_1"] * 2 + ["2_1"] * 2
    assert len(list(w.split(selection.LeaveOneGroupOut()))) == 3
    w = vf.windows(table(lengths, subject=[1, "", None]), 8, 8)
    for split in (lambda: w["subject"], lambda: next(w.split(selection.LeaveOneGroupOut()))):
        with pytest.raises(vf.FormatError, match="2 of 3 trials have no entry for subject: 't1', 't2'"):
            split()


def test_figures_that_are_too_large_or_no_figures():
    for value in (1 << 63, 1 << 40):
        with pytest.raises(ValueError, match="hop must be at least 1 and below"):
            vf.windows(table([10]), size=4, hop=value)
    with pytest.raises(TypeError, match="size must be an integer, got True"):
        vf.windows(table([10]), size=True, hop=1)
