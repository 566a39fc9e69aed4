"""Chunks of a lazy array are whole units of the file, neither tiny nor huge."""

import pytest

import vidformats as vf
from tests.tools.made import video
from vidformats.lazy import MOST, TARGET, chunk_lengths


@pytest.mark.parametrize(
    ("n", "frame", "starts", "expected"),
    [
        (100, TARGET, range(100), (1,) * 100),
        (100, TARGET // 10, range(100), (10,) * 10),
        (100, TARGET // 10, (0, 50), (50, 50)),
        (100, 1, range(0, 100, 7), (100,)),
        (10, MOST, (0,), (1,) * 10),
        (5, MOST // 2, (0, 4), (2, 2, 1)),
        (0, 1, (), ()),
    ],
)
def test_chunks_are_whole_units(n, frame, starts, expected):
    assert chunk_lengths(n, frame, starts) == expected


def test_a_video_begins_at_its_key_frames(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("dask")
    video(tmp_path / "a.mp4", 30, (64, 64), "h264", keyframe_interval=8)
    with vf.open(tmp_path / "a.mp4") as opened:
        assert opened.info["keyframes"] >= 4
        assert opened.to_dask().chunks[0] == (30,)
        reader = opened._handle.get(opened._open)
        assert reader.starts[0] == 0
        assert len(reader.starts) == opened.info["keyframes"]
    with vf.open(tmp_path / "a.mp4", fps=5) as slow:
        assert max(slow._handle.get(slow._open).starts) < len(slow)
