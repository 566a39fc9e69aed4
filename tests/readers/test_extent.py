"""Frames that lie one after another, and frames that are column_major: both against NumPy."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vidformats as vf
from vidformats.readers import column_major, extent
from vidformats.readers.column_major import ColumnMajorReader
from vidformats.readers.extent import ExtentReader
from vidformats.select import select
from vidformats.storage.local import LocalFile
from vidformats.testing.conformance import indexes

DTYPES = ["?", "u1", "i1", "<u2", ">i2", ">f2", "<i4", ">f4", "<f8", ">u8", "<c8", ">c16"]
SHAPES = [(1,), (17,), (9, 4), (5, 1), (7, 3, 4), (6, 3, 5, 4), (1, 3, 2, 2), (4, 2, 3, 1, 5), (3, 2, 1, 2, 2, 3)]
OFFSET = 13
both = pytest.mark.parametrize("column_major", [False, True], ids=["extent", "column_major"])


def array_of(shape, dtype):
    """Return an array whose items are all different as far as the dtype allows."""
    raw = np.random.default_rng(prod(shape)).integers(0, 250, shape)
    return (raw > 99 if dtype == "?" else raw).astype(dtype)


def reader_of(array, path, column_major):
    path.write_bytes(b"h" * OFFSET + array.tobytes("F" if column_major else "C") + b"tail")
    return (ColumnMajorReader if column_major else ExtentReader)(LocalFile(path), OFFSET, array.shape, array.dtype)


def read(reader, index, threads):
    chosen = select(index, reader.shape)
    result = np.empty(chosen.shape, reader.dtype)
    reader.read(chosen.plan(), chosen.target(result), threads)
    chosen.plan().repeat(chosen.target(result))
    return result


@both
@pytest.mark.parametrize(("shape", "dtype"), [*product(SHAPES, ["u1", ">f4"]), *product(SHAPES[4:6], DTYPES)])
def test_any_shape_and_dtype(tmp_path, column_major, shape, dtype):
    array, threads = array_of(shape, dtype), 2
    reader = reader_of(array, tmp_path / "data", column_major)
    assert reader.shape == shape
    assert reader.dtype.isnative
    for index in (..., slice(None, None, 2), slice(None, None, -1), [0, -1, 0], [], 0, -1):
        np.testing.assert_array_equal(read(reader, index, threads), array[index], err_msg=str(index))


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    limits = {
        "GAP": draw(st.sampled_from([0, 3, 64, extent.GAP])),
        "SMALL": draw(st.sampled_from([0, 8, extent.SMALL])),
        "BLOCK": draw(st.sampled_from([1, 50, extent.BLOCK])),
        "TILE": draw(st.sampled_from([64, 130, 1000, column_major.TILE])),
        "worth": draw(st.sampled_from([lambda threads, *sizes: threads, extent.worth])),
    }
    return shape, draw(st.sampled_from(DTYPES)), draw(indexes(shape)), draw(st.integers(1, 3)), limits


@both
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_any_index_by_any_way(tmp_path, column_major, case):
    """With limits small enough that small arrays take every way that large ones take."""
    shape, dtype, index, threads, limits = case
    array = array_of(shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            for module in (extent, column_major):
                if hasattr(module, name):
                    patch.setattr(module, name, value)
        reader = reader_of(array, tmp_path / "data", column_major)
        np.testing.assert_array_equal(read(reader, index, threads), array[index])


@both
def test_large_frames_windows_and_tile_edges(tmp_path, column_major):
    """With the real limits: several tiles and blocks, and windows at the start, inside and at the end."""
    array = np.random.default_rng(0).integers(0, 255, (301, 3, 71, 53), np.uint8)
    reader = reader_of(array, tmp_path / "data", column_major)
    for index in (
        slice(0, 16), slice(100, 164, 4), slice(-5, None), slice(None), slice(None, None, 4), slice(None, None, 2),
        slice(1, None, 8), slice(3, 300, 7), slice(None, None, -3), [300, 0, 150, 150, 7], 300,
        np.s_[:, 1], np.s_[:, :, 5:60, 7:50], np.s_[::5, ::-1, 70:3:-2, ::3], np.s_[[9, 9, 3], ::2, :, 52],
    ):  # fmt: skip
        np.testing.assert_array_equal(read(reader, index, 2), array[index], err_msg=str(index))


@both
def test_long_narrow_data(tmp_path, column_major):
    array = np.random.default_rng(0).integers(0, 255, (200_001, 3), np.int16)
    reader = reader_of(array, tmp_path / "data", column_major)
    rng = np.random.default_rng(1)
    for index in (slice(None), slice(5, None, 1000), rng.integers(0, len(array), 999), np.s_[::-7, 1], [200_000]):
        np.testing.assert_array_equal(read(reader, index, 2), array[index])


def bytes_of_reads(reader, index, monkeypatch):
    """Return what a read returns, the number of reads of the file and their bytes."""
    calls, real = [], reader.source._preadv

    def counted(views, offset):
        calls.append(real(views, offset))
        return calls[-1]

    with monkeypatch.context() as patch:
        patch.setattr(reader.source, "_preadv", counted)
        return read(reader, index, 1), len(calls), sum(calls)


def test_only_wanted_frames_are_read_and_neighbours_together(tmp_path, monkeypatch):
    array = array_of((40, 3, 60, 60), "u1")
    reader = reader_of(array, tmp_path / "data", False)
    _, calls, nbytes = bytes_of_reads(reader, slice(None, None, 4), monkeypatch)
    assert (calls, nbytes) == (10, 10 * array[0].nbytes)
    _, calls, nbytes = bytes_of_reads(reader, slice(5, 25), monkeypatch)
    assert (calls, nbytes) == (1, 20 * array[0].nbytes)
    _, calls, nbytes = bytes_of_reads(reader, [7, 8, 9, 3, 30, 31], monkeypatch)
    assert (calls, nbytes) == (3, 6 * array[0].nbytes)


def test_a_crop_reads_parts_of_large_frames(tmp_path, monkeypatch):
    array = np.random.default_rng(0).integers(0, 255, (6, 3, 300, 300), np.uint8)
    reader = reader_of(array, tmp_path / "data", False)
    got, _, nbytes = bytes_of_reads(reader, np.s_[::2, 1], monkeypatch)
    np.testing.assert_array_equal(got, array[::2, 1])
    assert nbytes == 3 * 300 * 300


def test_small_frames_are_read_together(tmp_path, monkeypatch):
    array = array_of((5000, 6), "f4")
    reader = reader_of(array, tmp_path / "data", False)
    got, calls, nbytes = bytes_of_reads(reader, slice(None, None, 4), monkeypatch)
    np.testing.assert_array_equal(got, array[::4])
    assert calls <= 2
    assert nbytes <= array.nbytes
    got, calls, nbytes = bytes_of_reads(reader, [0, 4999, 4999], monkeypatch)
    np.testing.assert_array_equal(got, array[[0, 4999, 4999]])
    assert (calls, nbytes) == (2, 48)


@both
def test_results_of_no_bytes(tmp_path, column_major):
    reader = reader_of(array_of((4, 0, 3), "f4"), tmp_path / "data", column_major)
    for index in (..., 0, [1, 1], np.s_[::2, :, 1]):
        assert read(reader, index, 2).shape == np.empty((4, 0, 3))[index].shape


@both
@pytest.mark.parametrize(
    ("shape", "dtype", "offset"),
    [
        ((101,), "u1", 0),
        ((100,), "u1", 1),
        ((10, 10), "u2", 0),
        ((1 << 40, 1 << 40), "u1", 0),
        ((-1, -1), "u1", 0),
        ((5,), "u1", -1),
        ((), "u1", 0),
        ((0, 1 << 70), "u1", 0),
        ((1 << 40, 0), "u1", 0),
        ((1,) * 65, "u1", 0),
        ((5,), "O", 0),
        ((5,), "U2", 0),
        ((5,), "M8[s]", 0),
        ((5,), "u1,u1", 0),
        ((5,), "(2,)u1", 0),
        ((5,), "V0", 0),
        ((5,), "nonsense", 0),
    ],
)
def test_claims_that_the_file_can_not_hold(tmp_path, column_major, shape, dtype, offset):
    path = tmp_path / "data"
    path.write_bytes(bytes(100))
    with pytest.raises(vf.FormatError, match="data"):
        (ColumnMajorReader if column_major else ExtentReader)(LocalFile(path), offset, shape, dtype)
