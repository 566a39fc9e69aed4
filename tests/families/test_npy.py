"""``.npy`` and ``.npz``: files that NumPy wrote, and files that nobody should have."""

import io
import struct
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

import vidformats as vf
from vidformats.bench.measure.memory import Peak

VIDEO = np.random.default_rng(0).integers(0, 250, (9, 3, 8, 10), np.uint8)


@pytest.mark.parametrize("dtype", ["?", "i1", ">u2", "<i4", ">f4", "f8", "f2", ">c16", "g"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_what_numpy_saved_is_read(tmp_path, dtype, order, version):
    array = np.asarray(VIDEO, dtype, order=order)
    with open(tmp_path / "a.npy", "wb") as file:
        npy.write_array(file, array, version)
    with vf.open(tmp_path / "a.npy") as video:
        assert video.format == "npy"
        assert video.dtype == array.dtype.newbyteorder("=")
        for index in (..., slice(None, None, -2), [8, 0, 0], np.s_[:, 1, 2:5, ::3]):
            np.testing.assert_array_equal(video[index], array[index])


@pytest.mark.parametrize(
    "array", [np.arange(7.0), np.asfortranarray(np.arange(7.0)), np.zeros((0, 3)), np.ones((4, 0))]
)
def test_small_shapes(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(vf.load(tmp_path / "a.npy"), array)


def test_what_we_write_numpy_loads(tmp_path):
    for video, options in ((VIDEO, {}), (iter(VIDEO), {}), (np.asfortranarray(VIDEO).astype(">f4"), {})):
        np.testing.assert_array_equal(np.load(vf.write(video, tmp_path / "a.npy", **options)), VIDEO)
    for compressed in (False, True):
        path = vf.write(VIDEO, tmp_path / "a.npz", compressed=compressed)
        np.testing.assert_array_equal(np.load(path)["video"], VIDEO)


def header(text, version=(1, 0), data=b""):
    text = text if isinstance(text, bytes) else text.encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def claim(shape, descr="|u1", fortran=False):
    return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}}}\n"


