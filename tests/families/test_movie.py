import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import vidformats as vf
from vidformats.bench import content
from vidformats.families import movie
from vidformats.families.movie import TAG, Movie, facts_noted, note, shape_noted
from vidformats.storage import open_source
from vidformats.testing.numbered import numbered, numbers_of, red
from vidformats.timing import Timing

ENDINGS = {"mp4": ".mp4", "avi_mjpg": ".avi"}
each = pytest.mark.parametrize("name", ENDINGS)


@each
@pytest.mark.parametrize(
    "shape",
    [(3, 1, 1, 1), (4, 3, 2, 2), (5, 3, 3, 5), (2, 1, 4, 4), (30, 3, 33, 47), (30, 1, 64, 121), (1, 3, 120, 120)],
)
def test_any_size_and_channels_come_back(name, shape, tmp_path):
    video = np.ascontiguousarray(numbered(shape[0], np.maximum(shape[2:], 4), shape[1])[:, :, : shape[2], : shape[3]])
    with vf.open(vf.write(video, tmp_path / f"a{ENDINGS[name]}", name)) as stored:
        assert stored.shape == shape
        assert stored.format == name
        assert np.abs(stored[:].astype(int) - video).mean() < 8
        if min(shape[2:]) >= 32:
            assert numbers_of(stored[::-1]) == list(range(shape[0]))[::-1]


@each
def test_red_stays_red(name, tmp_path):
    colour = vf.load(vf.write(red(3), tmp_path / f"a{ENDINGS[name]}", name)).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(colour, [255, 0, 0], atol=6)


@each
@pytest.mark.parametrize("size", [32, 61, 120])
def test_natural_content_stays_within_the_tolerance(name, size, tmp_path):
    video = content.make("scene", 60, size)
    stored = vf.load(vf.write(video, tmp_path / f"a{ENDINGS[name]}", name))
    assert np.abs(stored.astype(int) - video).mean() < vf.get_format(name).tolerance


def test_written_as_published(tmp_path):
    video = content.make("noise", 40)
    path = tmp_path / "ours.mp4"
    vf.write(video, path, "mp4", fps=64)
    writer = cv2.VideoWriter(str(tmp_path / "published.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 64, (120, 120), True)
    for frame in video:
        writer.write(np.ascontiguousarray(frame[::-1].transpose(1, 2, 0)))
    writer.release()
    published = (tmp_path / "published.mp4").read_bytes()
    assert path.read_bytes()[: len(published)] == published
    np.testing.assert_array_equal(vf.load(tmp_path / "published.mp4"), vf.load(path))


@each
def test_a_generator_is_written_block_by_block(name, tmp_path):
    stored = vf.load(vf.write(iter(numbered(300)), tmp_path / f"a{ENDINGS[name]}", name))
    assert numbers_of(stored) == list(range(300))


@each
def test_other_players_read_on(name, tmp_path):
    path = vf.write(numbered(20, (33, 41), 1), tmp_path / f"a{ENDINGS[name]}", name)
    capture, n = cv2.VideoCapture(path), 0
    while capture.read()[0]:
        n += 1
    assert n == 20


def test_what_opencv_can_not_write(tmp_path):
    with pytest.raises(OSError, match="can't write 'qqqq'"):
        vf.write(numbered(3), tmp_path / "a.mp4", fourcc="qqqq")
    assert not list(tmp_path.iterdir())


def test_lost_frames_are_an_error(tmp_path, monkeypatch):
    class Two:
        def packets(self):
            return SimpleNamespace(pts=np.zeros(2))

    monkeypatch.setattr(movie, "open_decoder", lambda path: Two())
    with pytest.raises(OSError, match="2 of 3 frames were written"):
        vf.write(numbered(3), tmp_path / "a.mp4")


def test_fps(tmp_path):
    assert vf.open(vf.write(numbered(5), tmp_path / "a.mp4", fps=25.0)).info["fps"] == 25
    with pytest.warns(UserWarning, match="no rate: 25 per second are assumed"):
        path = vf.write(numbered(5), tmp_path / "b.mp4")
    with vf.open(path) as video:
        assert (video.fps, video.info["fps_assumed"]) == (25, True)
    with vf.open(vf.write(numbered(5), tmp_path / "c.mp4", fps=30)) as camera:
        for name in ("d.mp4", "e.avi"):  # what a source knows travels
            with vf.open(vf.write(camera, tmp_path / name)) as copy:
                assert copy.fps == 30
                assert "fps_assumed" not in copy.info


@pytest.mark.parametrize("head", [b"RIFF", b"\x1aE\xdf\xa3", b"\0\0\0\x20ftyp"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (123456, 3, 120, 121)])
def test_the_note_survives_in_every_container(head, shape, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(head + bytes(301))
    note(path, shape, Timing(25.0))
    assert shape_noted(facts_noted(open_source(path))) == shape


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"shape": 3}',
        b'{"shape": [1, 2, 3]}',
        b'{"shape": [1, 1, "a", 2]}',
        b'{"shape": [9, 3, 0, 2]}',
    ],
)
def test_a_broken_note_is_none(text, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(100) + TAG + text)
    assert shape_noted(facts_noted(open_source(path))) is None


