"""Random HDF5, MATLAB, NumPy and pickle files, intact and damaged, each read by us and by its own library.

``python -m tests.differential --minutes 10 --seed 1`` prints how many of each kind were right, refused, or something
else, and ends with 1 if there was anything else. ``--seed S --first N --cases 1`` repeats one case; ``--keep FOLDER``
leaves its file there.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import scipy.io

import vidformats as vf
from tests.fuzz import damage

try:
    import hdf5plugin
except ImportError:
    hdf5plugin = None

MOST = 1 << 24
"""Bytes of a video that are read and compared; a damaged header may claim any number."""

MEMORY, SECONDS, HANG = 512 << 20, 10, 120
"""What a child may take: bytes, seconds of a CPU, and seconds in all, for a machine that has other work."""

DTYPES = ["u1", "i1", "<u2", ">u2", "i4", ">i8", "f4", ">f8", "?"]
LIBVERS = [v for v in ("earliest", "v108", "v110", "v112", "v114", "latest") if v in h5py._hl.files.libver_dict]


class Case(NamedTuple):
    """One array in a file: how we open it, and how its library reads the frames from `a` to `b`."""

    path: Path
    options: dict[str, Any]
    reference: Callable[[], Any]


def pick(rng: np.random.Generator, *items: Any) -> Any:
    """Return one of the items."""
    return items[int(rng.integers(len(items)))]


def random_array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return random numbers of any dtype."""
    return (rng.random(shape) * 250).astype(dtype)


def random_shape(rng: np.random.Generator, least: int = 1) -> tuple[int, ...]:
    """Return some axes, the first one often long; rarely an empty one."""
    shape = [int(rng.integers(1, 40)), *(int(rng.integers(1, 14)) for _ in range(rng.integers(least - 1, 4)))]
    if rng.random() < 0.03:
        shape[int(rng.integers(len(shape)))] = 0
    return tuple(shape)


# Files


def hdf5(folder: Path, rng: np.random.Generator) -> list[Case]:
    """Make a file with a history: opened several times by programs of different versions, each adding and changing."""
    path, names = folder / pick(rng, "a.h5", "a.hdf5", "a.nxs"), []
    block = pick(rng, 0, 0, 0, 512, 2048)
    space = pick(
        rng, {}, {}, {"fs_strategy": "page"}, {"fs_strategy": "fsm", "fs_persist": True}, {"fs_strategy": "none"}
    )
    if space.get("fs_strategy") == "page":
        block = 0  # it would have to be larger than a page
    for session in range(rng.integers(1, 4)):
        made = {"userblock_size": block, **space} if session == 0 else {}
        with h5py.File(path, "a" if session else "w", libver=pick(rng, *LIBVERS), **made) as file:
            for k in range(rng.integers(1, 4)):
                name = f"{pick(rng, '', '', 'group/')}{pick(rng, 'video', 'left', 'right')}{session}{k}"
                if _dataset(file, name, rng):
                    names.append(name)
            for name in names:
                if rng.random() < 0.5:
                    _change(file[name], rng)
            if len(names) > 2 and rng.random() < 0.2:
                del file[names.pop(int(rng.integers(len(names))))]

    def reference(name: str) -> Callable[[], Any]:
        def read() -> Any:
            with h5py.File(path) as file:
                data = file[name]
                return data[: _frames(data.shape, data.dtype)] if data.shape else data[()]

        return read

    return [Case(path, {"dataset": name}, reference(name)) for name in names]


def _dataset(file: h5py.File, name: str, rng: np.random.Generator) -> bool:
    shape, dtype, options = random_shape(rng), pick(rng, *DTYPES), {}
    if rng.random() < 0.75 and 0 not in shape:
        options["chunks"] = pick(
            rng,
            True,
            (1, *shape[1:]),
            tuple(int(rng.integers(1, n + 1)) for n in shape),
            tuple(min(n, 3) for n in shape),
        )
        options["maxshape"] = tuple(pick(rng, None, n, n + 5) for n in shape) if rng.random() < 0.6 else None
        if rng.random() < 0.3:  # one unlimited axis, often the one that HDF5 numbers wrongly
            axis = int(rng.integers(len(shape)))
            options["maxshape"] = tuple(None if k == axis else n for k, n in enumerate(shape))
        options["shuffle"], options["fletcher32"] = bool(rng.random() < 0.3), bool(rng.random() < 0.2)
        plugins = [hdf5plugin.Zstd(), hdf5plugin.Bitshuffle(), hdf5plugin.Blosc()] if hdf5plugin else []
        options["compression"] = pick(rng, None, None, "gzip", "gzip", "lzf", *plugins)
        if isinstance(options["compression"], str) and options["compression"] == "gzip":
            options["compression_opts"] = int(rng.integers(0, 10))
    if rng.random() < 0.3:
        options["fillvalue"], options["fill_time"] = 7, pick(rng, "ifset", "never", "alloc")
    if rng.random() < 0.2 and name not in file and "chunks" not in options and 0 not in shape:
        return _compact(file, name, random_array(rng, shape, dtype))
    data = file.create_dataset(name, shape, dtype, **options)
    for k in range(rng.integers(0, 20) if rng.random() < 0.3 else 0):
        data.attrs[f"note {k}"] = "x" * int(rng.integers(1, 90))
    if rng.random() < 0.8:
        _change(data, rng)
    return True


