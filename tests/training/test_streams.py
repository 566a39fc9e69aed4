"""Which frame meets which time: per-trial rates, starts and shifts, files' own times, and what contradicts them."""

import itertools
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidformats as vf
from vidformats.training import streams as streams_module
from vidformats.video import Video

RATES = [24, Fraction(24000, 1001), 25, Fraction(30000, 1001), 30, 48, 50, Fraction(60000, 1001), 120]


class Filmed(Video):
    """An array file that says when its frames are shown, as a movie does: pixels are those times."""

    times = None

    def __init__(self, path, times, fps, **info):
        super().__init__(path)
        self.times, self.fps = times, fps
        self.duration = float(times[-1] - times[0]) + 1 / fps
        self.info |= info


@pytest.fixture
def film(tmp_path, monkeypatch):
    """Return a function that writes a film of given times, and lets datasets open it with them."""
    films, number = {}, itertools.count()

    def write(times, fps=None, **info):
        path = str(tmp_path / f"film{next(number)}.npy")
        vf.write(np.asarray(times, np.float64)[:, None], path)
        average = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1
        films[path] = np.asarray(times), float(fps or average), info
        return path

    def opened(path, **options):
        if path not in films:
            return Video(path, **options)
        times, fps, info = films[path]
        return Filmed(path, times, fps, **info)

    monkeypatch.setattr(streams_module, "open_source", opened)
    return write


def table(**columns):
    n = len(next(iter(columns.values())))
    return {"trial": [f"t{k}" for k in range(n)]} | columns


def off(sample, seconds, stream="video"):
    """Return by how much the time in the pixels misses the time that each valid sample is of."""
    return np.abs(sample[stream].reshape(len(seconds)) - seconds)[sample[f"{stream}_mask"]]


def test_ten_cameras_of_ten_rates_meet_labels_at_4_hz(film):
    """Unequal starts, one camera of a variable rate: every label meets the frame shown at its time."""
    rng = np.random.default_rng(0)
    labels, fps, starts, paths, label_paths = [], [], [], [], []
    for k in range(10):
        start, n = float(rng.integers(0, 4000)) / 1000, int(rng.integers(60, 100))
        n_frames = (start + n / 4 + 1) * float(RATES[k % len(RATES)])
        if k == 9:  # a phone: some frames dropped, and two seconds without any
            times = np.arange(1200) / 30
            times = times[(np.arange(1200) % 7 > 0) & ~((times > 9) & (times < 11))]
            slow = 2.0
        else:
            times, slow = np.arange(floor(n_frames)) / float(RATES[k]), 1 / float(RATES[k])
        paths.append(film(times, None if k == 9 else float(RATES[k])))
        label_paths.append(film(np.arange(n) / 4, 4))
        labels.append(n), fps.append(slow), starts.append(start)
    w = vf.windows(
        table(n_frames=labels, fps=[4] * 10, video=paths, label=label_paths, **{"video.start": starts}), size=16, hop=7
    )
    ds = w.dataset(streams=["video", "label"], rate="auto")
    assert len(ds) > 100
    for sample in ds:
        trial = int(w[sample["row"]].trial[1:])
        seconds = sample["frame"] / 4
        assert (sample["label"].ravel() == seconds).all()
        late = starts[trial] + seconds - sample["video"].ravel()
        assert (late > -0.5 * fps[trial]).all()
        assert (late < fps[trial] + 0.0007).all(), "the frame shown at that time, and no earlier one"
        assert sample["mask"].all()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rate_start_and_shift_of_each_trial_equal_the_reference(tmp_path_factory, data):
    """Columns of numbers, against the plain formula in exact fractions."""
    n = data.draw(st.integers(1, 3))
    fps = [data.draw(st.sampled_from([4, 10, Fraction(25, 2)])) for _ in range(n)]
    rates = [data.draw(st.sampled_from([1, Fraction(1, 2), Fraction(25, 4), 16])) for _ in range(n)]
    tenths = st.integers(0, 30).map(lambda k: Fraction(k, 10))
    starts = [data.draw(tenths) for _ in range(n)]
    shifts = [data.draw(tenths) - 1 for _ in range(n)]
    lengths = [data.draw(st.integers(1, 20)) for _ in range(n)]
    frames = [floor((m - 1) * r + s * r * f) + 1 for m, r, s, f in zip(lengths, rates, starts, fps, strict=True)]
    folder = tmp_path_factory.mktemp("reference")
    paths = [vf.write(np.arange(m)[:, None], folder / f"{k}.npy") for k, m in enumerate(frames)]
    said = {"video.rate": rates, "start": [str(float(s)) for s in starts], "video.shift": [float(s) for s in shifts]}
    w = vf.windows(table(n_frames=lengths, fps=fps, video=paths, **said), size=5, hop=3, stride=2)
    for sample in w.dataset(streams=["video"]):
        trial = int(w[sample["row"]].trial[1:])
        for k, t in enumerate(sample["frame"].tolist()):
            pace = rates[trial] * fps[trial]
            exact = min(t, lengths[trial] - 1) * rates[trial] + (starts[trial] + shifts[trial]) * pace
            valid = t < lengths[trial] and 0 <= exact < frames[trial]
            assert sample["mask"][k] == valid
            if valid:
                assert sample["video"][k, 0] == floor(exact)


