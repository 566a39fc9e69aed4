"""Names to formats, and contents to names."""

import inspect
import os
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats import registry
from vidformats.registry import FORMATS, Row, format_of, get_format, name_for

VIDEO = np.random.default_rng(0).integers(0, 250, (7, 3, 16, 18), np.uint8)
LAYOUT_ONLY = {"h5_plain": "h5", "h5_chunked": "h5", "h5_frames": "h5", "mat_frames": "mat"}
"""Formats that a suffix or first bytes do not tell apart: one row opens all of them, and says which it was."""


def test_names_are_sorted_and_the_table_is_too():
    assert vf.formats() == sorted(FORMATS) == list(FORMATS)


def test_every_row_can_be_made():
    for name, row in FORMATS.items():
        try:
            form = get_format(name)
        except ImportError as error:
            assert row.extra
            assert "pip install" in str(error)
            continue
        assert form.name == name
        assert form.holds in ("arrays", "images")
        for option, value in row.options.items():
            assert getattr(form, option) == value


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match="no format is called 'mp5'; there are"):
        get_format("mp5")
    with pytest.raises(TypeError, match=r"npy: .*colour"):
        get_format("npy", colour=1)
    with pytest.raises(TypeError):
        get_format("npy", name="npz")


WRONG = {"str": 3, "int": 1.5, "float": "a", "bool": 2}


@pytest.mark.parametrize("name", FORMATS)
def test_an_option_of_a_wrong_type_is_named(name):
    """Before, they came as an AttributeError of h5py, a `bytes-like object is required`, or were taken."""
    try:
        form = get_format(name)
    except ImportError as error:
        pytest.skip(str(error))
    for function in (type(form), form.open):
        for option, parameter in inspect.signature(function).parameters.items():
            kind = str(parameter.annotation).removesuffix(" | None")
            for wrong in (WRONG.get(kind, object()), [1, 2], np.array([1, 2])) if kind in WRONG else ():
                with pytest.raises(TypeError, match=rf"^{name}: {option} must be "):
                    registry.check_types(name, function, {option: wrong})


@pytest.mark.parametrize(("name", "option"), [("npz", "member"), ("h5", "dataset"), ("mat", "variable")])
def test_a_name_that_is_no_text_is_refused(tmp_path, name, option):
    path = vf.write(VIDEO, tmp_path / "a", name)
    for wrong in (3, b"video", True):
        with pytest.raises(TypeError, match=f"{name}: {option} must be a string"):
            vf.write(VIDEO, path, name, **{option: wrong})
        with pytest.raises(TypeError, match=f"{name}: {option} must be a string or None"):
            vf.open(path, **{option: wrong})
    assert (vf.load(path) == VIDEO).all()


def test_a_missing_extra_names_its_cure(monkeypatch):
    monkeypatch.setitem(FORMATS, "made_up", Row("vidformats.no_such_module:Thing", "", ".x", extra="codecs"))
    with pytest.raises(ImportError, match=r"made_up needs more: pip install '[^ ]*(av|codecs)"):
        get_format("made_up")
    monkeypatch.setitem(FORMATS, "broken", Row("vidformats.no_such_module:Thing", "", ".x"))
    with pytest.raises(ImportError, match="no_such_module"):
        get_format("broken")


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if not row.extra])
def test_the_content_tells_the_format_whatever_the_extension(tmp_path, name):
    path = vf.write(VIDEO, tmp_path / f"video{FORMATS[name].suffix}", name)
    assert format_of(path) == LAYOUT_ONLY.get(name, name)
    if name == "binary":
        return  # nothing but its sidecar tells
    os.rename(path, tmp_path / "video.data")
    assert format_of(tmp_path / "video.data") == LAYOUT_ONLY.get(name, name)
    with vf.open(tmp_path / "video.data") as video:
        # For h5py, automatic chunks of small frames may be whole frames.
        assert video.format in (name, "h5_frames" if name == "h5_chunked" else name)
        assert video.shape == VIDEO.shape


