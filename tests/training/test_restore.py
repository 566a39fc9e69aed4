import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidformats as vf
from tests.training.test_windows import ragged, reference, table


def plain(case, weights, predict, last):
    """Restore with a Python list for each frame, as the origin does: trial -> list of outputs or None."""
    lengths = case[0]
    lists = [[[] for _ in range(n)] for n in lengths]
    for row, (trial, samples) in enumerate(reference(*case)):
        for k, frame in enumerate(samples):
            if frame < lengths[trial]:
                lists[trial][frame].append((predict(row, k), weights[k]))

    def merged(found):
        if not found or last:
            return found[-1][0] if found else None
        return sum(p * w for p, w in found) / sum(w for _, w in found)

    return [[merged(found) for found in trial] for trial in lists]


reductions = st.sampled_from(["mean", "last", "weights"])
shuffles = st.randoms(use_true_random=False)


@settings(max_examples=1500, deadline=None)
@given(ragged, reductions, shuffles, st.integers(1, 7))
def test_restoring_equals_the_reference(case, reduce, random, batch):
    lengths, size, hop, stride, tail = case
    w = vf.windows(table(lengths), size, hop, stride, tail)
    weights = [random.uniform(0.1, 1) for _ in range(size)] if reduce == "weights" else [1.0] * size
    outputs = np.array([random.uniform(-1, 1) for _ in range(len(w) * size)]).reshape(len(w), size)
    out = w.restore(weights if reduce == "weights" else reduce)
    rows = w.rows
    random.shuffle(rows)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        out.add(part, outputs[part], per="frame", offset=0)
    for trial, expected in enumerate(plain(case, weights, lambda r, k: outputs[r, k], reduce == "last")):
        gap = next((k for k, value in enumerate(expected) if value is None), None)
        if gap is not None:
            with pytest.raises(ValueError, match=f"trial 't{trial}': frame {gap} was never predicted"):
                out[f"t{trial}"]
        else:
            np.testing.assert_allclose(out[f"t{trial}"], expected, rtol=1e-12)


@settings(max_examples=1000, deadline=None)
@given(ragged, reductions, shuffles)
def test_a_frame_gets_its_own_number_back(case, reduce, random):
    lengths, size, hop, stride, tail = case
    w = vf.windows(table(lengths), size, hop, stride, tail)
    out = w.restore(np.hanning(size + 1)[:-1] + 1e-3 if reduce == "weights" else reduce, missing=-1)
    rows = w.rows
    random.shuffle(rows)
    for offset in range(stride):  # every phase, so that every frame is some window's sample
        frames = w[rows].start[:, None] + offset + np.arange(size) * stride
        out.add(rows, frames.astype(np.float32)[..., None], per="frame", offset=offset)
    for trial, n in enumerate(lengths):
        restored = out[f"t{trial}"] if len(w) else np.full((n, 1), -1.0)
        assert len(restored) == n
        wrong = restored.ravel() != np.arange(n)
        assert (restored.ravel()[wrong] == -1).all()
        if hop <= size and tail != "drop":
            assert not wrong.any()


def test_one_output_a_window():
    w = vf.windows(table([10, 3]), size=4, hop=4)
    out = w.restore()
    out.add(w.rows, np.array([1.0, 2.0, 4.0, 8.0]))
    assert out["t0"].tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert out["t1"].tolist() == [8, 8, 8]
    vector = w.restore("last")
    vector.add(w.rows, np.arange(8).reshape(4, 2))
    assert vector["t0"].shape == (10, 2)
    assert vector["t0"][7].tolist() == [4, 5], "of the windows 1 and 2 the later one wins"
    assert vector["t0"].dtype == np.int64


def test_one_output_a_window_holds_between_its_samples():
    w = vf.windows(table([9]), size=2, hop=1, stride=4)
    out = w.restore([1, 3])
    out.add([0, 1], np.array([0.0, 4.0]), per="window")
    # Window 0 spans frames 0 to 4, window 1 frames 4 to 8; frame 4 is sample 1 of the one, 0 of the other.
    assert out["t0"].tolist() == [0, 0, 0, 0, 1, 4, 4, 4, 4]


def test_which_of_the_two_is_told_by_the_shape():
    w = vf.windows(table([8]), size=4, hop=4)
    for shape, per, expected in [
        ((2, 4), None, (8,)),
        ((2, 4), "window", (8, 4)),
        ((2, 4, 5), None, (8, 5)),
        ((2, 3), None, (8, 3)),
        ((2,), None, (8,)),
        ((2, 3, 5), "window", (8, 3, 5)),
    ]:
        out = w.restore()
        out.add(w.rows, np.ones(shape), per=per)
        assert out["t0"].shape == expected
    bad = [((2, 3, 5), None), ((2, 3), "frame"), ((2,), "frame"), ((2, 4), "trial"), ((3,), None), ((), None)]
    for shape, per in bad:
        with pytest.raises(ValueError, match=r"per|due|\(B, 4"):
            w.restore().add(w.rows, np.ones(shape), per=per)


