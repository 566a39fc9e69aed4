"""Our readers, as training uses them: warm and cold, in seconds and in copies of the same bytes."""

from benchmarks.common import N_FRAMES, PROFILE, SIZE, Corpus, missing

try:
    from vidformats.bench.measure import access, cache
    from vidformats.bench.measure.clock import ratios, warm_up_memory
    from vidformats.threads import default_threads
except ImportError as error:
    missing = missing or error

READERS = ["npy", "h5", "mat", "h5_plain", "h5_chunked", "h5_frames", "jpg", "mp4"]
"""One format for each way of reading; binary, pickle, mat_frames and stored npz are read as npy is."""
if PROFILE == "tiny":
    READERS = ["npy", "h5_chunked", "jpg", "mp4"]  # one for each reader: the others run in benchmarks/formats.py

ACCESS = ["every_4th", "scan", "windows", "random_frames", "random_batches", "first_frame"]


class _Access(Corpus):
    param_names = ["access", "format"]
    params = [ACCESS, READERS]
    version = "1"
    repeat = 3
    cold = False
    contents: tuple[str, ...] = ("noise",)

    def setup(self, facts, how, name):
        if missing:
            raise NotImplementedError(str(missing))
        kind = next((kind for kind in self.contents if kind in facts.get("contents", ())), "")
        self.path = self.find(facts, kind, name)
        self.make_cold_or_warm()
        warm_up_memory(N_FRAMES * 3 * SIZE * SIZE)

    def make_cold_or_warm(self):
        if not self.cold:
            cache.warm(self.path)
        elif not cache.evict(self.path):
            raise NotImplementedError("the page cache can't be emptied here")

    def time_load(self, facts, how, name):
        access.load(self.path, how)

    def track_times_copy(self, facts, how, name):
        """Median over interleaved rounds of the load's time over that of copying the same bytes."""
        seconds = access.against_copy({name: self.path}, how, default_threads(), self.repeat, self.cold)
        return ratios(seconds[name], seconds["copy"]).median

    track_times_copy.unit = "copies"
    track_times_copy.version = "2"  # 1 copied one piece again and again, out of the CPU's caches


class WarmNoise(_Access):
    """White noise, in the page cache."""


class WarmNatural(_Access):
    """The face, or the scene where there is none, in the page cache."""

    contents = ("face", "scene")

    def track_bytes_read(self, facts, how, name):
        """Bytes read from the file over bytes delivered."""
        ratio = access.bytes_read_ratio(self.path, how)
        return float("nan") if ratio is None else ratio

    track_bytes_read.unit = "of the bytes delivered"


class ColdNatural(_Access):
    """The face, or the scene where there is none, from the disk."""

    contents = ("face", "scene")
    cold = True
