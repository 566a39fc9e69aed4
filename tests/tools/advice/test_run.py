"""What is told of a failure."""

import pytest

from vidformats.tools.advice.helper import Failed
from vidformats.tools.advice.run import _reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("OSError: [Errno 28] No space left on device: '/d/.vidformats-1a-x/npy/0.npy'", None),
        ("OSError: [Errno 28] No space left on device", None),
        ("FormatError: /d/.vidformats-1a-x/h264/0.mp4: expected 9 frames", "FormatError: expected 9 frames"),
        ("FormatError: /mnt/clip.mp4: damaged", "FormatError: /mnt/clip.mp4: damaged"),
    ],
)
def test_what_failed_alike_is_told_alike(said, told):
    assert _reason(Failed(said)) == (told or "OSError: [Errno 28] No space left on device")
