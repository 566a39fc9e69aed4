"""What an asv environment's name claims to be installed, and whether it is what gets imported."""

from __future__ import annotations

import importlib
import os
import platform
import re
from importlib import metadata

_PINNED = re.compile(r"-([A-Za-z][\w-]*?)(\d+(?:\.\d+)+[\w.]*)(?=-|$)")
_MODULES = {"opencv-python": "cv2", "pillow": "PIL", "numpy": "numpy", "h5py": "h5py", "scipy": "scipy"}


def versions_of(environment: str) -> dict[str, str]:
    """Return the versions that an environment's name claims.

    Parameters
    ----------
    environment : str
        As asv names it.

    Returns
    -------
    versions : dict of str
        By distribution, and ``py`` for Python.

    Examples
    --------
    >>> versions_of("virtualenv-py3.11-h5py3.16.0-opencv-python5.0.0.93")
    {'py': '3.11', 'h5py': '3.16.0', 'opencv-python': '5.0.0.93'}
    """
    return dict(_PINNED.findall(environment))


def check_versions(environment: str | None = None) -> None:
    """Refuse to measure libraries other than those the environment's name claims.

    pip may have replaced one behind asv's back, and a path set for another Python may come first.

    Parameters
    ----------
    environment : str, optional
        As asv names it; without one, what asv tells its benchmarks in ``ASV_ENV_NAME``. An environment that
        asv did not make claims nothing.

    Raises
    ------
    RuntimeError
        Naming every claim that does not hold.

    Examples
    --------
    >>> check_versions("virtualenv-h5py0.1.2")
    Traceback (most recent call last):
    RuntimeError: virtualenv-h5py0.1.2, but h5py is ...
    """
    environment = environment or os.environ.get("ASV_ENV_NAME", "")
    if environment.startswith("existing"):
        return
    false = []
    for name, claimed in versions_of(environment).items():
        found = _installed(name)
        if not (found == claimed or (name == "py" and found.startswith(f"{claimed}."))):
            false.append(f"{name} is {found}")
    if false:
        raise RuntimeError(f"{environment}, but {', '.join(false)}")


def _installed(name: str) -> str:
    """Return the version that is installed and imported; where the two differ, both."""
    if name == "py":
        return platform.python_version()
    try:
        installed = metadata.version(name)
        imported = importlib.import_module(_MODULES[name]).__version__ if name in _MODULES else installed
    except ImportError:
        return "missing"
    # OpenCV's module leaves out the last number of its wheel.
    return installed if f"{installed}.".startswith(f"{imported}.") else f"{installed} installed, {imported} imported"
