"""Bytes are read past HDF5 only if they are this dataset's, in this file, and final: h5py is the judge."""

import ctypes
import errno
import glob
import itertools
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats.readers.boxes import BoxReader

V = np.random.default_rng(0).integers(0, 255, (12, 3, 20, 24), np.uint8)
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (1, 3, 20, 24)},
    "small chunks": {"chunks": (5, 2, 7, 9)},
    "gzip": {"chunks": (1, 3, 20, 24), "compression": "gzip"},
    "shuffle": {"chunks": (2, 3, 20, 24), "shuffle": True, "compression": "gzip"},
    "fletcher": {"chunks": (2, 3, 20, 24), "fletcher32": True},
    "lzf": {"chunks": (2, 3, 20, 24), "compression": "lzf"},
    "compact": None,
}
layouts = pytest.mark.parametrize("layout", LAYOUTS)
libvers = pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])


def store(path, name, video, layout="contiguous", mode="a", **options):
    with h5py.File(path, mode, **{k: options.pop(k) for k in ("libver",) if k in options}) as file:
        if LAYOUTS[layout] is None:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space, kind = h5py.h5s.create_simple(video.shape), h5py.h5t.py_create(video.dtype)
            file.require_group(os.path.dirname("/" + name))
            data = h5py.h5d.create(file.id, name.encode(), kind, space, plist)
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(video))
        else:
            file.create_dataset(name, data=video, **LAYOUTS[layout], **options)
    return path


def library():
    """Return HDF5's own library, for what h5py does not offer."""
    found = glob.glob(os.path.join(os.path.dirname(h5py.__file__) + ".libs", "libhdf5-*"))
    if not found:
        pytest.skip("h5py brings no HDF5 of its own here")
    return ctypes.CDLL(found[0])