@pytest.mark.filterwarnings("ignore:.*files are longer than it says")
def test_columns_without_a_prefix_hold_for_all_streams_and_empty_cells_for_none(tmp_path):
    paths = [vf.write(np.arange(100)[:, None], tmp_path / f"{k}.npy") for k in range(2)]
    said = {"start": ["1", ""], "b.start": ["", "2"], "a.rate": ["", "2"]}
    w = vf.windows(table(n_frames=[20, 20], fps=[10, 10], a=paths, b=paths, **said), size=20, hop=20)
    first, second = w.dataset(streams=["a", "b"])
    assert first["a"][0] == first["b"][0] == 10
    assert (second["a"][0], second["a"][1], second["b"][0]) == (0, 2, 20)


def test_stop_masks_what_comes_after(tmp_path):
    path = vf.write(np.arange(100)[:, None], tmp_path / "a.npy")
    said = {"start": ["0:02"], "stop": ["0:04.8"], "shift": [0.5]}
    w = vf.windows(table(n_frames=[30], fps=[10], path=[path], **said), size=30, hop=30)
    (sample,) = w.dataset()
    assert sample["video"][:23, 0].tolist() == list(range(25, 48))
    assert sample["mask"].tolist() == [True] * 23 + [False] * 7
    assert (sample["video"][23:] == 47).all(), "what is padded repeats the trial's last frame"


def test_matroska_rounds_times_to_milliseconds(film):
    times = np.round(np.arange(300) / 30, 3)
    w = vf.windows(table(n_frames=[290], fps=[30], path=[film(times, 30)]), size=290, hop=290)
    (sample,) = w.dataset(rate="auto")
    assert np.array_equal(sample["video"].ravel(), times[:290]), "30 fps on a time line of 30 is frame for frame"


def test_a_first_frame_that_comes_late_is_waited_for(film):
    times = 0.5 + np.arange(100) / 20
    w = vf.windows(table(n_frames=[20], fps=[4], path=[film(times, 20)]), size=20, hop=20)
    (sample,) = w.dataset(rate="auto")
    assert sample["mask"].tolist() == [False] * 2 + [True] * 18
    assert off(sample, np.arange(20) / 4).max() < 1e-9


def test_phases_of_files_of_different_rates(film):
    """A phase moves all by the same time, and none beyond the next label."""
    paths = [film(np.arange(20 * fps) / fps, fps) for fps in (25, 50)]
    w = vf.windows(table(n_frames=[80, 80], fps=[4, 4], video=paths), size=16, hop=16)
    ds = w.dataset(streams=["video"], rate="auto", phase="random", seed=3)
    assert ds.n_phases == 12
    for sample in ds:
        moved = sample["video"].ravel() - sample["frame"] / 4
        assert ((moved > -0.04) & (moved < 0.25)).all()
    assert len({round(float(s["video"].ravel()[0] - s["frame"][0] / 4), 3) for s in ds}) > 3


