"""A slowdown planted in a commit is named by asv as it is, on the command line and on the regressions page."""

import json
import re

from tests.history.conftest import PLAIN


def test_stock_compare_names_it(planted):
    done = planted.asv("compare", "v1", "v6", "-E", PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\| \+ +\|.*reads\.Reads\.time_read", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^\| \+ +\|.*reads\.Reads\.time_other", done.stdout, re.MULTILINE)


def test_the_regressions_page_names_it_and_its_commit(planted):
    done = planted.asv("publish", "--no-pull")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((planted.folder / "html" / "regressions.json").read_text())["regressions"]
    assert {name for name, *_ in found} == {"reads.Reads.time_read"}
    index = json.loads((planted.folder / "html" / "index.json").read_text())
    jumps = found[0][-1]
    assert [index["tags"]["v4"]] == [jump[1] for jump in jumps]
