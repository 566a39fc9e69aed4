"""MATLAB files: what scipy wrote, what others write, and what nobody should have."""

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from scipy.io import loadmat, savemat

import vidformats as vf
from vidformats.families.matlab import MatFrames

VIDEO = np.random.default_rng(0).integers(0, 100, (9, 3, 8, 10), np.uint8)
TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}
INDEXES = (..., slice(None, None, -2), [8, 0, 0], np.s_[:, 1, 2:5, ::3], 4)


def element(order, kind, data):
    """Build an element; one of up to four bytes as MATLAB does, with the data inside the tag."""
    if 0 < len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(array, name=b"video", order="<", dims=None, kind=None, cls=None, flags=0, data=None, compress=False):
    """Build a matrix element by hand."""
    kind, cls = kind or TYPES[array.dtype.str[1:]], cls or CLASSES[array.dtype.str[1:]]
    dims = array.shape if dims is None else dims
    data = array.astype(array.dtype.newbyteorder(order)).tobytes("F") if data is None else data
    inside = (
        element(order, 6, struct.pack(order + "II", cls | flags, 0))
        + element(order, 5, struct.pack(f"{order}{len(dims)}i", *dims))
        + element(order, 1, name)
        + element(order, kind, data)
    )
    whole = struct.pack(order + "II", 14, len(inside)) + inside
    if not compress:
        return whole
    packed = zlib.compress(whole)
    return struct.pack(order + "II", 15, len(packed)) + packed


def file_of(path, *elements, order="<"):
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    path.write_bytes(b"MATLAB 5.0 MAT-file, by hand".ljust(124) + mark + b"".join(elements))
    return path


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_saved_is_read(tmp_path, dtype, compressed):
    array = VIDEO.astype(dtype)
    savemat(tmp_path / "a.mat", {"video": array}, do_compression=compressed)
    with vf.open(tmp_path / "a.mat", threads=2) as video:
        assert (video.format, video.dtype, video.info["compressed"]) == ("mat", np.dtype(dtype), compressed)
        for index in INDEXES:
            np.testing.assert_array_equal(video[index], array[index])


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", [b"video", b"v", b"abcd"])
def test_files_made_by_hand(tmp_path, dtype, order, compress, name):
    """As MATLAB itself writes them, on machines of either byte order, with long names and short."""
    array = VIDEO[:, :, :3, :2].astype(dtype)
    path = file_of(tmp_path / "a.mat", matrix(array, name, order, compress=compress), order=order)
    with vf.open(path) as video:
        assert video.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(video[:], array)
        np.testing.assert_array_equal(video[[5, 0], :, ::-1], array[[5, 0], :, ::-1])
    np.testing.assert_array_equal(loadmat(path)[name.decode()], array)


def test_doubles_that_matlab_stored_as_bytes(tmp_path):
    """MATLAB stores whole numbers in the smallest type that holds them, whatever their class; so does scipy read."""
    path = file_of(tmp_path / "a.mat", matrix(VIDEO, cls=CLASSES["f8"]))
    np.testing.assert_array_equal(vf.load(path), loadmat(path)["video"])


def test_several_variables(tmp_path):
    others = {"text": "a text", "cell": np.array([[1], "a"], object), "struct": {"a": 1}, "complex": np.array([[1j]])}
    savemat(tmp_path / "a.mat", {"left": VIDEO, "right": VIDEO[::-1], "logical": np.array([[True]]), **others})
    with pytest.raises(vf.FormatError, match="variable= to choose; it holds left, logical, right"):
        vf.open(tmp_path / "a.mat")
    with pytest.raises(vf.FormatError, match="has no 'text'"):
        vf.open(tmp_path / "a.mat", variable="text")
    np.testing.assert_array_equal(vf.load(tmp_path / "a.mat", variable="right"), VIDEO[::-1])
    savemat(tmp_path / "b.mat", {"other": VIDEO[:2], "video": VIDEO})
    np.testing.assert_array_equal(vf.load(tmp_path / "b.mat"), VIDEO)


