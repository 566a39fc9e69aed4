import os
import pickle
import resource
import subprocess
import sys
import warnings
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidformats as vf
from vidformats.shared import SharedInteger

RATES = [1, 2, 16, 0.25, Fraction(25, 4), 6.25, Fraction(1, 3)]


@pytest.fixture(scope="module")
def ramps(tmp_path_factory):
    """Streams whose frames are their own numbers: ``ramps(n)`` is the path of one with n frames."""
    folder = tmp_path_factory.mktemp("ramps")

    def ramp(n_frames, channels=1):
        path = folder / f"{n_frames}-{channels}.npy"
        if not path.exists():
            vf.write(np.repeat(np.arange(n_frames)[:, None], channels, axis=1), path)
        return str(path)

    return ramp


@pytest.mark.filterwarnings("ignore:.*files are longer than it says")
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_samples_equal_the_reference(ramps, data):
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    size, hop, stride = (data.draw(st.integers(1, 8)) for _ in range(3))
    tail = data.draw(st.sampled_from(["anchor", "pad", "drop"]))
    rates = {name: Fraction(data.draw(st.sampled_from(RATES))) for name in ("video", "label")}
    shift = {"label": data.draw(st.integers(-6, 6))}
    surplus = data.draw(st.integers(0, 3))
    counts = {name: [floor((n - 1) * rate) + 1 + surplus for n in lengths] for name, rate in rates.items()}
    table = {"trial": [str(k) for k in range(len(lengths))], "n_frames": lengths}
    table |= {name: [ramps(n) for n in counts[name]] for name in rates}
    w = vf.windows(table, size, hop, stride, tail)
    finest = max(1, *rates.values())
    phase = data.draw(st.integers(0, floor(stride * finest) - 1))
    rows = data.draw(st.permutations(w.rows.tolist()))
    ds = w.dataset(rows, streams={"video": "video", "label": "label"}, rate=rates, shift=shift, phase=phase)
    assert len(ds) == len(rows)

    samples = ds.__getitems__(range(len(rows))) if rows else []
    for row, sample in zip(rows, samples, strict=True):
        trial, start = int(w[row].trial), w[row].start
        assert sample["row"] == row
        for k in range(size):
            time = start + k * stride + phase / Fraction(finest)
            valid = time < lengths[trial]
            time = min(time, lengths[trial] - Fraction(1, Fraction(finest).numerator))
            for name, rate in rates.items():
                frame, last = floor(time * rate) + shift.get(name, 0), counts[name][trial] - 1
                valid &= 0 <= frame <= last
                assert sample[name][k] == min(max(frame, 0), last)
            assert sample["mask"][k] == valid


def test_labels_at_4_hz_and_video_at_64(ramps):
    """Every 16th frame is read, and the phase says which of the sixteen."""
    table = {"trial": ["a"], "n_frames": [40], "fps": [4], "video": [ramps(640, 3)], "label": [ramps(40)]}
    w = vf.windows(table, size=10, hop=5)
    for phase in (0, 5, 15):
        ds = w.dataset(streams={"video": "video", "label": "label"}, rate={"video": 16}, phase=phase)
        assert ds.n_phases == 16
        for row in w.rows:
            labels = np.arange(10) + w[row].start
            sample = ds[row]
            assert sample["label"].ravel().tolist() == labels.tolist()
            assert sample["video"][:, 2].tolist() == (labels * 16 + phase).tolist()
            assert sample["mask"].all()
        assert (ds.offset(w.rows) == 0).all()
    for phase in (-1, 16, 2.5, "any"):
        with pytest.raises(ValueError, match="0 to 15"):
            w.dataset(streams={"video": "video"}, rate={"video": 16}, phase=phase)


def test_padding_keeps_the_dtype_and_is_masked(tmp_path):
    video = np.full((5, 3, 4, 4), 200, np.uint8)
    table = {"trial": ["a"], "n_frames": [5], "path": [vf.write(video, tmp_path / "a.npy")]}
    sample = vf.windows(table, size=8, hop=8).dataset()[0]
    assert sample["video"].dtype == np.uint8
    assert (sample["video"] == 200).all(), "the origin's int8 made -56 of it"
    assert sample["mask"].tolist() == [True] * 5 + [False] * 3


def test_shift_is_of_the_trial(ramps):
    """Inside the trial a shifted window has its true labels; only the trial's end has none."""
    table = {"trial": ["a"], "n_frames": [10], "label": [ramps(10)]}
    w = vf.windows(table, size=4, hop=4)
    later = w.dataset(streams={"label": "label"}, shift={"label": 2})
    assert [s["label"].ravel().tolist() for s in later] == [[2, 3, 4, 5], [6, 7, 8, 9], [8, 9, 9, 9]]
    assert [s["mask"].sum() for s in later] == [4, 4, 2]
    earlier = w.dataset(streams={"label": "label"}, shift={"label": -2})
    assert earlier[0]["label"].ravel().tolist() == [0, 0, 0, 1]
    assert earlier[0]["mask"].tolist() == [False, False, True, True]


