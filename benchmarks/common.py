"""What all benchmarks share: the laboratory's modules, wherever the commit under test keeps them, and one corpus."""

import importlib
import os
from pathlib import Path

import vidformats as vf


class _Missing:
    """A module that the commit under test does not have: a benchmark that needs it is skipped there."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        raise NotImplementedError(f"this commit has no {self._name}")


def _module(name):
    """Import a module of the package under test."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("vidformats"):
            raise
        return _Missing(name)


# Commits before the laboratory had a folder of its own have its modules in the package itself.
LABORATORY = "vidformats.bench" if Path(vf.__file__).with_name("bench").is_dir() else "vidformats"

content, published = (_module(f"{LABORATORY}.{name}") for name in ("content", "published"))
access, cache, clock, corpus, disk, memory, train = (
    _module(f"{LABORATORY}.measure.{name}")
    for name in ("access", "cache", "clock", "corpus", "disk", "memory", "train")
)
environment, threads = _module("vidformats.history.environment"), _module("vidformats.threads")

PROFILES = {"tiny": (48, 32), "short": (500, 120), "regular": (2000, 120), "full": (10_000, 120)}
"""Name -> frames and pixels along each side; ``VIDFORMATS_PROFILE`` chooses. `full` is the published size."""

PROFILE = os.environ.get("VIDFORMATS_PROFILE", "regular")
N_FRAMES, SIZE = PROFILES[PROFILE]

CONTENTS = ["noise", "scene"] if PROFILE == "tiny" else ["noise", "scene", "face"]
"""Parameters are the same on every machine; ``VIDFORMATS_CONTENTS`` chooses those that are built and run.
Results of the tiny profile are not kept, so it uses fewer."""

FORMATS = [
    "avi_mjpg", "binary", "h5", "h5_chunked", "h5_frames", "h5_plain", "jpg", "mat", "mat_frames", "mp4",
    "npy", "npz", "pickle", "png", "webp",
]  # fmt: skip
READERS = ["npy", "h5", "mat", "h5_plain", "h5_chunked", "h5_frames", "jpg", "mp4"]
"""One format for each way of reading: binary, pickle, mat_frames and stored npz are read as npy is."""
if PROFILE == "tiny":
    READERS = ["npy", "h5_chunked", "jpg", "mp4"]

BUILT = READERS if PROFILE == "tiny" else FORMATS
"""What is written to disk. The tiny profile only shows that every benchmark runs: one format per reader is enough."""

PUBLISHED = ["jpg", "mp4", "binary", "mat", "pickle", "h5_plain", "h5_chunked", "npy", "npy_mapped"]


def chosen_contents() -> list[str]:
    """Return the contents to build: noise, and the face, or the scene if the face is not available."""
    default = "noise,scene" if PROFILE == "tiny" else "noise,natural"
    asked = os.environ.get("VIDFORMATS_CONTENTS", default).split(",")
    natural = "face" if "natural" in asked and content.available("face") else "scene"
    return [natural if name == "natural" else name for name in asked]


class Corpus:
    """Base of all benchmarks that read the shared videos.

    `setup_cache` runs once for all of them, since asv tells caches apart by the line they are defined in;
    its files lie in the working folder of every benchmark.
    """

    timeout = 600
    number = rounds = 1  # a load is long enough; further rounds would build a second corpus
    warmup_time = 0

    def setup_cache(self):
        """Write every content in every format."""
        if not isinstance(environment, _Missing):
            environment.check_versions()
        try:
            contents, names = chosen_contents(), [name for name in BUILT if name in vf.formats()]
            for kind in contents:
                corpus.build(kind, kind, names, N_FRAMES, SIZE)
        except NotImplementedError as error:
            return {"missing": str(error)}
        return {"contents": contents, "formats": names}

    setup_cache.timeout = 1800

    def find(self, facts, kind, name):
        """Return the path of a case, or skip it."""
        if "missing" in facts:
            raise NotImplementedError(facts["missing"])
        if kind not in facts["contents"] or name not in facts["formats"]:
            raise NotImplementedError(f"{kind} {name} is not in this corpus")
        return corpus.path_of(kind, name)


def published_row(name):
    """Return a row of the published table."""
    return next(row for row in published.ROWS if row.name == name)
