"""What may be written: every kind of source into every format, right or refused, and nothing left behind."""

import os
from collections import deque
from itertools import repeat

import h5py
import numpy as np
import pytest

import vidformats as vf
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
        "another shape midway": (
            (small if k == 3 else f for k, f in enumerate(VIDEO)),
            7,
            r"frame 3: expected \(3, 16, 18\) of uint8 as announced, got \(3, 5, 18\)",
        ),
        "another dtype midway": (
            (f.astype("f4") if k == 5 else f for k, f in enumerate(VIDEO)),
            7,
            r"frame 5: expected .* of uint8 as announced, got .* of float32",
        ),
        "none midway": ((None if k == 2 else f for k, f in enumerate(VIDEO)), 7, "frame 2: expected .* got NoneType"),
        "fewer than announced": (iter(VIDEO), 9, r"expected 9 frames.*got 7"),
        "more than announced": (iter(VIDEO), 5, "expected 5 frames, got more"),
        "without end": (repeat(VIDEO[0]), 40, "expected 40 frames, got more"),
        "an array of another length": (VIDEO, 5, r"expected 5 frames.*got 7"),
        "a list of another length": (list(VIDEO), 8, r"expected 8 frames.*got 7"),
        "less than none": (iter(VIDEO), -1, "n_frames"),
        "empty": (iter([]), None, "empty iterable"),
        "empty list": ([], None, "empty iterable"),
        "objects": (np.array([{}, []], object), None, "expected numbers"),
        "text": (["a", "b"], None, "expected numbers"),
        "structured": (np.zeros(4, "u1,f4"), None, "expected numbers"),
        "dates": (np.zeros(4, "M8[s]"), None, "expected numbers"),
        "no axes": (np.array(5), None, "without axes"),
    }


@every
def test_what_is_wrong_with_a_source_is_said_and_leaves_nothing(tmp_path, name):
    for kind, (source, n_frames, fault) in bad_sources().items():
        with pytest.raises(ValueError, match=fault):
            store(source, tmp_path, name, n_frames=n_frames)
        assert os.listdir(tmp_path) == [], kind


@pytest.mark.parametrize("thing", [3, None, object(), 2.5, b"abc", bytearray(4), "abc", {0: VIDEO[0]}, {1, 2}])
def test_what_is_no_video_at_all(tmp_path, thing):
    with pytest.raises(TypeError, match="expected an array, a Video or an iterable"):
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
    with pytest.raises(ValueError, match="npz requires the number of frames"):
        Source(iter(VIDEO)).need_length("npz")
    np.testing.assert_array_equal(Source(iter(VIDEO), 7).whole("mat"), VIDEO)


def announced_otherwise():
    """Sources that are read by slices, and give something else than they said."""

    def block(change):
        plain = Stored.__getitem__
        return type("Odd", (Stored,), {"__getitem__": lambda self, index: change(plain(self, index))})(VIDEO)

    sparse = pytest.importorskip("scipy.sparse").eye(8).tocsr()
    return {
        "another dtype": (block(lambda b: b / 2.0), "got .* of float64"),
        "a wider dtype": (block(lambda b: b.astype("u2")), "got .* of uint16"),
        "another shape of frames": (block(lambda b: b[:, :, :5]), r"got \(7, 3, 5, 18\)"),
        "too few": (block(lambda b: b[:3]), r"got \(3, 3, 16, 18\)"),
        "too many": (block(lambda b: np.concatenate([b, b])), r"got \(14, 3, 16, 18\)"),
        "a sparse matrix": (sparse, "got csr_matrix|got csr_array"),
        "masked, in blocks": (block(lambda b: np.ma.masked_array(b, b > 100)), "masked"),
        "masked": (np.ma.masked_array(VIDEO, VIDEO > 100), "masked"),
        "a list of masked frames": ([np.ma.masked_array(f, f > 100) for f in VIDEO], "masked"),
    }


@every
def test_a_source_that_gives_what_it_did_not_announce(tmp_path, name):
    """Whatever lies, nothing but what the header says is stored, and what was there stays."""
    for kind, (source, fault) in announced_otherwise().items():
        if vf.get_format(name).holds == "images" and kind == "a sparse matrix":
            fault = name  # two axes are no images anyway
        before = store(VIDEO, tmp_path, name)
        whole, listing = vf.load(before), sorted(os.listdir(tmp_path))
        with pytest.raises(ValueError, match=fault):
            store(source, tmp_path, name)
        np.testing.assert_array_equal(vf.load(before), whole, err_msg=kind)
        assert sorted(os.listdir(tmp_path)) == listing, kind


@every
def test_an_array_of_dask(tmp_path, name):
    """Dask believes the dtype and shapes that it is told, and knows some shapes only when it has computed."""
    dask = pytest.importorskip("dask.array")
    lazy = dask.from_array(VIDEO, chunks=(4, 3, 5, 18))
    np.testing.assert_array_equal(vf.load(store(lazy, tmp_path, name)), vf.load(store(VIDEO, tmp_path, name)))
    with vf.open(store(VIDEO, tmp_path, name)) as video:
        backed = dask.from_array(video, chunks=(4, 3, 16, 18))
        np.testing.assert_array_equal(backed[::2].compute(), video[::2])
        (tmp_path / "copy").mkdir()
        copy = vf.load(store(backed[:6] // 2, tmp_path / "copy", name))
        if vf.get_format(name).tolerance == 0:
            np.testing.assert_array_equal(copy, VIDEO[:6] // 2)
    before, listing = vf.load(store(VIDEO, tmp_path, name)), sorted(os.listdir(tmp_path))
    lies = {
        "got .* of float64": lazy.map_blocks(lambda block: block / 2.0, dtype="u1"),
        r"got \(\d+, 3, 16, 18\) of uint8": lazy.map_blocks(lambda block: block[:1], dtype="u1"),
        "masked": dask.from_array(np.ma.masked_array(VIDEO, VIDEO > 100), chunks=4),
        r"shape is known, got \(nan, 3, 16, 18\)": lazy[lazy.sum(axis=(1, 2, 3)) > 0],
    }
    for fault, lie in lies.items():
        with pytest.raises(ValueError, match=fault):
            store(lie, tmp_path, name)
        np.testing.assert_array_equal(vf.load(store(VIDEO, tmp_path, name)), before)
        assert sorted(os.listdir(tmp_path)) == listing


def test_a_mask_that_hides_nothing_is_no_matter(tmp_path):
    path = vf.write(np.ma.masked_array(VIDEO, False), tmp_path / "a.npy")
    np.testing.assert_array_equal(vf.load(path), VIDEO)


def test_blocks_in_another_byte_order_are_turned():
    swapped = Stored(VIDEO.astype(">u2"))
    swapped.dtype = np.dtype("<u2")
    assert [block.dtype.str for block in Source(swapped).blocks()] == ["<u2"]
    np.testing.assert_array_equal(Source(swapped).whole("npy"), VIDEO)
