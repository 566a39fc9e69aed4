"""The format of docs/add-a-format.md, taken from the page as it stands: one class and one row, and it conforms."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import vidformats as vf
from vidformats import registry
from vidformats.testing.conformance import ArrayConformance

PAGE = Path(__file__).parents[1] / "docs" / "add-a-format.md"
CLASS, ROW = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def added():
    """Add the page's file and row for the time of these tests."""
    module = ModuleType("vidformats.families.zframes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        exec(compile(CLASS, "zframes.py", "exec"), module.__dict__)
        row = eval("{" + ROW + "}", dict(vars(registry)))
        patch.setattr(registry, "FORMATS", dict(sorted((registry.FORMATS | row).items())))
        yield


class TestZframes(ArrayConformance):
    name = "zframes"


def test_it_is_one_class_and_one_row():
    assert len(CLASS.splitlines()) <= 100
    assert CLASS.count("\nclass ") == ROW.count("Row(") == 1
    assert "zframes" in vf.formats()


def test_its_options_reach_it(tmp_path):
    video = np.zeros((9, 3, 8, 8), np.uint8)
    small, large = (vf.write(video, tmp_path / f"{level}.zf", level=level) for level in (9, 1))
    assert np.array_equal(vf.load(small), vf.load(large))
    assert vf.get_format("zframes", level=1).record() == {"name": "zframes", "level": 1}


@pytest.mark.parametrize("claim", ['{"shape": [1, 9999999999], "dtype": "|u1"}', '{"shape": [1], "dtype": "|O"}', "[]"])
def test_it_believes_no_claim(tmp_path, claim):
    path = tmp_path / "liar.zf"
    path.write_bytes(b"ZFRAMES\n" + (16).to_bytes(8, "little") + claim.encode() + b"\n" + bytes(16))
    with pytest.raises(vf.FormatError, match=r"liar\.zf"):
        vf.open(path)
