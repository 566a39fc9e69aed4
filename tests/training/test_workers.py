"""Videos in other processes: the same pixels from 0, 1 and 2 workers, however they were started."""

import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from vidformats import handles
from vidformats.testing.numbered import numbered

METHODS = ("fork", "forkserver", "spawn")
WORKERS = (0, 1, 2)
N_FRAMES = 61

pytestmark = pytest.mark.skipif(os.name != "posix", reason="fork and forkserver are there on POSIX alone")


def make_store(folder):
    """Write one video and one label file for every format installed here; return the manifest's path."""
    lines = ["trial,subject,n_frames,fps,video,label"]
    video, label = numbered(2 * N_FRAMES, 32), np.arange(N_FRAMES, dtype=np.float32)[:, None]
    for k, name in enumerate(vf.formats()):
        try:
            vf.get_format(name)
        except ImportError:
            continue  # an extra is not installed
        path = f"{name}{vf.registry.FORMATS[name].suffix}"
        vf.write(video, folder / path, name)
        labels = f"{name}.label.npy"
        vf.write(label + 1000 * k, folder / labels)
        lines.append(f"{name},{name},{N_FRAMES},32,{path},{labels}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder / "manifest.csv"


def dataset(manifest):
    w = vf.windows(manifest, size=12, hop=7, stride=2)
    streams = {"video": "video", "label": "label"}
    return w, w.dataset(streams=streams, rate={"video": 2}, shift={"label": 1}, phase="random", seed=5)


def batches_of(ds, method, workers, **options):
    import torch

    sampler = torch.randperm(len(ds), generator=torch.Generator().manual_seed(0)).tolist()
    context = method if workers else None
    return list(
        torch.utils.data.DataLoader(
            ds, batch_size=7, sampler=sampler, num_workers=workers, multiprocessing_context=context, **options
        )
    )


def measure(manifest):
    """Return for each format the (method, workers) that gave other batches than reading row by row here."""
    w, ds = dataset(manifest)
    ds.set_epoch(3)
    alone = [ds[row] for row in w.rows]  # the files are open now, so that forks inherit open readers
    formats = w["trial"]
    differing = {name: set() for name in w.manifest.trials}
    for method in METHODS:
        for workers in WORKERS:
            collate = ds.collate if workers == 1 else None  # memory handed over must hold the same
            batches, rows = batches_of(ds, method, workers, collate_fn=collate), []
            for batch in batches:
                for at, row in enumerate(batch["row"].tolist()):
                    rows.append(row)
                    if any(not np.array_equal(batch[key][at], alone[row][key]) for key in ("video", "label", "mask")):
                        differing[formats[row]].add((method, workers))
            assert sorted(rows) == w.rows.tolist()
    return differing


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


def test_the_same_batches_for_every_format(manifest):
    pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    differing = measure(manifest)
    assert set(differing) >= {"npy", "h5", "jpg"}
    assert not any(differing.values())


def read_all(videos):
    return [v[::5] for v in videos]


@pytest.mark.parametrize("method", METHODS)
def test_videos_that_are_open_travel(manifest, method):
    _, ds = dataset(manifest)
    videos = [vf.open(ds.windows.manifest.path("video", k), threads=2) for k in range(len(ds.windows.manifest.trials))]
    expected = read_all(videos)
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = [pool.apply_async(read_all, (videos,)) for _ in range(2)]
        for result in results:
            for got, want in zip(result.get(60), expected, strict=True):
                assert np.array_equal(got, want)
    assert all(np.array_equal(a, b) for a, b in zip(read_all(videos), expected, strict=True)), "the parent reads on"


def test_fork_while_threads_read(manifest):
    """Readers busy in other threads at the moment of the fork are no obstacle for the child."""
    _, ds = dataset(manifest)
    videos = [vf.open(ds.windows.manifest.path("video", k)) for k in range(len(ds.windows.manifest.trials))]
    expected, stop = read_all(videos), threading.Event()

    def keep_reading():
        while not stop.is_set():
            read_all(videos)

    thread = threading.Thread(target=keep_reading)
    thread.start()
    try:
        for _ in range(3):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                got = pool.apply_async(read_all, (videos,)).get(60)
                assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
    finally:
        stop.set()
        thread.join()


def test_persistent_workers_see_the_epoch(manifest):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    _, ds = dataset(manifest)
    loader = torch.utils.data.DataLoader(
        ds, batch_size=7, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    for epoch in (0, 1, 2):
        ds.set_epoch(epoch)
        for batch, plain in zip(loader, torch.utils.data.DataLoader(ds, batch_size=7), strict=True):
            assert all(torch.equal(batch[key], plain[key]) for key in plain)


def test_pinned_memory_and_subsets(manifest):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    _, ds = dataset(manifest)
    subset = torch.utils.data.Subset(ds, [5, 3, 9])
    (batch,) = torch.utils.data.DataLoader(subset, batch_size=3)
    assert batch["row"].tolist() == [5, 3, 9]
    if torch.accelerator.is_available():  # only there is memory pinned
        (batch,) = torch.utils.data.DataLoader(subset, batch_size=3, pin_memory=True)
        assert batch["video"].is_pinned()


@pytest.mark.parametrize("method", METHODS)
def test_errors_of_workers_say_what_and_where(tmp_path, method):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    path = vf.write(numbered(20, 16), tmp_path / "a.npy")
    w = vf.windows({"trial": ["a"], "n_frames": [20], "path": [path]}, size=4, hop=4)

    def read(ds):
        try:
            return list(torch.utils.data.DataLoader(ds, num_workers=1, multiprocessing_context=method))
        except Exception as error:
            # The traceback would keep the loader until a garbage collection, too late to end its worker well.
            raise error.with_traceback(None) from None

    opened, unopened = w.dataset(), w.dataset(check=False)
    opened[0]
    vf.write(numbered(21, 16), path)
    with pytest.raises(vf.FormatError, match=r"a\.npy: changed since it was opened"):
        read(opened)
    if method == "fork":  # once is enough: nothing of it is about processes
        vf.write(numbered(10, 16), path)
        with pytest.raises(vf.FormatError, match=r"a\.npy: has 10 frames; the video of trial 'a' needs 20"):
            read(unopened)
        os.rename(path, tmp_path / "b.npy")
        with pytest.raises(FileNotFoundError, match=r"a\.npy"):
            read(unopened)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.mp4", "a.npz", "a"])
def test_old_and_new_frames_never_meet(tmp_path, name, in_place, workers):
    """A dataset reads the files as they were when it was made, whole, or says which changed."""
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    options = {"format": None if "." in name else "png"}
    path = vf.write(np.full((60, 3, 32, 32), 40, np.uint8), tmp_path / name, **options)
    ds = vf.windows({"trial": ["a"], "n_frames": [60], "path": [path]}, size=20, hop=10).dataset()
    ds[0]
    if in_place:
        new = vf.write(np.full((60, 3, 32, 32), 200, np.uint8), tmp_path / f"new{name}", **options)
        for old in [path] if os.path.isfile(path) else [f"{path}/{image}" for image in os.listdir(path)]:
            data = Path(old.replace(path, new)).read_bytes()
            with open(old, "r+b") as file:
                file.write(data)
    else:
        vf.write(np.full((60, 3, 32, 32), 200, np.uint8), path, **options)
    try:
        context = "fork" if workers else None
        loader = torch.utils.data.DataLoader(ds, 2, num_workers=workers, multiprocessing_context=context)
        seen = {round(value / 40) for batch in loader for value in batch["video"].unique().tolist()}
    except vf.FormatError as error:
        assert path in str(error)
    else:
        # A folder's own state does not tell that an image in it was rewritten: a process that opens it reads anew.
        assert seen == ({5} if name == "a" and in_place and workers else {1})
        assert name == "a" or not (in_place or workers)


def test_mapped_files_are_read_in_workers(manifest):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    w = vf.windows(manifest, size=12, hop=7)
    npy = w["trial"] == "npy"
    plain, mapped = (
        w.dataset(npy, streams=["video"], rate=2),
        w.dataset(npy, streams=["video"], rate=2, options={"video": {"mapped": True}}),
    )
    loader = torch.utils.data.DataLoader(mapped, 3, num_workers=2, multiprocessing_context="fork")
    for k, sample in enumerate(sample for batch in loader for sample in batch["video"]):
        assert np.array_equal(sample, plain[k]["video"])


def test_closed_videos_stay_closed(tmp_path):
    video = vf.open(vf.write(numbered(20, 16), tmp_path / "a.npy"))
    video.close()
    with pytest.raises(ValueError, match=r"a\.npy: this video is closed"):
        pickle.loads(pickle.dumps(video))[0]


def test_files_that_change_under_a_closed_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "MAX_OPEN", 1)
    first = vf.open(vf.write(numbered(20, 32), tmp_path / "a.npy"))
    second = vf.open(vf.write(numbered(20, 32), tmp_path / "b.npy"))
    assert first._handle.reader is None
    vf.write(numbered(20, 32, start=5), tmp_path / "a.npy")
    with pytest.raises(vf.FormatError, match="changed since"):
        first[0]
    assert second[3].shape == (3, 32, 32)


def test_resting_streams_keep_their_index(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "MAX_OPEN", 2)
    videos = [vf.open(vf.write(numbered(40, 32, start=k), tmp_path / f"{k}.mp4"), threads=1) for k in range(5)]
    indexes = [(v._handle.reader or v._handle.resting)._index for v in videos]
    assert [v._handle.reader is None for v in videos] == [True, True, True, False, False]
    for k in (0, 3, 1, 4, 2, 0):
        assert np.array_equal(videos[k][[30, 7]], videos[k][:][[30, 7]])
        assert sum(v._handle.reader is not None for v in videos) == 2
    assert all((v._handle.reader or v._handle.resting)._index is i for v, i in zip(videos, indexes, strict=True))
