"""Pickles that NumPy wrote are read; of all others nothing is ever executed."""

import os
import pickle
import pickletools
import struct
import warnings

import numpy as np
import pytest

import vidformats as vf
from vidformats.readers.opcodes import walk
from vidformats.storage.local import LocalFile

VIDEO = np.random.default_rng(0).integers(0, 250, (9, 3, 8, 10), np.uint8)


def save(path, thing, protocol=5, **options):
    path.write_bytes(pickle.dumps(thing, protocol, **options))
    return path


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">u2", ">i4", "u8", "f2", "f4", ">f8", "g", "c8", ">c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_pickled_is_read(tmp_path, protocol, dtype, order):
    array = np.asarray(VIDEO, dtype, order=order)
    with vf.open(save(tmp_path / "a.pickle", array, protocol)) as video:
        assert video.format == "pickle"
        assert video.dtype == array.dtype.newbyteorder("=")
        for index in (..., slice(None, None, -2), [8, 0, 0], np.s_[:, 1, 2:5, ::3]):
            np.testing.assert_array_equal(video[index], array[index])


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize(
    "array",
    [
        VIDEO[::2, :, ::-1], VIDEO.transpose(0, 3, 1, 2), VIDEO.transpose(0, 2, 3, 1),
        np.broadcast_to(np.uint8(3), (4, 5)), np.arange(5),
        np.asfortranarray(np.arange(5.0)), np.zeros((0, 3)), np.ones((4, 0)), np.zeros(300_000, "u1"),
    ],
)  # fmt: skip
def test_any_array_in_memory(tmp_path, protocol, array):
    with vf.open(save(tmp_path / "a.pickle", array, protocol)) as video:
        np.testing.assert_array_equal(video[:], array)
        np.testing.assert_array_equal(video[::-2], array[::-2])
        if array.ndim == 4:
            np.testing.assert_array_equal(video[1:5, ::-1, 2, 1:7:2], array[1:5, ::-1, 2, 1:7:2])


def test_frames_last_in_memory(tmp_path):
    """Strewn frames are not read; writing such an array puts its frames in order."""
    turned = VIDEO.transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(vf.load(vf.write(turned, tmp_path / "a.pickle")), turned)
    try:
        np.testing.assert_array_equal(vf.load(save(tmp_path / "a.pickle", turned)), turned)
    except vf.FormatError as error:  # since NumPy 2.2; others pickle a copy in order
        assert "strewn" in str(error)


class Subclass(np.ndarray):
    pass


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_subclass_is_read_as_an_array(tmp_path, protocol):
    np.testing.assert_array_equal(vf.load(save(tmp_path / "a.pickle", VIDEO.view(Subclass), protocol)), VIDEO)


def test_a_read_only_array(tmp_path):
    array = VIDEO.copy()
    array.flags.writeable = False
    np.testing.assert_array_equal(vf.load(save(tmp_path / "a.pickle", array)), array)


def test_names_of_numpy_1_and_2(tmp_path):
    for protocol in (4, 5):
        data = pickle.dumps(VIDEO, protocol)
        for new, old in ((b"numpy._core.numeric", b"numpy.core.numeric"), (b"numpy._core.multi", b"numpy.core.multi")):
            for a, b in ((new, old), (old, new)):
                (tmp_path / "a.pickle").write_bytes(_renamed(data, a, b))
                np.testing.assert_array_equal(vf.load(tmp_path / "a.pickle"), VIDEO)


def _renamed(data, a, b):
    """Replace a name, its length, and drop the frame whose length would not fit."""
    at = data.find(a)
    if at < 0:
        return data
    length = data[at - 1] + len(b) - len(a)
    data = data[: at - 1] + bytes([length]) + b + data[at + len(a) :]
    return data[:2] + data[11:] if data[2:3] == b"\x95" else data


def test_what_we_write_unpickles_to_the_array(tmp_path):
    for video in (VIDEO, iter(VIDEO), np.asfortranarray(VIDEO).astype(">f4"), (f.astype(">f4") for f in VIDEO)):
        path = vf.write(video, tmp_path / "a.pickle")
        with open(path, "rb") as file:
            array = pickle.load(file)
        np.testing.assert_array_equal(array, VIDEO)
        np.testing.assert_array_equal(vf.load(path), VIDEO)


class Payload:
    """Runs a command when unpickled."""

    def __reduce__(self):
        return os.system, ("touch executed",)


class Built:
    """Runs one when its state is set."""

    def __reduce__(self):
        return object, (), Payload()