@pytest.mark.parametrize("shape", [(9, 3, 32, 32), (10, 2, 32, 32), (10, 3, 64, 64), (10, 3, 8, 32)])
def test_a_note_that_does_not_fit_is_ignored(shape, tmp_path):
    path = vf.write(numbered(10), tmp_path / "a.mp4")
    note(tmp_path / "a.mp4", shape, Timing(25.0))
    assert vf.open(path).shape == (10, 3, 32, 32)


def test_options_are_its_identity():
    assert Movie(fps=25.0) == Movie(fps=25.0) != Movie()
    assert repr(Movie(name="mp4")) == "Movie(name='mp4', fourcc='mp4v', fps=None)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


KINDS = [
    "h264.mp4",
    "h264.mov",
    "h264.mkv",
    "vp9.webm",
    "h264.avi",
    "h264.ts",
    "mpeg2.mpg",
    "h264.flv",
    "wmv2.wmv",
    "vp9.ivf",
    "raw.y4m",
    "gif.gif",
    "apng.apng",
    "h264.h264",
    "hevc.hevc",
    "fragmented.mp4",
    "joined_in.ts",
]


@pytest.mark.parametrize("name", KINDS)
def test_any_container_is_known_by_its_content(name, folder):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    pytest.importorskip("imageio_ffmpeg")
    made = clips.make(clips.named(name), folder)
    path = made.with_name(f"unnamed-{made.stem}")
    shutil.copy(made, path)
    with vf.open(path) as video:
        assert video.shape[1:] == (3, *clips.SIZE)
        assert len(numbers_of(video[:5])) == 5


@pytest.mark.parametrize("suffix", [".m2ts", ".vob", ".ogv", ".mts", ".nut", ".mxf", ".asf"])
def test_further_containers(suffix, folder):
    clips = pytest.importorskip("vidformats.bench.referee.clips")
    judge = pytest.importorskip("vidformats.bench.referee.judge")
    pytest.importorskip("imageio_ffmpeg")
    codec = {".ogv": "libtheora", ".vob": "mpeg2video", ".mxf": "mpeg2video", ".asf": "wmv2"}.get(suffix, "libx264")
    path = folder / f"a{suffix}"
    try:
        judge.run(
            "-i", clips.make(clips.named("ffv1.mkv"), folder), "-c:v", codec, "-q:v", "4", "-pix_fmt", "yuv420p", path
        )
    except RuntimeError as error:
        pytest.skip(f"this FFmpeg does not write it: {str(error)[-80:]}")
    unnamed = path.rename(folder / f"unnamed-{suffix[1:]}")
    with vf.open(unnamed) as video:
        assert numbers_of(video[[7, 100, 3]]) == [7, 100, 3]


@pytest.mark.parametrize(("name", "reads"), [("a.CSV", "reads it, as"), ("a.xlsx", "once it is saved as CSV, as")])
def test_a_table_is_told_from_frames(name, reads, tmp_path):
    (tmp_path / name).write_text("time,valence\n0,1\n")
    with pytest.raises(vf.FormatError, match=f"is a table by its extension, expected frames; .*{reads} a manifest"):
        vf.open(tmp_path / name)
    assert vf.open(tmp_path / name, "binary", shape=(17, 1)).shape == (17, 1)


@pytest.mark.parametrize("content", [b"no video at all" * 99, b"\x00" * 999, b"\x47" + bytes(186), b"%PDF-1.7\n" * 40])
def test_a_file_of_no_known_kind(content, tmp_path):
    path = tmp_path / "a.dat"
    path.write_bytes(content)
    with pytest.raises(vf.FormatError, match=r"a\.dat: is of no known kind .* bytes without a header"):
        vf.open(path)
