"""What may be written: every kind of source into every format, right or refused, and nothing left behind."""

import os
import pickle
from collections import deque
from itertools import repeat

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats.format import pick
from vidformats.registry import FORMATS
from vidformats.source import Source

VIDEO = np.random.default_rng(0).integers(0, 250, (7, 3, 16, 18), np.uint8)
CORE = [name for name, row in FORMATS.items() if not row.extra]
ARRAYS = [name for name in CORE if vf.get_format(name).holds == "arrays"]
every = pytest.mark.parametrize("name", CORE)


class Tensor:
    """Looks like a tensor of PyTorch: a dtype that NumPy does not know, and a way to become an array."""

    dtype, device = "torch.uint8", "cpu"

    def __init__(self, array):
        self._array, self.shape = array, tuple(array.shape)

    def __len__(self):
        return len(self._array)

    def __getitem__(self, index):
        return Tensor(self._array[index])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._array, dtype)


class Stored:
    """Looks like an array of zarr: read by slices, a block at a time."""

    def __init__(self, array):
        self._array, self.shape, self.dtype, self.asked = array, list(array.shape), array.dtype, []

    def __getitem__(self, index):
        self.asked.append(index)
        return self._array[index]


def store(video, tmp_path, name, **options):
    return vf.write(video, tmp_path / f"video{FORMATS[name].suffix}", name, **options)


