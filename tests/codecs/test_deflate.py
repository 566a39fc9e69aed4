import zlib

import numpy as np
import pytest

from vidformats.codecs import deflate as module
from vidformats.codecs.deflate import compress, inflate, stream


@pytest.fixture(params=["libdeflate", "zlib"])
def library(request, monkeypatch):
    """Both libraries, the second as where the first is not installed."""
    if request.param == "zlib":
        monkeypatch.setattr(module, "deflate", None)
    elif module.deflate is None:
        pytest.skip("the extra `arrays` is not installed")


SAMPLES = [b"", b"x", bytes(100_000), np.random.default_rng(0).bytes(70_000), b"frame " * 9000]


@pytest.mark.parametrize("data", SAMPLES)
@pytest.mark.parametrize("level", [0, 1, 4, 9])
def test_round_trip(library, data, level):
    packed = compress(data, level)
    assert zlib.decompress(packed) == data
    assert bytes(inflate(memoryview(packed), len(data))) == data
    for step in (11, 1 << 20):
        parts = (packed[at : at + step] for at in range(0, len(packed), step))
        assert b"".join(stream(parts, len(data))) == data


@pytest.mark.parametrize("data", SAMPLES[2:])
def test_other_sizes_and_damage(library, data):
    packed = zlib.compress(data, 6)
    for bad, nbytes in (
        (packed, len(data) - 1),
        (packed, len(data) + 1),
        (packed[:-1], len(data)),
        (packed[:2], len(data)),
        (b"", len(data)),
        (b"words", len(data)),
        (packed[:-4] + b"\1\2\3\4", len(data)),
    ):
        with pytest.raises(ValueError, match=r".+"):
            inflate(bad, nbytes)
        with pytest.raises(ValueError, match=r".+"):
            list(stream([bad], nbytes))


def test_no_memory_for_what_the_data_can_not_hold(library):
    with pytest.raises(ValueError, match="cannot hold"):
        inflate(zlib.compress(b"small"), 1 << 40)


def test_a_bomb_stops_at_its_announced_size(library):
    bomb = zlib.compress(bytes(64 << 20), 9)
    with pytest.raises(ValueError, match=r".+"):
        inflate(bomb, 1 << 20)
    parts = stream([bomb], 3 << 20)
    assert [len(next(parts)) for _ in range(3)] == [1 << 20] * 3
    with pytest.raises(ValueError, match="got more"):
        next(parts)