def test_order_of_adding_does_not_matter():
    w = vf.windows(table([50]), size=10, hop=3)
    outputs = np.random.default_rng(0).normal(size=(len(w), 10, 2)).astype(np.float32)
    for reduce in ("mean", "last", np.hanning(10)):
        forwards, backwards = w.restore(reduce), w.restore(reduce)
        forwards.add(w.rows, outputs)
        for row in w.rows[::-1]:
            backwards.add([row], outputs[[row]])
        assert np.array_equal(forwards["t0"], backwards["t0"])
        assert forwards["t0"].dtype == np.float32


def test_the_first_frame_under_a_taper_has_its_output():
    w = vf.windows(table([8]), size=5, hop=3)
    out = w.restore(np.hanning(5))
    out.add(w.rows, np.array([[10.0, 11, 12, 13, 14], [0, 0, 0, 0, 7]]))
    assert out["t0"][0] == pytest.approx(10)
    assert out["t0"][7] == pytest.approx(7)
    assert out["t0"][3] == pytest.approx(13), "the edge of the second window counts nothing beside the first"


def test_missing_frames():
    w = vf.windows(table([10, 10]), size=4, hop=4, tail="drop")
    out = w.restore(missing=np.nan)
    out.add([0], np.ones((1, 4), np.float32))
    assert np.isnan(out["t0"]).tolist() == [False] * 4 + [True] * 6
    assert np.isnan(out["t1"]).all()
    assert list(out) == ["t0"]
    assert "t1" not in out
    strict = w.restore()
    strict.add([0, 1], np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"trial 't0': frame 8 was never predicted; 2 of 10"):
        strict["t0"]
    with pytest.raises(ValueError, match=r"trial 't1': frame 0 was never predicted; 10 of 10"):
        strict["t1"]
    with pytest.raises(KeyError, match="no trial 'x'"):
        strict["x"]


def test_bad_arguments():
    w = vf.windows(table([10]), size=4, hop=4)
    for reduce in ("median", [1, 1, 1], [0, 0, 0, 0], [1, 1, 1, -1], [1, 1, 1, np.nan]):
        with pytest.raises(ValueError, match=r"reduce|weights"):
            w.restore(reduce)
    with pytest.raises(ValueError, match="missing"):
        w.restore(missing="skip")
    out = w.restore()
    out.add([0], np.ones((1, 4)))
    with pytest.raises(ValueError, match="before"):
        out.add([1], np.ones((1, 4, 2)))
    with pytest.raises(IndexError, match="rows"):
        out.add([3], np.ones((1, 4)))
    with pytest.raises(ValueError, match="real numbers"):
        out.add([1], np.ones((1, 4), complex))
    with pytest.raises(ValueError, match="offset"):
        out.add([1], np.ones((1, 4)), offset=-1)


def test_memory_grows_with_frames_not_windows():
    w = vf.windows(table([1000]), size=100, hop=1)
    out = w.restore()
    for row in w.rows:
        out.add([row], np.ones((1, 100)))
    assert sum(a.nbytes for trial in out._trials.values() for a in trial) == 1000 * 2 * 8 + len(w)


def test_tensors():
    torch = pytest.importorskip("torch", reason="an extra; tensors are taken by duck typing")
    w = vf.windows(table([8]), size=4, hop=4)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        out = w.restore()
        out.add(torch.arange(2), torch.ones(2, 4, 3, dtype=dtype, requires_grad=True))
        assert out["t0"].shape == (8, 3)
        assert out["t0"].dtype == np.float32


def test_outputs_of_several_precisions_make_one():
    torch = pytest.importorskip("torch", reason="an extra; mixed precision is its affair")
    w = vf.windows(table([12]), size=4, hop=4)
    for reduce in ("mean", "last"):
        out = w.restore(reduce)
        for row, dtype in enumerate((torch.float16, torch.bfloat16, torch.float32)):
            out.add([row], torch.full((1, 4), row + 0.5, dtype=dtype))
        assert out["t0"].dtype == np.float32
        assert out["t0"].tolist() == [0.5] * 4 + [1.5] * 4 + [2.5] * 4
        out.add(np.array([0]), np.zeros((1, 4), np.float64))
        assert out["t0"].dtype == np.float64


