"""What every format must do: a class of tests that each format inherits, and adds nothing but its name.

Requires pytest and hypothesis. A package with a format of its own tests it so::

    from vidformats.testing import ArrayConformance

    class TestZframes(ArrayConformance):
        name = "zframes"
"""

from __future__ import annotations

import gc
import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import vidformats as vf
from vidformats.registry import row_of
from vidformats.testing.base import SHAPE, Base, Frames, H, Stored, T, W, natural
from vidformats.testing.damage import Damage
from vidformats.testing.numbered import numbered, numbers_of, red


def integers(n: int) -> st.SearchStrategy[int]:
    """Draw an integer that chooses one of `n` items, from either end."""
    return st.integers(-n, n - 1)


def slices(n: int) -> st.SearchStrategy[slice]:
    """Draw any slice on an axis of `n` items, its ends also outside."""
    ends = st.none() | st.integers(-n - 3, n + 3)
    return st.builds(slice, ends, ends, st.none() | st.integers(-n, n).filter(bool))


def first_axis(n: int) -> st.SearchStrategy[Any]:
    """Draw what may choose frames."""
    lists = st.lists(integers(n), max_size=12)
    return st.one_of(
        integers(n),
        integers(n).map(np.int64),
        slices(n),
        lists,
        lists.map(lambda i: np.array(i, np.int32)),
        st.lists(st.booleans(), min_size=n, max_size=n).map(np.array),
        st.lists(integers(n), min_size=4, max_size=4).map(lambda i: np.array(i).reshape(2, 2)),
        st.just(Ellipsis),
    )


@st.composite
def indexes(draw: st.DrawFn, shape: tuple[int, ...] = SHAPE) -> Any:
    """Draw anything that may stand between the brackets of a video of `shape`."""
    first = draw(first_axis(shape[0]))
    if first is Ellipsis:
        return (Ellipsis, *draw(st.tuples(integers(shape[-1]) | slices(shape[-1])) | st.just(())))
    rest = [draw(integers(n) | slices(n)) for n in shape[1 : draw(st.integers(1, len(shape)))]]
    index = [first, *rest]
    for _ in range(draw(st.integers(0, 2))):
        index.insert(draw(st.integers(0, len(index))), None)
    return tuple(index) if len(index) > 1 or draw(st.booleans()) else index[0]


def _times(video: vf.Video) -> NDArray[np.float64]:
    times = video.times
    assert times is not None
    return times


def _new(folder: Path) -> Path:
    """Return a new folder inside another."""
    (new := folder / "new").mkdir()
    return new


MANY = 1400
"""Frames of 32 x 32 pixels that are more than one block of `Source.blocks`."""


