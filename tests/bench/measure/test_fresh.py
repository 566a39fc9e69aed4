import pytest

from vidformats.bench.measure.fresh import fresh_python


def test_what_it_prints_and_is_given():
    assert fresh_python("sum", "-c", "print(int(input()) + 1)", given="41") == "42\n"


def test_what_goes_wrong_is_told():
    with pytest.raises(RuntimeError, match=r"(?s)a case: .*KeyError: 'gone'"):
        fresh_python("a case", "-c", "{}['gone']")
