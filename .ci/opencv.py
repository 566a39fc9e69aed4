"""Make `import cv2` work in the Python that runs this: Debian's libraries if root, else the build that needs none.

The wheels of opencv-python link libraries of the desktop that a bare system lacks. Root gets them by apt. Anyone else
gets opencv-python-headless of the same version, unpacked over opencv-python: the same decoders without windows.
`make` runs this in its environment, asv in each of its own.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version

LIBRARIES = ("libgl1", "libglib2.0-0", "libxcb1")


def fault() -> str:
    """Return why a fresh process can't import OpenCV, or an empty string."""
    done = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def run(*command: str) -> None:
    """Run a command that may fail: whether OpenCV can be imported is what counts."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout, file=sys.stderr)


def main() -> str:
    """Try each cure until OpenCV can be imported; return what is still wrong."""
    missing = fault()
    if ".so" in missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"OpenCV: {missing}; installing {' '.join(LIBRARIES)} by apt-get", flush=True)
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *LIBRARIES)
        missing = fault()
    if ".so" in missing:
        headless = f"opencv-python-headless=={version('opencv-python')}"
        print(f"OpenCV: {missing}; installing {headless} over opencv-python in {sys.prefix}", flush=True)
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", headless)
        missing = fault()
    return missing


if __name__ == "__main__":
    sys.exit(main() or 0)
