import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

import vidformats as vf
from vidformats.shared import LARGE, SPARE, Address, Pool

BYTE = np.dtype(np.uint8)
needs_memfd = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="anonymous files are Linux's")


def address_of(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_nobody_holds_it():
    pool = Pool()
    first = pool.empty((4, LARGE), BYTE)
    place, part = address_of(first), first[2, 5:9]
    second = pool.empty((4, LARGE), BYTE)
    assert address_of(second) != place
    del first
    third = pool.empty((4, LARGE), BYTE)
    assert address_of(third) != place, "a part of it is still held"
    part[:] = 7
    del part
    again = pool.empty((2, LARGE), np.dtype(np.uint16))
    assert address_of(again) == place
    assert again.shape == (2, LARGE)
    assert again.flags.writeable
    assert again.flags.c_contiguous


def test_the_smallest_piece_that_fits_is_taken():
    pool = Pool()
    large, small = pool.empty((4 * LARGE,), BYTE), pool.empty((LARGE,), BYTE)
    places = address_of(large), address_of(small)
    del large, small
    one, two = pool.empty((LARGE,), BYTE), pool.empty((2 * LARGE,), BYTE)
    assert (address_of(two), address_of(one)) == places


def test_small_arrays_are_ordinary():
    assert Pool().empty((LARGE - 1,), BYTE).flags.owndata


def test_what_a_hoarder_lets_go_is_given_back():
    pool = Pool()
    hoard = [pool.empty((LARGE,), BYTE) for _ in range(3 * SPARE)]
    assert len(pool._pieces) == 3 * SPARE
    del hoard
    pool.empty((LARGE,), BYTE)
    assert len(pool._pieces) == SPARE + 1


def test_threads_get_memory_of_their_own():
    pool, wrong = Pool(), []

    def work(number):
        for _ in range(300):
            array = pool.empty((LARGE,), BYTE)
            array[::4096] = number
            if (array[::4096] != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def send(pool, requests, answers):
    """Fill and send an array for each request, as a worker does; answer with how many pieces there are."""
    while (value := requests.get()) is not None:
        array = pool.empty((LARGE, 2), np.dtype(np.int32))
        array[:] = value
        answers.put((pool.send(array), len(pool._pieces)))
        del array


@needs_memfd
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_arrays_sent_by_a_worker(method):
    context, pool = multiprocessing.get_context(method), Pool()
    requests, answers = context.Queue(), context.Queue()
    worker = context.Process(target=send, args=(pool, requests, answers))
    worker.start()

    def ask(value):
        requests.put(value)
        address, n_pieces = answers.get(timeout=60)
        assert isinstance(address, Address)
        array = pool.receive(address)
        assert (array == value).all()
        return array, n_pieces

    try:
        held, _ = ask(1)
        part = held[5]
        del held
        for value in range(2, 12):
            array, n_pieces = ask(value)
            array += 1  # it is the receiver's
            del array
        assert n_pieces == 2, "one is held, the other used again and again"
        assert (part == 1).all()
        pid = os.fork()
        if pid == 0:  # a fork of the receiver that drops its copies gives nothing back
            del part
            os._exit(0)
        os.waitpid(pid, 0)
        for value in (20, 21):
            n_pieces = ask(value)[1]
            assert (part == 1).all()
        assert n_pieces == 2
    finally:
        requests.put(None)
        worker.join(10)
    assert len(pool.received) == 2
    pool._forget()
    assert not pool.received, "nothing is kept of a worker that has ended"
    assert (part == 1).all(), "but what is held"


def test_copies_in_one_process_share_the_pool():
    pool = Pool()
    assert pickle.loads(pickle.dumps(pool)) is pool


# With a DataLoader ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Windows of frames that are their own numbers."""
    path = tmp_path_factory.mktemp("relay") / "ramp.npy"
    vf.write(np.repeat(np.arange(400, dtype=np.int32)[:, None], 2000, axis=1), path)
    return vf.windows({"trial": ["a"], "n_frames": [400], "path": [path]}, size=10, hop=5).dataset()


def check(ds, batch):
    starts = ds.windows[batch["row"].numpy()].start
    expected = starts[:, None] + np.arange(10)
    return (batch["video"].numpy() == expected[:, :, None]).all() and bool(batch["mask"].all())


def loader_of(ds, **options):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    shuffle = torch.utils.data.RandomSampler(ds, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(ds, batch_size=4, sampler=shuffle, collate_fn=ds.collate, **options)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_that_are_kept_stay_as_they_were(dataset, workers):
    loader = loader_of(dataset, num_workers=workers, multiprocessing_context="fork" if workers else None)
    for _ in range(2):
        kept = list(loader)
        assert all(check(dataset, batch) for batch in kept)
        assert sorted(row for batch in kept for row in batch["row"].tolist()) == list(range(len(dataset)))
        for batch in kept:
            assert batch["video"].is_contiguous()
            batch["video"] += 1  # writable, and nobody else's
        del kept
        for batch in loader:
            assert check(dataset, batch)


@needs_memfd
def test_a_training_loop_needs_few_pieces(dataset):
    loader = loader_of(
        dataset, num_workers=2, persistent_workers=True, prefetch_factor=2, multiprocessing_context="fork"
    )
    for _ in range(4):
        for batch in loader:
            assert check(dataset, batch)
    assert 2 <= len(dataset._pool.received) <= 2 * 5


def test_the_same_batches_as_the_default_in_order_of_rows(dataset):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    fast, plain = (torch.utils.data.DataLoader(dataset, batch_size=7, collate_fn=f) for f in (dataset.collate, None))
    for a, b in zip(fast, plain, strict=True):
        assert list(a) == list(b)
        assert all(torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a)
    shuffled = dataset.__getitems__([5, 3, 9])
    assert [s["row"] for s in shuffled] == [5, 3, 9]
    assert dataset.collate(shuffled)["row"].tolist() == [3, 5, 9]
    assert dataset.collate(list(shuffled))["row"].tolist() == [5, 3, 9]


class Doubled:
    """A dataset that a user wraps around ours, to change samples as they come."""

    def __init__(self, ds):
        self.ds = ds

    def __len__(self):
        return len(self.ds)

    def __getitems__(self, indices):
        samples = self.ds.__getitems__(indices)
        for sample in samples:
            sample["video"] = sample["video"].astype(np.int32) * 2
        return samples


@pytest.mark.parametrize("workers", [0, 1])
def test_the_default_collate_makes_what_pytorch_makes_of_plain_dicts(dataset, workers):
    torch = pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    rows = np.random.default_rng(0).permutation(len(dataset)).tolist()

    def stacked(samples):
        return torch.utils.data.default_collate([dict(sample) for sample in samples])

    def batches(ds, collate=None):
        return torch.utils.data.DataLoader(ds, batch_size=5, sampler=rows, num_workers=workers, collate_fn=collate)

    for wrapped in (dataset, torch.utils.data.Subset(dataset, range(len(dataset))), Doubled(dataset)):
        for ours, theirs in zip(batches(wrapped), batches(wrapped, stacked), strict=True):
            assert list(ours) == list(theirs)
            assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in ours)
    doubled = next(iter(batches(Doubled(dataset), dataset.collate)))
    assert doubled["video"].dtype == torch.int32


def test_reading_leaves_the_registry_of_pytorch_alone(dataset):
    """One entry for our own type, made with the dataset; what others' types become does not change."""
    pytest.importorskip("torch", reason="an extra; without it there is no default collate")
    from torch.utils.data._utils.collate import default_collate_fn_map

    from vidformats.training.collate import Sample

    dataset.windows.dataset()
    ours = default_collate_fn_map.pop(Sample)
    before = dict(default_collate_fn_map)
    samples = dataset.__getitems__([5, 3])
    assert default_collate_fn_map == before
    copied = pickle.loads(pickle.dumps(dataset))
    assert default_collate_fn_map == before | {Sample: ours}
    del default_collate_fn_map[Sample]
    plain = torch_collate()(samples)
    copied.__setstate__({})
    assert type(torch_collate()(samples)) is dict
    assert all(np.array_equal(plain[key], torch_collate()(samples)[key]) for key in plain)


def torch_collate():
    import torch

    return torch.utils.data.default_collate


def test_samples_pickle_as_a_list_of_dicts(dataset):
    samples = dataset.__getitems__([5, 3])
    back = pickle.loads(pickle.dumps(samples))
    assert type(back) is list
    assert [sample["row"] for sample in back] == [5, 3]
    np.testing.assert_array_equal(back[1]["video"], samples[1]["video"])


def in_a_rank(ds, answers):
    """Train in a child process without workers of its own, as distributed training does."""
    answers.put(all(check(ds, batch) for batch in loader_of(ds)))


def test_a_child_process_may_be_the_one_that_trains(dataset):
    pytest.importorskip("torch", reason="an extra; without it there is no DataLoader")
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=in_a_rank, args=(dataset, answers))
    child.start()
    assert answers.get(timeout=60) is True
    child.join()


def undumpable(worker):
    """Close this worker's /proc/<pid>/fd to other processes, as a change of user or a hardened service does."""
    import ctypes

    assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0  # PR_SET_DUMPABLE


def without_proc(worker):
    os.path.isdir = lambda path, isdir=os.path.isdir: path != "/proc/self/fd" and isdir(path)


@needs_memfd
@pytest.mark.parametrize("hide", [undumpable, without_proc])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_where_no_other_process_may_map_them_batches_are_copied(dataset, hide, method):
    loader = loader_of(dataset, num_workers=1, multiprocessing_context=method, worker_init_fn=hide)
    held = dict(dataset._pool.received)
    rows = [row for batch in loader if check(dataset, batch) for row in batch["row"].tolist()]
    assert sorted(rows) == list(range(len(dataset)))
    assert dataset._pool.received == held, "nothing was mapped"


@needs_memfd
def test_a_worker_that_hides_midway_sends_copies_from_then_on():
    """What lies in shared memory already is copied too."""
    context, pool = multiprocessing.get_context("fork"), Pool()
    requests, answers = context.Queue(), context.Queue()

    def work():
        for number in range(2):
            array = pool.empty((LARGE, 2), np.dtype(np.int32))
            array[:] = number
            if number:
                undumpable(0)
            answers.put((pool.is_shared(array), pool.send(array)))
            requests.get()

    worker = context.Process(target=work)
    worker.start()
    shared, address = answers.get(timeout=60)
    assert shared
    assert isinstance(address, Address)
    assert (pool.receive(address) == 0).all()
    requests.put(None)
    shared, array = answers.get(timeout=60)
    assert not shared
    assert (array == 1).all()
    requests.put(None)
    worker.join()


def test_without_anonymous_files_the_default_way_is_taken(dataset, monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    loader = loader_of(dataset, num_workers=1, multiprocessing_context="fork")
    assert all(check(dataset, batch) for batch in loader)


def test_an_epoch_left_early(dataset):
    loader = loader_of(dataset, num_workers=2, persistent_workers=True, multiprocessing_context="fork")
    for _ in range(3):
        batch = next(iter(loader))
        assert check(dataset, batch)
    assert all(check(dataset, batch) for batch in loader)
