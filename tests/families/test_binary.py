"""Bytes without a header: what the sidecar says, and what the caller says."""

import json
import os
import shutil

import numpy as np
import pytest

import vidformats as vf

VIDEO = np.random.default_rng(0).integers(0, 250, (9, 3, 8, 10), np.uint8)


@pytest.fixture
def raw(tmp_path):
    """Make bytes without a sidecar."""
    VIDEO.astype(">u2").tofile(tmp_path / "raw.bin")
    return tmp_path / "raw.bin"


def test_the_sidecar_is_written(tmp_path):
    path = vf.write(VIDEO.astype(">u2"), tmp_path / "a.bin")
    with open(path + ".json") as file:
        facts = json.load(file)
    assert (facts["shape"], facts["dtype"], facts["size"]) == ([9, 3, 8, 10], ">u2", 2 * VIDEO.size)
    np.testing.assert_array_equal(np.fromfile(path, ">u2").reshape(VIDEO.shape), VIDEO)


def test_without_a_sidecar_the_caller_says(raw):
    with pytest.raises(vf.FormatError, match="pass shape= and dtype="):
        vf.open(raw)
    for shape in ((9, 3, 8, 10), (-1, 3, 8, 10), (9, -1, 8, 10), [np.int64(9), 3, 8, 10]):
        with vf.open(raw, shape=shape, dtype=">u2") as video:
            assert video.format == "binary"
            np.testing.assert_array_equal(video[:], VIDEO)


def test_from_an_offset(raw):
    np.testing.assert_array_equal(vf.load(raw, shape=(-1, 3, 8, 10), dtype=">u2", offset=2 * VIDEO[0].size), VIDEO[1:])
    assert vf.load(raw, shape=(-1, 3, 8, 10), dtype=">u2", offset=2 * VIDEO.size).shape == (0, 3, 8, 10)


@pytest.mark.parametrize(
    ("options", "one", "rest"),
    [
        ({"shape": (-1, 3, 8, 11)}, 264, 96),  # a wrong size of frames
        ({"shape": (-1, 1000, 1000)}, 1_000_000, 4320),
        ({"shape": (-1, 3, 8, 10), "dtype": ">u2", "offset": 2}, 480, 478),
        ({"shape": (7, -1, 10)}, 70, 50),  # whichever axis is open
        ({"shape": (-1,), "dtype": "f8", "offset": 1}, 8, 7),
        ({"shape": -1, "dtype": "V7"}, 0, 0),
    ],
)
def test_what_is_left_over_is_an_error(raw, options, one, rest):
    with pytest.raises(vf.FormatError, match=f"expected a multiple of {one} bytes.*: {rest} too many|not numbers"):
        vf.open(raw, **options)
    if one:
        with vf.open(raw, **options, cut=True) as video:  # a recording that was cut off
            assert video.nbytes == 2 * VIDEO.size - options.get("offset", 0) - rest


@pytest.mark.parametrize(
    "options", [{"shape": 1.5}, {"shape": (-1, 3.0)}, {"shape": "abc"}, {"shape": (-1,), "offset": 1.5}]
)
def test_only_integers_make_a_shape(raw, options):
    with pytest.raises(
        (TypeError, ValueError), match=r"(shape and offset must be integers|offset must be an integer), got"
    ):
        vf.open(raw, **options)


def test_one_axis_may_be_a_number(raw):
    assert vf.open(raw, shape=-1).shape == vf.open(raw, shape=2 * VIDEO.size).shape == (2 * VIDEO.size,)


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_through_a_link_the_sidecar_of_the_target_is_found(tmp_path):
    (tmp_path / "disk").mkdir()
    vf.write(VIDEO, tmp_path / "disk" / "real.bin")
    (tmp_path / "l.bin").symlink_to("disk/real.bin")
    np.testing.assert_array_equal(vf.load(tmp_path / "l.bin"), VIDEO)
    vf.write(VIDEO[::-1], tmp_path / "l.bin")
    np.testing.assert_array_equal(vf.load(tmp_path / "l.bin"), VIDEO[::-1])


