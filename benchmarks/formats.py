"""Every 4th frame: the published loads exactly as published, faults included, and ours beside them."""

import vidformats as vf
from benchmarks.common import (
    CONTENTS,
    FORMATS,
    PUBLISHED,
    Corpus,
    cache,
    clock,
    corpus,
    disk,
    memory,
    published,
    published_row,
)


class _Load(Corpus):
    param_names = ["content", "format"]
    repeat = 3

    def setup(self, facts, kind, name):
        self.result = None
        self.path = self.find(facts, kind, self.format_of(name))
        self.expected = corpus.expected(kind, self.format_of(name))
        cache.warm(self.path)
        clock.warm_up_memory(3 * self.expected.nbytes)

    def teardown(self, facts, kind, name):
        # Outside the clock: every result is compared with the source.
        if self.result is not None and self.must_be_right:
            found = published.verdict(self.result, self.expected)
            assert found == "right", f"{kind} {name}: {found}"

    def time_load(self, facts, kind, name):
        self.result = self.load(name)

    def peakmem_load(self, facts, kind, name):
        self.result = self.load(name)

    def track_memory(self, facts, kind, name):
        with memory.Peak() as peak:
            self.result = self.load(name)
        return float("nan") if peak.increment is None else float(peak.increment)

    track_memory.unit = "bytes"


class Ours(_Load):
    """Our loads: the right frames, RGB, in order, owned."""

    version = "1"
    params = [CONTENTS, FORMATS]
    must_be_right = True

    def format_of(self, name):
        return name

    def load(self, name):
        return vf.load(self.path, slice(None, None, published.STEP))

    def track_disk(self, facts, kind, name):
        return float(disk.size(self.path))

    track_disk.unit = "bytes"

    def track_allocated(self, facts, kind, name):
        return float(disk.allocated(self.path) or "nan")

    track_allocated.unit = "bytes"


class Published(_Load):
    """The published loads, as they were."""

    version = "1"
    params = [CONTENTS, PUBLISHED]
    must_be_right = False

    def format_of(self, name):
        return published_row(name).format

    def load(self, name):
        return published_row(name).load(self.path)

    def track_memory_whole(self, facts, kind, name):
        """Return the peak with the copy that turns a view into an array of its own."""
        with memory.Peak() as peak:
            self.result = published.made_whole(self.load(name))
        return float("nan") if peak.increment is None else float(peak.increment)

    track_memory_whole.unit = "bytes"

    def time_load_whole(self, facts, kind, name):
        """Include the copy that turns a view into an array of its own."""
        self.result = published.made_whole(self.load(name))


class Baseline:
    """The memory of a process that loads nothing: asv, Python and the imports."""

    version = "1"

    def peakmem_baseline(self):
        pass
