"""Contact sheets show the frames that they name."""

import numpy as np
import pytest

import vidformats as vf
from vidformats.tools.sheet import COLUMNS, Shot, draw, shots


def test_shots_are_the_frames_of_their_captions(tmp_path):
    video = np.empty((41, 3, 8, 8), np.uint8)
    video[:] = np.arange(41, dtype=np.uint8)[:, None, None, None]
    found = shots(vf.write(video, tmp_path / "a.npy"), 5)
    assert [shot.caption for shot in found] == ["0", "10", "20", "30", "40"]
    assert [int(shot.picture[4, 4, 0]) for shot in found] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(("dtype", "high"), [(np.uint16, 65535), (np.float32, 1.0)])
def test_other_numbers_are_scaled(dtype, high, tmp_path):
    video = np.zeros((2, 1, 8, 8), dtype)
    video[:, :, 4:] = high
    picture = shots(vf.write(video, tmp_path / "a.npy"), 1)[0].picture
    assert (int(picture[0, 0, 0]), int(picture[7, 0, 0])) == (0, 255)


def test_what_is_no_picture_is_refused(tmp_path):
    path = vf.write(np.zeros((9, 2)), tmp_path / "labels.npy")
    with pytest.raises(vf.FormatError, match=r"expected \(T, 1 or 3, H, W\)"):
        shots(path)


def test_every_row_and_column_is_drawn():
    red = Shot(np.full((20, 30, 3), (255, 0, 0), np.uint8), "")
    sheet = np.asarray(draw([("a", [red] * (COLUMNS + 1)), ("b", [red])]))
    assert int((sheet == (255, 0, 0)).all(axis=2).sum()) == (COLUMNS + 2) * 20 * 30
