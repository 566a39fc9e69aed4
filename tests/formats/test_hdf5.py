import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vidformats as vf
from vidformats.formats.hdf5 import H5

ROWS = ("h5", "h5_plain", "h5_chunked", "h5_frames")
DTYPES = ("u1", "i2", ">u2", "i8", "f2", "f4", ">f8", "c8", "c16", "?")
# The same folder serves all examples: each overwrites its file.
shared = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ramp(shape, dtype="u1"):
    values = np.random.default_rng(len(shape)).integers(0, 200, shape)
    return (values > 99 if dtype == "?" else values).astype(dtype)


def store(path, video, **options):
    with h5py.File(
        path, "w", **{k: options.pop(k) for k in ("libver", "userblock_size") if k in options}
    ) as file:
        file.create_dataset("video", data=video, **options)
    return path


def reader(path, **options):
    return H5(name="h5").open(path, **options)


@st.composite
def indices(draw, shape):
    """An index that Video and NumPy take."""
    n = shape[0]
    number = st.integers(-n, n - 1)
    first = draw(
        st.one_of(
            st.slices(n),
            st.lists(number, max_size=12) if n else st.just([]),
            st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, bool)),
            *([number] if n else []),
        )
    )
    if isinstance(first, slice):
        return (first, *(draw(st.slices(m)) for m in shape[1 : draw(st.integers(1, len(shape)))]))
    return (
        np.array(first, np.int64) if isinstance(first, list) else first,
        *(draw(st.slices(m)) for m in shape[1:]),
    )


@st.composite
def stored(draw):
    """A video, and options of create_dataset to store it with."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5).map(lambda s: (s[0] * 3, *s[1:])))
    video = ramp(shape, draw(st.sampled_from(DTYPES)))
    options = {"chunks": draw(st.one_of(st.none(), st.tuples(*(st.integers(1, n) for n in shape))))}
    if options["chunks"]:
        options["maxshape"] = draw(st.sampled_from([None, (None, *shape[1:])]))
        options |= draw(
            st.sampled_from(
                [
                    {},
                    {"compression": "gzip"},
                    {"compression": "gzip", "compression_opts": 0},
                    {"compression": "lzf"},
                ]
            )
        )
        options["shuffle"], options["fletcher32"] = draw(st.booleans()), draw(st.booleans())
    options["libver"] = draw(st.sampled_from(["earliest", "v108", "latest"]))
    options["userblock_size"] = draw(st.sampled_from([0, 512]))
    return video, options


@given(st.data(), stored(), st.integers(1, 3))
@shared
def test_any_layout_reads_as_numpy_would(tmp_path, data, case, threads):
    video, options = case
    store(tmp_path / "v.h5", video, **options)
    with vf.open(tmp_path / "v.h5", threads=threads) as opened:
        assert opened.shape == video.shape
        assert opened.dtype == video.dtype.newbyteorder("=")
        index = data.draw(indices(video.shape))
        np.testing.assert_array_equal(opened[index], video[index])
        np.testing.assert_array_equal(opened[:], video)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    "shape", [(7, 3, 5, 6), (1, 1, 2, 2), (5,), (4, 3), (2, 3, 4, 5, 6), (0, 3, 4, 4), (3, 0, 2), (0,)]
)
@pytest.mark.parametrize("dtype", ["u1", ">f4", "c8", "?"])
def test_round_trip(tmp_path, row, shape, dtype):
    video = ramp(shape, dtype)
    vf.write(video, tmp_path / "v.h5", row)
    with vf.open(tmp_path / "v.h5") as opened:
        np.testing.assert_array_equal(opened[:], video)
        assert opened.shape == shape
        if shape == (7, 3, 5, 6) and row != "h5_chunked":  # whose automatic chunks hold such a frame whole
            assert opened.format == row


@pytest.mark.parametrize("row", ["h5_chunked", "h5_frames"])
def test_frames_of_unknown_number_are_written(tmp_path, row):
    video = ramp((37, 3, 8, 9))
    vf.write(iter(video), tmp_path / "v.h5", row, threads=2)
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5"), video)


@pytest.mark.parametrize("row", ["h5", "h5_plain"])
def test_layouts_that_must_know_the_length_say_so(tmp_path, row):
    with pytest.raises(ValueError, match="number of frames"):
        vf.write(iter(ramp((4, 2))), tmp_path / "v.h5", row)
    vf.write(iter(ramp((4, 2))), tmp_path / "v.h5", row, n_frames=4)
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5"), ramp((4, 2)))


def test_published_layouts(tmp_path):
    video = ramp((40, 3, 120, 120))
    for row in ("h5_plain", "h5_chunked"):
        vf.write(video, tmp_path / row, row)
    store(tmp_path / "published", video, compression="gzip", compression_opts=9)
    with h5py.File(tmp_path / "h5_plain") as ours, h5py.File(tmp_path / "published") as theirs:
        assert ours["video"].chunks == theirs["video"].chunks
        assert ours["video"].compression_opts == 9
        assert ours["video"].id.get_storage_size() == theirs["video"].id.get_storage_size()
    with h5py.File(tmp_path / "h5_chunked") as file:
        assert file["video"].maxshape == (None, 3, 120, 120)
        assert file["video"].compression_opts == 9


@pytest.mark.parametrize("n", [1, 3, 16, 50])
def test_frames_per_chunk(tmp_path, n):
    video = ramp((37, 3, 8, 9), "i4")
    vf.write(video, tmp_path / "v.h5", "h5_frames", frames_per_chunk=n, level=9)
    with h5py.File(tmp_path / "v.h5") as file:
        assert file["video"].chunks == (n, 3, 8, 9)
        np.testing.assert_array_equal(file["video"][()], video)
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", np.s_[::-3]), video[::-3])
