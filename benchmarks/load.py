"""The ways in which training reads, warm and cold: in seconds, and in copies of the same bytes."""

from benchmarks.common import N_FRAMES, READERS, SIZE, Corpus, access, cache, clock, threads

ACCESS = ["every_4th", "scan", "windows", "random_frames", "random_batches", "first_frame"]


class _Access(Corpus):
    param_names = ["access", "format"]
    params = [ACCESS, READERS]
    version = "1"
    repeat = 3
    cold = False
    contents: tuple[str, ...] = ("noise",)

    def setup(self, facts, how, name):
        kind = next((kind for kind in self.contents if kind in facts.get("contents", ())), "")
        self.path = self.find(facts, kind, name)
        self.load = access.load  # skips the benchmark if the commit does not have it
        self.make_cold_or_warm()
        clock.warm_up_memory(N_FRAMES * 3 * SIZE * SIZE)

    def make_cold_or_warm(self):
        if not self.cold:
            cache.warm(self.path)
        elif not cache.evict(self.path):
            raise NotImplementedError("the page cache cannot be evicted on this system")

    def time_load(self, facts, how, name):
        self.load(self.path, how)

    def track_times_copy(self, facts, how, name):
        """Return the load's time over that of copying the same bytes: the median over interleaved rounds."""
        seconds = access.against_copy({name: self.path}, how, threads.default_threads(), self.repeat, self.cold)
        return clock.ratios(seconds[name], seconds["copy"]).median

    track_times_copy.unit = "copies"
    track_times_copy.version = "2"  # 1 copied one piece again and again, out of the CPU's caches


class WarmNoise(_Access):
    """White noise, in the page cache."""


class WarmNatural(_Access):
    """The face, or the scene if the face is not available, in the page cache."""

    contents = ("face", "scene")

    def track_bytes_read(self, facts, how, name):
        """Return the bytes read from the file over the bytes delivered."""
        ratio = access.bytes_read_ratio(self.path, how)
        return float("nan") if ratio is None else ratio

    track_bytes_read.unit = "of the bytes delivered"


class ColdNatural(_Access):
    """The face, or the scene if the face is not available, from the disk."""

    contents = ("face", "scene")
    cold = True
