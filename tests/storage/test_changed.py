"""A file replaced, cut or rewritten under an open video gives the old frames whole, or one clear error; no mixture."""

import os
import pickle
import shutil
import time

import numpy as np
import pytest

import vidformats as vf
from vidformats import handles
from vidformats.testing.numbered import numbered, numbers_of

T = 60
INDEXES = [slice(None), slice(None, None, 4), [5, 50, 7], slice(20, 40), 3, 59, np.s_[::7, :, 4:28, :]]
CASES = [(name, {}) for name in vf.formats()] + [("npz", {"compressed": True}), ("png", {"level": 9})]


def store(folder, name, options, start=0, n=T):
    path = folder / f"video{vf.registry.FORMATS[name].suffix}"
    return vf.write(numbered(n, 32, start=start), path, name, **options)


def read(video, index):
    """Return the numbers that frames show, None if there was the one clear error."""
    try:
        got = video[index]
    except vf.FormatError as error:
        assert "was opened" in str(error), error
        return None
    if got.shape[-2:] != (32, 32):  # cropped: compared by the caller
        return got
    return numbers_of(got.reshape(-1, *got.shape[-3:]))


def check(video, index):
    """A read gives the old frames, or the error."""
    got = read(video, index)
    if got is None:
        return
    if isinstance(got, np.ndarray):
        wanted = numbered(T, 32)[index]
        assert np.abs(got.astype(int) - wanted).mean() < 40, index
    else:
        assert got == np.atleast_1d(np.arange(T)[index]).tolist(), index


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
@pytest.mark.parametrize("read_before", [True, False])
def test_replaced_by_another(tmp_path, name, options, read_before):
    path = store(tmp_path, name, options)
    with vf.open(path, threads=2) as video:
        if read_before:
            check(video, slice(None))
        store(tmp_path, name, options, start=1000)
        for index in INDEXES:
            check(video, index)
        handles._make_room(10**6)  # what has to be opened again is not the file that was opened
        with pytest.raises(vf.FormatError, match="changed since it was opened"):
            video[0]
    assert numbers_of(vf.load(path)) == list(range(1000, 1000 + T))


def rewrite(path, other):
    """Write the content of `other` into the very files at `path`."""
    if os.path.isdir(path):
        for entry in os.listdir(path):
            rewrite(os.path.join(path, entry), os.path.join(other, entry))
        return
    time.sleep(0.02)  # file systems keep time by ticks of up to 10 ms
    with open(other, "rb") as source, open(path, "r+b") as target:
        shutil.copyfileobj(source, target)
        target.truncate()


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_rewritten_in_place(tmp_path, name, options):
    path = store(tmp_path, name, options)
    (tmp_path / "other").mkdir()
    other = store(tmp_path / "other", name, options, start=1000)
    with vf.open(path, threads=2) as video:
        check(video, slice(0, 9))
        rewrite(path, other)
        for index in INDEXES:
            got = read(video, index)
            assert got is None or name == "h5", index


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[0] not in ("jpg", "png", "webp")], ids=str)
def test_cut_short(tmp_path, name, options):
    path = store(tmp_path, name, options)
    with vf.open(path, threads=2) as video:
        os.truncate(path, os.path.getsize(path) // 3)
        for index in INDEXES:
            assert read(video, index) is None, index


@pytest.mark.parametrize("name", ["jpg", "png", "webp"])
def test_images_that_go_away_one_by_one(tmp_path, name):
    path = store(tmp_path, name, {})
    with vf.open(path) as video:
        for k in (40, 3, 0):
            os.unlink(f"{path}/{k}.{name}")
            for index in INDEXES:
                check(video, index)
        with pytest.raises(vf.FormatError, match=rf"{k}\.{name}: was removed since the folder was opened"):
            video[0]


def test_an_image_rewritten_in_place_is_noticed_by_whoever_opens_the_folder_later(tmp_path):
    """A worker gets the address of a folder, whose own time does not change with what is in its files."""
    path = vf.write(np.zeros((3, 3, 8, 8), "u1"), tmp_path / "v", "png")
    video = vf.open(path)
    parcel = pickle.dumps(video)
    vf.write(np.full((3, 3, 8, 8), 9, "u1"), tmp_path / "w", "png")
    time.sleep(0.02)  # the clock of file systems is coarse
    (tmp_path / "v" / "1.png").write_bytes((tmp_path / "w" / "1.png").read_bytes())
    worker = pickle.loads(parcel)
    assert not worker[0].any()
    with pytest.raises(vf.FormatError, match=r"1\.png: changed since"):
        worker[1]
    assert (vf.load(path, 1) == 9).all()