def test_random_phases(ramps):
    table = {"trial": ["a"], "n_frames": [600], "video": [ramps(9600)]}
    w = vf.windows(table, size=2, hop=2)

    def epoch(ds, number):
        ds.set_epoch(number)
        return [int(s["video"][0, 0]) % 16 for s in ds]

    one, same, other = (
        w.dataset(streams={"video": "video"}, rate={"video": 16}, phase="random", seed=s) for s in (1, 1, 2)
    )
    first = epoch(one, 0)
    assert np.bincount(first, minlength=16).min() > 5, "all phases are drawn"
    assert epoch(one, 1) != first
    assert epoch(one, 0) == first == epoch(same, 0)
    assert epoch(other, 0) != first
    assert one.phases(w.rows).tolist() == first
    assert one.phases([7])[0] == first[7], "a phase is that of its row, not of its batch"


def test_the_way_back_of_strided_windows_with_random_phases(ramps):
    table = {"trial": ["a", "b"], "n_frames": [53, 20], "path": [ramps(53), ramps(20)]}
    w = vf.windows(table, size=4, hop=2, stride=3)
    ds, out = w.dataset(phase="random"), w.restore(missing=-1)
    for epoch in range(20):
        ds.set_epoch(epoch)
        samples = ds.__getitems__(range(len(ds)))
        rows = np.array([s["row"] for s in samples])
        out.add(rows, np.stack([s["video"] for s in samples]), offset=ds.offset(rows))
    for name, n in (("a", 53), ("b", 20)):
        assert out[name].ravel().tolist() == list(range(n))


def test_a_batch_is_one_read_a_file(ramps, monkeypatch):
    table = {
        "trial": ["a", "b"],
        "n_frames": [30, 20],
        "video": [ramps(30, 2), ramps(20, 2)],
        "label": [ramps(30), ramps(20)],
    }
    w = vf.windows(table, size=6, hop=3)
    ds = w.dataset(streams={"video": "video", "label": "label"})
    reads = []
    read = vf.Video.read
    monkeypatch.setattr(vf.Video, "read", lambda self, *a, **k: (reads.append(self.path), read(self, *a, **k))[1])
    order = np.random.default_rng(0).permutation(len(ds))
    samples = ds.__getitems__(order)
    assert sorted(reads) == sorted(set(table["video"] + table["label"]))
    assert [s["row"] for s in samples] == order.tolist()
    for sample in samples:
        alone = ds[sample["row"]]
        assert all(np.array_equal(sample[key], alone[key]) for key in sample)


def test_arrays_are_the_callers(ramps):
    table = {"trial": ["a"], "n_frames": [30], "path": [ramps(30)]}
    ds = vf.windows(table, size=6, hop=3).dataset()
    first = ds[0]["video"]
    assert first.flags.writeable
    assert first.flags.c_contiguous
    first[:] = -1
    assert ds[0]["video"].ravel().tolist() == list(range(6))


def test_bad_arguments(ramps):
    table = {"trial": ["a"], "n_frames": [30], "path": [ramps(30)]}
    w = vf.windows(table, size=6, hop=3)
    with pytest.raises(ValueError, match="no stream label; there are video"):
        w.dataset(rate={"label": 2})
    with pytest.raises(ValueError, match="its own 'row'"):
        w.dataset(streams={"row": "path"})
    with pytest.raises(vf.FormatError, match="no column 'video'; it has 'trial', 'n_frames', 'path'"):
        w.dataset(streams={"video": "video"})
    for rate in (0, -1):
        with pytest.raises(ValueError, match="rate of video must be above 0"):
            w.dataset(rate={"video": rate})
    with pytest.raises(IndexError, match="rows"):
        w.dataset([len(w)])
    with pytest.raises(IndexError):
        w.dataset()[len(w)]
    with pytest.raises(ValueError, match="0 or more"):
        w.dataset(phase="random").set_epoch(-1)


def test_files_and_manifest_that_disagree(ramps, tmp_path):
    def dataset(path, n_frames=30):
        return vf.windows({"trial": ["a"], "n_frames": [n_frames], "path": [path]}, size=6, hop=3).dataset()

    with pytest.raises(FileNotFoundError, match="the video of trial 'a' is not there"):
        dataset("nowhere.npy")
    with pytest.raises(vf.FormatError, match=r"30-1.npy: has 30 frames; the video of trial 'a' needs 31 or more"):
        dataset(ramps(30), n_frames=31)[0]
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY but no more")
    with pytest.raises(vf.FormatError, match=r"broken.npy"):
        dataset(tmp_path / "broken.npy")[0]
    table = {"trial": ["a", "b"], "n_frames": [30, 30], "path": [ramps(30), ramps(30, 2)]}
    mixed = vf.windows(table, size=6, hop=3).dataset()
    with pytest.raises(vf.FormatError, match=r"has frames of \(2,\) int64, which can't be in one batch with \(1,\)"):
        mixed.__getitems__(range(len(mixed)))