BAD = {
    "nothing": b"",
    "magic alone": b"\x93NUMPY",
    "no such version": header(claim((3,)), (9, 9), bytes(3)),
    "version 4": header(claim((3,)), (4, 0), bytes(3)),
    "cut header": header(claim((3,)))[:30],
    "not Python": header("}{ (("),
    "nested too deep": header("(" * 9000 + ")" * 9000),
    "signs without end": header("-" * 9000 + "1"),
    "unclosed text": header("{'descr': '''"),
    "a call": header("__import__('os').system('touch executed')"),
    "huge header": header(claim((3,)) + " " * (1 << 20), (2, 0), bytes(3)),
    "header longer than the file": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "not a dictionary": header("[1, 2]"),
    "keys missing": header("{'shape': (3,)}"),
    "shape of text": header(claim(("3",)), data=bytes(3)),
    "no axes": header(claim(()), data=bytes(3)),
    "negative": header(claim((-3, -1)), data=bytes(3)),
    "more than there is": header(claim((4,)), data=bytes(3)),
    "absurd": header(claim((10**30, 10**30)), data=bytes(3)),
    "nothing of an absurd number": header(claim((0, 10**30)), data=bytes(3)),
    "an absurd number of nothings": header(claim((10**12, 0)), data=bytes(3)),
    "too many axes": header(claim((1,) * 99), data=bytes(3)),
    "objects": header(claim((3,), "|O"), data=bytes(24)),
    "text": header(claim((3,), "<U4"), data=bytes(48)),
    "structured": header(claim((3,), [("a", "<u1")]), data=bytes(3)),
    "empty description": header(claim((3,), ()), data=bytes(3)),
    "no such dtype": header(claim((3,), "|q9"), data=bytes(3)),
    "dates": header(claim((3,), "<M8[s]"), data=bytes(24)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_is_a_format_error(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npy").write_bytes(data)
    with pytest.raises(vf.FormatError, match=r"bad\.npy"):
        vf.open("bad.npy")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile("bad.npz", "w", method) as archive:
            archive.writestr("video.npy", data)
        with pytest.raises(vf.FormatError, match=r"bad\.npz"):
            vf.open("bad.npz")
    assert not (tmp_path / "executed").exists()


def test_an_object_array_is_not_unpickled(tmp_path):
    class Payload:
        def __reduce__(self):
            return open, (str(tmp_path / "executed"), "w")

    np.save(tmp_path / "a.npy", np.array([Payload()] * 3, object), allow_pickle=True)
    np.savez_compressed(tmp_path / "a.npz", video=np.array([Payload()] * 3, object))
    (tmp_path / "executed").unlink(missing_ok=True)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(vf.FormatError, match="not numbers"):
            vf.open(tmp_path / name)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_of_numpy(tmp_path, save, order):
    save(tmp_path / "a.npz", only=np.asarray(VIDEO, ">u2", order=order))
    with vf.open(tmp_path / "a.npz", threads=2) as video:
        assert video.format == "npz"
        for index in (..., slice(None, None, 4), [8, 0, 0, 3], np.s_[::-3, :, ::-2, 1], 4, []):
            np.testing.assert_array_equal(video[index], VIDEO[index])


def test_npz_of_several_members(tmp_path):
    np.savez(tmp_path / "a.npz", left=VIDEO, right=VIDEO[::-1])
    with pytest.raises(vf.FormatError, match="member= to choose; it holds left, right"):
        vf.open(tmp_path / "a.npz")
    with pytest.raises(vf.FormatError, match="has no 'top'"):
        vf.open(tmp_path / "a.npz", member="top")
    np.testing.assert_array_equal(vf.load(tmp_path / "a.npz", member="right"), VIDEO[::-1])
    np.savez(tmp_path / "b.npz", left=VIDEO[:2], video=VIDEO)
    np.testing.assert_array_equal(vf.load(tmp_path / "b.npz"), VIDEO)


def test_npz_behind_other_bytes(tmp_path):
    """A zip may have anything before it, such as a program that unpacks it."""
    path = vf.write(VIDEO, tmp_path / "a.npz")
    with open(path, "rb") as file:
        (tmp_path / "b.npz").write_bytes(b"#!/bin/sh\nexit\n" + file.read())
    np.testing.assert_array_equal(vf.load(tmp_path / "b.npz"), VIDEO)


def test_npz_without_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(vf.FormatError, match="none of numbers"):
        vf.open(tmp_path / "a.npz")


def test_a_bomb_is_not_inflated(tmp_path):
    """Its member says truly how long it is; what the array says, and what it takes to find out, stays small."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (1 << 36,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("video.npy", stream.getvalue() + bytes(64 << 20))
    with Peak() as peak, pytest.raises(vf.FormatError, match="cut short"):
        vf.open(tmp_path / "a.npz")
    assert peak.anonymous is None or peak.anonymous < 10 << 20


def test_a_member_that_lies_about_its_length(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, video=np.zeros(100, "u1"))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(vf.FormatError, match="claims"):
        vf.open(path)


def test_damage_inside_a_deflated_member_is_a_format_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, video=np.random.default_rng(0).integers(0, 9, 50_000, np.uint8))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    path.write_bytes(data)
    with pytest.raises(vf.FormatError, match=r"a\.npz"):
        vf.load(path)


def test_other_compressors_of_zip(tmp_path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        np.save(stream, VIDEO)
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            archive.writestr("video.npy", stream.getvalue())
        np.testing.assert_array_equal(vf.load(tmp_path / "a.npz"), VIDEO)


def test_an_encrypted_member_is_a_format_error(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npz", compressed=True)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    (tmp_path / "b.npz").write_bytes(data)
    with pytest.raises(vf.FormatError, match="encrypted"):
        vf.open(tmp_path / "b.npz")


def test_npz_needs_the_number_of_frames(tmp_path):
    with pytest.raises(ValueError, match="n_frames="):
        vf.write(iter(VIDEO), tmp_path / "a.npz")
    np.testing.assert_array_equal(vf.load(vf.write(iter(VIDEO), tmp_path / "a.npz", n_frames=9)), VIDEO)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("form", ["npy", "npz"])
def test_each_version_of_the_header(tmp_path, version, form):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, VIDEO, version)
    if form == "npy":
        (tmp_path / "a.npy").write_bytes(stream.getvalue())
    else:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("clip.npy", stream.getvalue())
    np.testing.assert_array_equal(vf.load(tmp_path / f"a.{form}"), VIDEO)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_is_no_video_asks_for_no_choice(tmp_path, save):
    """Scalars, text and objects beside the one array."""
    others = {"fps": 25.0, "name": "Ann", "labels": np.array(["a", "b"]), "meta": np.array([{}], object)}
    save(tmp_path / "a.npz", clip=VIDEO, **others)
    np.testing.assert_array_equal(vf.load(tmp_path / "a.npz"), VIDEO)
    save(tmp_path / "b.npz", a=VIDEO, b=VIDEO, **others)
    with pytest.raises(vf.FormatError, match="needs member= to choose; it holds a, b"):
        vf.open(tmp_path / "b.npz")


@pytest.mark.parametrize("name", ["clip", "clip.npy"])
def test_a_member_with_or_without_its_extension(tmp_path, name):
    path = vf.write(VIDEO, tmp_path / "a.npz", member=name)
    assert np.load(path).files == ["clip"]
    np.savez(tmp_path / "b.npz", clip=VIDEO, other=VIDEO)
    for file in (path, tmp_path / "b.npz"):
        np.testing.assert_array_equal(vf.load(file, member=name), VIDEO)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.99])
def test_the_checksum_of_a_stored_member_is_checked_if_asked(tmp_path, at):
    """numpy.load always reads all of it; single frames can't be checked."""
    path = vf.write(VIDEO, tmp_path / "a.npz")
    np.testing.assert_array_equal(vf.load(path, check=True), VIDEO)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    place = content.index(VIDEO.tobytes()) + int(at * VIDEO.nbytes)
    content[place] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    assert vf.load(path).shape == VIDEO.shape
    with pytest.raises(vf.FormatError, match=r"video\.npy is damaged: expected CRC-32"):
        vf.open(path, check=True)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_black_video_by_any_method(tmp_path, method):
    """Only deflate has a bound of its own: LZMA packs 6,000 times."""
    stream = io.BytesIO()
    np.save(stream, np.zeros((40, 1, 500, 600), np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("video.npy", stream.getvalue())
    with vf.open(tmp_path / "a.npz") as video:
        assert video.shape == (40, 1, 500, 600)
        assert not video[[0, 39]].any()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("local", "central", "value", "fault"),
    [
        ((6, "<H"), (8, "<H"), 1, "encrypted"),
        ((8, "<H"), (10, "<H"), 9, "not supported"),
        ((0, "<H"), (8, "<H"), 0, "Bad magic|magic number"),
        ((30, "4s"), (8, "<H"), 0, "differ"),
        ((18, "<I"), (20, "<I"), 100, "as stored, got 100|inflated|cut short|ends before"),
    ],
    ids=["encrypted", "Deflate64", "no local header", "another name", "another size"],
)
def test_members_that_are_not_what_the_directory_says(tmp_path, method, local, central, value, fault):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        stream = io.BytesIO()
        np.save(stream, np.arange(4000, dtype="u1").reshape(40, 100))
        archive.writestr("video.npy", stream.getvalue())
    content = bytearray((tmp_path / "a.npz").read_bytes())
    for start, (at, code) in ((content.find(b"PK\3\4"), local), (content.find(b"PK\1\2"), central)):
        struct.pack_into(code, content, start + at, b"else" if code == "4s" else value)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(vf.FormatError, match=fault):
        vf.load(tmp_path / "a.npz", format="npz")
