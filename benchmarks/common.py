"""The one corpus that all benchmarks share."""

import os

import vidformats as vf

try:  # an older commit may lack what these benchmarks need: then they are skipped there
    from vidformats.bench import content
    from vidformats.bench.measure import corpus
    from vidformats.bench.published import ROWS
except ImportError as error:
    missing: Exception | None = error
else:
    missing = None

PROFILES = {"tiny": (48, 32), "short": (500, 120), "regular": (2000, 120), "full": (10_000, 120)}
"""Name -> frames and pixels along each side; ``VIDFORMATS_PROFILE`` chooses. `full` is the published size."""

PROFILE = os.environ.get("VIDFORMATS_PROFILE", "regular")
N_FRAMES, SIZE = PROFILES[PROFILE]

CONTENTS = ["noise", "scene"] if PROFILE == "tiny" else ["noise", "scene", "face"]
"""Parameters are the same on every machine; ``VIDFORMATS_CONTENTS`` chooses those that are built and run.
Results of the tiny profile are not kept, so it may do with fewer."""

FORMATS = [
    "avi_mjpg", "binary", "h5", "h5_chunked", "h5_frames", "h5_plain", "jpg", "mat", "mat_frames", "mp4",
    "npy", "npz", "pickle", "png", "webp",
]  # fmt: skip
PUBLISHED = ["jpg", "mp4", "binary", "mat", "pickle", "h5_plain", "h5_chunked", "npy", "npy_mapped"]


def chosen_contents() -> list[str]:
    """Return the contents to build: noise, and the face, or the scene where the face can't be had."""
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
        if missing:
            return {"missing": str(missing)}
        try:
            from vidformats.history.environment import check_versions

            check_versions()
        except ImportError:
            pass
        contents, names = chosen_contents(), [name for name in FORMATS if name in vf.formats()]
        for kind in contents:
            corpus.build(kind, kind, names, N_FRAMES, SIZE)
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
    return next(row for row in ROWS if row.name == name)