class Conformance(Damage, Base):
    """The contract. A subclass names its format, and options if the defaults are not to be used."""

    def test_round_trip(self, stored: Stored, tmp_path: Path) -> None:
        """What was written comes back, and so does what others wrote."""
        self.assert_same(stored[1], natural())
        if self.reference:
            path = tmp_path / f"reference{row_of(self.name).suffix}"
            path.write_bytes(self.reference)
            self.assert_same(vf.load(path), np.arange(48, dtype=np.uint8).reshape(2, 3, 2, 4))

    def test_format_is_told_by_the_content(self, stored: Stored) -> None:
        """`vf.open` needs no ``format=``."""
        with vf.open(stored[0]) as video:
            assert video.format in (self.name, self.also)
            assert (video.shape, video.dtype, video.nbytes, len(video)) == (SHAPE, np.dtype(np.uint8), T * 3 * H * W, T)

    def test_named_format_opens_too(self, stored: Stored) -> None:
        """``format=`` opens the same."""
        with vf.open(stored[0], format=self.name) as video:
            np.testing.assert_array_equal(video[:], stored[1])

    # One method serves all subclasses, so examples kept by one would be replayed by another: none are kept.
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(index=indexes(), threads=st.sampled_from([1, 2, 3]))
    def test_every_index_means_what_numpy_means(self, stored: Stored, index: Any, threads: int) -> None:
        """Shape, dtype and pixels are NumPy's, in a new array that the caller owns."""
        path, whole = stored
        with vf.open(path, threads=threads) as video:
            got, expected = video[index], whole[index]
        assert np.shape(got) == expected.shape
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
        if np.ndim(got):
            assert got.flags.c_contiguous
            assert got.flags.owndata
            assert got.flags.writeable

    @pytest.mark.parametrize(
        "index",
        [T, -T - 1, [0, T], 1.5, "1", [0.5], np.ones(T - 1, bool), (0, 3), (0, 0, 0, 0, 0), (0, [1]), True],
    )
    def test_wrong_index_is_an_index_error(self, stored: Stored, index: Any) -> None:
        """What NumPy refuses is refused."""
        with vf.open(stored[0]) as video, pytest.raises(IndexError):
            video[index]

    def test_first_and_last_frame(self, stored: Stored) -> None:
        """From either end."""
        path, whole = stored
        with vf.open(path) as video:
            for i in (0, T - 1, -1, -T):
                np.testing.assert_array_equal(video[i], whole[i])

    def test_frames_come_in_order(self, tmp_path: Path) -> None:
        """Each of many frames shows its own number, in whatever order it was asked for.

        They come from a generator that fills one buffer again and again, and are more than one block of them: a
        writer that keeps a block instead of a copy has the last frames everywhere.
        """
        n = MANY
        buffer = np.empty((3, 32, 32), np.uint8)

        def reused() -> Iterator[Frames]:
            for frame in numbered(n):
                buffer[:] = frame
                yield buffer

        path = self.store(reused(), tmp_path, n_frames=n, fps=25)
        rng = np.random.default_rng(0)
        with vf.open(path, threads=2) as video:
            for frames in (
                slice(None),
                slice(None, None, 7),
                slice(None, None, -1),
                rng.integers(0, n, 64),
                [n - 1, 0, 0, n // 2],
            ):
                assert numbers_of(video[frames]) == np.arange(n)[frames].tolist()
            for i in rng.integers(0, n, 9):
                assert numbers_of(video[int(i) : int(i) + 1]) == [i]

    def test_channels_are_rgb(self, tmp_path: Path) -> None:
        """Pure red comes back red."""
        r, g, b = vf.load(self.store(red(12), tmp_path)).mean(axis=(0, 2, 3))
        assert r > 230
        assert max(g, b) < 25

    def test_empty_selections(self, stored: Stored) -> None:
        """No frames, or no pixels of them, are an empty array."""
        with vf.open(stored[0]) as video:
            assert video[5:5].shape == video[[]].shape == video[np.zeros(T, bool)].shape == (0, 3, H, W)
            assert video[2:4, :, 9:9].shape == (2, 3, 0, W)

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (33, 31), (31, 48), (17, 130)])
    def test_odd_sizes(self, tmp_path: Path, height: int, width: int) -> None:
        """Sizes that codecs have to pad keep their shape."""
        video = natural(5, (height, width))
        got = vf.load(self.store(video, tmp_path))
        assert got.shape == video.shape
        if min(height, width) > 8:  # below a codec's block there is no natural content to speak of
            self.assert_same(got, video)

    def test_one_frame(self, tmp_path: Path) -> None:
        """The shortest video."""
        self.assert_same(vf.load(self.store(natural(1), tmp_path)), natural(1))

    def test_grey(self, tmp_path: Path) -> None:
        """One channel stays one."""
        self.assert_same(vf.load(self.store(natural(channels=1), tmp_path)), natural(channels=1))

    def test_reading_into_the_callers_memory(self, stored: Stored) -> None:
        """``read(out=)`` fills memory of any strides, and refuses what does not fit."""
        path, whole = stored
        wrong: Any
        buffer = np.zeros((6, 3, H, W), np.uint8)
        strided = np.zeros((3, 6, W, H), np.uint8).transpose(1, 0, 3, 2)
        with vf.open(path) as video:
            assert video.read(slice(0, 12, 2), out=buffer) is buffer
            assert video.read([5, 5, 1, 9, 0, 22], out=strided) is strided
            np.testing.assert_array_equal(video.read([3]), whole[[3]])
            for wrong in (buffer[:5], buffer.astype(float), buffer[:, :1], [1]):
                with pytest.raises(ValueError, match="out must be"):
                    video.read(slice(0, 12, 2), out=wrong)
            buffer.flags.writeable = False
            with pytest.raises(ValueError, match="out must be"):
                video.read(slice(0, 12, 2), out=buffer)
        np.testing.assert_array_equal(buffer, whole[:12:2])
        np.testing.assert_array_equal(strided, whole[[5, 5, 1, 9, 0, 22]])

    def test_results_are_the_callers(self, stored: Stored) -> None:
        """Writing into a result changes nothing that is read later, nor does a later read change a result."""
        path, whole = stored
        with vf.open(path) as video:
            first = video[:4]
            first[:] = 0
            second = video[:4]
            video[4:8]
            np.testing.assert_array_equal(second, whole[:4])

    def test_use_after_close(self, stored: Stored) -> None:
        """A closed video says so; closing twice is no error."""
        video = vf.open(stored[0])
        video.close()
        video.close()
        with pytest.raises(ValueError, match="closed"):
            video[0]
        assert "closed" in repr(video)

    def test_two_handles_at_once(self, stored: Stored) -> None:
        """Two videos of one file do not disturb each other."""
        path, whole = stored
        with vf.open(path) as one, vf.open(path) as two:
            for i in (0, 9, 3):
                np.testing.assert_array_equal(one[i], two[i])
            one.close()
            np.testing.assert_array_equal(two[::5], whole[::5])

    def test_threads_share_one_video(self, stored: Stored) -> None:
        """Four threads read one video."""
        path, whole = stored
        errors: list[BaseException] = []

        def read(seed: int) -> None:
            rng = np.random.default_rng(seed)
            try:
                for _ in range(6):
                    frames = rng.integers(0, T, 5)
                    np.testing.assert_array_equal(video[frames], whole[frames])
            except BaseException as error:
                errors.append(error)

        with vf.open(path, threads=2) as video:
            workers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        assert not errors

    def test_pickles_as_an_address(self, stored: Stored) -> None:
        """A pickle holds no frames, and opens the file again."""
        path, whole = stored
        with vf.open(path, threads=1) as video:
            packed = pickle.dumps(video)
        assert len(packed) < 4096
        copy = pickle.loads(packed)
        np.testing.assert_array_equal(copy[::6], whole[::6])
        with pytest.raises(ValueError, match="closed"):
            pickle.loads(pickle.dumps(video))[0]

    def test_iterates_over_frames(self, stored: Stored) -> None:
        """Iteration and ``np.asarray`` give all frames."""
        path, whole = stored
        with vf.open(path) as video:
            for got, expected in zip(video, whole, strict=True):
                np.testing.assert_array_equal(got, expected)
            np.testing.assert_array_equal(np.asarray(video), whole)

    def test_an_iterable_is_written(self, tmp_path: Path) -> None:
        """From a generator, or with ``n_frames=`` if the format needs the length."""
        video = natural()
        try:
            path = self.store((frame for frame in video), tmp_path)
        except ValueError as error:  # a format that can't grow says so, and takes the number
            assert "n_frames" in str(error)
            assert os.listdir(tmp_path) == []
            path = self.store(iter(video), tmp_path, n_frames=T)
        self.assert_same(vf.load(path), video)

    def test_a_failed_write_leaves_what_was_there(self, tmp_path: Path) -> None:
        """The old file stays, and nothing is left beside it."""
        path = self.store(natural(), tmp_path)
        before = vf.load(path)

        def breaks() -> Iterator[Frames]:
            yield from natural()
            raise RuntimeError("the camera fell over")

        listing = sorted(os.listdir(tmp_path))
        with pytest.raises(RuntimeError, match="camera"):
            vf.write(breaks(), path, self.name, n_frames=2 * T, **self.options)
        np.testing.assert_array_equal(vf.load(path), before)
        assert sorted(os.listdir(tmp_path)) == listing

    def test_a_second_write_replaces(self, tmp_path: Path) -> None:
        """The new video stands under the name, and nothing else."""
        self.store(natural(), tmp_path)
        path = self.store(natural(9)[::-1], tmp_path)
        self.assert_same(vf.load(path), natural(9)[::-1])
        assert len([n for n in os.listdir(tmp_path) if not n.endswith(".json")]) == 1

    def test_a_video_is_copied_from_format_to_format(self, stored: Stored, tmp_path: Path) -> None:
        """A `Video` is a source."""
        with vf.open(stored[0]) as video:
            np.testing.assert_array_equal(vf.load(vf.write(video, tmp_path / "copy.npy")), stored[1])

    @pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 7.5])
    def test_an_even_rate_is_kept(self, tmp_path: Path, fps: float) -> None:
        """What ``fps=`` says is what a file says, and what a copy of it says; at the most a container rounds it."""
        video = numbered(T)
        with (
            vf.open(self.store(video, tmp_path, fps=fps)) as stored,
            vf.open(self.store(stored, _new(tmp_path))) as copy,
        ):
            for one in (stored, copy):
                assert one.fps == pytest.approx(fps, rel=2e-3)
                assert one.duration == pytest.approx(T / fps, abs=2e-3)
                np.testing.assert_allclose(_times(one), np.arange(T) / fps, atol=1e-3)
                assert numbers_of(one.at((np.arange(T) + 0.5) / fps)) == list(range(T))
                assert not one.info["variable_rate"]
            with vf.open(stored.path, fps=fps / 2) as slower:
                assert len(slower) == (T + 1) // 2

    @pytest.mark.filterwarnings("ignore:.*holds one rate")
    def test_uneven_times_are_kept(self, tmp_path: Path) -> None:
        """To the bit, with a start that is not 0, from an array, an iterator and a copy."""
        video, times = numbered(T), 1.5 + np.cumsum(np.random.default_rng(0).uniform(0.01, 0.3, T))
        path = self.store(iter(video), tmp_path, times=times)
        with vf.open(path) as stored, vf.open(self.store(stored, _new(tmp_path))) as copy:
            for one in (stored, copy):
                np.testing.assert_array_equal(_times(one), times)
                duration = times[-1] - times[0] + np.median(np.diff(times))
                assert one.duration == pytest.approx(duration)
                assert one.fps == pytest.approx(T / duration)
                assert one.info["variable_rate"] is True
                assert numbers_of(one.at(times + 0.005)) == list(range(T))
        with vf.open(self.store(video, tmp_path, fps=25)) as again:  # of the times before, nothing is left
            assert (again.fps, _times(again)[-1]) == (25, pytest.approx((T - 1) / 25))

    def test_what_the_source_says_of_itself_is_kept(self, tmp_path: Path) -> None:
        """By how much its frames were turned, and whether its rate was a guess."""

        class Phone(np.ndarray):
            fps: ClassVar[float] = 25.0
            info: ClassVar[dict[str, Any]] = {"rotation": 90, "fps_assumed": True, "codec": "none"}

        with vf.open(self.store(natural().view(Phone), tmp_path)) as video:
            assert (video.fps, video.info["rotation"], video.info["fps_assumed"]) == (25, 90, True)
            assert video.info.get("codec") != "none"
            self.assert_same(video[:], natural())

    def test_without_a_rate_there_is_no_time(self, tmp_path: Path) -> None:
        """Nobody's default is taken for a fact, and a rate that was there goes with the data it belonged to."""
        self.store(natural(), tmp_path, fps=25)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            path = self.store(natural(), tmp_path)
        with vf.open(path) as video:
            assert video.times is None or video.info["fps_assumed"] is True

    @pytest.mark.parametrize(
        ("time", "fault"),
        [
            ({"fps": 0}, "fps must be > 0, got 0"),
            ({"fps": float("nan")}, "fps must be > 0"),
            ({"times": np.arange(T - 1)}, f"expected {T - 1} frames, as many as times=, got {T}"),
            ({"times": np.arange(T)[::-1]}, "times must rise"),
            ({"times": np.arange(T), "fps": 25}, "exclude each other"),
        ],
    )
    def test_a_time_that_cannot_be(self, tmp_path: Path, time: dict[str, Any], fault: str) -> None:
        """Nothing is written."""
        with pytest.raises(ValueError, match=fault):
            self.store(natural(), tmp_path, **time)
        assert os.listdir(tmp_path) == []

    def test_files_are_released(self, stored: Stored) -> None:
        """No descriptor stays open."""
        if not os.path.isdir("/proc/self/fd"):
            pytest.skip("open files can be listed on Linux only")
        path, _ = stored
        vf.load(path, 0)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with vf.open(path) as video:
                video[::5]
            vf.open(path)[3]
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_missing_file(self, tmp_path: Path) -> None:
        """A missing file is a FileNotFoundError."""
        with pytest.raises(FileNotFoundError):
            vf.open(tmp_path / "none", format=self.name)

    def test_unknown_options_are_refused(self, stored: Stored, tmp_path: Path) -> None:
        """An option that the format does not have is a TypeError that names it."""
        with pytest.raises(TypeError, match="colour"):
            vf.open(stored[0], colour="blue")
        with pytest.raises(TypeError, match="colour"):
            vf.write(natural(), tmp_path / "x", self.name, colour="blue")

    def test_repr_holds_the_options(self) -> None:
        """It makes the same format again; how many threads encode is no option."""
        form = self.format
        assert form.name == self.name
        assert "threads" not in repr(form)
        assert vf.get_format(self.name, threads=5, **self.options) == form
        assert eval(repr(form), {type(form).__name__: type(form)}) == form


