import numpy as np
import pytest

from vidformats.bench.measure import clock


def test_every_case_runs_once_a_round_in_changing_order():
    calls = []
    cases = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = clock.interleave(cases, rounds=8)
    rounds = [tuple(calls[k : k + 3]) for k in range(0, 24, 3)]
    assert len(calls) == 24
    assert all(sorted(order) == list("abc") for order in rounds)
    assert len(set(rounds)) > 1
    assert {name: len(figures) for name, figures in seconds.items()} == {"a": 8, "b": 8, "c": 8}
    assert all(figure >= 0 for figures in seconds.values() for figure in figures)


def test_the_order_is_seeded():
    def order(seed):
        calls = []
        clock.interleave({name: lambda name=name: calls.append(name) for name in "abcd"}, rounds=5, seed=seed)
        return calls

    assert order(1) == order(1) != order(2)


@pytest.fixture
def ticks(monkeypatch):
    """A clock that goes on by a second each time a case, its preparation or the end of its result calls it."""
    now = [0.0]
    monkeypatch.setattr(clock, "perf_counter", lambda: now[0])

    def tick(*_):
        now[0] += 1.0

    return tick


def test_preparing_comes_before_each_run_and_outside_the_clock(ticks):
    calls = []

    def prepare(name):
        calls.append(name + " prepared")
        ticks()

    seconds = clock.interleave({"a": lambda: calls.append("a")}, rounds=2, prepare=prepare)
    assert calls == ["a prepared", "a", "a prepared", "a"]
    assert seconds["a"] == [0, 0]


def test_results_are_freed_outside_the_clock_and_before_the_next_run(ticks):
    alive = set()

    class Result:
        def __init__(self):
            alive.add(id(self))

        def __del__(self):
            ticks()
            alive.remove(id(self))

    def prepare(name):
        assert not alive

    seconds = clock.interleave({"a": Result}, rounds=3, prepare=prepare)
    assert not alive
    assert seconds["a"] == [0, 0, 0]


def test_what_a_case_takes_is_measured(ticks):
    assert clock.interleave({"a": ticks, "b": lambda: None}, rounds=2) == {"a": [1, 1], "b": [0, 0]}


def test_ratios_go_round_by_round():
    ratio = clock.ratios([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])
    assert ratio == (2, 2, 2)
    ratio = clock.ratios([float(n) for n in range(1, 12)], [1.0] * 11)
    assert (ratio.median, ratio.low, ratio.high) == (6, 2, 10)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], []), ([1.0], [1.0, 2.0])])
def test_rounds_come_in_pairs(a, b):
    with pytest.raises(ValueError, match="as many rounds"):
        clock.ratios(a, b)


def test_memory_is_touched_page_by_page(monkeypatch):
    memory = np.zeros(10_000, np.uint8)
    monkeypatch.setattr(clock.np, "empty", lambda nbytes, dtype: memory[:nbytes])
    clock.warm_up_memory(9000)
    assert np.flatnonzero(memory).tolist() == [0, 4096, 8192]