def test_one_variable_among_text(tmp_path):
    savemat(tmp_path / "a.mat", {"note": "a text", "frames": VIDEO, "cell": np.array([[1], "a"], object)})
    np.testing.assert_array_equal(vf.load(tmp_path / "a.mat"), VIDEO)


def test_no_variable(tmp_path):
    savemat(tmp_path / "a.mat", {"note": "a text"})
    with pytest.raises(vf.FormatError, match="none of numbers"):
        vf.open(tmp_path / "a.mat")


@pytest.mark.parametrize("name", ["mat", "mat_frames"])
@pytest.mark.parametrize(
    "shape", [(7,), (1,), (7, 1), (1, 7), (4, 5), (3, 1, 1, 1), (2, 2, 2, 2, 2), (0, 3), (3, 0, 2)]
)
def test_shapes_that_matlab_does_not_know(tmp_path, name, shape):
    array = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    with vf.open(vf.write(array, tmp_path / "a.mat", name)) as video:
        assert video.shape == shape
        np.testing.assert_array_equal(video[:], array)


def test_one_axis_from_elsewhere_has_two(tmp_path):
    savemat(tmp_path / "a.mat", {"x": np.arange(5.0)})
    assert vf.load(tmp_path / "a.mat").shape == (1, 5)


def test_what_we_write_scipy_loads(tmp_path):
    np.testing.assert_array_equal(loadmat(vf.write(VIDEO, tmp_path / "a.mat"))["video"], VIDEO)
    for video in (VIDEO, iter(VIDEO), VIDEO.astype(">u2")):
        path = vf.write(video, tmp_path / "b.mat", "mat_frames", variable="frames")
        np.testing.assert_array_equal(loadmat(path)["frames"].T, VIDEO)


def test_frames_last_from_elsewhere(tmp_path):
    savemat(tmp_path / "a.mat", {"video": VIDEO.T})
    assert vf.load(tmp_path / "a.mat").shape == VIDEO.T.shape
    for index in INDEXES:
        np.testing.assert_array_equal(vf.load(tmp_path / "a.mat", index, format="mat_frames"), VIDEO[index])