def _compact(file: h5py.File, name: str, array: np.ndarray) -> bool:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    if array.nbytes > 60_000 or array.dtype.kind == "b":
        return False
    space, kind = h5py.h5s.create_simple(array.shape), h5py.h5t.py_create(array.dtype)
    h5py.h5d.create(file.id, name.encode(), kind, space, plist, links).write(h5py.h5s.ALL, h5py.h5s.ALL, array.copy())
    return True


def _change(data: h5py.Dataset, rng: np.random.Generator) -> None:
    """Write a random box, resize, or put a chunk there as it is."""
    if data.chunks and data.maxshape != data.shape and rng.random() < 0.4:
        most = (n if n is not None else old + 6 for n, old in zip(data.maxshape, data.shape, strict=True))
        data.resize(tuple(int(rng.integers(1, n + 1)) for n in most))
    if 0 in data.shape:
        return
    starts = [int(rng.integers(n)) if rng.random() < 0.5 else 0 for n in data.shape]
    box = tuple(slice(a, int(rng.integers(a, n)) + 1) for a, n in zip(starts, data.shape, strict=True))
    data[box] = random_array(rng, tuple(part.stop - part.start for part in box), data.dtype.str)


def mat(folder: Path, rng: np.random.Generator) -> list[Case]:
    """Make a MATLAB file of any level, with other variables beside the arrays."""
    path, names = folder / "a.mat", [f"v{k}" for k in range(rng.integers(1, 4))]
    level = pick(rng, "5", "5", "5", "4", "7.3")
    dtypes = {"4": ["f8", "f4", "i4", "i2", "u2", "u1"]}.get(level, ["u1", "i1", "u2", "i4", "f4", "f8", "i8"])
    dims = 2 if level == "4" else int(rng.integers(2, 5))
    arrays = {}
    for name in names:
        shape = random_shape(rng, dims)[:dims]
        arrays[name] = random_array(rng, tuple(max(1, n) for n in shape), pick(rng, *dtypes))
    if level == "7.3":
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in arrays.items():
                chunked = rng.random() < 0.5
                file.create_dataset(
                    name, data=array.T, chunks=True if chunked else None, compression="gzip" if chunked else None
                )
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<HH", 0x0200, 0x4D49))
    else:
        others: dict[str, Any] = {"text": "some text"} if rng.random() < 0.5 else {}
        if level == "5" and rng.random() < 0.4:
            others |= {"s": {"fps": 25.0}, "c": np.array([[1 + 2j]]), "cell": np.array([1, "a"], object)}
        items = list((arrays | others).items())
        rng.shuffle(items)
        scipy.io.savemat(path, dict(items), format=level, do_compression=level == "5" and bool(rng.random() < 0.5))

    def reference(name: str) -> Callable[[], Any]:
        def read() -> Any:
            if level == "7.3":
                with h5py.File(path) as file:
                    return file[name][()].T
            return scipy.io.loadmat(path, variable_names=[name], mat_dtype=False)[name]

        return read

    return [Case(path, {"variable": name}, reference(name)) for name in names]


def npy(folder: Path, rng: np.random.Generator) -> list[Case]:
    """Make an .npy or .npz of any version, order and method."""
    arrays = {}
    for k in range(rng.integers(1, 4)):
        array = random_array(rng, random_shape(rng), pick(rng, *DTYPES, "c8"))
        arrays[f"v{k}"] = np.asfortranarray(array) if rng.random() < 0.3 else array
    if rng.random() < 0.5:
        path = folder / "a.npy"
        with open(path, "wb") as file:
            np.lib.format.write_array(file, arrays["v0"], pick(rng, None, (1, 0), (2, 0), (3, 0)))
        return [Case(path, {}, lambda: np.load(path, allow_pickle=False))]
    path = folder / "a.npz"
    method = pick(rng, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array)
            archive.writestr(name + ".npy", stream.getvalue())
    return [Case(path, {"member": n, "check": True}, lambda n=n: np.load(path, allow_pickle=False)[n]) for n in arrays]