def sources(tmp_path):
    np.save(tmp_path / "source.npy", VIDEO)
    file = h5py.File(tmp_path / "source.h5", "w")
    file["video"] = VIDEO
    swapped = np.ascontiguousarray(VIDEO.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return {
        "array": VIDEO, "Fortran order": np.asfortranarray(VIDEO), "channels last": swapped,
        "backwards": VIDEO[::-1][::-1], "every second": np.repeat(VIDEO, 2, axis=0)[::2],
        "memory map": np.load(tmp_path / "source.npy", mmap_mode="r"), "list": list(VIDEO), "tuple": tuple(VIDEO),
        "deque": deque(VIDEO), "generator": (frame for frame in VIDEO),
        "one buffer, again and again": reused(), "dataset": file["video"], "stored": Stored(VIDEO),
        "tensor": Tensor(VIDEO), "list of tensors": [Tensor(frame) for frame in VIDEO],
        "video": vf.open(tmp_path / "source.npy"), "iterator of a video": iter(vf.open(tmp_path / "source.npy")),
        "frames not contiguous": [np.asfortranarray(frame) for frame in VIDEO],
    }  # fmt: skip


def reused():
    buffer = np.empty_like(VIDEO[0])
    for frame in VIDEO:
        buffer[...] = frame
        yield buffer


@every
def test_every_kind_of_source_is_the_same_video(tmp_path, name):
    (tmp_path / "out").mkdir()
    wanted = vf.load(store(VIDEO, tmp_path / "out", name))
    for kind, source in sources(tmp_path).items():
        got = vf.load(store(source, tmp_path / "out", name, n_frames=7))
        np.testing.assert_array_equal(got, wanted, err_msg=kind)


DTYPES = ["?", "u1", "i1", "u2", ">u2", "i4", ">i8", "u8", "f2", "f4", ">f8", "g", "c8", ">c16"]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (5, 3, 4), (4, 2, 0, 3), (0, 3), (0,)])
def test_any_dtype_is_kept_or_refused(tmp_path, name, dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    for source in (array, list(array)) if len(array) else (array,):
        try:
            got = vf.load(store(source, tmp_path, name))
        except ValueError as error:
            assert not isinstance(error, vf.FormatError)
            assert name in str(error)  # it says which format can't, and leaves nothing behind
            assert os.listdir(tmp_path) == []
        else:
            assert got.dtype == array.dtype.newbyteorder("=")
            np.testing.assert_array_equal(got, array)


def bad_sources():
    small = VIDEO[0][:, :5]
    return {
        "another shape midway": ((small if k == 3 else f for k, f in enumerate(VIDEO)), 7, "frame 3 has shape"),
        "another dtype midway": (
            (f.astype("f4") if k == 5 else f for k, f in enumerate(VIDEO)),
            7,
            "frame 5 has shape",
        ),
        "none midway": ((None if k == 2 else f for k, f in enumerate(VIDEO)), 7, "frame 2 has shape"),
        "fewer than announced": (iter(VIDEO), 9, "9 frames were announced, 7 came"),
        "more than announced": (iter(VIDEO), 5, "5 frames were announced, more came"),
        "without end": (repeat(VIDEO[0]), 40, "40 frames were announced, more came"),
        "an array of another length": (VIDEO, 5, "5 frames were announced, 7 came"),
        "a list of another length": (list(VIDEO), 8, "8 frames were announced, 7 came"),
        "less than none": (iter(VIDEO), -1, "n_frames"),
        "empty": (iter([]), None, "empty iterable"),
        "empty list": ([], None, "empty iterable"),
        "objects": (np.array([{}, []], object), None, "only numbers"),
        "text": (["a", "b"], None, "only numbers"),
        "structured": (np.zeros(4, "u1,f4"), None, "only numbers"),
        "dates": (np.zeros(4, "M8[s]"), None, "only numbers"),
        "no axes": (np.array(5), None, "no axes"),
    }


@every
def test_what_is_wrong_with_a_source_is_said_and_leaves_nothing(tmp_path, name):
    for kind, (source, n_frames, fault) in bad_sources().items():
        with pytest.raises(ValueError, match=fault):
            store(source, tmp_path, name, n_frames=n_frames)
        assert os.listdir(tmp_path) == [], kind


@pytest.mark.parametrize("thing", [3, None, object(), 2.5])
def test_what_is_no_video_at_all(tmp_path, thing):
    with pytest.raises(TypeError, match="an array, a Video or an iterable"):
        vf.write(thing, tmp_path / "a.npy")


@every
def test_an_error_of_the_source_is_the_callers(tmp_path, name):
    before = store(VIDEO, tmp_path, name)
    whole, listing = vf.load(before), sorted(os.listdir(tmp_path))

    class Camera(Exception):
        pass

    def frames():
        yield from VIDEO[:4]
        raise Camera

    with pytest.raises(Camera):
        store(frames(), tmp_path, name, n_frames=7)
    np.testing.assert_array_equal(vf.load(before), whole)
    assert sorted(os.listdir(tmp_path)) == listing


def test_a_stored_array_is_read_in_blocks_of_bounded_size():
    stored = Stored(np.zeros((100, 3, 200, 200), np.uint8))
    blocks = [block.nbytes for block in Source(stored).blocks()]
    assert sum(blocks) == stored._array.nbytes
    assert max(blocks) <= 4 << 20
    assert len(stored.asked) == len(blocks) > 2


def test_an_iterable_is_taken_a_frame_at_a_time():
    taken = []

    def frames():
        for k in range(1000):
            taken.append(k)
            yield np.full((3, 100, 100), k, np.uint32)

    blocks = Source(frames()).blocks()
    assert taken == [0]
    first = next(blocks)
    assert first.nbytes <= 4 << 20
    assert len(taken) == len(first)


def test_the_length_of_an_iterable():
    assert Source(iter(VIDEO)).shape[0] is None
    assert Source(list(VIDEO)).shape == Source(iter(VIDEO), 7).shape == VIDEO.shape
    with pytest.raises(ValueError, match="npz needs the number of frames"):
        Source(iter(VIDEO)).need_length("npz")
    np.testing.assert_array_equal(Source(iter(VIDEO), 7).whole("mat"), VIDEO)


def test_a_format_error_survives_pickling_and_a_loaders_rebuilding():
    error = vf.FormatError("a.npy", "is wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.path, copy.fault) == ("a.npy: is wrong", "a.npy", "is wrong")
    assert isinstance(error, ValueError)
    assert str(type(error)("message of a worker")) == "message of a worker"


def test_pick():
    assert pick("f", ["a", "video"], None, "member") == "video"
    assert pick("f", ["a"], None, "member") == pick("f", ["a", "b"], "a", "member") == "a"
    for names, wanted, fault in (
        (["a", "b"], None, "needs member="),
        (["a"], "b", "has no 'b'"),
        ([], None, "none of"),
    ):
        with pytest.raises(vf.FormatError, match=fault):
            pick("f", names, wanted, "member")


@every
def test_a_record_holds_the_options_and_no_threads(name):
    form = vf.get_format(name, threads=3)
    assert form == vf.get_format(name)
    assert "threads" not in form.record()
    assert form.record()["name"] == name
    assert hash(form) == hash(vf.get_format(name))