CONTRADICTIONS = [
    # rate, fps of the files, frames of the files, what is said
    ({"video": 6.25}, [25, 30, 59.94], [500, 600, 1199], "2 of 3 files contradict"),
    ({"video": 6.25}, [30, 30, 30], [600, 600, 600], "3 of 3 files contradict"),
    ({"video": 6.25}, [25, 25, 30], [500, 500, 600], r"30 frames per second; the video of trial 't2' has 25 by a rate"),
    ({"video": 6.25}, [25, 25, 25], [500, 400, 500], "has 400 frames; the video of trial 't1' needs 494 or more"),
    ("auto", [25, 30, 50], [500, 400, 1000], "has 400 frames; the video of trial 't1' needs 593 or more"),
]


@pytest.mark.parametrize(("rate", "fps", "frames", "fault"), CONTRADICTIONS)
def test_files_that_contradict_the_manifest_are_named_at_once(film, rate, fps, frames, fault):
    paths = [film(np.arange(n) / f, f) for n, f in zip(frames, fps, strict=True)]
    w = vf.windows(table(n_frames=[80] * 3, fps=[4] * 3, video=paths), size=16, hop=16)
    with pytest.raises(vf.FormatError, match=fault) as caught:
        w.dataset(streams=["video"], rate=rate)
    if "of 3 files" in fault:
        wrong = [k for k, f in enumerate(fps) if f != 25]
        assert all(f"trial 't{k}'" in str(caught.value) for k in wrong)
    if rate != "auto":
        part = w[1] if frames[1] == 400 else None
        ds = w.dataset(streams=["video"], rate=rate, check=False)  # whoever knows better may say so
        if part is None:
            assert len(list(ds)) == len(ds)
        else:
            with pytest.raises(vf.FormatError, match="has 400 frames"):
                list(ds)


@pytest.mark.parametrize("fps", ["29.97002997002997", "29.97", "29.970", 30000 / 1001, "23.08848080133556"])
def test_a_rate_of_many_digits_is_what_it_stands_for(film, fps):
    times = np.arange(3000) / float(fps)
    w = vf.windows(
        table(n_frames=[3000, 40], fps=[fps, "59.94005994005994"], path=[film(times), film(np.arange(90) / 60)]),
        500,
        500,
    )
    ds = w.dataset(rate="auto", phase="random")
    batch = ds.__getitems__(range(len(ds)))
    whole = [sample["video"].reshape(-1) for sample in batch if sample["row"] < 6]
    assert np.array_equal(np.concatenate(whole), times)


def test_near_enough_is_no_contradiction(film):
    """A camera's 29.97 for 30 over a short trial, and a recording that ends a frame early."""
    paths = [film(np.arange(295) / 29.97, 29.97), film(np.arange(298) / 30, 30)]
    w = vf.windows(table(n_frames=[40, 40], fps=[4, 4], video=paths), size=16, hop=16)
    assert len(list(w.dataset(streams=["video"], rate={"video": 7.5}))) == 2 * 3
    assert len(list(w.dataset(streams=["video"], rate="auto"))) == 2 * 3


def test_a_rate_that_was_only_assumed_contradicts_nothing(film):
    path = film(np.arange(500) / 64, 64, fps_assumed=True)
    w = vf.windows(table(n_frames=[80], fps=[4], video=[path]), size=16, hop=16)
    assert w.dataset(streams=["video"], rate={"video": 6.25})[0]["mask"].all()


def test_uneven_times_are_met_by_no_rate(film):
    times = np.concatenate([np.arange(300) / 30, 12 + np.arange(300) / 30])
    w = vf.windows(table(n_frames=[80], fps=[4], video=[film(times)]), size=16, hop=16)
    average = Fraction(599, 88)
    with pytest.raises(vf.FormatError, match=r"uneven times, which no rate meets; rate='auto'"):
        w.dataset(streams=["video"], rate={"video": average})
    for sample in w.dataset(streams=["video"], rate="auto"):
        seconds = sample["frame"] / 4
        here = (seconds < 10) | (seconds >= 12)
        assert np.abs(sample["video"].ravel() - seconds)[here].max() < 1 / 30
        assert (sample["video"].ravel()[~here] == times[299]).all(), "the last frame stays on the screen"


