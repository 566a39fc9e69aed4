"""Crops, mirrors and transforms in the worker: the same for all frames of a window, whatever reads it."""

import pickle
import random

import numpy as np
import pytest

import vidformats as vf


@pytest.fixture
def w(tmp_path):
    """Two videos of different sizes whose pixels are where they are: value = frame, row, column in the channels."""
    for name, side in (("a", 20), ("b", 26)):
        video = np.zeros((60, 3, side, side), np.uint8)
        video[:, 0] += np.arange(60, dtype=np.uint8)[:, None, None]
        video[:, 1] += np.arange(side, dtype=np.uint8)[:, None]
        video[:, 2] += np.arange(side, dtype=np.uint8)
        vf.write(video, tmp_path / f"{name}.npy")
    table = {"trial": ["a", "b"], "n_frames": [60, 60], "path": ["a.npy", "b.npy"]}
    return vf.windows(table, size=5, hop=3, root=tmp_path)


def places(sample):
    """Return the corner that a window was cut at, and whether it was mirrored; all frames must agree."""
    window = sample["video"]
    tops, lefts = window[:, 1, 0, 0], window[:, 2, 0].min(axis=1)
    mirrored = window[:, 2, 0, 0] > window[:, 2, 0, -1]
    assert len(set(tops)) == len(set(lefts)) == len(set(mirrored)) == 1
    assert (np.diff(window[:, 0, 0, 0].astype(int)) == 1).all()
    return int(tops[0]), int(lefts[0]), bool(mirrored[0])


def test_crops_and_mirrors_are_drawn_by_row_and_epoch(w):
    ds = w.dataset(crop=(12, 10), flip=0.5, seed=4)
    first = [places(sample) for sample in ds]
    assert all(sample["video"].shape == (5, 3, 12, 10) for sample in ds)
    tops, lefts, mirrored = zip(*first, strict=True)
    assert len(set(tops)) > 5
    assert len(set(lefts)) > 5
    assert 5 < sum(mirrored) < 35
    assert [places(sample) for sample in ds] == first
    assert [places(sample) for sample in pickle.loads(pickle.dumps(ds))] == first
    assert [places(s) for s in w.dataset(w.rows[::-1], crop=(12, 10), flip=0.5, seed=4)] == first[::-1]
    ds.set_epoch(1)
    assert [places(sample) for sample in ds] != first
    assert [places(s) for s in w.dataset(crop=(12, 10), flip=0.5, seed=5)] != first


def test_corners_reach_all_that_the_frame_has(w):
    ds = w.dataset(w["trial"] == "a", crop=(17, 19))
    found = set()
    for epoch in range(30):
        ds.set_epoch(epoch)
        found |= {places(sample)[:2] for sample in ds}
    assert found == {(top, left) for top in range(4) for left in range(2)}


def test_a_fixed_crop_and_a_sure_mirror_draw_nothing(w):
    ds = w.dataset(crop=(3, 2, 12, 10), flip=True)
    assert {places(sample) for sample in ds} == {(3, 2, True)}
    plain = w.dataset()
    for a, b in zip(ds, plain, strict=True):
        assert np.array_equal(a["video"], b["video"][:, :, 3:15, 2:12][..., ::-1])
        assert all(np.array_equal(a[key], b[key]) for key in a if key != "video")


def test_files_of_different_sizes_are_one_batch_once_they_are_cropped(w):
    rows = [3, 30, 5]
    batch = w.dataset(crop=(12, 10)).__getitems__(rows)
    assert [sample["row"] for sample in batch] == rows
    with pytest.warns(
        UserWarning, match=r"of 'video' have frames of another shape than \(3, .*: \(height, width\)\} makes"
    ):
        plain = w.dataset()
    fault = r"frames of \(3, 26, 26\) uint8, which can't be in one batch with .*; options=.* makes them alike"
    with pytest.raises(vf.FormatError, match=fault):
        plain.__getitems__(rows)


