"""Damage small valid files in every way that strangers' files are damaged: a worker, for its own process.

``python -m tests.fuzz FORMAT CASES [OPTIONS]`` prints JSON: what went wrong, and the peak of memory.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import vidformats as vf
from vidformats.bench.measure.memory import Peak
from vidformats.registry import FORMATS
from vidformats.testing.numbered import numbered

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 63, (1 << 64) - 1]
HEADER = 700
"""Bytes at either end of a file that are hit as often as all the others."""


MOST = 1 << 24
"""Bytes of a video that is read whole."""


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Return `data` with one to four faults."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        n = len(data)
        at = int(rng.choice([rng.integers(n), rng.integers(min(n, HEADER)), n - 1 - rng.integers(min(n, HEADER))]))
        match rng.choice(["flip", "byte", "cut", "insert", "drop", "zero", "number", "swap"]):
            case "flip":
                data[at] ^= 1 << int(rng.integers(8))
            case "byte":
                data[at] = int(rng.integers(256))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case "drop":
                del data[at : at + int(rng.integers(1, 40))]
            case "zero":
                data[at : at + 16] = bytes(len(data[at : at + 16]))
            case "number":
                size = int(rng.choice([1, 2, 4, 8]))
                number = int(EXTREMES[rng.integers(len(EXTREMES))]) % (1 << 8 * size)
                order = "little" if rng.random() < 0.5 else "big"
                data[at : at + size] = number.to_bytes(size, order)[: len(data[at : at + size])]
            case "swap":
                data[at : at + 4] = data[at : at + 4][::-1]
    return bytes(data)


def read(path: str, name: str | None) -> None:
    """Open and read in several ways; what comes must have the shape that was announced."""
    with vf.open(path, format=name, threads=1) as video:
        if video.nbytes > MOST:  # a header may promise frames that were never written
            return
        whole = video[:]
        assert whole.shape == video.shape, (whole.shape, video.shape)
        assert whole.dtype == video.dtype
        if len(video):
            assert video[-1].shape == video.shape[1:]
            assert video[::-2].shape[1:] == video.shape[1:]
        if video.ndim > 1:
            assert video[..., 1:].shape == (*video.shape[:-1], max(0, video.shape[-1] - 1))


def main(name: str, cases: int, options: dict) -> dict:
    """Run all cases of a format."""
    warnings.simplefilter("ignore")
    faults, refused = [], 0
    with tempfile.TemporaryDirectory() as folder:
        good = vf.write(numbered(6, 16), Path(folder, f"good{FORMATS[name].suffix}"), name, **options)
        read(good, name)  # libraries are imported before memory is watched
        bad = Path(folder, f"bad{FORMATS[name].suffix}")
        if os.path.isdir(good):
            shutil.copytree(good, bad)
            parts = [(Path(good, n), bad / n) for n in sorted(os.listdir(good))[:2]]
        else:
            sidecars = [s for s in vf.get_format(name).sidecars]
            parts = [(Path(good + s), Path(f"{bad}{s}")) for s in ("", *sidecars)]
        _limit(1 << 30)
        with Peak() as peak:
            for case in range(cases):
                rng = np.random.default_rng([case, *name.encode()])
                hit = case % len(parts)
                for k, (source, target) in enumerate(parts):
                    data = source.read_bytes()
                    target.write_bytes(damage(data, rng) if k == hit else data)
                try:
                    read(str(bad), name if case % 3 else None)
                except vf.FormatError as error:
                    refused += 1
                    if not str(error).startswith(str(bad)):
                        faults.append(f"case {case}: names no file: {error}")
                except BaseException as error:
                    faults.append(f"case {case}: {type(error).__name__}: {error}"[:300])
    return {"cases": cases, "refused": refused, "faults": faults, "anonymous": peak.anonymous}


def _limit(nbytes: int) -> None:
    """Let an allocation of more fail here instead of taking the machine's memory."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + nbytes, resource.RLIM_INFINITY))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})))
