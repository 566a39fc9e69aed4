"""The time goes to the contenders: by a clock and figures that are made up."""

from collections import Counter

import numpy as np

from vidformats.tools.advice.decide import interval
from vidformats.tools.advice.halving import ENOUGH, KEPT, halve


class Desk:
    """Candidates of known rates, measured with noise, by a clock that each measurement moves on."""

    def __init__(self, rates, seconds, noise=0.02, broken=()):
        self.rates, self.left, self.broken = rates, seconds, broken
        self.rng, self.noise, self.measured = np.random.default_rng(0), noise, Counter()
        self.rounds = {name: [self.look(name)] for name in rates}

    def look(self, name):
        return self.rates[name] * (1 + self.noise * self.rng.standard_normal())

    def measure(self, name, rung):
        self.left -= 1
        if name in self.broken:
            return False
        self.measured[name] += 1
        self.rounds[name].append(self.look(name))
        return True

    def run(self, **options):
        return halve(
            list(self.rates), self.measure, lambda name: interval(self.rounds[name]), lambda: self.left,
            lambda name: 1.0, lambda name: 0.0, **options,
        )  # fmt: skip


def test_the_best_stays_and_gets_most_of_the_time():
    desk = Desk({f"c{k}": 100.0 * 1.2**k for k in range(24)}, 100)
    assert desk.run()[0] == "c23"
    assert desk.measured["c23"] == max(desk.measured.values())
    assert sum(desk.measured[f"c{k}"] for k in range(12)) == 0, "the slower half is not measured again"


def test_the_time_is_kept():
    desk = Desk({f"c{k}": 100.0 for k in range(24)}, 9)
    desk.run(rungs=100)
    assert desk.left >= 0


def test_no_more_rounds_than_asked_for():
    desk = Desk({"a": 100.0, "b": 99.0}, 1e9, noise=0.2)
    desk.run(rungs=4)
    assert desk.measured == {"a": 4, "b": 4}


def test_it_ends_when_more_rounds_would_not_change_the_answer():
    desk = Desk({"a": 100.0, "b": 99.5, "c": 50.0}, 1e9, noise=0.002)
    desk.run(rungs=100)
    assert desk.measured["a"] == ENOUGH, "a and b are known to be alike"


def test_what_breaks_is_left_out():
    desk = Desk({"a": 100.0, "b": 90.0, "c": 80.0}, 100, broken={"a"})
    assert desk.run()[0] == "b"


def test_some_stay_to_be_compared_with():
    desk = Desk({"a": 1000.0, "b": 10.0, "c": 1.0, "d": 0.1}, 100)
    assert len(desk.run()) == KEPT
    assert desk.measured["a"] == ENOUGH, "then it is plain which is the best"


def test_nothing_to_measure():
    assert Desk({}, 100).run() == []
