"""The published loads exactly as published, faults included, and ours beside them: every 4th frame."""

from benchmarks.common import CONTENTS, FORMATS, PUBLISHED, Corpus, missing, published_row

if not missing:
    import vidformats as vf
    from vidformats.bench.measure import cache, corpus, disk
    from vidformats.bench.measure.clock import warm_up_memory
    from vidformats.bench.measure.memory import Peak
    from vidformats.bench.published import STEP, made_whole, verdict


class _Load(Corpus):
    param_names = ["content", "format"]
    repeat = 3

    def setup(self, facts, kind, name):
        self.result = None
        self.path = self.find(facts, kind, self.format_of(name))
        self.expected = corpus.expected(kind, self.format_of(name))
        cache.warm(self.path)
        warm_up_memory(3 * self.expected.nbytes)

    def teardown(self, facts, kind, name):
        # Outside the clock: what a load delivered is compared with the source, every time.
        if self.result is not None and self.must_be_right:
            found = verdict(self.result, self.expected)
            assert found == "right", f"{kind} {name}: {found}"

    def time_load(self, facts, kind, name):
        self.result = self.load(name)

    def peakmem_load(self, facts, kind, name):
        self.result = self.load(name)

    def track_memory(self, facts, kind, name):
        with Peak() as peak:
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
        return vf.load(self.path, slice(None, None, STEP))

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

    def time_load_whole(self, facts, kind, name):
        """With the copy that makes a view an array of its own."""
        self.result = made_whole(self.load(name))


class Baseline:
    """What a process that loads nothing takes: asv's own, Python and the imports."""

    version = "1"

    def peakmem_baseline(self):
        pass
