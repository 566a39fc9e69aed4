"""What was written is compared with its source, and read through both loaders."""

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.measure.loop import epoch
from vidformats.tools.advice import trial
from vidformats.tools.advice.access import Access
from vidformats.tools.advice.loader import Plan, dataset, loader

SOURCE = content.make("scene", 40, 48)


@pytest.fixture
def source(tmp_path):
    return vf.write(SOURCE, tmp_path / "source.npy")


def store(source, folder, form, **options):
    return trial.store([source], [25.0], form, options, str(folder / form), 60.0, 4, 2)


def test_what_is_written_is_measured(source, tmp_path):
    exact, lossy = store(source, tmp_path, "png"), store(source, tmp_path, "jpg", quality=90)
    assert (exact["psnr"], exact["ssim"], exact["frames"]) == (None, 1.0, [40])
    assert 25 < lossy["psnr"] < 50
    assert lossy["nbytes"][0] < exact["nbytes"][0]


def test_too_slow_a_writer_is_given_up_or_given_fewer_frames(source, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_write", lambda array, *rest: vf.write(array, rest[0], "npy") and 0.1 * len(array))
    found = trial.store([source], [25.0], "npy", {}, str(tmp_path / "a"), 2.2, 8, 1)
    assert found["frames"] == [20], "at 10 frames/s, after what an empty file takes"
    with pytest.raises(TimeoutError, match="too slow to write here: 10 frames/s"):
        trial.store([source], [25.0], "npy", {}, str(tmp_path / "b"), 0.3, 20, 1)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (SOURCE[:39], "expected .* got"),
        (np.roll(SOURCE, 1, axis=0), "shifted"),
        (SOURCE[::-1], "shifted|not those"),
        (255 - SOURCE, "not those of the source"),
    ],
    ids=["short", "shifted", "backwards", "inverted"],
)
def test_other_pixels_are_noticed(wrong, fault, tmp_path):
    path = vf.write(wrong, tmp_path / "jpg", "jpg", quality=95)
    with pytest.raises(ValueError, match=fault):
        trial.compare([path], [SOURCE], 1, "jpg", {})
    npy = vf.write(wrong, tmp_path / "wrong.npy")
    with pytest.raises(ValueError, match=r"expected .* got|are not those of the source"):
        trial.compare([npy], [SOURCE], 1, "npy", {})


@pytest.mark.parametrize("torch", [True, False])
@pytest.mark.parametrize("workers", [0, 1])
def test_both_loaders_deliver_the_same_number_of_frames(source, torch, workers):
    if torch:
        pytest.importorskip("torch", reason="PyTorch's loader")
    access = Access.parse("window=8,hop=4,stride=2", batch=2)
    data, trials, groups = dataset([{"path": source, "n_frames": 40, "start": 0, "stop": 40, "group": 0}], access)
    batches = loader(data, Plan(access.batches(trials, groups, workers)), workers, torch)
    assert [epoch(batches) for _ in range(2)] == [8 * len(data)] * 2
    if hasattr(batches, "close"):
        batches.close()


def test_windows_lie_in_the_part_that_was_cut(source):
    access = Access.parse("window=4,hop=4")
    data, _, _ = dataset([{"path": source, "n_frames": 40, "start": 10, "stop": 30, "group": 0}], access)
    frames = np.concatenate([data[k]["frame"] for k in range(len(data))])
    assert (frames.min(), frames.max()) == (12, 27)
    short, _, _ = dataset([{"path": source, "n_frames": 40, "start": 10, "stop": 12, "group": 0}], access)
    assert len(short) == 1


def test_a_load_gives_all_figures(source):
    item = {"path": source, "n_frames": 40, "start": 0, "stop": 40, "group": 0}
    access = Access.parse("random", batch=8).__dict__
    found = trial.load([item], access, 0, 0.01, 2, True, True)
    assert len(found["warm"]) == 2
    assert min(found["warm"]) > 0
    assert found["cold"] is None or found["cold"] > 0
    assert (found["first"] is None) == (found["cold"] is None)