def test_the_name_may_be_given(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.mat", variable="clip")
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    np.testing.assert_array_equal(vf.load(path, variable="clip"), VIDEO)


@pytest.mark.parametrize("dtype", ["?", "f2", "c8"])
def test_what_matlab_can_not_hold_is_refused(tmp_path, dtype):
    for name in ("mat", "mat_frames"):
        with pytest.raises(ValueError, match="use npy or h5"):
            vf.write(VIDEO.astype(dtype), tmp_path / "a.mat", name)
    assert list(tmp_path.iterdir()) == []


def test_more_than_4_gb_is_refused_before_it_is_written(tmp_path):
    huge = np.broadcast_to(np.uint8(1), (1 << 20, 1 << 13))
    for name in ("mat", "mat_frames"):
        with pytest.raises(ValueError, match="at most 4 GB"):
            vf.write(huge, tmp_path / "a.mat", name)
    assert MatFrames().variable == "video"


U1 = np.zeros(12, "u1")
BAD = {
    "nothing": b"",
    "text": b"MATLAB and nothing else",
    "no mark": b"MATLAB 5.0".ljust(200),
    "level 4, cut": struct.pack("<5i", 0, 3, 4, 0, 2) + b"x\0" + bytes(95),
    "level 4, negative": struct.pack("<5i", 0, -3, -4, 0, 2) + b"x\0" + bytes(96),
    "level 4, no name": struct.pack("<5i", 0, 3, 4, 0, 0) + bytes(96),
    "level 4, a type of its own": struct.pack("<5i", 60, 3, 4, 0, 2) + b"x\0" + bytes(96),
    "zeros": b"MATLAB 5.0".ljust(124) + b"\0\x01IM" + bytes(1 << 20),
    "negative": matrix(U1, dims=(-12, 1)),
    "two negatives": matrix(U1, dims=(-3, -4)),
    "more than there is": matrix(U1, dims=(3, 5)),
    "less than there is": matrix(U1, dims=(3, 3)),
    "overflowing": matrix(U1, dims=(65536, 65536, 65536, 65536)),
    "overflowing to what there is": matrix(U1, dims=(1 << 30, 1 << 30, 1 << 4, 12)),
    "no axes": matrix(U1, dims=()),
    "many axes": matrix(U1, dims=(1,) * 500),
    "nothing of an absurd number": matrix(U1, dims=(0, (1 << 31) - 1, (1 << 31) - 1, (1 << 31) - 1), data=b""),
    "no such type": matrix(U1, kind=99),
    "text inside numbers": matrix(U1, kind=16),
    "cut in the header": matrix(U1)[:30],
    "cut in the name": matrix(U1)[:50],
    "not deflated": struct.pack("<II", 15, 20) + b"not deflated at all!",
    "deflated and cut": matrix(np.arange(9999.0), compress=True)[:400],
    "deflated and more than there is": matrix(U1, dims=(1 << 15, 1 << 15), compress=True),
    "deflated nothing": struct.pack("<II", 15, len(zlib.compress(b""))) + zlib.compress(b""),
    "element in the void": matrix(U1)[:4] + b"\xff" * 4,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", ["mat", "mat_frames"])
def test_what_is_wrong_is_a_format_error(tmp_path, data, name):
    path = tmp_path / "bad.mat"
    if data[:6] == b"MATLAB" or len(data) < 20 or data[:4] == bytes(4):
        path.write_bytes(data)
    else:
        file_of(path, data)
    with pytest.raises(vf.FormatError, match=r"bad\.mat"):
        vf.load(path, format=name)


@pytest.mark.parametrize("name", ["mat", "mat_frames"])
def test_one_variable_never_runs_into_the_next(tmp_path, name):
    path = file_of(tmp_path / "a.mat", matrix(U1, dims=(3, 8)), matrix(np.zeros(500, "u1"), b"secret"))
    with pytest.raises(vf.FormatError, match="claims"):
        vf.open(path, name, variable="video")


def test_v73_is_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["video"] = VIDEO.T
        file["video"].attrs["MATLAB_class"] = np.bytes_("uint8")
        file["note"] = np.frombuffer(b"text", "u2")
        file["note"].attrs["MATLAB_class"] = np.bytes_("char")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    with vf.open(path) as video:
        assert video.format == "mat"
        for index in INDEXES:
            np.testing.assert_array_equal(video[index], VIDEO[index])
    with pytest.raises(vf.FormatError, match="has no 'note'"):
        vf.open(path, variable="note")


@pytest.mark.parametrize("form", ["mat", "mat_frames"])
@pytest.mark.parametrize(
    "variable", ["_v", "__header__", "1st", "my video", "vidéo", "a-b", "", "a.b", "x" * 64, "v\n"]
)
def test_a_name_that_matlab_does_not_know_is_refused_before_anything_is_lost(tmp_path, form, variable):
    path = vf.write(VIDEO, tmp_path / "a.mat", form)
    with pytest.raises(ValueError, match="variable must be a name that MATLAB knows, got"):
        vf.write(VIDEO[::-1], path, form, variable=variable)
    np.testing.assert_array_equal(vf.load(path), VIDEO)


@pytest.mark.parametrize("form", ["mat", "mat_frames"])
@pytest.mark.parametrize("variable", ["v", "V_1", "x" * 63])
def test_names_that_matlab_knows(tmp_path, form, variable):
    path = vf.write(VIDEO, tmp_path / "a.mat", form, variable=variable)
    np.testing.assert_array_equal(vf.load(path, variable=variable), VIDEO)


@pytest.mark.parametrize("axes", [1, 2, 9, 10, 12])
@pytest.mark.parametrize("form", ["mat", "mat_frames"])
def test_any_number_of_axes(tmp_path, form, axes):
    array = np.arange(2**axes, dtype="u2").reshape((2,) * axes)
    np.testing.assert_array_equal(vf.load(vf.write(array, tmp_path / "a.mat", form)), array)


@pytest.mark.parametrize(
    "mark", [b"vidformats: frames last, 3 axes", b"vidformats: backwards, 4 axes", b"vidformats: frames"]
)
def test_a_mark_that_does_not_fit_is_an_error(tmp_path, mark):
    path = vf.write(VIDEO, tmp_path / "a.mat", "mat_frames")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file, " + mark.ljust(90))
    with pytest.raises(vf.FormatError, match="which does not fit an array of"):
        vf.open(path)


# Whole or an error


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("asked", [None, "video", "t"])
def test_a_file_that_ends_before_what_was_meant(tmp_path, compress, asked):
    """What is left of it is not "the video"; a variable that was found before the cut is."""
    first = matrix(np.arange(300.0).reshape(1, 300), b"t", compress=compress)
    whole = first + matrix(VIDEO, compress=compress)
    for kept in (len(first) + 1, len(first) + 7, len(first) + 8, len(first) + 100, len(whole) - 1):
        path = file_of(tmp_path / "a.mat", whole[:kept])
        if asked == "t":
            np.testing.assert_array_equal(vf.load(path, variable="t"), np.arange(300.0).reshape(1, 300))
            continue
        with pytest.raises(vf.FormatError, match="is cut short or damaged"):
            vf.open(path, **({"variable": asked} if asked else {}))
    path = file_of(tmp_path / "b.mat", matrix(VIDEO, compress=compress), whole[: len(first) - 5])
    np.testing.assert_array_equal(vf.load(path), VIDEO)


def packed(text):
    return struct.pack("<II", 15, len(text)) + text


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda whole: zlib.compress(whole + bytes(8)), "expected .* got"),  # longer than its own tag says
        (lambda whole: zlib.compress(whole + bytes(1 << 20)), "expected .* got"),
        (lambda whole: zlib.compress(whole[:-1]), "expected .* got"),
        (lambda whole: zlib.compress(whole)[:-1], "expected .* got"),  # the checksum is not whole
        (lambda whole: zlib.compress(whole)[:-1] + b"\xff", "can't be inflated"),  # or wrong
        (lambda whole: zlib.compress(whole)[:-9], "expected .* got"),
    ],
)
@pytest.mark.parametrize("form", ["mat", "mat_frames"])
def test_a_compressed_variable_is_inflated_to_its_end(tmp_path, change, fault, form):
    path = file_of(tmp_path / "a.mat", packed(change(matrix(VIDEO))))
    with pytest.raises(vf.FormatError, match=fault):
        vf.load(path, 0, format=form)