def test_what_nothing_knows(tmp_path):
    (tmp_path / "a.txt").write_text("a text")
    with pytest.raises(vf.FormatError, match="pass shape= and dtype="):
        vf.open(tmp_path / "a.txt")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(vf.FormatError):
        vf.open(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        format_of(tmp_path / "none")


@pytest.mark.parametrize("name", sorted({*registry.SUFFIXES, *(r.suffix for r in FORMATS.values() if r.suffix)}))
def test_extensions_for_writing(tmp_path, name):
    for extension in (name, name.upper()):
        form = name_for(tmp_path / f"video{extension}")
        assert form in FORMATS


def test_published_extensions():
    assert [name_for(registry.Path(f"a{s}")) for s in (".mp4", ".npy", ".h5", ".mat", ".pickle", ".pkl", ".bin")] == [
        "mp4", "npy", "h5", "mat", "pickle", "pickle", "binary",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["video", "video.xyz", ".npy", "folder/"])
def test_an_extension_that_tells_nothing(tmp_path, path):
    with pytest.raises(ValueError, match=r"cannot infer the format from the extension .*; pass format=, one of av"):
        vf.write(VIDEO, tmp_path / path)
    assert os.listdir(tmp_path) == []


HEADS = {
    "avi_mjpg": b"RIFF\0\0\0\0AVI LIST",
    "h5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "mat": b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM",
    "mp4": b"\0\0\0 ftypisom",
    "npy": b"\x93NUMPY\1\0",
    "pickle": b"\x80\x05",
}


@pytest.mark.parametrize("name", HEADS)
def test_each_format_knows_its_own_first_bytes(name):
    assert next(n for n in vf.formats() if get_format(n).sniff(HEADS[name], [])) == name
    assert not any(get_format(n).sniff(HEADS[name][::-1], []) for n in vf.formats())


@pytest.mark.parametrize("size", [512, 1024, 4096, 32768])
@pytest.mark.parametrize("text", [b"", b"RIFF", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x04", b"%PDF", b"RIFF\0\0\0\0WAVE"])
@pytest.mark.parametrize("extension", ["nwb", "nxs", "slp", "h5", "dat"])
def test_a_user_block_hides_no_hdf5(tmp_path, size, text, extension):
    """Recorders put their own bytes before HDF5's signature, and name the file as they like."""
    path = tmp_path / f"a.{extension}"
    with h5py.File(path, "w", userblock_size=size) as file:
        file["video"] = VIDEO
    with open(path, "r+b") as file:
        file.write(text)
    assert format_of(path) == "h5"
    np.testing.assert_array_equal(vf.load(path), VIDEO)


def test_matlab_files_that_are_hdf5_stay_matlabs(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["video"] = VIDEO.T
    with open(tmp_path / "a.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    assert format_of(tmp_path / "a.mat") == "mat"


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["0.jpg", "1.JPEG", "notes.txt"], "jpg"),
        (["0.png", "1.tif", "2.PPM"], "png"),
        (["a.webp"], "webp"),
        (["0.jpg", "0.png"], None),
        (["notes.txt", "thesis"], None),
        ([".0.jpg"], None),
        ([], None),
    ],
)
def test_a_folder_is_known_by_what_is_in_it(tmp_path, names, form):
    for name in names:
        (tmp_path / name).touch()
    if form:
        assert format_of(tmp_path) == form
        return
    with pytest.raises(vf.FormatError, match="expected a folder of images of one kind, got "):
        format_of(tmp_path)


def test_a_zip_is_known_by_what_is_in_it(tmp_path):
    for name, inside in (("a.zip", "video.npy"), ("b.zip", "notes.txt")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(inside, b"")
    assert format_of(tmp_path / "a.zip") == "npz"
    assert format_of(tmp_path / "b.zip") == "binary"  # nothing known; raw bytes may begin with anything


def test_a_format_sees_the_names_in_archives_and_64_kib(tmp_path, monkeypatch):
    seen = {}
    for name in ("h5", "jpg"):  # one that writes files, one that writes folders

        def look(self, head, names):
            seen[self.name] = (len(head), list(names))
            return False

        monkeypatch.setattr(type(get_format(name)), "sniff", look)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("0.jpg", "1.jpg"):
            archive.addfile(tarfile.TarInfo(name))
    (tmp_path / "large").write_bytes(bytes(100_000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "0.png").touch()
    format_of(tmp_path / "a.tar")
    assert seen.pop("h5") == (10240, ["0.jpg", "1.jpg"])
    format_of(tmp_path / "large")
    assert seen.pop("h5") == (1 << 16, [])
    with pytest.raises(vf.FormatError):
        format_of(tmp_path / "folder")
    assert seen.pop("jpg") == (0, ["0.png"])


@pytest.mark.parametrize("text", ['{"subject": "Ann"}', "{", '{"shape": [1], "dtype": "|u1", "fps": 3}'])
def test_a_users_own_json_beside_a_file_is_no_sidecar(tmp_path, text):
    os.rename(vf.write(VIDEO, tmp_path / "a.npy"), tmp_path / "a.data")
    (tmp_path / "a.data.json").write_text(text)
    np.testing.assert_array_equal(vf.load(tmp_path / "a.data"), VIDEO)


@pytest.mark.parametrize("verb", ["open", "write"])
@pytest.mark.parametrize("text", ["argument of type 'NoneType' is not iterable", "got an unexpected keyword argument"])
def test_a_bug_stays_a_bug(tmp_path, monkeypatch, verb, text):
    """A TypeError from inside a format keeps its words and its traceback, whatever they are."""
    path = vf.write(VIDEO, tmp_path / "a.npy")

    def broken(self, *args):
        raise TypeError(text)

    monkeypatch.setattr(type(get_format("npy")), verb, broken)
    with pytest.raises(TypeError) as caught:
        vf.open(path) if verb == "open" else vf.write(VIDEO, path)
    assert str(caught.value) == text
    assert "broken" in [entry.name for entry in caught.traceback]


@pytest.mark.parametrize(
    ("name", "options", "takes"), [("npy", {"colour": 1}, "no options"), ("h5", {"data": 1}, "dataset=")]
)
def test_a_wrong_option_of_opening_names_the_right_ones(tmp_path, name, options, takes):
    path = vf.write(VIDEO, tmp_path / f"a{FORMATS[name].suffix}", name)
    with pytest.raises(TypeError, match=f"{name}: .*{next(iter(options))}.*it takes {takes}"):
        vf.open(path, **options)