@pytest.mark.parametrize("at", [0, 1, VIDEO.size // 2 - VIDEO.size // 3, VIDEO.size - 1])
def test_data_that_the_sidecar_was_not_written_with(tmp_path, at):
    path = vf.write(VIDEO, tmp_path / "a.bin")
    data = bytearray(VIDEO.tobytes())
    data[at] ^= 1
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(vf.FormatError, match=r"is not the data that a\.bin\.json was written with"):
        vf.open(path)
    assert vf.open(path, shape=VIDEO.shape, dtype="u1").shape == VIDEO.shape


def test_large_data_are_known_by_parts_of_it(tmp_path):
    """First and last bytes are among them."""
    video = np.random.default_rng(0).integers(0, 255, (40, 100_000), np.uint8)
    path = vf.write(video, tmp_path / "a.bin")
    np.testing.assert_array_equal(vf.load(path, -1), video[-1])
    for at in (0, video.size - 1):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([video.flat[at] ^ 1]))
            file.flush()
            with pytest.raises(vf.FormatError, match="is not the data"):
                vf.open(path)
            file.seek(at)
            file.write(bytes([video.flat[at]]))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"shape": (10, 3, 8, 10), "dtype": ">u2"}, "cut short"),
        ({"shape": (9, 3, 8, 10), "dtype": "f8"}, "cut short"),
        ({"shape": (-1, -1, 8, 10), "dtype": "u1"}, "no video has"),
        ({"shape": (-2, 3, 8, 10), "dtype": "u1"}, "no video has"),
        ({"shape": (-1, 3), "dtype": "u1", "offset": 1 << 20}, "offset must be from 0 to its 4320 bytes, got 1048576"),
        ({"shape": (3,), "dtype": "u1", "offset": -1}, "offset must be"),
        ({"shape": (), "dtype": "u1"}, "no video has"),
        ({"shape": (-1,), "dtype": "O"}, "not numbers"),
        ({"shape": (-1,), "dtype": "S0"}, "not numbers"),
        ({"shape": (-1,), "dtype": "nonsense"}, "no dtype"),
        ({"shape": (1 << 60, 1 << 60), "dtype": "u1"}, "no video has"),
        ({"shape": (1 << 30, 1 << 30), "dtype": "u1"}, "cut short"),
        ({"dtype": "u1"}, "pass shape="),
    ],
)
def test_what_the_caller_says_must_fit(raw, options, fault):
    with pytest.raises(vf.FormatError, match=fault):
        vf.open(raw, format="binary", **options)


def test_an_axis_left_open_beside_an_empty_one(raw):
    assert vf.load(raw, shape=(-1, 0), dtype="u1").shape == (0, 0)


def test_the_caller_overrules_the_sidecar(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.bin")
    assert vf.load(path, shape=(-1, 240)).shape == (9, 240)
    assert vf.load(path, dtype="i1").dtype == np.int8


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "3", "[]", "{}", '{"shape": 5, "dtype": "|u1"}', '{"shape": [9, 3, 8, 10]}', "\xff\xfe", "[" * 4000,
        '{"shape": [9, 3, 8, 10.0], "dtype": "|u1"}', '{"shape": [9, 3, -8, -10], "dtype": "|u1"}',
        '{"shape": [9, 3, 8, 10], "dtype": 3}', '{"shape": [9, 3, 8, 10], "dtype": "nonsense"}',
        '{"shape": [9, 3, 8, 10], "dtype": "\\u0000"}', '{"shape": [9, 3, 8, 10], "dtype": "\\u0001"}',
        '{"shape": [9, 3, 8, 10], "dtype": "O"}', '{"shape": [9, 3, 8, 9], "dtype": "|u1"}',
        '{"shape": [9, 3, 8, 11], "dtype": "|u1"}', '{"shape": [], "dtype": "|u1"}',
        '{"shape": [' + "9" * 3000 + '], "dtype": "|u1"}',
        '{"shape": [9, 3, 8, 10], "dtype": "|u1"}' + " " * 5000 + "x",
        '{"shape": [9, 3, 8, 10], "dtype": "(1,"}', '{"shape": [9, 3, 8, 10], "dtype": "u1,u1"}',
    ],
)  # fmt: skip
def test_a_wrong_sidecar_is_a_format_error(tmp_path, text):
    path = vf.write(VIDEO, tmp_path / "a.bin")
    (tmp_path / "a.bin.json").write_text(text, encoding="latin1")
    with pytest.raises(vf.FormatError, match=r"a\.bin"):
        vf.open(path)


def test_bytes_that_look_like_another_format(tmp_path):
    """With a sidecar they are bytes, whatever they begin with."""
    data = np.frombuffer(b"\x93NUMPY\x01\x00 and more", np.uint8)
    path = vf.write(data, tmp_path / "a.bin")
    np.testing.assert_array_equal(vf.load(path), data)


def test_a_file_that_moved_without_its_sidecar(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.bin")
    shutil.move(path, tmp_path / "b.bin")
    with pytest.raises(vf.FormatError, match=r"has no sidecar b\.bin\.json"):
        vf.open(tmp_path / "b.bin")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("act", ["open", "write"])
def test_a_fifo_or_folder_in_place_of_a_sidecar_is_told_at_once(tmp_path, act):
    for make in (os.mkfifo, os.mkdir):
        path = tmp_path / f"{make.__name__}.bin"
        path.write_bytes(bytes(10))
        make(f"{path}.json")
        with pytest.raises(
            vf.FormatError if act == "open" else FileExistsError, match=r"bin\.json: .*(expected|sidecar)"
        ):
            vf.open(path) if act == "open" else vf.write(np.zeros(10, "u1"), path)