def assert_as_h5py(path, name=None, **options):
    """Whole, backwards and at random frames, what we read is what h5py reads."""
    with h5py.File(path) as file:
        wanted = file[name or "video"][()]
    with vf.open(path, **({"dataset": name} if name else {}), **options) as video:
        np.testing.assert_array_equal(video[:], wanted)
        np.testing.assert_array_equal(video[::-3], wanted[::-3])
        frames = np.random.default_rng(1).integers(0, len(wanted), 9)
        np.testing.assert_array_equal(video[frames], wanted[frames])
        np.testing.assert_array_equal(video[len(wanted) // 2], wanted[len(wanted) // 2])


# In this file: links, virtual datasets, external storage


@layouts
def test_behind_an_external_link_of_a_file_of_the_same_layout(tmp_path, layout):
    """Two cameras, two files made alike: the offset of the one is a plausible offset in the other."""
    video = V[:3] if layout == "compact" else V
    for name, part in (("left.h5", video), ("right.h5", video[::-1])):
        store(tmp_path / name, "data", part, layout, "w")
    with h5py.File(tmp_path / "left.h5", "a") as file:
        file["video"] = h5py.ExternalLink("right.h5", "/data")
        file["group/soft"] = h5py.SoftLink("/video")
        file["alias"] = h5py.SoftLink("group")
    for name in (None, "data", "group/soft", "alias/soft"):
        assert_as_h5py(tmp_path / "left.h5", name)
    assert vf.open(tmp_path / "left.h5").info["linked"] == str(tmp_path / "right.h5")


@layouts
@pytest.mark.parametrize("block", [0, 512])
def test_a_master_file_of_links_only(tmp_path, layout, block):
    """As detectors write them: a small file that leads to large ones, through groups, chains and further folders."""
    video = V[:3] if layout == "compact" else V
    (tmp_path / "raw").mkdir()
    with h5py.File(tmp_path / "raw" / "data_1.h5", "w", userblock_size=block):
        pass
    store(tmp_path / "raw" / "data_1.h5", "entry/data/frames", video, layout)
    with h5py.File(tmp_path / "middle.h5", "w") as file:
        file["on"] = h5py.ExternalLink("raw/data_1.h5", "/entry")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["entry/data_1"] = h5py.ExternalLink("raw/data_1.h5", "/entry/data/frames")
        file["entry/all"] = h5py.ExternalLink("raw/data_1.h5", "/entry")
        file["entry/chain"] = h5py.ExternalLink("middle.h5", "/on/data/frames")
    for name in ("entry/data_1", "entry/all/data/frames", "entry/chain", "/entry//chain"):
        assert_as_h5py(tmp_path / "master.h5", name)


def secrets(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "mine").mkdir()
    store(tmp_path / "mine" / "secret.h5", "data", V, mode="w")
    V.tofile(tmp_path / "mine" / "secret.raw")
    return tmp_path / "theirs" / "v.h5", tmp_path / "mine"


def virtual(path, source, name="data"):
    layout = h5py.VirtualLayout(V.shape, "u1")
    layout[:] = h5py.VirtualSource(source, name, V.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("video", layout)


@pytest.mark.parametrize(
    "kind", ["link", "relative link", "link by a link", "virtual", "virtual of virtual", "virtual of link", "external"]
)
def test_nothing_outside_the_folder_is_read_unless_it_is_trusted(tmp_path, kind):
    """A file from a stranger may name any file of mine."""
    path, mine = secrets(tmp_path)
    between = path.with_name("between.h5")
    if kind == "virtual":
        virtual(path, str(mine / "secret.h5"))
    elif kind == "virtual of virtual":
        virtual(between, "../mine/secret.h5")
        virtual(path, "between.h5", "video")
    elif kind == "external":
        with h5py.File(path, "w") as file:
            file.create_dataset("video", V.shape, "u1", external=[(str(mine / "secret.raw"), 0, V.size)])
    else:
        where = "../mine/secret.h5" if kind.startswith("relative") else str(mine / "secret.h5")
        with h5py.File(between, "w") as file:
            file["on"] = h5py.ExternalLink(where, "/data")
        with h5py.File(path, "w") as file:
            file["video"] = (
                h5py.ExternalLink("between.h5", "/on")
                if kind == "link by a link"
                else h5py.ExternalLink(where, "/data")
            )
        if kind == "virtual of link":
            virtual(path, "between.h5", "on")
    with pytest.raises(
        vf.FormatError, match=r"leads out of its folder, to .*secret.*; pass links=True if you trust it"
    ):
        vf.open(path)
    np.testing.assert_array_equal(vf.load(path, links=True), V)


CIRCLES = {
    "itself": {"v.h5": ["."]},
    "two files": {"v.h5": ["w.h5"], "w.h5": ["v.h5"]},
    "behind another": {"v.h5": ["w.h5"], "w.h5": ["x.h5"], "x.h5": ["w.h5"]},
    "by other names": {"v.h5": ["./w.h5"], "w.h5": ["././v.h5"]},
    "one of two": {"v.h5": ["x.h5", "w.h5"], "w.h5": ["v.h5"], "x.h5": []},
}


@pytest.mark.parametrize("kind", CIRCLES)
def test_a_virtual_dataset_that_is_a_part_of_itself(tmp_path, kind):
    """HDF5 follows the circle until the process has no stack left."""
    for name, sources in CIRCLES[kind].items():
        with h5py.File(tmp_path / name, "w") as file:
            layout = h5py.VirtualLayout((4, *V.shape), "u1")
            for k, source in enumerate(sources):
                layout[k] = h5py.VirtualSource(source, "video", (4, *V.shape))[k]
            file.create_virtual_dataset("video", layout)
    with pytest.raises(vf.FormatError, match="is a part of itself"):
        vf.open(tmp_path / "v.h5")


def test_a_chain_of_virtual_datasets_and_a_part_used_twice(tmp_path):
    store(tmp_path / "0.h5", "data", V, mode="w")
    for k in range(1, 60):
        with h5py.File(tmp_path / f"{k}.h5", "w") as file:
            layout = h5py.VirtualLayout((2, *V.shape), "u1")
            for half in range(2):
                part = h5py.VirtualSource(f"{k - 1}.h5", "data", V.shape if k == 1 else (2, *V.shape))
                layout[half] = part if k == 1 else part[half]
            file.create_virtual_dataset("data", layout)
    assert_as_h5py(tmp_path / "12.h5", "data")
    with pytest.raises(vf.FormatError, match="more than 40 deep"):
        vf.open(tmp_path / "59.h5")


@pytest.mark.parametrize("kind", ["inside", "outside", "circle"])
def test_the_parts_of_a_virtual_dataset_that_are_counted(tmp_path, kind):
    """Detectors write a file for every some frames, and a virtual dataset without end over all there will be."""
    (tmp_path / "sub").mkdir()
    names = {"inside": "sub/part%b.h5", "outside": "../part%b.h5", "circle": "sub/part%b.h5"}
    main = tmp_path / "v.h5" if kind != "outside" else tmp_path / "sub" / "v.h5"
    with h5py.File(main, "w", libver="latest") as file:
        space = h5py.h5s.create_simple(V.shape, (h5py.h5s.UNLIMITED, *V.shape[1:]))
        block = (4, *V.shape[1:])
        place = space.copy()
        place.select_hyperslab((0,) * 4, (h5py.h5s.UNLIMITED, 1, 1, 1), (4, 1, 1, 1), block)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_virtual(place, names[kind].encode(), b"/data", h5py.h5s.create_simple(block))
        h5py.h5d.create(file.id, b"video", h5py.h5t.STD_U8LE, space, plist)
    for k in range(3):
        store(main.parent / names[kind].replace("%b", str(k)), "data", V[4 * k : 4 * k + 4], mode="w")
    if kind == "circle":
        with h5py.File(tmp_path / "sub" / "part1.h5", "w") as file:
            file["data"] = h5py.ExternalLink("../v.h5", "/video")
    if kind == "inside":
        assert_as_h5py(main)
        with vf.open(main) as video:
            np.testing.assert_array_equal(video[:], V)
    else:
        with pytest.raises(vf.FormatError, match="leads out" if kind == "outside" else "part of itself"):
            vf.open(main)


@pytest.mark.parametrize("kind", ["virtual", "external"])
def test_what_is_in_the_folder_is_read(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if kind == "virtual":
        store(tmp_path / "part.h5", "data", V, mode="w")
        virtual(tmp_path / "v.h5", "part.h5")
    else:
        V.tofile("part.raw")
        with h5py.File("v.h5", "w") as file:
            file.create_dataset("video", V.shape, "u1", external=[("part.raw", 0, V.size)])
    assert_as_h5py(tmp_path / "v.h5")


def test_links_that_lead_nowhere(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["gone"] = h5py.ExternalLink("none.h5", "/data")
        file["pipe"] = h5py.ExternalLink("pipe.h5", "/data")
        file["circle"] = h5py.ExternalLink("v.h5", "/circle")
        file["soft"] = h5py.SoftLink("/soft")
        file["dangling"] = h5py.SoftLink("/none")
        file["text"] = h5py.ExternalLink("notes.txt", "/data")
        file["inside"] = h5py.ExternalLink("v.h5", "/none")
    (tmp_path / "notes.txt").write_text("no HDF5")
    for name, fault in {
        "gone": "has a link to .*none.h5, which is not there", "pipe": "expected a regular file, got a FIFO",
        "circle": "lead in a circle", "soft": "has no 'soft'", "dangling": "has no 'dangling'",
        "text": r"notes\.txt: is no HDF5 file", "inside": "has no 'none'",
    }.items():  # fmt: skip
        with pytest.raises(vf.FormatError, match=fault):
            vf.open(tmp_path / "v.h5", dataset=name)


def test_a_link_to_a_file_that_was_moved_along(tmp_path):
    """Files moved together: HDF5 tries the last name of an absolute path beside the master."""
    store(tmp_path / "part.h5", "data", V, mode="w")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["video"] = h5py.ExternalLink("/home/x/recordings/part.h5", "/data")
    assert_as_h5py(tmp_path / "master.h5")


# Final: files that this process is writing


@layouts
@pytest.mark.parametrize("flushed", [True, False])
def test_a_file_open_for_writing_in_this_process(tmp_path, layout, flushed):
    """A notebook that did not close its file: HDF5 holds pixels that the disk has not."""
    path = store(tmp_path / "v.h5", "video", (V // 2)[: 3 if layout == "compact" else 12], layout, "w")
    with h5py.File(path, "r+") as file:
        for k in range(len(file["video"])):
            file["video"][k] = V[k]
        if flushed:
            file.flush()
        assert_as_h5py(path)


@layouts
def test_a_new_file_open_for_writing_in_this_process(tmp_path, layout):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        data = file.create_dataset("video", V.shape, "u1", **(LAYOUTS[layout] or {}))
        for k in range(12):
            data[k] = V[k]
        assert_as_h5py(tmp_path / "v.h5")
        file["other.h5"] = h5py.ExternalLink("v.h5", "/video")
    assert_as_h5py(tmp_path / "v.h5")


# This dataset's: headers, indexes, filters


@pytest.mark.parametrize("recorder", ["v110", "latest"])
@pytest.mark.parametrize("chunks", [(1, 3, 20, 24), (2, 3, 20, 24), (4, 2, 10, 24)])
def test_a_neighbour_of_another_version_is_not_taken_for_it(tmp_path, recorder, chunks):
    """Empty datasets of a recorder, then another program's beside them: the neighbour's index fits as well."""
    options = {"shape": (0, 3, 20, 24), "dtype": "u1", "chunks": chunks, "maxshape": (None, 3, 20, 24)}
    path = tmp_path / "v.h5"
    with h5py.File(path, "w", libver=recorder) as file:
        for name in ("left", "right"):
            file.create_dataset(name, **options)
    with h5py.File(path, "a") as file:
        file.create_dataset("mask", **options)
        file.create_dataset("video", **options)
    with h5py.File(path, "a") as file:
        for k, name in enumerate(("left", "right", "mask", "video")):
            file[name].resize(12, 0)
            file[name][...] = V * 0 + k if k > 1 else V[:: 1 - 2 * k]
    for name in ("left", "right", "mask", "video"):
        assert_as_h5py(path, name)


@libvers
@pytest.mark.parametrize("attributes", [0, 3, 60])
def test_headers_with_many_messages_and_blocks(tmp_path, libver, attributes):
    """Attributes that come later push messages into further blocks of the header."""
    path = tmp_path / "v.h5"
    with h5py.File(path, "w", libver=libver, track_order=True) as file:
        for name in ("first", "video"):
            data = file.create_dataset(name, data=V if name == "video" else 255 - V, chunks=(1, 3, 20, 24))
            for k in range(attributes):
                data.attrs[f"note {k}"] = "x" * 40 * (k % 5)
    for name in ("first", "video"):
        assert_as_h5py(path, name)


@pytest.mark.parametrize("name", ["earliest", "v108"])
def test_the_index_is_still_read_past_hdf5(tmp_path, name):
    """The proof must not cost the fast way: files as h5py makes them by default are read by it."""
    path = tmp_path / "v.h5"
    for layout in ("chunked", "gzip"):
        store(path, "video", V, layout, "w", libver=name)
        with vf.open(path) as video:
            assert not isinstance(video._handle.get(video._open), BoxReader)


@libvers
@pytest.mark.parametrize("axis", [0, 1, 2, 3, None])
@pytest.mark.parametrize("written", [1.0, 0.4])
@pytest.mark.parametrize("chunks", [(1, 3, 20, 24), (5, 1, 7, 8), (12, 1, 1, 24)])
def test_each_unlimited_axis(tmp_path, libver, axis, written, chunks):
    """HDF5 numbers chunks wrongly along an axis that alone is unlimited, if it is not the first."""
    path, maxshape = tmp_path / "v.h5", tuple(None if k == axis else n for k, n in enumerate(V.shape))
    with h5py.File(path, "w", libver=libver) as file:
        data = file.create_dataset("video", V.shape, "u1", chunks=chunks, maxshape=maxshape, fillvalue=7)
        part = tuple(slice(0, max(1, int(n * written))) for n in V.shape)
        data[part] = V[part]
    assert_as_h5py(path)


@pytest.mark.parametrize("filters", [("shuffle",), ("gzip",), ("fletcher",), ("shuffle", "gzip"), ()])
@pytest.mark.parametrize("chunks", [(5, 3, 20, 24), (4, 2, 20, 24), (4, 3, 20, 24)])
def test_edges_that_are_stored_without_filters(tmp_path, filters, chunks):
    """The option "do not filter partial edge chunks", which h5py has not, and C programs set."""
    lib, video, path = library(), V.astype("<u2") * 3, tmp_path / "v.h5"
    with h5py.File(path, "w", libver="latest") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(chunks)
        for name in filters:
            {"shuffle": plist.set_shuffle, "gzip": lambda: plist.set_deflate(4), "fletcher": plist.set_fletcher32}[
                name
            ]()
        assert lib.H5Pset_chunk_opts(ctypes.c_int64(plist.id), ctypes.c_uint(2)) >= 0
        space = h5py.h5s.create_simple(video.shape)
        data = h5py.h5d.create(file.id, b"video", h5py.h5t.py_create(video.dtype), space, plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, video)
    assert_as_h5py(path)


@pytest.mark.parametrize("shape", [(64, 3, 20, 24), (64, 3, 200, 240)], ids=["small", "more than 4 MB"])
@pytest.mark.parametrize(
    "change", [lambda n: n - 1, lambda n: n + 1, lambda n: n // 2, lambda n: 2 * n, lambda n: 0, lambda n: 2**32 - 1]
)
def test_an_unfiltered_chunk_that_says_it_is_of_another_size(tmp_path, shape, change):
    """What a chunk does not fill would be memory that held something else before."""
    video = np.random.default_rng(0).integers(1, 255, shape, np.uint8)
    store(tmp_path / "v.h5", "video", video, mode="w", chunks=shape)
    content = bytearray((tmp_path / "v.h5").read_bytes())
    at = content.find(struct.pack("<I", video.nbytes), content.find(b"TREE\x01"))
    struct.pack_into("<I", content, at, change(video.nbytes))
    (tmp_path / "v.h5").write_bytes(content)
    out = np.full(shape, 77, np.uint8)
    try:
        vf.open(tmp_path / "v.h5").read(out=out)
    except vf.FormatError:
        return
    np.testing.assert_array_equal(out, video)


@pytest.mark.parametrize(
    "options",
    [{"fletcher32": True}, {"fletcher32": True, "compression": "gzip"}, {"shuffle": True, "fletcher32": True}],
)
def test_a_frame_of_a_large_chunk_takes_little_more_memory_than_the_chunk(tmp_path, options):
    video = np.zeros((100, 3, 200, 200), np.uint8)
    store(tmp_path / "v.h5", "video", video, mode="w", chunks=video.shape, **options)
    vf.load(tmp_path / "v.h5", 0)  # what is imported for it
    tracemalloc.start()
    try:
        with vf.open(tmp_path / "v.h5") as opened:
            assert not opened[3].any()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (2.2 if "shuffle" in options else 1.2) * video.nbytes


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f8"])
def test_filters_in_any_order(tmp_path, number, dtype):
    """Twice deflated, shuffled after a checksum, ...: HDF5 lets programs chain them as they like."""
    video = V.astype(dtype) * 3
    for names in itertools.product(("set_shuffle", "set_deflate", "set_fletcher32"), repeat=number):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((5, 2, 7, 9))
        for name in names:
            getattr(plist, name)(*([4] if name == "set_deflate" else []))
        with h5py.File(tmp_path / "v.h5", "w") as file:
            kind, space = h5py.h5t.py_create(video.dtype), h5py.h5s.create_simple(V.shape)
            h5py.h5d.create(file.id, b"video", kind, space, plist).write(h5py.h5s.ALL, h5py.h5s.ALL, video)
        np.testing.assert_array_equal(vf.load(tmp_path / "v.h5", slice(3, 9)), video[3:9], str(names))


@pytest.mark.parametrize("chunks", [None, (1, 3, 20, 24), (5, 2, 7, 9)])
@pytest.mark.parametrize("fill", [{}, {"fillvalue": 7}, {"fillvalue": 7, "fill_time": "never"}, {"fill_time": "alloc"}])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_what_was_never_written_is_what_h5py_gives(tmp_path, chunks, fill, options):
    if options and not chunks:
        pytest.skip("contiguous data has no filters")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        data = file.create_dataset("video", V.shape, "u1", chunks=chunks, **fill, **options)
        if chunks:
            data[:4] = V[:4]
    assert_as_h5py(tmp_path / "v.h5")


@pytest.mark.parametrize("chunks", [None, (4, 3, 20, 24)])
@pytest.mark.parametrize("gzip", [True, False])
def test_an_undefined_fill_value(tmp_path, chunks, gzip):
    """As PyTables writes them."""
    lib = library()
    with h5py.File(tmp_path / "v.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if chunks:
            plist.set_chunk(chunks)
            if gzip:
                plist.set_deflate(4)
        lib.H5Pset_fill_value(ctypes.c_int64(plist.id), ctypes.c_int64(h5py.h5t.NATIVE_UINT8.id), None)
        space = h5py.h5s.create_simple(V.shape)
        data = h5py.h5d.create(file.id, b"video", h5py.h5t.NATIVE_UINT8, space, plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, V)
    assert_as_h5py(tmp_path / "v.h5")


@pytest.mark.parametrize("kind", [h5py.h5t.UNIX_D32LE, h5py.h5t.C_S1, h5py.h5t.STD_REF_OBJ])
def test_an_odd_neighbour_is_no_candidate(tmp_path, kind):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["clip"] = V
        file["note"] = "text"
        file["scalar"] = 3.0
        h5py.h5d.create(file.id, b"odd", kind, h5py.h5s.create_simple((5,)))
    np.testing.assert_array_equal(vf.load(tmp_path / "v.h5"), V)
    with pytest.raises(vf.FormatError, match="has no 'odd'"):
        vf.open(tmp_path / "v.h5", dataset="odd")


# Words

MAKE = """
import h5py, hdf5plugin, numpy as np, sys
with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("video", data=np.arange(12 * 60, dtype="u1").reshape(12, 60), chunks=(4, 60),
                        compression=getattr(hdf5plugin, sys.argv[2])())
"""
READ = """
import sys
if sys.argv[2] == "without":
    sys.modules["hdf5plugin"] = None
import vidformats as vf
try:
    print(int(vf.load(sys.argv[1]).sum()))
except ImportError as error:
    print(error)
"""


def run(code, *args, **options):
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, **options).stdout.strip()


@pytest.mark.parametrize("name", ["Bitshuffle", "Zstd", "Blosc", "LZ4"])
def test_a_filter_that_is_not_there_is_named(tmp_path, name):
    pytest.importorskip("hdf5plugin")
    path = tmp_path / "v.h5"
    run(MAKE, path, name)
    assert run(READ, path, "with") == str(int(np.arange(12 * 60, dtype="u1").sum()))
    said = run(READ, path, "without")
    assert "requires HDF5's filter 3" in said
    assert "pip install hdf5plugin" in said
    assert "damaged" not in said


WRITER = """
import h5py, sys
file = h5py.File(sys.argv[1], "w", libver="latest")
file["video"] = [1, 2]
file.flush()
if sys.argv[2] == "swmr":
    file.swmr_mode = True
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["locked", "swmr"])
def test_a_file_that_another_program_writes_is_locked(tmp_path, mode):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "v.h5"), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        with pytest.raises(BlockingIOError, match="another program has it open for writing") as caught:
            vf.open(tmp_path / "v.h5")
        assert caught.value.errno == errno.EAGAIN
        shutil.copy(tmp_path / "v.h5", tmp_path / "died.h5")  # as a writer leaves it that died
        writer.stdin.close()
        writer.wait()
    assert vf.load(tmp_path / "v.h5").tolist() == [1, 2]
    if mode == "swmr":
        with pytest.raises(BlockingIOError, match="h5clear"):
            vf.open(tmp_path / "died.h5")