def pickled(folder: Path, rng: np.random.Generator) -> list[Case]:
    """Make a pickle of any protocol that is read."""
    array = random_array(rng, random_shape(rng), pick(rng, *DTYPES, "c8"))
    path = folder / "a.pickle"
    path.write_bytes(pickle.dumps(np.asfortranarray(array) if rng.random() < 0.3 else array, pick(rng, 2, 3, 4, 5)))
    return [Case(path, {}, lambda: array)]


KINDS = {"hdf5": hdf5, "mat": mat, "npy": npy, "pickle": pickled}


# Comparing


def _frames(shape: tuple[int, ...], dtype: Any) -> int:
    """Return how many frames are compared: a damaged header may claim any number."""
    frame = int(np.prod(shape[1:], dtype=object)) * np.dtype(dtype).itemsize
    return min(shape[0], MOST // frame) if frame else min(shape[0], 1000)


def ours(case: Case, rng: np.random.Generator, form: str | None) -> np.ndarray:
    """Read by us: front to back, and at random indices, which must be what the whole shows."""
    with vf.open(case.path, format=form, threads=pick(rng, 1, 2), **case.options) as video:
        n = _frames(video.shape, video.dtype)
        whole = video[:n]
        for _ in range(3 if n else 0):
            frames = rng.integers(0, n, int(rng.integers(1, 6)))
            crop = tuple(slice(int(rng.integers(0, m + 1)), None, int(rng.integers(1, 4))) for m in video.shape[1:])
            index: Any = (frames, *crop[: rng.integers(0, len(crop) + 1)])
            np.testing.assert_array_equal(video[index], whole[index])
            np.testing.assert_array_equal(video[int(frames[0])], whole[int(frames[0])])
    return whole


def same(got: np.ndarray, wanted: Any) -> bool:
    """Tell whether both say the same; our result may be cut to the frames that are compared."""
    wanted = np.asarray(wanted)
    wanted = wanted[: len(got)] if wanted.ndim and len(wanted) > len(got) and got.nbytes > MOST // 2 else wanted
    return (
        got.shape == wanted.shape
        and got.dtype == wanted.dtype.newbyteorder("=")
        and np.array_equal(got, wanted, equal_nan=got.dtype.kind in "fc")
    )


def judge(case: Case, form: str, damaged: bool, rng: np.random.Generator, tell: Callable[[str], None]) -> None:
    """Read a file both ways, and tell what came."""
    try:
        got, fault = ours(case, rng, form), ""
    except vf.FormatError as error:
        got, fault = None, f"refused: {error}"
        if case.path.name not in str(error):
            tell(f"WRONG WORDS {error}")
            return
    except AssertionError as error:
        tell(f"WRONG INDEX {' '.join(str(error).split())[:200]}")
        return
    except MemoryError as error:
        tell(f"MEMORY {error}")
        return
    except (ImportError, OSError) as error:
        got, fault = None, f"refused by the system: {error}"
    except BaseException as error:
        tell(f"FOREIGN {type(error).__name__}: {error}"[:300])
        return
    tell("ours")  # from here on a crash is the library's
    try:
        wanted = case.reference()
    except BaseException as error:
        if got is None:
            tell("refused by both")
        else:
            tell(
                f"lenient: we read {got.shape} {got.dtype}, where its library says {type(error).__name__}: {error}"[
                    :300
                ]
            )
        return
    if got is None:
        tell(("refused by us" if damaged else "REFUSED") + f" {fault}"[:300])
    else:
        tell(
            "right"
            if same(got, wanted)
            else f"DIFFERENT: {got.shape} {got.dtype}, {np.shape(wanted)} {getattr(wanted, 'dtype', '')}"
        )


Work = Callable[[Callable[[str], None]], None]


def in_children(works: list[Work]) -> list[str]:
    """Do them one after another in a child that may take so much time and memory; return the last thing each told.

    If it ends before, the next child goes on behind the one that ended it.
    """
    outcomes: list[str] = []
    while len(outcomes) < len(works):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _work(works[len(outcomes) :], write)
        os.close(write)
        last = ""
        with os.fdopen(read, "rb") as pipe:
            for line in pipe:
                text = json.loads(line)
                if text is None:
                    outcomes.append(last if last != "ours" else "library raised without a word")
                last = text or ""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if len(outcomes) < len(works):
            slow = -code in (signal.SIGALRM, signal.SIGPROF, signal.SIGKILL)
            what = "took too long" if slow else f"ended by signal {-code}"
            outcomes.append(f"library {what}" if last == "ours" else what.upper())
    return outcomes


def _work(works: list[Work], write: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    faulthandler.disable()  # a library that crashes on a damaged file is an outcome; its stack would look like ours
    try:
        for work in works:
            signal.alarm(HANG)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            work(lambda text: os.write(write, json.dumps(text).encode() + b"\n"))
            os.write(write, b"null\n")
    finally:
        os._exit(0)


FORMATS = {"hdf5": "h5", "mat": "mat", "npy": None, "pickle": "pickle"}


def warm_up() -> None:
    """Import here what every child would import for itself."""
    with tempfile.TemporaryDirectory() as folder:
        for form in ("h5", "mat", "npy", "npz", "pickle"):
            vf.load(vf.write(np.zeros((2, 3, 4)), Path(folder, f"a.{form}")))
        Path(folder, "a").write_bytes(b"\x89HDF")
        vf.format_of(Path(folder, "a"))


def run(kind: str, seed: int, number: int, damages: int, keep: Path | None = None) -> list[tuple[str, str]]:
    """Make file `number` of a kind, judge each of its arrays, and then so many damages of it."""
    rng = np.random.default_rng([seed, number, *kind.encode()])
    with tempfile.TemporaryDirectory() as name:
        cases = KINDS[kind](Path(name), rng)
        if not cases:
            return []
        path, whole = cases[0].path, cases[0].path.read_bytes()
        form = FORMATS[kind] or path.suffix[1:]

        def intact(case: Case) -> Work:
            return lambda tell: judge(case, form, False, rng, tell)

        def damaged(k: int) -> Work:
            hurt = np.random.default_rng([seed, number, k])

            def work(tell: Callable[[str], None]) -> None:
                path.write_bytes(damage(whole, hurt))
                case = cases[int(hurt.integers(len(cases)))]
                if kind == "pickle":
                    case = case._replace(reference=lambda: _unpickled(path))
                judge(case, form, True, hurt, tell)

            return work

        outcomes = in_children([*map(intact, cases), *map(damaged, range(damages))])
        if keep:
            shutil.copytree(name, keep, dirs_exist_ok=True)
    return [("intact" if k < len(cases) else "damaged", text) for k, text in enumerate(outcomes)]


def _unpickled(path: Path) -> Any:
    """Unpickle what a damage made of our own file; in a child, and only NumPy's own names."""

    class Safe(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module.partition(".")[0], name) in {("_codecs", "encode")} or module.partition(".")[0] == "numpy":
                return super().find_class(module, name)
            raise pickle.UnpicklingError(f"{module}.{name}")

    with open(path, "rb") as file:
        return Safe(file).load()


def is_fault(text: str) -> bool:
    """Tell what must not be from what may: the words in capitals."""
    return text.split(" ", 1)[0].isupper()


def main() -> int:
    """Run for some minutes, or so many cases, and print the table of counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--cases", type=int, default=10**9, help="files of each kind")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--damages", type=int, default=4, help="damages of each file")
    parser.add_argument("--kinds", nargs="*", default=[*KINDS])
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if hdf5plugin is None:
        print("without hdf5plugin: its filters are not tried")
    warm_up()
    end, counts, faults = time.monotonic() + 60 * args.minutes, Counter(), 0
    for number in range(args.first, args.first + args.cases):
        if time.monotonic() > end:
            break
        for kind in args.kinds:
            for state, text in run(kind, args.seed, number, args.damages, args.keep):
                word = text.partition(":")[0] if not text.startswith("refused by us") else "refused by us"
                counts[kind, state, word[:60] if not is_fault(text) else word.split(" ")[0]] += 1
                faults += is_fault(text)
                if is_fault(text) or word == "lenient":
                    print(f"--seed {args.seed} --first {number} --cases 1 --kinds {kind}: {state}: {text}", flush=True)
    print("| kind | file | outcome | cases |\n| --- | --- | --- | --- |")
    for (kind, state, word), n in sorted(counts.items()):
        print(f"| {kind} | {state} | {word} | {n} |")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
