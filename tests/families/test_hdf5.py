import re
import threading
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vidformats as vf
from vidformats.errors import FormatError
from vidformats.families.hdf5 import H5
from vidformats.readers import hdf5
from vidformats.readers.boxes import BoxReader
from vidformats.readers.chunks import ChunkReader
from vidformats.readers.extent import ExtentReader
from vidformats.select import plan
from vidformats.storage import open_source

ROWS = ("h5", "h5_plain", "h5_chunked", "h5_frames")
DTYPES = ("u1", "i2", ">u2", "i8", "f2", "f4", ">f8", "c8", "c16", "?")
# The same folder serves all examples: each overwrites its file.
shared = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def open_v73(path, variable=None):
    return hdf5.open_v73(open_source(path), variable)


def ramp(shape, dtype="u1"):
    values = np.random.default_rng(len(shape)).integers(0, 200, shape)
    return (values > 99 if dtype == "?" else values).astype(dtype)


def store(path, video, **options):
    with h5py.File(path, "w", **{k: options.pop(k) for k in ("libver", "userblock_size") if k in options}) as file:
        file.create_dataset("video", data=video, **options)
    return path


def reader(path, **options):
    return H5(name="h5").open(open_source(path), **options)


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


def test_readers_by_layout(tmp_path):
    video = ramp((12, 3, 8, 8))
    cases = {
        "h5": ({}, ExtentReader),
        "h5_plain": ({"chunks": (5, 1, 4, 4), "compression": "gzip", "shuffle": True}, ChunkReader),
        "h5_frames": ({"chunks": (1, 3, 8, 8)}, ChunkReader),
        "h5_chunked": ({"chunks": (1, 1, 8, 8), "maxshape": (None, 3, 8, 8), "compression": "lzf"}, BoxReader),
    }
    for name, (options, kind) in cases.items():
        opened = reader(store(tmp_path / "v.h5", video, **options))
        assert type(opened) is kind
        assert opened.info["format"] == name
        assert opened.info["chunks"] == options.get("chunks")


def test_compact_virtual_and_external_datasets(tmp_path):
    video = ramp((6, 2, 5))
    store(tmp_path / "part.h5", video)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        layout = h5py.VirtualLayout((12, 2, 5), "u1")
        layout[:6] = layout[6:] = h5py.VirtualSource(tmp_path / "part.h5", "video", video.shape)
        file.create_virtual_dataset("virtual", layout)
        kept = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        kept.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(video.shape)
        h5py.Dataset(h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_U8LE, space, kept))[...] = video
        file.create_dataset("external", data=video, external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])
    for name, expected in {"virtual": np.concatenate([video, video]), "compact": video, "external": video}.items():
        with vf.open(tmp_path / "v.h5", dataset=name) as opened:
            np.testing.assert_array_equal(opened[::-2, 1:], expected[::-2, 1:])


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("fill", [0, 7])
def test_missing_chunks_hold_the_fill_value(tmp_path, libver, fill):
    with h5py.File(tmp_path / "v.h5", "w", libver=libver) as file:
        data = file.create_dataset("video", (20, 4, 4), ">i2", chunks=(3, 2, 4), compression="gzip", fillvalue=fill)
        data[4:6, 2:] = 1
        data[19] = 2
        expected = data[()]
    with vf.open(tmp_path / "v.h5") as opened:
        np.testing.assert_array_equal(opened[:], expected)
        np.testing.assert_array_equal(opened[1:9:2, :3], expected[1:9:2, :3])


