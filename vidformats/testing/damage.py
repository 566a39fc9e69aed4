"""What every format must do with files that are cut, damaged, hostile, of another format, or in the way."""

from __future__ import annotations

import os
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vidformats as vf
from vidformats.registry import FORMATS, HEAD, head_and_names, row_of
from vidformats.storage.local import open_source
from vidformats.testing.base import Base, Stored, natural

MEMORY = 64 << 20
"""Bytes that reading a damaged file may allocate beyond what it gives: a bomb asks for more."""

WORDS = [(n % 2**64).to_bytes(8, "little") for n in (0, -1, 2**62)]
"""What a length or a place in the file is not."""

TEXT = [b"Infinity", b"9" * 20, b"-3", b"[" * 3000]
"""In place of a number in a header of text."""

OTHERS = ("npy", "npz", "h5", "mat", "pickle", "png", "mp4")
"""Built-in formats whose files `Format.sniff` of others must not claim."""


def damages(data: bytes) -> Iterator[bytes]:
    """Yield a file damaged in many ways: words at both ends, texts for numbers, any byte anywhere."""
    ends = [*range(0, min(64, len(data) - 7), 8), *range(max(0, len(data) - 64), len(data) - 7, 8)]
    for at in ends:
        for word in WORDS:
            yield data[:at] + word + data[at + 8 :]
    for text in TEXT:
        for number in list(re.finditer(rb"\d+", data))[:3]:
            yield data[: number.start()] + text + data[number.end() :]
    if kind := re.search(rb"[<>|][biuf]\d", data):
        for text in (b"(2,", b"|O", b"|V9"):
            yield data[: kind.start()] + text + data[kind.end() :]
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 20).tolist():
        yield data[:at] + rng.bytes(1) + data[at + 1 :]


class Damage(Base):
    """Bad input is a `FormatError` that names the file; what is not the format's stays as it is."""

    def test_a_truncated_file_is_a_format_error(self, stored: Stored, tmp_path: Path) -> None:
        """Either opening or reading fails, and names the file; wrong pixels never come out."""
        path, whole = stored
        cut = tmp_path / os.path.basename(path)
        if os.path.isdir(path):
            shutil.copytree(path, cut)
            damaged = max(cut.iterdir(), key=lambda file: file.stat().st_size)
        else:
            damaged = cut
            if os.path.exists(path + ".json"):
                shutil.copy(path + ".json", tmp_path)
            shutil.copy(path, cut)
        data = damaged.read_bytes()
        for keep in (0, 7, len(data) // 2, len(data) * 9 // 10):
            damaged.write_bytes(data[:keep])
            try:
                got = vf.load(cut, format=self.name)
            except vf.FormatError as error:
                assert str(damaged) in str(error)
            else:  # a stream may lose its last frames; those that come must be right
                assert len(got) < len(whole)
                np.testing.assert_array_equal(got, whole[: len(got)])

    def test_damaged_bytes_are_a_format_error(self, tmp_path: Path) -> None:
        """Or frames: never another error, an empty video, or memory for what the file can't hold."""
        video = natural(3, (16, 24))
        path = Path(self.store(video, tmp_path))
        files = sorted(path.iterdir(), key=lambda file: file.stat().st_size) if path.is_dir() else [path]
        vf.load(path, format=self.name)  # what is imported at first is not counted
        refused = 0
        for damaged in {files[0], files[-1]}:
            data = damaged.read_bytes()
            for bad in damages(data):
                damaged.write_bytes(bad)
                tracemalloc.start()
                try:
                    with vf.open(path, format=self.name) as opened:
                        assert len(opened) > 0
                        opened[:1]
                        if opened.nbytes < MEMORY:
                            opened[:]
                except vf.FormatError as error:
                    assert os.path.basename(path) in str(error)
                    refused += 1
                finally:
                    peak = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
                assert peak < MEMORY + 2 * video.nbytes
            damaged.write_bytes(data)
        assert refused or self.format.tolerance  # else nobody looked
        for bad in self.hostile:
            files[-1].write_bytes(bad)
            with pytest.raises(vf.FormatError):
                vf.load(path, format=self.name)

    def test_sniff_knows_its_own_only(self, tmp_path: Path) -> None:
        """It says no to noise, to nothing and to other formats, and never raises: all files pass through it."""
        rng = np.random.default_rng(0)
        for n in (0, 1, 7, 600, HEAD):
            for _ in range(9):
                assert not self.format.sniff(rng.bytes(n), [])
        family = row_of(self.name).factory.partition(":")[0]
        for other in OTHERS:
            row = FORMATS[other]
            if row.factory.startswith(family) or row.suffix == row_of(self.name).suffix:
                continue
            path = vf.write(natural(2), tmp_path / f"{other}{row.suffix}", other, fps=25)
            assert not self.format.sniff(*head_and_names(open_source(path))), other

    def test_what_is_in_the_way_stays(self, tmp_path: Path) -> None:
        """A folder or a sidecar is replaced only if the format wrote all of it."""
        path = Path(self.store(natural(2), tmp_path))
        places = [path.with_name(path.name + suffix) for suffix in self.format.sidecars]
        if self.format.folder:
            places += [path / "notes.txt", path / "more" / "notes.txt"]
        else:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
            places += [path / "notes.txt"]
        for place in places:
            place.parent.mkdir(exist_ok=True)
            place.write_text("mine")
            with pytest.raises(FileExistsError):
                self.store(natural(2), tmp_path)
            assert place.read_text() == "mine"
            place.unlink()
            if place.parent != tmp_path and not os.listdir(place.parent):
                place.parent.rmdir()
