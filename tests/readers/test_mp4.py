import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vidformats as vf
from tests.readers.test_stream import AWKWARD, awkward, edited, encode, stamped
from vidformats.readers import stream
from vidformats.readers.mp4 import Packets, packets_of
from vidformats.readers.stream import Capture, StreamReader
from vidformats.select import plan
from vidformats.storage import open_source
from vidformats.testing.numbered import numbered, numbers_of

N = 40


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return Path(vf.write(numbered(N, (64, 64)), tmp_path_factory.mktemp("mp4") / "video.mp4"))


def packets_by_opencv(path):
    capture, found = Capture(path, raw=True), []
    while capture.grab() is not None:
        found.append(bytes(capture.packet()))
    return found


@stamped
def test_tables_say_what_opencv_finds(path):
    told, data = packets_of(path), path.read_bytes()
    stamps, keys = stream.packets(path)
    np.testing.assert_array_equal(told.stamps, stamps)
    np.testing.assert_array_equal(told.keys, keys)
    places = zip(told.offsets.tolist(), told.sizes.tolist(), strict=True)
    assert [data[at : at + n] for at, n in places] == packets_by_opencv(path)


@stamped
@pytest.mark.parametrize("name", [name for name in AWKWARD if name.endswith((".mp4", ".mov"))])
def test_what_is_told_is_right_or_nothing(name, tmp_path):
    path = awkward(tmp_path, name)
    told = packets_of(path)
    if told is None:
        return
    stamps, keys = stream.packets(path)
    assert len(told.sizes) == len(packets_by_opencv(path))
    np.testing.assert_array_equal(told.stamps, stamps)
    np.testing.assert_array_equal(told.keys, keys)


def test_some_are_told_and_some_are_not(tmp_path):
    assert packets_of(awkward(tmp_path, "odd_rate.mov"))
    assert packets_of(awkward(tmp_path, "b_frames.mp4")) is None
    assert packets_of(awkward(tmp_path, "plain.avi")) is None
    fragments = encode(tmp_path / "d.mp4", "mpeg4", n=10, file={"movflags": "frag_keyframe+empty_moov"})
    assert packets_of(fragments) is None


def test_an_edit_list_that_moves_the_start_is_not_told(tmp_path):
    path = encode(tmp_path / "edited.mp4", "mpeg4", g="12", bit_rate=2_000_000)
    assert packets_of(path)
    assert packets_of(edited(path, [(2000, 1024)])) is None


@stamped
def test_tables_that_lie_about_time_and_keys_are_found_out(path, monkeypatch):
    told = packets_of(path)
    for lie in (
        told._replace(stamps=told.stamps + 1),
        told._replace(stamps=told.stamps * 2),
        Packets(*(column[:-5] for column in told)),
    ):
        monkeypatch.setattr(stream, "packets_of", lambda path, lie=lie: lie)
        reader = StreamReader(open_source(path))
        out = np.empty(reader.shape, np.uint8)
        reader.read(plan(np.arange(N)), out)
        assert numbers_of(out) == list(range(N))


@given(data=st.data())
def test_damaged_files_are_told_right_or_not_at_all(path, data, tmp_path_factory):
    content = bytearray(path.read_bytes())
    moov = content.index(b"moov")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(moov - 4, len(content) - 4))
        content[at : at + 4] = struct.pack(">I", data.draw(st.sampled_from([0, 1, 2, 8, 2**31, 2**32 - 1, 1000])))
    damaged = tmp_path_factory.mktemp("damaged") / "video.mp4"
    damaged.write_bytes(content[: data.draw(st.integers(moov, len(content)))])
    told = packets_of(damaged)
    if told:
        n = len(told.offsets)
        assert n == len(told.sizes) == len(told.stamps) == len(told.keys)
        assert told.offsets.min() >= 0
        assert (told.offsets + told.sizes).max() <= damaged.stat().st_size
