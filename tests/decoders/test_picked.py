import struct
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from vidformats.decoders import picked
from vidformats.errors import FormatError
from vidformats.readers import stream
from vidformats.readers.stream import StreamReader
from vidformats.select import plan
from vidformats.storage import open_source
from vidformats.testing.numbered import number_of, numbered

pytest.importorskip("av", reason="tells the packets; of the extra codecs")

N = 600
WANTED = [
    np.arange(N),
    np.arange(0, N, 4),
    np.arange(7, 500, 3),
    np.sort(np.random.default_rng(0).permutation(N)[:300]),
]


@pytest.fixture(scope="module", params=["a.mp4", "a.avi"])
def film(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("picked") / request.param
    return Path(vf.write(numbered(N, (48, 64)), path, "mp4", fps=25))


@pytest.fixture
def answers(monkeypatch):
    """What each part said: whether its packets were decoded in one go."""
    said, read = [], StreamReader._picked
    monkeypatch.setattr(StreamReader, "_picked", lambda self, *given: said.append(read(self, *given)) or said[-1])
    return said


def usual(path, frames, crop=None):
    """Read a few frames at a time: too few to be decoded in one go."""
    reader = StreamReader(open_source(path))
    out = np.empty((len(frames), *reader.shape[1:]), np.uint8)
    for k in range(0, len(frames), 8):
        reader.read(plan(frames[k : k + 8]), out[k : k + 8])
    return out if crop is None else out[:, *crop]


def read(path, frames, threads=2, crop=None, shape=None):
    reader = StreamReader(open_source(path))
    out = np.full((len(frames), *(shape or reader.shape[1:])), 77, np.uint8)
    reader.read(plan(frames, crop), out, threads)
    return out


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("frames", WANTED, ids=["all", "every 4th", "every 3rd", "random"])
def test_frames_are_those_of_one_packet_after_another(film, frames, threads, answers):
    got = read(film, frames, threads)
    assert any(answers) == (threads < 5)  # of which each would get too few
    assert [number_of(frame) for frame in got] == frames.tolist()
    np.testing.assert_array_equal(got, usual(film, frames))


def test_crops(film, answers):
    crop = (slice(1, 2), slice(8, 40, 1), slice(3, 60, 2))
    got = read(film, np.arange(0, N, 2), crop=crop, shape=(1, 32, 29))
    assert any(answers)
    np.testing.assert_array_equal(got, usual(film, np.arange(0, N, 2), crop))


def test_many_bytes_are_many_parts(film, answers, monkeypatch):
    monkeypatch.setattr(picked, "MOST", 4 << 10)
    np.testing.assert_array_equal(read(film, np.arange(N), 1), usual(film, np.arange(N)))
    assert len(answers) > 4


def test_pictures_that_stand_still_are_decoded_the_usual_way(tmp_path, answers):
    still = np.repeat(numbered(2, (48, 64)), 150, 0)
    path = vf.write(still, tmp_path / "still.mp4", fps=25)
    np.testing.assert_array_equal(read(path, np.arange(300)), usual(path, np.arange(300)))
    assert answers
    assert not any(answers)


def test_a_picture_unlike_that_of_the_usual_way_is_not_believed(film, answers, monkeypatch):
    pictures = picked.pictures
    monkeypatch.setattr(picked, "pictures", lambda *given: (image ^ 1 for image in pictures(*given)))
    np.testing.assert_array_equal(read(film, np.arange(N)), usual(film, np.arange(N)))
    assert not any(answers)


def test_an_opencv_that_opens_files_only(film, answers, monkeypatch):
    def refuse(name, *given):
        raise TypeError(f"expected str, got {type(name).__name__}")

    monkeypatch.setattr(picked.cv2, "VideoCapture", refuse)
    np.testing.assert_array_equal(read(film, np.arange(N)), usual(film, np.arange(N)))
    assert not any(answers)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_packets(film, tmp_path, seed):
    """A frame is what the usual way gives, or both raise."""
    rng, data = np.random.default_rng(seed), bytearray(film.read_bytes())
    table = StreamReader(open_source(film))._memo.packets
    for packet in rng.integers(1, N, 3).tolist():
        at, size = int(table.offsets[packet]), int(table.sizes[packet])
        if seed % 3 == 0:
            data[at : at + size] = bytes(size)
        else:
            for place in rng.integers(0, size, 4).tolist():
                data[at + place] ^= int(rng.integers(1, 256))
    path = tmp_path / film.name
    path.write_bytes(data)
    frames = np.arange(StreamReader(open_source(path)).shape[0])
    try:
        expected = usual(path, frames)
    except FormatError:
        with pytest.raises(FormatError, match="cannot be decoded"):
            read(path, frames)
    else:
        np.testing.assert_array_equal(read(path, frames), expected)


def test_fields_are_left_to_pyav(tmp_path, answers):
    """OpenCV gives memory instead of interlaced frames."""
    import av

    path = tmp_path / "fields.mp4"
    with av.open(str(path), "w") as file:
        out = file.add_stream("mpeg4", rate=25, options={"flags": "+ildct+ilme", "g": "12"})
        out.height, out.width, out.pix_fmt, out.bit_rate = 64, 64, "yuv420p", 2_000_000
        for image in numbered(300, (64, 64)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image.transpose(1, 2, 0)), format="rgb24")
            file.mux(out.encode(frame))
        file.mux(out.encode(None))
    got = read(path, np.arange(300))
    assert not any(answers)
    np.testing.assert_array_equal(got, usual(path, np.arange(300)))
    assert [number_of(frame) for frame in got[::10]] == list(range(0, 300, 10))


def test_the_file_made_of_picked_packets_has_only_them(film):
    reader = StreamReader(open_source(film))
    packets, parcel = reader._memo.packets, reader._memo.parcel
    avi = picked._file_of(reader.source, packets.offsets[:5], packets.sizes[:5], parcel).getvalue()
    assert struct.unpack("<I", avi[4:8])[0] == len(avi) - 8
    at = avi.index(b"movi") + 4
    for offset, size in zip(packets.offsets[:5].tolist(), packets.sizes[:5].tolist(), strict=True):
        assert avi[at : at + 8] == struct.pack("<4sI", b"00dc", size)
        assert avi[at + 8 : at + 8 + size] == reader.source.read(size, offset)
        at += 8 + size + size % 2
    assert at == len(avi)


def test_short_requests_are_not_worth_it(film, answers):
    read(film, np.arange(stream.LEAST - 1), 1)
    assert not any(answers)