MALICIOUS = [Payload(), Built(), [VIDEO, Payload()], {"video": Payload()}, np.array([Payload(), 1], object)]
OTHERS = {
    "none": None, "number": 3, "text": "video", "bytes": b"video" * 99, "list": [1, 2], "dictionary": {"video": VIDEO},
    "list of arrays": [VIDEO], "pair": (VIDEO, VIDEO), "array of text": np.array(["a", "b"]), "no axes": np.array(3),
    "array of objects": np.array([{}, []], object), "dates": np.array(["2020"], "M8[D]"), "scalar": np.float64(3),
    "structured": np.zeros(3, "u1,f4"), "dtype": np.dtype("f4"), "masked": np.ma.masked_array([1, 2]),
    "class": dict, "set": {1, 2},
    "wrong function": slice(1, 2), "range": range(9), "bytearray": bytearray(9),
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", MALICIOUS)
def test_a_malicious_pickle_is_never_executed(tmp_path, monkeypatch, thing, protocol):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "bad.pickle", thing, protocol)
    for options in ({}, {"format": "pickle"}):
        with pytest.raises(vf.FormatError, match=r"bad\.pickle"):
            vf.open("bad.pickle", **options)
    assert sorted(os.listdir(tmp_path)) == ["bad.pickle"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", OTHERS.values(), ids=OTHERS)
def test_other_objects_are_format_errors(tmp_path, thing, protocol):
    with pytest.raises(vf.FormatError, match=r"other\.pickle"):
        vf.open(save(tmp_path / "other.pickle", thing, protocol), format="pickle")


@pytest.mark.parametrize("protocol", range(2))
def test_the_oldest_protocols_are_refused(tmp_path, protocol):
    with pytest.raises(vf.FormatError, match="opcode"):
        vf.open(save(tmp_path / "old.pickle", VIDEO, protocol), format="pickle")


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f8", "?", "c8"])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("n", [0, 1, 40])
def test_older_protocols_of_python_3(tmp_path, protocol, dtype, order, n):
    """Protocol 2, which ndarray.dump writes, has no bytes: they are text, and decoded."""
    array = np.array(np.random.default_rng(0).random((n, 3, 5)) * 250).astype(dtype, order=order)
    path = save(tmp_path / "old.pickle", array, protocol)
    np.testing.assert_array_equal(vf.load(path), array)
    np.testing.assert_array_equal(vf.load(path, slice(None, None, -2)), array[::-2])
    if protocol == 2 and n:
        array.dump(tmp_path / "dumped")
        np.testing.assert_array_equal(vf.load(tmp_path / "dumped"), array)


def test_text_is_decoded_piece_by_piece(tmp_path):
    """Pieces end within characters."""
    array = np.random.default_rng(0).integers(0, 255, (3, 1 << 20), np.uint8)
    np.testing.assert_array_equal(vf.load(save(tmp_path / "old.pickle", array, 2)), array)


def python2(array, short=False):
    """Pickle as NumPy did under Python 2, protocol 2: bytes and names are strings of bytes."""

    def text(data):
        return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data

    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01"
    shape = b"".join(b"J" + struct.pack("<i", n) for n in array.shape)
    kind = b"cnumpy\ndtype\nq\x04U\x02" + array.dtype.str[1:].encode() + b"K\x00K\x01\x87R(K\x03U\x01"
    kind += array.dtype.str[:1].encode() + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return head + b"(" + shape + b"t" + kind + b"\x89" + text(array.tobytes()) + b"tb."


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">f8"])
@pytest.mark.parametrize("n", [1, 50])
def test_pickles_of_python_2(tmp_path, dtype, n):
    array = (np.random.default_rng(0).random((n, 3, 7)) * 250).astype(dtype)
    (tmp_path / "old.pickle").write_bytes(python2(array))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 2 on its old module's name
        np.testing.assert_array_equal(pickle.loads(python2(array), encoding="latin1"), array)
    np.testing.assert_array_equal(vf.load(tmp_path / "old.pickle"), array)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_damaged_pickle_is_an_error_or_right_of_shape(tmp_path, protocol):
    whole, rng = pickle.dumps(VIDEO[:3], protocol), np.random.default_rng(protocol)
    path = tmp_path / "a.pickle"
    for _ in range(150):
        content = bytearray(whole)
        for at in rng.integers(0, len(content) if rng.random() < 0.3 else 200, rng.integers(1, 4)):
            content[at] = rng.integers(256)
        path.write_bytes(content[: rng.integers(10, len(content) + 1)] if rng.random() < 0.2 else content)
        try:
            assert vf.load(path, format="pickle").nbytes <= len(content)
        except vf.FormatError as error:
            assert "a.pickle" in str(error)


