"""OpenCV, imported in this one place, with a word of help where it can't be."""

try:
    import cv2
except ImportError as error:
    cure = "pip install opencv-python"
    if ".so" in str(error):  # slim containers lack libGL, glib and libxcb
        cure = "apt-get install libgl1 libglib2.0-0 libxcb1, or pip install opencv-python-headless instead of it"
    raise ImportError(f"OpenCV can't be imported ({error}); the cure: {cure}") from error

__all__ = ["cv2"]