@pytest.fixture
def strided(tmp_path):
    path = vf.write(np.arange(160, dtype="f4"), tmp_path / "x.npy")
    return vf.windows({"trial": ["a"], "n_frames": [160], "path": [path]}, size=8, hop=8, stride=4, tail="drop")


@pytest.mark.parametrize("phase", [0, 3, "random"])
def test_a_batch_says_where_its_outputs_belong(strided, phase):
    """A phase that is forgotten cannot put them elsewhere."""
    ds, out = strided.dataset(phase=phase), strided.restore(missing=-1)
    for sample in ds:
        out.add({"row": [sample["row"]], "frame": sample["frame"][None]}, sample["video"][None])
        with pytest.raises(ValueError, match="stride 4: pass the batch"):
            out.add([sample["row"]], sample["video"][None])
    found = out["a"] >= 0
    assert found.sum() == len(ds) * 8
    assert out["a"][found].tolist() == np.arange(160)[found].tolist()


def test_batches_of_a_loader_are_taken_as_they_are(strided):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    ds, out = strided.dataset(phase="random"), strided.restore("last", missing=-1)
    for epoch in range(40):
        ds.set_epoch(epoch)
        for batch in torch.utils.data.DataLoader(ds, batch_size=3, shuffle=True, collate_fn=ds.collate):
            out.add(batch, batch["video"])
    assert out["a"].tolist() == list(range(160))
    with pytest.raises(ValueError, match="no offset="):
        out.add(batch, batch["video"], offset=1)
    with pytest.raises(ValueError, match="'row' and 'frame'"):
        out.add({"row": [0]}, batch["video"][:1])
    with pytest.raises(ValueError, match="offset must be from 0 to 3, got 4"):
        out.add([0], np.zeros((1, 8)), offset=4)


def test_a_window_counts_once():
    w = vf.windows(table([10]), size=4, hop=2)
    outputs = np.random.default_rng(0).normal(size=(len(w), 4))
    for reduce in ("mean", "last", np.hanning(4)):
        once, often = w.restore(reduce), w.restore(reduce)
        once.add(w.rows, outputs)
        for rows in ([0, 1], [1, 1, 2], [3, 0, 3], [2]):
            often.add(rows, outputs[rows])
        assert np.allclose(often["t0"], once["t0"], rtol=1e-15)
        assert np.array_equal(often["t0"], often["t0"]), "looking does not count"


@settings(max_examples=300, deadline=None)
@given(ragged, reductions, st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_parts_of_several_processes_make_the_whole(case, reduce, n_ranks, batch, seed):
    """Each rank has its share as PyTorch's DistributedSampler deals them, the first rows repeated at the end."""
    lengths, size, hop, stride, tail = case
    w = vf.windows(table(lengths), size, hop, stride, tail)
    if not len(w):
        return
    reduce = np.hanning(size + 1)[:-1] + 1e-3 if reduce == "weights" else reduce
    outputs = np.random.default_rng(seed).normal(size=(len(w), size))
    order = np.random.default_rng(seed).permutation(len(w))
    dealt = np.resize(order, -(-len(w) // n_ranks) * n_ranks)
    whole, parts = w.restore(reduce, missing=-9), []
    whole.add(order, outputs[order], per="frame", offset=0)
    for rank in range(n_ranks):
        share, part = dealt[rank::n_ranks], w.restore(reduce, missing=-9)
        for start in range(0, len(share), batch):
            rows = np.sort(share[start : start + batch])
            part.add(rows, outputs[rows], per="frame", offset=0)
        if rank % 2:
            part[next(iter(part))]  # whoever looks in between changes nothing
        parts.append(pickle.loads(pickle.dumps(part)))
    merged = vf.Restored.merge(parts)
    assert list(merged) == list(whole)
    for name in whole:
        np.testing.assert_allclose(merged[name], whole[name], rtol=1e-12)


def test_parts_that_do_not_belong_together():
    w, other = vf.windows(table([10]), size=4, hop=2), vf.windows(table([10]), size=4, hop=3)
    for parts in ([], [w.restore(), other.restore()], [w.restore(), w.restore("last")]):
        with pytest.raises(ValueError, match="expected"):
            vf.Restored.merge(parts)
    one, two = w.restore(), w.restore()
    for part in (one, two):
        for row in (1, 2):
            part.add([row], np.ones((1, 4)))
    with pytest.raises(ValueError, match="windows 1 are in two parts"):
        vf.Restored.merge([one, two])
    empty = vf.Restored.merge([w.restore(missing=0), w.restore(missing=0)])
    assert len(empty) == 0
    assert empty["t0"].tolist() == [0] * 10
