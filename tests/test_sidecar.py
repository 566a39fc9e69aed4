"""NAME.json beside the data: it belongs to these bytes, or the file does not open."""

import json
import os
import shutil

import numpy as np
import pytest

import vidformats as vf

VIDEO = np.random.default_rng(0).integers(0, 250, (9, 3, 16, 18), np.uint8)


def test_size_and_digest(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy", fps=25)
    facts = json.loads((tmp_path / "a.npy.json").read_text())
    assert facts.pop("digest")
    assert facts == {"vidformats": "time", "size": os.path.getsize(path), "fps": 25.0, "duration": 9 / 25}


@pytest.mark.parametrize("other", [VIDEO[:8], VIDEO[::-1], VIDEO.astype("u2")])
def test_other_data_under_the_name(tmp_path, other):
    path = vf.write(VIDEO, tmp_path / "a.npy", fps=25)
    np.save(path, other)
    with pytest.raises(vf.FormatError, match=r"a\.npy: is not the data that a\.npy\.json was written with; remove the"):
        vf.open(path)
    os.unlink(path + ".json")
    assert vf.open(path).times is None


def test_other_images_in_the_folder(tmp_path):
    path = vf.write(VIDEO, tmp_path / "frames", "png", fps=25)
    assert vf.open(path).fps == 25
    shutil.copy(tmp_path / "frames" / "0.png", tmp_path / "frames" / "9.png")
    with pytest.raises(vf.FormatError, match=r"frames: is not the data that frames\.json was written with"):
        vf.open(path)


@pytest.mark.parametrize("text", ["{}", "[]", "", "no JSON", '{"shape": [9], "fps": 3}', '{"labels": "a.csv"}', "\xff"])
def test_what_others_put_there_is_neither_read_nor_replaced(tmp_path, text):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    (tmp_path / "a.npy.json").write_bytes(text.encode("latin1"))
    assert vf.open(path).times is None
    with pytest.raises(FileExistsError, match=r"a\.npy\.json: is no sidecar of npy; move it"):
        vf.write(VIDEO[::-1], path, fps=25)
    vf.write(VIDEO[::-1], path)
    np.testing.assert_array_equal(vf.load(path), VIDEO[::-1])
    assert (tmp_path / "a.npy.json").read_bytes() == text.encode("latin1")


@pytest.mark.parametrize("change", [lambda t: t[:-9], lambda t: t.replace('"fps": 25.0', '"fps": -1')])
def test_a_damaged_sidecar(tmp_path, change):
    path = vf.write(VIDEO, tmp_path / "a.npy", fps=25)
    sidecar = tmp_path / "a.npy.json"
    sidecar.write_text(change(sidecar.read_text()))
    with pytest.raises(vf.FormatError, match=r"a\.npy"):
        vf.open(path)


def test_it_goes_with_the_data_it_belonged_to(tmp_path):
    vf.write(VIDEO, tmp_path / "a.npy", fps=25)
    vf.write(VIDEO, tmp_path / "a.npy")
    assert os.listdir(tmp_path) == ["a.npy"]


def test_a_crash_before_it_goes_is_noticed(tmp_path, monkeypatch):
    path = vf.write(VIDEO, tmp_path / "a.npy", fps=25)
    monkeypatch.setattr("pathlib.Path.unlink", lambda self, missing_ok=False: (_ for _ in ()).throw(OSError("power")))
    with pytest.raises(OSError, match="power"):
        vf.write(VIDEO[::-1], path)
    with pytest.raises(vf.FormatError, match="is not the data"):
        vf.open(path)


def test_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    vf.write(VIDEO, tmp_path / "disk" / "real.npy", fps=25)
    (tmp_path / "l.npy").symlink_to("disk/real.npy")
    assert vf.open(tmp_path / "l.npy").fps == 25
    vf.write(VIDEO, tmp_path / "l.npy", fps=50)
    assert vf.open(tmp_path / "disk" / "real.npy").fps == 50
    assert sorted(os.listdir(tmp_path)) == ["disk", "l.npy"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_of_that_name_does_not_hang(tmp_path):
    path = vf.write(VIDEO, tmp_path / "a.npy")
    os.mkfifo(path + ".json")
    assert vf.open(path).times is None
