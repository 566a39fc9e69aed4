"""What PyAV's releases differ in."""

import numpy as np
import pytest

import vidformats as vf

av = pytest.importorskip("av", reason="the decoder under test; of the extra codecs")


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_title_that_is_no_text_is_no_reason_to_refuse_a_video(tmp_path, suffix):
    path = tmp_path / f"video{suffix}"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "AAAABBBB"
        stream = file.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for level in (0, 80, 160):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert b"AAAABBBB" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"AAAABBBB", b"AA\xe4\xff\xfeBBB"))
    video = vf.load(path)
    assert video.mean((1, 2, 3)).round(-1).tolist() == [0, 80, 160]