def test_start_and_stop_against_the_length(film):
    path = film(np.arange(500) / 25, 25)

    def ds(**said):
        columns = table(n_frames=[40], fps=[4], video=[path], **{k: [v] for k, v in said.items()})
        return vf.windows(columns, size=16, hop=16).dataset(streams=["video"], rate="auto")

    assert ds(start=5, stop=15)[0]["video"][0, 0] == 5
    with pytest.raises(vf.FormatError, match="lasts 8 s from start to stop, but n_frames and fps say 10 s"):
        ds(start=5, stop=13)
    with pytest.raises(vf.FormatError, match=r"needs 619 or more from 15 s on"):
        ds(start=15)
    with pytest.raises(vf.FormatError, match="'soon' for the start of video; expected seconds"):
        ds(start="soon")
    with pytest.raises(vf.FormatError, match=r"trial 't0': the rate of video must be above 0 .* got '0'"):
        vf.windows(table(n_frames=[4], path=[path], rate=["0"]), 2, 2).dataset(streams={"video": "path"})
    with pytest.raises(ValueError, match=r"given twice: by rate=, and by the column video.rate"):
        vf.windows(table(n_frames=[4], path=[path], **{"video.rate": [1]}), 2, 2).dataset(rate=1)


def test_what_auto_needs(tmp_path, film):
    plain = vf.write(np.zeros((80, 1)), tmp_path / "plain.npy")
    timed = film(np.arange(500) / 25, 25)
    w = vf.windows(table(n_frames=[80], fps=[4], video=[timed], label=[plain]), size=16, hop=16)
    assert w.dataset(streams=["video", "label"], rate="auto")[0]["mask"].all(), (
        "as long as the time line: its rate is 1"
    )
    w = vf.windows(table(n_frames=[60], fps=[4], video=[timed], label=[plain]), size=16, hop=16)
    with pytest.raises(vf.FormatError, match="no time of its own; the label of trial 't0' needs a rate"):
        w.dataset(streams=["video", "label"], rate="auto")
    w = vf.windows(table(n_frames=[80], video=[timed]), size=16, hop=16)
    with pytest.raises(vf.FormatError, match="needs the column fps"):
        w.dataset(streams=["video"], rate="auto")
    with pytest.raises(vf.FormatError, match="are seconds; the column fps must say"):
        vf.windows(table(n_frames=[80], video=[plain], start=[1]), size=16, hop=16).dataset(streams=["video"])


def test_longer_files_without_a_time_of_their_own_are_doubted(tmp_path):
    paths = [vf.write(np.zeros((n, 1)), tmp_path / f"{n}.npy") for n in (500, 600, 1199)]
    w = vf.windows(table(n_frames=[80] * 3, video=paths), size=16, hop=16)
    with pytest.warns(
        UserWarning, match=r"2 of 3 files are longer than it says: 't1' has 600 frames of video, for 500, 't2'"
    ):
        w.dataset(streams=["video"], rate={"video": 6.25})


@pytest.mark.parametrize("name", ["~/a.npy", "videos\\a.npy", "cafe\u0301.npy", "nothing.npy"])
def test_missing_files_are_counted_and_hinted(tmp_path, name):
    (tmp_path / "videos").mkdir()
    for path in ("videos/a.npy", "caf\u00e9.npy"):
        vf.write(np.zeros((20, 1)), tmp_path / path)
    hints = {"~": "'~' is not expanded", "v": r"'\\' becomes '/'", "c": "Unicode form NFC", "n": "is not there"}
    w = vf.windows(table(n_frames=[20], path=[name]), 4, 4, root=tmp_path)
    with pytest.raises(FileNotFoundError, match=hints[name[0]]):
        w.dataset()
    paths = ["videos/a.npy", *(f"{k}.npy" for k in range(7))]
    w = vf.windows(table(n_frames=[20] * 8, path=paths), 4, 4, root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"7 of 8 files are not there: .*/0\.npy: .* and 2 more"):
        w.dataset()


