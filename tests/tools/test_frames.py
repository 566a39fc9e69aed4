"""Frames are chosen, cropped, scaled and made grey as asked, and their digests are those of the frames."""

import numpy as np
import pytest
from PIL import Image

import vidformats as vf
from vidformats.tools.frames import Digests, Frames, Recipe, digests_of

xxhash = pytest.importorskip("xxhash")
RNG = np.random.default_rng(0)
VIDEO = RNG.integers(0, 255, (21, 3, 24, 40), np.uint8)

MOVING = tuple((k, 0, 8, 8) for k in range(21))
FOLLOWED = np.stack([frame[:, :8, k : k + 8] for k, frame in enumerate(VIDEO)])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return vf.write(VIDEO, tmp_path_factory.mktemp("frames") / "a.npy", fps=10.0)


def read(path, **recipe):
    with Frames(path, Recipe("npy", **recipe)) as frames:
        found = frames[0 : len(frames)]
        assert found.shape == frames.shape
        assert found.dtype == frames.dtype
        return found


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({}, VIDEO),
        ({"every": 4}, VIDEO[::4]),
        ({"fps": 5}, VIDEO[::2]),
        ({"fps": 20}, VIDEO.repeat(2, axis=0)),
        ({"crop": (3, 5, 20, 10)}, VIDEO[:, :, 5:15, 3:23]),
        ({"crop": "center"}, VIDEO[:, :, :, 8:32]),
        ({"clip": (7, 19), "every": 1}, VIDEO[7:19]),
        ({"crop": MOVING}, FOLLOWED),
        ({"crop": MOVING, "every": 10}, FOLLOWED[::10]),
    ],
)
def test_frames_are_those_asked_for(path, recipe, expected):
    assert np.array_equal(read(path, **recipe), expected)


def test_grey_is_as_pillow_has_it(path):
    expected = [np.asarray(Image.fromarray(frame.transpose(1, 2, 0)).convert("L")) for frame in VIDEO]
    assert np.array_equal(read(path, grey=True)[:, 0], np.stack(expected))


def test_a_crop_is_scaled_as_the_whole_is(path):
    with vf.open(path, size=12) as whole:
        assert np.array_equal(read(path, crop=(0, 0, 40, 24), size=12), whole[:])
    assert read(path, crop="center", size=(8, 12)).shape == (21, 3, 8, 12)


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        ({"crop": (30, 0, 20, 10)}, r"within the 40 x 24 pixels of a frame, got x=30"),
        ({"crop": ((0, 0, 4, 4),) * 3}, "one box, or one for each of 21 frames, got 3"),
        ({"crop": ((0, 0, 4, 4), (0, 0, 4, 5)) * 10 + ((0, 0, 4, 4),)}, "boxes of different shapes require size="),
        ({"clip": (30, 40)}, "expected at least one frame, got none"),
    ],
)
def test_a_recipe_that_does_not_fit_is_told(path, recipe, fault):
    with pytest.raises(ValueError, match=fault):
        read(path, **recipe)


def test_times_and_duration_follow_the_frames(tmp_path):
    times = np.array([0.0, 0.1, 0.4, 0.5, 1.0])
    path = vf.write(np.zeros((5, 2)), tmp_path / "a.npy", times=times)
    with vf.open(path) as video, Frames(path, Recipe("npy", clip=(1, 3))) as frames:
        assert frames.times.tolist() == pytest.approx([0.0, 0.3])
        assert frames.duration == pytest.approx(0.4)
        assert video.duration > 1


def test_digests_are_of_64_frames_however_they_come():
    frames = RNG.integers(0, 255, (150, 3, 5), np.uint8)
    expected = [xxhash.xxh3_128(frames[k : k + 64].tobytes()).hexdigest() for k in (0, 64, 128)]
    for step in (1, 7, 64, 150):
        digests = Digests()
        for k in range(0, 150, step):
            digests.update(frames[k : k + step])
        assert digests.all() == expected
    assert digests_of(frames) == expected


def test_a_recipe_is_the_same_after_json():
    for recipe in (Recipe("npy"), Recipe("jpg", size=(3, 4), crop=((1, 2, 3, 4),) * 2, options={"quality": 90})):
        assert Recipe.of(recipe.plain()) == recipe
    assert Recipe("npy", every=2).plain() == {"to": "npy", "every": 2}


def test_a_source_that_ends_early_is_refused_unless_asked_for(tmp_path):
    av = pytest.importorskip("av")
    vf.write(RNG.integers(0, 255, (60, 3, 64, 64), np.uint8), tmp_path / "whole.mp4", "h264", fps=25)
    with (
        av.open(tmp_path / "whole.mp4") as source,
        av.open(tmp_path / "front.mp4", "w", options={"movflags": "faststart"}) as front,
    ):
        stream = front.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                front.mux(packet)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((tmp_path / "front.mp4").read_bytes()[: (tmp_path / "front.mp4").stat().st_size // 2])
    with pytest.raises(vf.FormatError, match="ends early: "):
        read(cut)
    assert 5 < len(read(cut, partial=True)) < 55