ARRAYS = [
    ((7,), "f4"),
    ((6, 5), "i8"),
    ((5, 2, 3), "u2"),
    ((9, 3, 11, 13), "f8"),
    ((3, 2, 3, 2, 5), "i2"),
    ((4, 1, 1), "u1"),
    ((1000, 2), "f4"),
    ((5, 3), "b1"),
    ((6, 2), "i1"),
    ((4, 7), "f2"),
    ((5, 2, 2), "c8"),
]

RARE = ("b1", "f2", "c8")


class ArrayConformance(Conformance):
    """Further, for formats that hold any array."""

    @pytest.mark.parametrize(("shape", "dtype"), ARRAYS)
    def test_any_shape_and_dtype(self, tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
        """Any ``(T, ...)`` of numbers; of the rarer types a format may say that it has none."""
        rng = np.random.default_rng(0)
        array = (rng.random(shape) * 120).astype(dtype)
        if dtype == "b1":
            array[::2] = False
        try:
            path = self.store(array, tmp_path)
        except ValueError as error:
            assert dtype in RARE, "every array format holds these"
            assert np.dtype(dtype).name in str(error)
            assert os.listdir(tmp_path) == []
            return
        with vf.open(path, threads=2) as video:
            assert (video.shape, video.dtype) == (shape, np.dtype(dtype))
            np.testing.assert_array_equal(video[:], array)
            np.testing.assert_array_equal(video[::-2], array[::-2])
            frames = rng.integers(0, shape[0], 50)
            np.testing.assert_array_equal(video[frames], array[frames])

    def test_no_frames(self, tmp_path: Path) -> None:
        """A video without frames keeps its shape."""
        with vf.open(self.store(np.zeros((0, 3, 4, 5), np.uint8), tmp_path)) as video:
            assert video[:].shape == (0, 3, 4, 5)

    def test_other_byte_order_is_written_and_read(self, tmp_path: Path) -> None:
        """Results are in the machine's byte order."""
        array = np.arange(60, dtype=">u2").reshape(10, 6)
        got = vf.load(self.store(array, tmp_path))
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, array)

    def test_text_is_refused(self, tmp_path: Path) -> None:
        """Only numbers are written."""
        with pytest.raises(ValueError, match="numbers"):
            self.store(np.array(["a", "b"]), tmp_path)


class ImageConformance(Conformance):
    """Further, for formats that hold images only."""

    @pytest.mark.parametrize("shape", [(5,), (4, 3, 8), (4, 2, 8, 8), (4, 3, 0, 8), (0, 3, 8, 8)])
    def test_other_shapes_are_refused(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        """What is no image is refused, and nothing is written."""
        with pytest.raises(ValueError, match=self.name):
            self.store(np.zeros(shape, np.uint8), tmp_path)
        assert os.listdir(tmp_path) == []

    def test_other_dtypes_are_refused(self, tmp_path: Path) -> None:
        """Only the dtypes in `pixels` are written."""
        with pytest.raises(ValueError, match=self.name):
            self.store(np.zeros(SHAPE, np.float32), tmp_path)


def conformance_of(name: str) -> type[Conformance]:
    """Return the class that a format has to pass."""
    return ArrayConformance if vf.get_format(name).holds == "arrays" else ImageConformance