def test_options_of_a_stream(tmp_path):
    np.arange(60, dtype=np.int16).tofile(tmp_path / "raw.dat")
    table = {"trial": ["a"], "n_frames": [30], "path": [tmp_path / "raw.dat"]}
    ds = vf.windows(table, size=6, hop=3).dataset(options={"video": {"shape": (30, 2), "dtype": "int16"}})
    assert ds[1]["video"].tolist() == np.arange(6, 18).reshape(6, 2).tolist()


def test_pickled_datasets_share_the_epoch(ramps):
    table = {"trial": ["a"], "n_frames": [600], "path": [ramps(9600)]}
    ds = vf.windows(table, size=6, hop=3).dataset(rate={"video": 16}, phase="random")
    copy = pickle.loads(pickle.dumps(ds))
    ds.set_epoch(3)
    assert copy.phases(range(50)).tolist() == ds.phases(range(50)).tolist()
    state = pickle.dumps(ds)
    expected = ds.phases(range(50)).tolist()
    del ds, copy
    assert pickle.loads(state).phases(range(50)).tolist() == expected, "it goes on alone where the first has ended"


def test_shared_integers_leave_no_file():
    shared = SharedInteger(5)
    path = shared._path
    assert os.path.exists(path)
    assert pickle.loads(pickle.dumps(shared)).get() == 5
    del shared
    assert not os.path.exists(path)


def limited(code, tmp_path, **limits):
    """Run `code` in a process of its own under resource limits, and return what it printed."""

    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        # One thread of BLAS, which reserves memory for each; none of its work is done here.
        env=os.environ | {"PYTHONPATH": os.getcwd(), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_an_epoch_from_43_gigabytes_in_one(tmp_path):
    """100 videos of 432 MB, a whole shuffled epoch; the limit counts all memory, mapped files included."""
    first = tmp_path / "0.npy"
    np.lib.format.open_memmap(first, "w+", np.uint8, (10_000, 3, 120, 120)).flush()
    for k in range(1, 100):
        with open(first, "rb") as source, open(tmp_path / f"{k}.npy", "wb") as target:
            target.write(source.read(128))
            target.truncate(432_000_128)  # sparse: a hole of zeros, which costs no disk
    code = """
import numpy as np, vidformats as vf
table = {"trial": range(100), "n_frames": [10_000] * 100, "path": [f"{k}.npy" for k in range(100)]}
w = vf.windows(table, size=75, hop=75, stride=16)
ds, seen = w.dataset(), 0
order = np.random.default_rng(0).permutation(len(ds))
for batch in np.array_split(order, len(order) // 8):
    for sample in ds.__getitems__(batch):
        assert sample["video"].shape == (75, 3, 120, 120) and sample["mask"].all()
        seen += 1
print(seen, len(w))
"""
    seen, n_windows = limited(code, tmp_path, RLIMIT_AS=1 << 30).split()
    assert seen == n_windows == "900"


@pytest.mark.parametrize("suffix", [".npy", ".h5", ".mp4"])
def test_300_videos_with_256_descriptors(tmp_path, suffix):
    video = np.zeros((4, 3, 32, 32), np.uint8)
    vf.write(video, tmp_path / f"first{suffix}")
    for k in range(300):
        os.link(tmp_path / f"first{suffix}", tmp_path / f"{k}{suffix}")
    code = f"""
import numpy as np, os, vidformats as vf
table = {{"trial": range(300), "n_frames": [4] * 300, "path": [f"{{k}}{suffix}" for k in range(300)]}}
w = vf.windows(table, size=2, hop=2)
ds, most = w.dataset(), 0
for batch in np.random.default_rng(0).permutation(len(ds)).reshape(-1, 20):
    assert len(ds.__getitems__(batch)) == 20
    most = max(most, len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0)
print(most)
"""
    assert int(limited(code, tmp_path, RLIMIT_NOFILE=256)) < 200


def test_torch_takes_samples_without_a_warning(ramps):
    torch = pytest.importorskip("torch", reason="an extra; the dataset itself needs none of it")
    table = {"trial": ["a"], "n_frames": [31], "path": [ramps(31, 2)]}
    ds = vf.windows(table, size=6, hop=3).dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sample in ds.__getitems__([3, 1]):
            torch.from_numpy(sample["video"])
        loader = torch.utils.data.DataLoader(ds, batch_size=4, shuffle=True)
        batches = list(loader)
    assert batches[0]["video"].shape == (4, 6, 2)
    assert batches[0]["video"].dtype == torch.int64
    assert batches[0]["mask"].dtype == torch.bool
    assert batches[0]["row"].dtype == torch.int64
    assert sorted(torch.cat([b["row"] for b in batches]).tolist()) == list(range(len(ds)))
