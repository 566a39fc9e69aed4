"""What is said of a user's own file."""

import re
from fractions import Fraction

import numpy as np
import pytest

from vidformats.bench import content
from vidformats.bench.referee import clips, files
from vidformats.bench.referee.questions import Truth
from vidformats.bench.referee.roster import OURS, READERS, Reader
from vidformats.bench.referee.trial import Cell

av = pytest.importorskip("av", reason="makes the clips")
pytest.importorskip("imageio_ffmpeg", reason="brings the judge")

ASKED = [READERS[name] for name in (*OURS, "opencv-seek")]
ABSENT = Reader("none", "Nobody", "decord", "no-such-package", "1")


def test_a_reader_that_is_wrong_on_a_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path))
    path = clips.make(clips.named("variable_rate.mkv"), tmp_path)
    told = [line for line, _ in files.report(path, [*ASKED, ABSENT], seconds=100)]
    assert told[0] == f"{path}: 120 frames of 128 x 96, of a variable frame rate."
    assert told[1:3] == [f"{READERS[name].title}: agrees with FFmpeg on all 200 requests." for name in OURS]
    assert told[3].startswith("OpenCV, seek: returns the wrong frame on ")
    assert told[4] == f"  again: vidformats referee {path} --reader opencv-seek --seed 0"
    assert told[5].startswith("Not installed: Nobody (no-such-package is not installed; ")


def test_a_natural_picture_is_told_from_its_neighbours(tmp_path):
    """No number and no sharp edge: a scene that moves slowly, lossy, by decoders that round differently."""
    path = tmp_path / "scene.mp4"
    frames = content.make("scene", 40, 96)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "30"})
        stream.height, stream.width, stream.pix_fmt = 96, 96, "yuv420p"
        for image in frames:
            picture = np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    truth, about = files.look(path)
    assert isinstance(truth, Truth)
    assert about == {"variable": False, "whole": True, "frames": 40}
    told = list(files.report(path, ASKED, seconds=100))
    assert [fault for _, fault in told] == [False] * 4, told


def test_wrong_frames_of_a_colourful_picture_are_told(tmp_path):
    """Strong colours, whose mean is far from the grey that FFmpeg makes of them, and a small thing that moves."""
    path = tmp_path / "colours.mp4"
    picture = np.zeros((96, 128, 3), np.uint8)
    for k, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]):
        picture[:, 32 * k : 32 * k + 32] = colour
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"crf": "20"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for tick in (tick for tick in range(120) if tick % 7 and not 40 <= tick < 70):
            image = picture.copy()
            image[40:56, tick : tick + 8] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 30)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    told = [line for line, _ in files.report(path, [ASKED[0], READERS["pyav-seek"]], seconds=100)]
    assert told[1].endswith("agrees with FFmpeg on all 200 requests.")
    wrong = re.search(r"PyAV, seek: returns the wrong frame on (\d+) of 200 requests", told[2])
    assert wrong, told
    assert int(wrong[1]) > 100


def test_only_the_first_frames_of_a_long_video_are_asked_for(tmp_path, monkeypatch):
    path = clips.make(clips.named("gop12.mp4"), tmp_path)
    monkeypatch.setattr(files, "MOST", 20 * 96 * 128)
    told = [line for line, _ in files.report(path, ASKED[:1], seconds=100)]
    assert told == [
        f"{path}: 120 frames of 128 x 96; asked about the first 20.",
        "vidformats: agrees with FFmpeg on all 200 requests.",
    ]


def test_when_the_time_is_over_the_rest_is_named(tmp_path):
    path = clips.make(clips.named("gop12.mp4"), tmp_path)
    told = [line for line, _ in files.report(path, ASKED[:1], seconds=0)]
    assert told[1:] == ["Not asked, for the time was over: vidformats."]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"right": 5}, "agrees with FFmpeg on all 5 requests."),
        (
            {"right": 3, "wrong": 2, "mistakes": [[7, "a", "b"]]},
            "wrong frame on 2 of 5 requests; the first was frame 7.",
        ),
        ({"refused": 5, "error": "OSError: no"}, "cannot read it: OSError: no"),
        (
            {"right": 4, "refused": 1, "error": "IndexError: no"},
            "is right on 4 requests, and refuses 1: IndexError: no",
        ),
        ({"right": 4, "failed": 1}, "its process ended, or gave no frame, on 1 of 5 requests."),
        ({"hung": 5}, "no answer in time."),
        ({"right": 4, "hung": 1}, "agrees with FFmpeg on all 4 requests (1 more took too long)."),
    ],
)
def test_every_outcome_has_a_sentence(counts, said):
    line, fault = files.sentence(ABSENT, Cell("none", "a.mp4", "frame", asked=5, **counts))
    assert line.startswith("Nobody: ")
    assert line.endswith(said)
    assert fault == ("agrees" not in said)


def test_a_file_without_video_is_one_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"a\.mp4"):
        list(files.report(tmp_path / "a.mp4", ASKED))