def test_streams_of_a_window_are_cut_alike(w):
    ds = w.dataset(
        streams={"video": "path", "depth": "path"},
        crop={"video": (12, 10), "depth": (12, 10)},
        flip={"video": 0.5, "depth": 0.5},
    )
    assert all(np.array_equal(sample["video"], sample["depth"]) for sample in ds)


def noisy(window):
    """Draw from all the generators that there are."""
    window = window + np.float32(random.random()) + np.random.random()  # noqa: NPY002
    return window.astype(np.float32)


def with_rng(window, rng):
    return (window[::2] * rng.random()).astype(np.float64)


@pytest.mark.parametrize("transform", [noisy, with_rng])
def test_transforms_are_seeded_and_leave_the_generators_alone(w, transform):
    ds = w.dataset(w["trial"] == "a", transform={"video": transform})
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = [sample["video"].copy() for sample in ds]
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    assert len({float(window.ravel()[0]) for window in first}) > 10
    again = [sample["video"].copy() for sample in ds.__getitems__(range(len(ds)))]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    ds.set_epoch(2)
    assert not np.array_equal(ds[3]["video"], first[3])


def transforms():
    torch = pytest.importorskip("torch", reason="an extra; without it there are no modules")

    class Jitter(torch.nn.Module):
        """What a transform of torchvision.transforms.v2 does: draw once, from PyTorch's generator, for all frames."""

        def forward(self, window):
            assert isinstance(window, torch.Tensor)
            return window.float() * torch.rand(()) + torch.randn((1, 3, 1, 1))

    found = {"module": Jitter()}
    try:
        from torchvision.transforms import v2

        found["torchvision"] = v2.Compose(
            [v2.RandomHorizontalFlip(), v2.RandomResizedCrop(16), v2.ToDtype(torch.float32)]
        )
    except (ImportError, RuntimeError):  # built for another PyTorch
        pass
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_transforms_in_workers_keep_the_way_without_a_copy(w, workers):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    for transform in transforms().values():
        ds = w.dataset(crop=(16, 16), transform=transform)
        state = torch.random.get_rng_state()
        alone = [ds[k] for k in range(len(ds))]
        assert torch.equal(torch.random.get_rng_state(), state)
        # Batches large enough to be handed over in shared memory.
        loader = torch.utils.data.DataLoader(
            ds,
            batch_size=16,
            num_workers=workers,
            collate_fn=ds.collate,
            multiprocessing_context="fork" if workers else None,
        )
        for batch in loader:
            for k, row in enumerate(batch["row"].tolist()):
                assert np.array_equal(batch["video"][k], alone[row]["video"])
        assert batch["video"].dtype == torch.float32
        assert bool(ds._pool.received) == bool(workers)


def test_what_cannot_be_done_is_told(w):
    for arguments, error, fault in [
        ({"crop": 12}, ValueError, r"crop of video must be \(height, width\) or .* got 12"),
        ({"crop": (1, 2, 3)}, ValueError, "crop of video must be"),
        ({"crop": (12, 0)}, ValueError, "must lie in the frame"),
        ({"crop": (12.5, 3)}, TypeError, "must be an integer, got 12.5"),
        ({"flip": 2}, ValueError, "flip of video must be a probability"),
        ({"transform": "noise"}, TypeError, "transform of video must be callable, got str"),
        ({"flip": {"depth": 0.5}}, ValueError, "no stream depth; there are video"),
    ]:
        with pytest.raises(error, match=fault):
            w.dataset(**arguments)
    for crop in ((21, 3), (10, 0, 12, 12)):
        with pytest.raises(ValueError, match=r"must lie in its frames of \(3, 20, 20\)"):
            w.dataset(crop=crop)[0]
    with pytest.raises(vf.FormatError, match="can't be in one batch"):
        w.dataset(w["trial"] == "a", transform=lambda window: window[: 1 + int(window[0, 0, 0, 0])]).__getitems__(
            [1, 3]
        )