def test_broken_files_are_named_at_once(tmp_path):
    paths = [str(tmp_path / f"{k}.npy") for k in range(3)]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"\x93NUMPY but no more")
    vf.write(np.zeros((20, 1)), paths[1])
    w = vf.windows(table(n_frames=[20] * 3, path=paths), 4, 4)
    with pytest.raises(vf.FormatError, match=r"2 of 3 files contradict it or are broken: .*0\.npy.*2\.npy"):
        w.dataset()
    assert w.dataset(w["trial"] == "t1")[0]["mask"].all()


@pytest.mark.filterwarnings("ignore:.*files are longer than it says")
def test_nothing_is_altered_in_silence(tmp_path):
    path = vf.write(np.arange(400)[:, None], tmp_path / "a.npy")
    w = vf.windows(table(n_frames=[20], path=[path]), 4, 4)
    for arguments, error, fault in [
        ({"shift": {"video": 1.7}}, TypeError, "shift of video must be an integer, got 1.7; for seconds"),
        ({"shift": {"video": True}}, TypeError, "shift of video must be an integer, got True"),
        ({"phase": True}, ValueError, "phase must be 'random' or one of 0 to 0, got True"),
        ({"phase": 0.0}, ValueError, "got 0.0"),
        ({"seed": 1.5}, TypeError, "seed must be an integer, got 1.5"),
        ({"rate": float("nan")}, ValueError, "must be above 0 and at most 1000000, or 'auto', got nan"),
        ({"rate": float("inf")}, ValueError, "got inf"),
        ({"rate": True}, ValueError, "got True"),
        ({"rate": "fast"}, ValueError, "got 'fast'"),
        ({"rate": np.pi}, ValueError, "must be a plain fraction, got 3.14"),
        ({"streams": "path"}, TypeError, "got 'path'"),
        ({"streams": {"video": 1}}, TypeError, "must name columns"),
        ({"streams": []}, TypeError, r"must name columns, got \[\]"),
        ({"nan": "drop"}, ValueError, "nan must be 'mask', 'error' or 'keep'"),
        ({"options": 3}, TypeError, "options must be a dict by streams"),
    ]:
        with pytest.raises(error, match=fault):
            w.dataset(**arguments)
    with pytest.raises(TypeError, match=r"rate must be a dict by streams, such as {'a': ...}, got 16"):
        w.dataset(streams={"a": "path", "b": "path"}, rate=16)
    for epoch in (1.5, "1", True):
        with pytest.raises(TypeError, match="epoch must be an integer"):
            w.dataset().set_epoch(epoch)
    exact = w.dataset(rate=16.0004)
    assert exact.streams["video"].rate == Fraction(40001, 2500)
    assert w.dataset(rate=60000 / 1001 / 4).streams["video"].rate == Fraction(15000, 1001)
    assert w.dataset(rate=16)[1]["video"].ravel().tolist() == [64, 80, 96, 112]


def test_datasets_share_open_files_in_the_state_they_are_in(tmp_path):
    path = vf.write(np.arange(20)[:, None], tmp_path / "a.npy")
    w = vf.windows(table(n_frames=[20], path=[path]), 4, 4)
    one, two = w.dataset(), w.dataset([0])
    assert one._sources["video", 0][0] is two._sources["video", 0][0]
    vf.write(np.arange(20)[::-1, None], path)
    assert w.dataset()[0]["video"].ravel().tolist() == [19, 18, 17, 16], "a new dataset reads the new file"