def test_dataset_never_written(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("contiguous", (5, 2), "f4", fillvalue=3)
        file.create_dataset("chunked", (5, 2), "f4", chunks=(1, 2), fillvalue=4)
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", dataset="contiguous"), np.full((5, 2), 3, "f4"))
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", dataset="chunked"), np.full((5, 2), 4, "f4"))


def test_which_dataset(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["scalar"], file["text"] = 3, "words"
        file["pairs"] = np.zeros(4, [("a", "u1"), ("b", "f4")])
        file["deep/down"] = np.arange(3)
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5"), np.arange(3))
    for name in ("scalar", "text", "pairs", "absent"):
        with pytest.raises(FormatError, match=r"deep/down"):
            reader(tmp_path / "v.h5", dataset=name)
    with h5py.File(tmp_path / "v.h5", "a") as file:
        file["other"] = np.arange(4)
    with pytest.raises(FormatError, match=r"dataset= .*deep/down, other"):
        reader(tmp_path / "v.h5")
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", dataset="/other"), np.arange(4))
    with h5py.File(tmp_path / "v.h5", "a") as file:
        file["video"] = np.arange(5)
    assert reader(tmp_path / "v.h5").shape == (5,)


def test_links_are_followed_once_or_not_at_all(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        group = file.create_group("a/b")
        group["round"] = file["a"]
        group["data"] = file["same"] = np.arange(3)
        file["a/again"] = file["same"]
        del file["same"]
        file["soft"], file["far"] = h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FormatError, match=r"a/again, a/b/data$"):
        reader(tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5", "a") as file:
        del file["a/b/data"]
        file["twice"] = file["a/again"]
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5"), np.arange(3))


def test_not_hdf5(tmp_path):
    path = tmp_path / "v.h5"
    with pytest.raises(FileNotFoundError):
        reader(path)
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(3000), b"words"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"v\.h5"):
            reader(path)
    with h5py.File(path, "w") as file:
        file["text"] = "words"
    with pytest.raises(FormatError, match="none"):
        reader(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("chunks", [(1, 40, 50), (16, 8, 50)])
def test_damage_is_found(tmp_path, libver, chunks):
    video = ramp((64, 40, 50))
    for options in (
        {"compression": "gzip"},
        {"fletcher32": True},
        {"shuffle": True, "compression": "gzip", "fletcher32": True},
    ):
        path = store(tmp_path / "v.h5", video, chunks=chunks, libver=libver, **options)
        with h5py.File(path) as file:
            spot = file["video"].id.get_chunk_info(3)
        content = bytearray(path.read_bytes())
        content[spot.byte_offset + spot.size // 2] ^= 0x55
        path.write_bytes(content)
        position = tuple(at // c for at, c in zip(spot.chunk_offset, chunks, strict=True))
        with pytest.raises(FormatError, match=rf"chunk {re.escape(str(position))} .*damaged"):
            reader(path).fetch(plan(np.arange(64)), np.empty(video.shape, "u1"), 2)


def test_every_truncation_is_an_error_or_right(tmp_path):
    video = ramp((9, 5, 7))
    whole = store(tmp_path / "v.h5", video, chunks=(2, 5, 3), compression="gzip").read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "v.h5").write_bytes(whole[:length])
        with pytest.raises(FormatError):
            vf.load(tmp_path / "v.h5")


@pytest.mark.parametrize("seed", range(200))
def test_flipped_bytes_are_an_error_or_a_result(tmp_path, seed):
    path, rng = tmp_path / "v.h5", np.random.default_rng(seed)
    content = bytearray(store(path, ramp((9, 5, 7)), chunks=(2, 5, 3), compression="gzip").read_bytes())
    # Half of them in what is not chunks: headers, B-tree, heap.
    for at in rng.integers(0, len(content) if seed % 2 else 2200, rng.integers(1, 5)):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    try:
        with vf.open(path, format="h5") as opened:
            opened[: (1 << 24) // max(1, opened.nbytes // max(1, len(opened)))]
    except FormatError:
        pass


def test_what_was_promised_and_never_written(tmp_path):
    """Datasets made in advance: the file may hold nothing yet, and nothing is allocated but what is asked for."""
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("empty", (10**9, 10**6), "u1", chunks=(1, 1000), compression="gzip")
        file.create_dataset("one", (10**6, 4), "u1", chunks=(1, 4), fillvalue=3)[0] = 1
        file.create_dataset("lazy", (10**9,), "f8", fillvalue=2.5)
        file.create_dataset("few", (10**6, 3, 20, 20), "u1", chunks=(1, 3, 20, 20), compression="lzf")[5:7] = 9
        file.create_dataset("frames", (2000, 3, 20, 20), "u1", chunks=(1, 3, 20, 20), compression="gzip")[:10] = 5
        before = {name: (file[name][-1], file[name][:7]) for name in ("one", "few", "frames", "lazy")}
    for name, (last, first) in before.items():
        np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", -1, dataset=name), last)
        np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", slice(7), dataset=name), first)
    assert not vf.load(tmp_path / "v.h5", np.s_[-1, -5:], dataset="empty").any()


def test_chunk_that_claims_more_than_it_holds(tmp_path):
    path = store(tmp_path / "v.h5", ramp((8, 6)), chunks=(8, 6), compression="gzip")
    with h5py.File(path, "a") as file:
        file["video"].id.write_direct_chunk((0, 0), zlib.compress(bytes(49)))
    with pytest.raises(FormatError, match=r"chunk \(0, 0\)"):
        vf.load(path)
    with h5py.File(path, "a") as file:
        file["video"].id.write_direct_chunk((0, 0), zlib.compress(bytes(47)))
    with pytest.raises(FormatError, match=r"chunk \(0, 0\)"):
        vf.load(path)


def test_chunks_that_skipped_a_filter(tmp_path):
    video = ramp((4, 6))
    path = store(tmp_path / "v.h5", video, chunks=(1, 6), compression="gzip")
    with h5py.File(path, "a") as file:
        file["video"].id.write_direct_chunk((2, 0), video[2].tobytes(), filter_mask=1)
    np.testing.assert_array_equal(vf.load(path), video)


def test_deep_index_is_read_as_hdf5_reads_it(tmp_path):
    video = np.arange(9000, dtype="u2").reshape(-1, 1)
    path = tmp_path / "v.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset("video", (9000, 1), "u2", chunks=(1, 1), maxshape=(None, 1))
        for at in np.random.default_rng(0).permutation(9000):
            data.id.write_direct_chunk((at, 0), video[at].tobytes())
    assert type(reader(path)) is ChunkReader
    np.testing.assert_array_equal(vf.load(path), video)


def test_threads_and_two_handles(tmp_path):
    video = ramp((60, 3, 40, 40))
    store(tmp_path / "v.h5", video, chunks=(7, 1, 16, 16), compression="gzip")
    first, second = (vf.open(tmp_path / "v.h5", threads=2) for _ in range(2))
    faults = []

    def load(opened, step):
        for k in range(5):
            if not (opened[k::step] == video[k::step]).all():
                faults.append((k, step))

    threads = [threading.Thread(target=load, args=(v, s)) for v in (first, second) for s in (1, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


@pytest.mark.parametrize("chunks", [(1, 3, 120, 120), (600, 1, 15, 15), (1, 2, 60, 60), (600, 3, 120, 120), None])
def test_memory_is_the_result_and_little_more(tmp_path, chunks):
    video = np.tile(ramp((50, 3, 120, 120)), (12, 1, 1, 1))
    path = store(tmp_path / "v.h5", video, chunks=chunks, **({"compression": "gzip"} if chunks else {}))
    opened, out = reader(path), np.empty((60, 3, 120, 120), "u1")
    tracemalloc.start()
    opened.fetch(plan(np.arange(0, 600, 10)), out, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(out, video[::10])
    assert peak < 12 << 20


MATLAB = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"


def matlab(path, **variables):
    """Write variables as MATLAB -v7.3 does: behind 512 bytes, axes reversed, classes as attributes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, (value, kind, options) in variables.items():
            data = file.create_dataset(name, data=value, **options)
            data.attrs["MATLAB_class"] = np.bytes_(kind)
        file.create_dataset("#refs#/a", data=np.zeros((3, 3)))
    with open(path, "r+b") as file:
        file.write(MATLAB)
    return path


@pytest.mark.parametrize("chunks", [None, (4, 5, 2, 3), (9, 8, 3, 12), (9, 1, 1, 1), (2, 8, 3, 1)])
def test_matlab_73(tmp_path, chunks):
    video = ramp((12, 3, 8, 9))
    options = {"chunks": chunks, **({"compression": "gzip"} if chunks else {})}
    opened = open_v73(matlab(tmp_path / "v.mat", video=(video.T, "uint8", options)))
    assert opened.shape == video.shape
    assert "format" not in opened.info
    for frames in ([3], [0, 4, 8], [11, 2, 2, 5], range(12)):
        for crop in (None, (slice(1, 3, 1), slice(0, 8, 3), slice(2, 7, 2))):
            expected = video[list(frames)][(slice(None), *(crop or ()))]
            out = np.empty(expected.shape, "u1")
            wanted = plan(np.array(frames), crop)
            opened.read(wanted, out, 2)
            wanted.repeat(out)
            np.testing.assert_array_equal(out, expected)


def test_matlab_73_variables(tmp_path):
    path = matlab(
        tmp_path / "v.mat",
        labels=(np.arange(6.0).reshape(2, 3), "double", {}),
        words=(np.zeros((4, 1), "u2"), "char", {}),
        none=(np.array([0, 3, 4], "u8"), "single", {}),
    )
    with h5py.File(path, "a") as file:
        file["none"].attrs["MATLAB_empty"] = 1
    opened = open_v73(path, "labels")
    assert opened.shape == (3, 2)
    empty = open_v73(path, "none")
    assert (empty.shape, empty.dtype) == ((0, 3, 4), np.float32)
    with pytest.raises(FormatError, match=r"labels, none$"):
        open_v73(path)
    del opened  # HDF5 does not write to a file that is open
    with h5py.File(path, "a") as file:
        file["none"][0] = 10**12
    with pytest.raises(FormatError):
        open_v73(path, "none")


def test_boxes_of_a_large_strewn_dataset_are_bounded(tmp_path):
    video = ramp((40, 3, 300, 300))
    opened = open_v73(matlab(tmp_path / "v.mat", video=(video.T, "uint8", {})))
    out = np.empty((10, 3, 300, 300), "u1")
    tracemalloc.start()
    opened.fetch(plan(np.arange(0, 40, 4)), out, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(out, video[::4])
    assert peak < 10 << 20