def test_the_damaged_file_of_scipys_own_tests():
    path = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data" / "corrupted_zlib_data.mat"
    if not path.exists():
        pytest.skip("SciPy came without its tests")
    with pytest.raises(vf.FormatError, match="corrupted_zlib_data"):
        vf.load(path)


# Files that should open


def test_matlabs_own_unnamed_variable_is_none(tmp_path):
    """It stands beside text and tables."""
    path = file_of(tmp_path / "a.mat", matrix(VIDEO, b"clip"), matrix(np.zeros((1, 64), "u1"), b""))
    np.testing.assert_array_equal(vf.load(path), VIDEO)


LEVEL4 = {"f8": 0, "f4": 10, "i4": 20, "i2": 30, "u2": 40, "u1": 50}


def level4(array, name=b"video", order="<", kind=0, imaginary=0):
    head = LEVEL4[array.dtype.str[1:]] + (1000 if order == ">" else 0) + kind
    text = struct.pack(order + "5i", head, *array.shape, imaginary, len(name) + 1) + name + b"\0"
    return text + array.astype(array.dtype.newbyteorder(order)).tobytes("F") * (1 + imaginary)


@pytest.mark.parametrize("dtype", LEVEL4)
@pytest.mark.parametrize("order", "<>")
def test_matrices_of_matlab_4(tmp_path, dtype, order):
    array = (np.random.default_rng(0).random((30, 7)) * 200).astype(dtype)
    text, sparse = level4(np.zeros((1, 5)), b"note", order, 1), level4(np.zeros((4, 3)), b"s", order, 2)
    (tmp_path / "a.mat").write_bytes(text + level4(array, order=order) + sparse)
    with vf.open(tmp_path / "a.mat") as video:
        assert video.format == "mat"
        np.testing.assert_array_equal(video[::-3], array[::-3])
    np.testing.assert_array_equal(vf.load(tmp_path / "a.mat", format="mat_frames"), array.T)


