"""What every decoder must do: one class, inherited by each."""

import numpy as np
import pytest

from tests.readers.test_stream import AWKWARD, awkward, decode
from vidformats.decoders import open_decoder
from vidformats.decoders.base import Decoder
from vidformats.decoders.index import index_of
from vidformats.storage import open_source
from vidformats.testing.numbered import number_of

av = pytest.importorskip("av", reason="makes the clips")

CLIPS = [
    "b_frames.mp4",
    "open_gop.mkv",
    "broadcast.ts",
    "vp9.webm",
    "plain.avi",
    "untimed_h264.avi",
    "variable_rate.mp4",
]


class Conformance:
    """A subclass names its decoder."""

    name: str

    @pytest.fixture(scope="class", params=CLIPS)
    @classmethod
    def clip(cls, request, tmp_path_factory):
        assert request.param in AWKWARD
        return awkward(tmp_path_factory.mktemp("clips"), request.param)

    def picture(self, decoder):
        out = np.full((3, *decoder.size), 7, np.uint8)
        decoder.into(out)
        return out

    def test_packets_have_one_row_each(self, clip):
        packets = open_decoder(open_source(clip), name=self.name).packets()
        assert len({len(column) for column in packets[:-1]}) == 1
        assert packets.keys[0]
        assert packets.missing == 0

    def test_frames_come_in_the_order_they_are_shown(self, clip):
        decoder, reference = open_decoder(open_source(clip), name=self.name), decode(clip)
        index = index_of(decoder)
        decoder.seek(0)
        for packet, expected in zip(index.packets.tolist(), reference, strict=True):
            assert decoder.next() == packet
            picture = self.picture(decoder)
            assert number_of(picture) == number_of(expected)
            assert np.abs(picture.astype(int) - expected).mean() < 1
        assert decoder.next() is None
        assert decoder.ended

    def test_a_seek_goes_on_with_that_packet(self, clip):
        decoder, reference = open_decoder(open_source(clip), name=self.name), decode(clip)
        index = index_of(decoder)
        frames = {packet: frame for frame, packet in enumerate(index.packets.tolist())}
        for key in index.keys[[-1, 0, len(index.keys) // 2, 0]].tolist():
            decoder.seek(key)
            assert decoder.fed == key
            while decoder.next() != key:
                pass
            assert number_of(self.picture(decoder)) == number_of(reference[frames[key]])

    def test_after_the_last_packet_needed_comes_nothing(self, clip):
        decoder = open_decoder(open_source(clip), name=self.name)
        index = index_of(decoder)
        decoder.seek(0)
        last = int(index.packets[10])
        came = list(iter(lambda: decoder.next(last), None))
        assert last in came
        assert max(came) <= last

    def test_a_smaller_picture_is_the_upper_left(self, clip):
        decoder = open_decoder(open_source(clip), name=self.name)
        decoder.seek(0)
        decoder.next()
        small, grey = np.empty((3, 40, 50), np.uint8), np.empty((1, 40, 50), np.uint8)
        decoder.into(small)
        decoder.into(grey)
        whole = self.picture(decoder)
        np.testing.assert_array_equal(small, whole[:, :40, :50])
        np.testing.assert_array_equal(grey[0], small[1])

    def test_facts(self, clip):
        decoder = open_decoder(open_source(clip), name=self.name)
        assert isinstance(decoder, Decoder)
        assert (decoder.size, decoder.rotation, decoder.colour.depth) == ((64, 64), 0, 8)
        assert decoder.track.codec
        assert decoder.track.rate is None or decoder.track.rate > 0


class TestPyAV(Conformance):
    name = "pyav"


class TestOpenCV(Conformance):
    name = "opencv"


def test_packets_end_in_zeros(tmp_path, monkeypatch):
    """What follows a packet in memory is read by FFmpeg: other bytes there made other pictures, now and then."""
    import ctypes

    made, packet = [], av.Packet
    path = awkward(tmp_path, "plain.avi")
    monkeypatch.setattr(av, "Packet", lambda data: made.append(packet(data)) or made[-1])
    decoder = open_decoder(open_source(path), name="pyav")
    index = index_of(decoder)
    decoder.seek(0)
    assert [decoder.next() for _ in range(8)] == index.packets[:8].tolist()
    assert made
    for one in made:
        assert ctypes.string_at(one.buffer_ptr + one.size, 64) == bytes(64)
