"""Shapes that no video has, in every format of arrays: refused on opening, before anything is allocated."""

import io
import json
import struct
import zipfile

import h5py
import numpy as np
import pytest

import vidformats as vf
from vidformats.readers.extent import EMPTY_FRAMES


def npy(path, shape, fortran=False):
    stream = io.BytesIO()
    np.lib.format.write_array_header_2_0(stream, {"descr": "|u1", "fortran_order": fortran, "shape": shape})
    path.write_bytes(stream.getvalue())


def npz(path, shape, method):
    npy(path, shape)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("video.npy", content)


def hdf5(path, shape, chunks=None):
    with h5py.File(path, "w") as file:
        file.create_dataset("video", shape, "u1", chunks=chunks, maxshape=(None,) * len(shape) if chunks else None)


def mat5(path, shape):
    def element(kind, data):
        return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    dims = element(5, struct.pack(f"<{len(shape)}i", *shape))
    inside = element(6, struct.pack("<II", 9, 0)) + dims + element(1, b"video") + element(2, b"")
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<HH", 0x100, 0x4D49) + element(14, inside))


def mat73(path, shape):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["video"] = np.array(shape, "u8")
        file["video"].attrs["MATLAB_class"], file["video"].attrs["MATLAB_empty"] = np.bytes_("uint8"), 1
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3".ljust(124) + struct.pack("<HH", 0x200, 0x4D49))


def binary(path, shape):
    path.write_bytes(b"")
    path.with_name(path.name + ".json").write_text(json.dumps({"shape": shape, "dtype": "|u1"}))


WRITERS = {
    "npy": npy,
    "npy, column-major": lambda path, shape: npy(path, shape, True),
    "npz": lambda path, shape: npz(path, shape, zipfile.ZIP_STORED),
    "npz, deflated": lambda path, shape: npz(path, shape, zipfile.ZIP_DEFLATED),
    "h5": hdf5,
    "h5, chunked": lambda path, shape: hdf5(path, shape, True),
    "mat": mat5,
    "mat, 7.3": mat73,
    "binary": binary,
}
EMPTY = [(10**12, 0), (EMPTY_FRAMES + 1, 0, 4), (10**12, 0, 10**12), (0, 2**62, 4)]
FULL = [(2**62, 4), (2**32, 2**32), (2**31, 2**31, 4)]
LEVEL5 = [(2**31 - 1, 0), (EMPTY_FRAMES + 1, 0, 4), (2**31 - 1, 0, 2**31 - 1), (0, 2**31 - 1, 2**31 - 1, 4)]
CASES = [
    *((name, shape) for name in WRITERS if name != "mat" for shape in EMPTY),
    *((name, shape) for name in WRITERS if "mat" not in name for shape in FULL),
    *(("mat", shape) for shape in LEVEL5),
]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_no_memory_is_asked_for(tmp_path, name, shape):
    path = tmp_path / f"a.{name.partition(',')[0]}"
    WRITERS[name](path, shape)
    with pytest.raises(vf.FormatError, match=r"a\.\w+: .*(claims|cut short|expected)"):
        vf.open(path, **({"format": "binary"} if name == "binary" else {}))


@pytest.mark.parametrize("name", WRITERS)
def test_a_few_empty_frames_are_a_video(tmp_path, name):
    path = tmp_path / f"a.{name.partition(',')[0]}"
    WRITERS[name](path, (5, 0, 4))
    video = vf.open(path, **({"format": "binary"} if name == "binary" else {}))
    assert video[:].shape == video[::-1].shape == (5, 0, 4)