def test_as_scipy_writes_matlab_4(tmp_path):
    arrays = {"a": np.arange(12.0).reshape(3, 4), "video": np.arange(30.0).reshape(10, 3)}
    savemat(tmp_path / "a.mat", arrays, format="4")
    for name, array in arrays.items():
        np.testing.assert_array_equal(vf.load(tmp_path / "a.mat", variable=name), array)


def v73(path, text=b"MATLAB 7.3 MAT-file", **items):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in items.items():
            file[name.replace("__", "/")] = array
    with open(path, "r+b") as file:
        file.write(text.ljust(124) + struct.pack("<HH", 0x0200, 0x4D49))
    return path


@pytest.mark.parametrize(
    "text", [b"MATLAB 7.3 MAT-file", b"MATLAB 7.0 MAT-file, HDF5 schema 0.05", b"MATLAB 9.9 of a day to come"]
)
@pytest.mark.parametrize("form", [None, "mat", "mat_frames"])
def test_files_of_version_73_are_known_by_their_number(tmp_path, text, form):
    path = v73(tmp_path / "a.mat", text, clip=VIDEO)
    wanted = VIDEO if form == "mat_frames" else VIDEO.T  # MATLAB sees HDF5's axes the other way round
    with vf.open(path, format=form) as video:
        assert (video.shape, video.format) == (wanted.shape, form or "mat")
        for index in (..., 3, [0, 2, 2], slice(None, None, -2)):
            np.testing.assert_array_equal(video[index], wanted[index])


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 3, 8, 10), "compression": "gzip"}, {"chunks": (4, 2, 8, 3)}])
def test_frames_of_73_are_read_in_place(tmp_path, options):
    path = v73(tmp_path / "a.mat")
    with h5py.File(path, "a") as file:
        file.create_dataset("video", data=VIDEO, **options)
    np.testing.assert_array_equal(vf.load(path, [7, 1, 1], format="mat_frames"), VIDEO[[7, 1, 1]])


def test_parts_of_other_variables_are_no_candidates(tmp_path):
    path = v73(
        tmp_path / "a.mat", clip=VIDEO.T, opt__fps=np.array([[30.0]]), sparse__data=np.zeros(5), sparse__ir=np.zeros(5)
    )
    np.testing.assert_array_equal(vf.load(path), VIDEO)
    assert vf.load(path, variable="opt/fps").tolist() == [[30.0]]


def test_the_option_named_in_a_message_is_one_that_is_taken(tmp_path):
    path = v73(tmp_path / "a.mat", a=VIDEO.T, b=VIDEO.T)
    with pytest.raises(vf.FormatError, match="needs variable= to choose; it holds a, b"):
        vf.open(path)
    np.testing.assert_array_equal(vf.load(path, variable="b"), VIDEO)
