"""Random files against their own libraries: a short, seeded part of ``make robust``."""

import pytest

from tests import differential


@pytest.mark.skipif(not hasattr(differential.os, "fork"), reason="every case has a process of its own")
@pytest.mark.parametrize("kind", differential.KINDS)
def test_random_files_and_their_damages(kind):
    """Right, or refused: never other pixels than the library's, a crash, or an error of another kind."""
    differential.warm_up()
    found = [outcome for number in range(5) for outcome in differential.run(kind, 20261125, number, 5)]
    assert [text for _, text in found if differential.is_fault(text)] == []
    intact = [text for state, text in found if state == "intact"]
    assert set(intact) == {"right"}
    damaged = [text for state, text in found if state == "damaged"]
    assert sum(text.startswith("refused") for text in damaged) > len(damaged) / 5  # else nothing was damaged


def test_a_wrong_reader_is_found(monkeypatch):
    """The judge itself: pixels shifted by one frame, a foreign error, a crash and a hang are told apart."""

    def shifted(case, rng, form):
        return real(case, rng, form)[::-1]

    real = differential.ours
    number = next(n for n in range(9) if differential.run("npy", 1, n, 0)[0][1] == "right")
    for broken, word in (
        (shifted, "DIFFERENT"),
        (lambda *args: 1 / 0, "FOREIGN ZeroDivisionError"),
        (lambda *args: (_ for _ in ()).throw(MemoryError), "MEMORY"),
        (lambda *args: differential.os.kill(differential.os.getpid(), differential.signal.SIGTERM), "ENDED BY SIGNAL"),
    ):
        monkeypatch.setattr(differential, "ours", broken)
        assert differential.run("npy", 1, number, 0)[0][1].startswith(word)
        assert differential.is_fault(differential.run("npy", 1, number, 0)[0][1])
