"""Every clip by ours, against what FFmpeg's program shows."""

import subprocess

import numpy as np
import pytest

from vidformats.bench.referee import clips, judge
from vidformats.errors import FormatError
from vidformats.readers.stream import StreamReader
from vidformats.select import plan
from vidformats.storage import open_source
from vidformats.testing.numbered import number_of, numbers_of

pytest.importorskip("av", reason="makes the clips")
pytest.importorskip("imageio_ffmpeg", reason="brings the judge")

REFUSED = {
    "av1.mp4": "no frame can be decoded by OpenCV",
    "av1.webm": "no frame can be decoded by OpenCV",
    "interlaced.mp4": "interlaced video, of which OpenCV gives memory",
    "interlaced.ts": "interlaced video, of which OpenCV gives memory",
    "preview.mp4": "has 2 video tracks",
}
"""Clips that OpenCV cannot read; it says so."""

UNTIMED = {"mpeg2.mpg", "negative.mkv", "pause.mkv", "sound_first.mp4", "joined.ts"}
"""Clips whose frames OpenCV reads, but not when they are shown."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


def read(reader, frames, threads):
    out = np.full((len(frames), *reader.shape[1:]), 77, np.uint8)
    wanted = plan(np.asarray(frames))
    reader.read(wanted, out, threads)
    wanted.repeat(out)
    return out


def requests(n, seed=0):
    rng = np.random.default_rng(seed)
    yield from ([i] for i in (*rng.integers(0, n, 12).tolist(), n - 1, 0))
    yield from (range(i, min(i + 8, n)) for i in rng.integers(0, n, 4).tolist())
    yield from (range(0, n, 4), range(n), range(n)[::-1], rng.integers(0, n, 30).tolist())


@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
@pytest.mark.parametrize("clip", clips.CLIPS, ids=lambda clip: clip.name)
def test_no_frame_is_wrong(clip, decoder, folder):
    path = clips.make(clip, folder)
    if decoder == "opencv" and clip.name in REFUSED:
        with pytest.raises(FormatError, match=REFUSED[clip.name]):
            StreamReader(open_source(path), decoder=decoder)
        return
    expected = judge.numbers(path, clip.size)
    reader = StreamReader(open_source(path), decoder=decoder)
    damaged = {50} if decoder == "pyav" and clip.name.startswith("bad_packet") else set()
    for frame in sorted(damaged):
        expected.insert(frame, None)
        with pytest.raises(FormatError, match=f"frame {frame} cannot be decoded"):
            read(reader, [frame], 1)
    assert reader.shape == (len(expected), 3, *clip.size)
    if decoder == "opencv" and clip.name in UNTIMED:
        assert reader.times is None
        assert reader.info["untimed"]
    else:
        assert (np.diff(reader.times) >= 0).all()
    for frames in requests(len(expected)):
        if not damaged & set(frames):
            for threads in (1, 2):
                assert numbers_of(read(reader, frames, threads)) == [expected[i] for i in frames]


def test_there_are_enough_and_all_say_where_they_occur():
    assert len(clips.CLIPS) >= 40
    assert len({clip.name for clip in clips.CLIPS}) == len(clips.CLIPS)
    assert all(len(clip.about) > 5 for clip in clips.CLIPS)
    assert clips.named("gop12.mp4").name == "gop12.mp4"


def test_a_clip_is_made_once(tmp_path):
    made = []
    clip = clips.Clip("a.txt", "a test", lambda path: made.append(path.write_text("a")), "codec")
    assert clips.make(clip, tmp_path) == clips.make(clip, tmp_path)
    assert len(made) == 1


def test_the_judge_shows_what_was_written(tmp_path):
    path = clips.encode(tmp_path / "a.mkv", "ffv1", n=5)
    assert judge.numbers(path, clips.SIZE) == [0, 1, 2, 3, 4]
    assert number_of(judge.frames(path, clips.SIZE, track=0)[3]) == 3
    done = subprocess.run([judge.program(), "-v", "error", *judge.command(path)], capture_output=True, check=True)
    assert len(done.stdout) == 5 * clips.SIZE[0] * clips.SIZE[1]


def test_the_judge_says_what_failed(tmp_path):
    with pytest.raises(RuntimeError, match="No such file"):
        judge.numbers(tmp_path / "none.mp4", clips.SIZE)
