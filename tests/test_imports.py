"""What importing costs, and what it says where a library is missing."""

import subprocess
import sys

import numpy as np
import pytest

import vidformats as vf

HEAVY = ("cv2", "scipy", "h5py", "PIL", "torch", "av", "simplejpeg", "rich", "click", "pandas", "matplotlib")


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_importing_the_package_imports_no_library_but_numpy():
    done = run(f"import vidformats, sys; print([name for name in {HEAVY} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_is_there():
    done = run("import vidformats as vf; print([name for name in vf.__all__ if not hasattr(vf, name)])")
    assert done.stdout.strip() == "[]", done.stderr


NO_CV2 = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError({message!r})
sys.meta_path.insert(0, Broken())
import numpy as np
import vidformats as vf
import tempfile, os
folder = tempfile.mkdtemp()
vf.write(np.zeros((3, 3, 8, 8), "uint8"), folder + "/video.npy")
assert vf.load(folder + "/video.npy").shape == (3, 3, 8, 8)
vf.write(np.zeros((3, 3, 8, 8), "uint8"), folder + "/frames", "png")
try:
    {use}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "use",
    [
        'vf.write(np.zeros((3, 3, 8, 8), "uint8"), folder + "/video.mp4")',
        'vf.load(folder + "/frames")',
        "import vidformats.bench.content",
    ],
)
@pytest.mark.parametrize(
    ("message", "cures"),
    [
        ("libGL.so.1: cannot open shared object file", ["apt-get install libgl1", "opencv-python-headless"]),
        ("No module named 'cv2'", ["pip install opencv-python"]),
    ],
)
def test_a_missing_libgl_names_the_cure_and_leaves_other_formats_working(use, message, cures):
    done = run(NO_CV2.format(message=message, use=use))
    assert done.returncode == 0, done.stderr
    assert message in done.stdout
    for cure in cures:
        assert cure in done.stdout


@pytest.mark.parametrize("name", ["npy", "npz", "pickle", "mat"])
def test_opening_one_format_imports_no_library_of_another(tmp_path, name):
    path = vf.write(np.zeros((3, 4, 5)), tmp_path / f"a.{name}", name)
    others = [n for n in HEAVY if (name, n) != ("mat", "cv2")]  # which turns columns into frames
    done = run(f"import sys, vidformats as vf; vf.load({path!r}); print([n for n in {others} if n in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
