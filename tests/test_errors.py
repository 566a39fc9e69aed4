"""The cure that a message names works from a clone and from an index alike."""

import configparser
import re
from importlib import metadata
from pathlib import Path

import pytest

import vidformats
from vidformats.errors import install

PACKAGE = Path(vidformats.__file__).parent


def test_an_extra_is_named_by_its_packages(monkeypatch):
    rows = [
        "numpy>=1.25",
        'av<19,>=18.0; extra == "codecs"',
        "simplejpeg>=1.7; extra == 'codecs'",
        'dask; extra == "dask"',
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: rows)
    assert install("codecs") == "pip install 'av<19,>=18.0' 'simplejpeg>=1.7'"
    assert install("dask") == "pip install 'dask'"
    assert install("all") == "pip install 'vidformats[all]'"


def test_from_a_tree_that_was_not_installed_the_extra_is_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert install("codecs") == "pip install 'vidformats[codecs]'"


def test_every_cure_names_an_extra_that_exists_and_none_needs_an_index():
    setup = PACKAGE.parent / "setup.cfg"
    if not setup.exists():
        pytest.skip("runs in a clone only")
    config = configparser.ConfigParser()
    config.read(setup)
    extras = set(config["options.extras_require"])
    named = set()
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text()
        named |= set(re.findall(r"""\binstall\(["'](\w+)["']\)""", text))
        if file.name != "errors.py":
            assert not re.search(r"pip install 'vidformats\[\w", text), file
    assert named
    assert named <= extras
