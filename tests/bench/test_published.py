"""The published experiment: its faults are found by measurement, each by its own name."""

import numpy as np
import pytest

import vidformats as vf
from vidformats.bench import content
from vidformats.bench.published import NEAR, ROWS, STEP, get_row, made_whole, verdict
from vidformats.registry import FORMATS
from vidformats.testing.conformance import natural

SOURCE = content.make("noise", 32, 40)
RIGHT = SOURCE[::STEP]
KNOWN = {"mp4": "wrong: BGR", "binary": "wrong: float64", "npy 2": "nothing read: a lazy view"}
VIEW = "right, but a view that keeps all frames"


def test_right_is_right_and_owned():
    assert verdict(RIGHT.copy(), RIGHT) == "right"
    assert verdict(SOURCE[::STEP], RIGHT) == VIEW


def test_near_is_right_for_lossy_formats_only():
    near = RIGHT + 1
    assert verdict(near, RIGHT) == "right"
    assert verdict(near, RIGHT, 0) == "wrong pixels"
    assert verdict(RIGHT + int(2 * NEAR), RIGHT) == "wrong pixels"


def test_bgr():
    assert verdict(RIGHT[:, ::-1].copy(), RIGHT) == "wrong: BGR"


def test_order():
    assert verdict(RIGHT[::-1].copy(), RIGHT) == "wrong order"
    shuffled = SOURCE[[9, 4, 30, 1, 2, 3, 5, 6]]  # one of those asked for among others
    assert verdict(shuffled, RIGHT) == "wrong order"


def test_other_pixels():
    assert verdict(SOURCE[1::STEP].copy(), RIGHT) == "wrong pixels"
    assert verdict(np.zeros_like(RIGHT), RIGHT) == "wrong pixels"


@pytest.mark.parametrize(
    "result", [RIGHT.astype(np.float64), RIGHT[:-1], RIGHT[:, :1], RIGHT.ravel(), np.zeros((0,)), RIGHT.view(np.int8)]
)
def test_what_is_no_such_frames(result):
    assert verdict(result, RIGHT).startswith(f"wrong: {result.dtype} ")


def test_lazy_views(tmp_path):
    np.save(tmp_path / "a.npy", SOURCE)
    lazy = np.load(tmp_path / "a.npy", mmap_mode="c")[::STEP]
    assert verdict(lazy, RIGHT) == verdict(lazy.view(np.ndarray), RIGHT) == "nothing read: a lazy view"
    assert verdict(made_whole(lazy), RIGHT) == "right"


def test_made_whole_copies_views_only():
    owned = RIGHT.copy()
    assert made_whole(owned) is owned
    for view in (SOURCE[::STEP], np.asfortranarray(RIGHT), RIGHT.transpose(0, 2, 3, 1)):
        whole = made_whole(view)
        np.testing.assert_array_equal(whole, view)
        assert whole.flags.owndata
        assert whole.flags.c_contiguous


def test_wrong_pixels_of_the_published_number():
    """Building what is known anew for each frame would take minutes here."""
    many = np.random.default_rng(0).integers(0, 255, (2500, 3, 12, 12), np.uint8)
    assert verdict(many // 2, many) == "wrong pixels"


def test_the_rows_are_the_published_ones():
    assert [row.label for row in ROWS] == ["jpg", "mp4", "binary", "mat", "pickle", "h5 1", "h5 2", "npy 1", "npy 2"]
    assert all(row.format in FORMATS for row in ROWS)
    assert get_row("h5 2") is get_row("h5_chunked") is ROWS[6]
    with pytest.raises(StopIteration):
        get_row("h6")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_published_load_gives_what_it_is_known_for(tmp_path, row):
    # The frames of noise are all different, whatever a codec leaves of them.
    path = vf.write(SOURCE, tmp_path / f"video{FORMATS[row.format].suffix}", row.format)
    expected = vf.load(path, slice(None, None, STEP))
    found = verdict(row.load(path), expected)
    if row.name == "jpg":  # the system's listing may be in order by chance
        assert found in ("right", "wrong order")
    else:
        assert found.startswith(KNOWN.get(row.label, VIEW))


def test_natural_content_has_its_faults_found_too(tmp_path):
    video = natural(32, (48, 64))
    path = vf.write(video, tmp_path / "video.mp4")
    expected = vf.load(path, slice(None, None, STEP))
    assert verdict(get_row("mp4").load(path), expected) == "wrong: BGR"
    assert verdict(expected[:, ::-1].copy(), expected) == "wrong: BGR"