def test_nan_is_masked_in_its_stream_and_in_all(tmp_path):
    label = np.arange(80, dtype="f4")
    label[10:14] = np.nan
    both = np.stack([label, np.arange(80, dtype="f4")], axis=1)
    vf.write(np.zeros((80, 3, 16, 16), "uint8"), tmp_path / "v.npy")
    vf.write(label, tmp_path / "l.npy"), vf.write(both, tmp_path / "b.npy")
    w = vf.windows(table(n_frames=[80], video=["v.npy"], label=["l.npy"], both=["b.npy"]), 16, 16, root=tmp_path)
    sample = w.dataset(streams=["video", "label", "both"])[0]
    assert np.flatnonzero(~sample["mask"]).tolist() == [10, 11, 12, 13]
    assert np.array_equal(sample["label_mask"], sample["mask"])
    assert np.array_equal(sample["both_mask"], sample["mask"])
    assert sample["video_mask"].all()
    kept = w.dataset(streams=["label"], nan="keep")[0]
    assert np.isnan(kept["label"]).sum() == 4
    assert kept["mask"].all()
    ds = w.dataset(streams=["label"], nan="error")
    assert ds[1]["mask"].all()
    with pytest.raises(vf.FormatError, match=r"l\.npy: has NaN in frame 10; it is the label of trial 't0'"):
        ds[0]


def digits(number):
    """Return a frame of 64 x 64 that shows a number, in four digits of sixteen greys, one in each quarter."""
    greys = np.array([(number >> shift) % 16 * 16 + 8 for shift in (12, 8, 4, 0)], np.uint8).reshape(2, 2)
    return np.repeat(np.repeat(greys, 32, axis=0), 32, axis=1)


def number_in(frames):
    """Return the numbers that frames ``(..., 3, 64, 64)`` show."""
    quarters = frames.mean(axis=-3).reshape(*frames.shape[:-3], 2, 32, 2, 32).mean(axis=(-3, -1))
    return ((quarters.reshape(*quarters.shape[:-2], 4) // 16).astype(int) * (4096, 256, 16, 1)).sum(axis=-1)


def test_movies_of_ten_rates_meet_labels_at_4_hz(tmp_path):
    """Real files: the time is in the pixels, the rates in the files, the starts in the manifest."""
    av = pytest.importorskip("av", reason="an extra; it writes what cameras write")
    rng, rows, shown, starts, longest = np.random.default_rng(1), [], [], [], []
    for k, rate in enumerate([*RATES, 30]):
        start, n = round(float(rng.uniform(0, 3)), 3), int(rng.integers(30, 44))
        ticks = np.arange(int((start + n / 4 + 1) * rate))
        if k == 9:  # a phone drops frames, and stands still for a second
            ticks = ticks[(ticks % 7 != 3) & ~((ticks > 130) & (ticks < 160))]
        path = tmp_path / f"{k}.{('mp4', 'mkv', 'mov')[k % 3]}"
        with av.open(str(path), "w") as container:
            options = {"preset": "ultrafast", "bf": str(k % 3), "crf": "12"}
            stream = container.add_stream("libx264", rate=Fraction(rate), options=options)
            stream.width = stream.height = 64
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", 1 / Fraction(rate)
            for tick in ticks.tolist():
                frame = av.VideoFrame.from_ndarray(digits(tick), "gray").reformat(format="yuv420p")
                frame.pts, frame.time_base = tick, 1 / Fraction(rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        (tmp_path / f"{k}.csv").write_text("time,value\n" + "".join(f"{i / 4},{i / 4}\n" for i in range(n)))
        row = {"trial": f"t{k}", "n_frames": n, "fps": 4, "video": path.name, "label": f"{k}.csv"}
        rows.append(row | {"video.start": start})
        shown.append(ticks / float(rate)), starts.append(start)
        longest.append(1.1 if k == 9 else 1 / float(rate))
    w = vf.windows(rows, size=8, hop=5, root=tmp_path)
    ds = w.dataset(streams=["video", "label"], rate="auto")
    for sample in ds:
        k = int(w[sample["row"]].trial[1:])
        seconds = sample["frame"] / 4
        assert sample["label"].ravel().tolist() == seconds.tolist()
        seen = number_in(sample["video"]) / float([*RATES, 30][k])
        late = starts[k] + seconds - seen
        assert (late > -0.001).all(), "no frame before it is shown"
        assert (late < longest[k] + 0.001).all()
        assert set(np.round(seen, 6)) <= set(np.round(shown[k], 6))
        assert sample["mask"].all()
    with pytest.raises(vf.FormatError, match="of 20 files contradict"):
        w.dataset(streams=["video", "label"], rate={"video": 6})