def test_buffers_kept_elsewhere_are_not_there(tmp_path):
    with pytest.raises(vf.FormatError, match="opcode"):
        vf.open(save(tmp_path / "a.pickle", VIDEO, 5, buffer_callback=lambda buffer: None))


def tampered(old, new, shape=(2,)):
    data = pickle.dumps(np.zeros(shape, "u1"), 5)
    assert old in data
    data = data.replace(old, new, 1)
    return data[:2] + data[11:]


TAMPERED = {
    "more than there is": tampered(b"K\x02\x85", b"J\xff\xff\xff\x7f\x85"),
    "negative": tampered(b"K\x02\x85", b"J\xfe\xff\xff\xff\x85"),
    "two negatives": tampered(b"K\x02\x85", b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
    "absurd": tampered(b"K\x02\x85", b"\x8a\x80" + b"\x7f" * 128 + b"\x85"),
    "nothing of an absurd number": tampered(b"K\x02\x85", b"K\x00\x8a\x20" + b"\x7f" * 32 + b"\x86"),
    "shape is text": tampered(b"K\x02\x85", b"\x8c\x012\x85"),
    "shape is none": tampered(b"K\x02\x85", b"N"),
    "shape is bytes": tampered(b"K\x02\x85", b"C\x022\x02"),
    "another dtype": tampered(b"u1", b"O8"),
    "a dtype of NumPy's grammar": tampered(b"\x8c\x02u1", b"\x8c\x05(2,)u"),
    "a function beside": tampered(b"_frombuffer", b"_frombuffex"),
    "the system": tampered(b"\x8c\x13numpy._core.numeric", b"\x8c\x02os"),
    "length beyond the end": tampered(b"\x96\x02" + bytes(7), b"\x96" + b"\xff" * 8),
    "length short": tampered(b"\x96\x02" + bytes(7), b"\x96\x01" + bytes(7)),
    "memo of nothing": b"\x80\x05h\x09.",
    "nothing on the stack": b"\x80\x05.",
    "nothing to reduce": b"\x80\x05R.",
    "no mark": b"\x80\x05t.",
    "no end": b"\x80\x05N",
    "no protocol": b"N.",
    "protocol 9": b"\x80\x09N.",
    "a long text": b"\x80\x05X\xff\xff\xff\x7f",
    "opcodes without end": b"\x80\x05" + b"N" * 100_000 + b".",
}


@pytest.mark.parametrize("data", TAMPERED.values(), ids=TAMPERED)
def test_tampered_pickles_are_format_errors(tmp_path, data):
    (tmp_path / "bad.pickle").write_bytes(data)
    with pytest.raises(vf.FormatError, match=r"bad\.pickle"):
        vf.open(tmp_path / "bad.pickle", format="pickle")


def test_a_tuple_of_tuples_of_tuples_ends(tmp_path):
    """Sixty doublings are sixty opcodes, and for one that follows every reference 10**18 steps."""
    nest = b")" + b"\x94" + b"".join(b"h" + bytes([k]) + b"h" + bytes([k]) + b"\x86\x94" for k in range(48))
    for data in (
        nest + b".",
        nest + b"\x8c\x01x\x93).",
        nest + b"\x8c\x0b_frombuffer\x93(" + b"C\x01ah\x00h\x00h\x00tR.",
    ):
        (tmp_path / "bad.pickle").write_bytes(b"\x80\x05" + data)
        with pytest.raises(vf.FormatError):
            vf.open(tmp_path / "bad.pickle")


def test_the_walk_agrees_with_pickletools(tmp_path):
    """Every opcode that NumPy's pickles use is walked to the byte."""
    for protocol in (4, 5):
        path = save(tmp_path / "a.pickle", VIDEO, protocol)
        term = walk(LocalFile(path))
        sizes = [arg for op, arg, _ in pickletools.genops(path.read_bytes()) if op.name.startswith(("BYTE", "BINB"))]
        span = term.parts[1][0] if protocol == 5 else term.parts[1][4]
        assert span.nbytes == VIDEO.nbytes == max(map(len, sizes))
        assert path.read_bytes()[span.offset : span.offset + span.nbytes] == VIDEO.tobytes()
