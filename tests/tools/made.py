"""Small videos to convert, each frame with its own number."""

import numpy as np

import vidformats as vf


def video(path, n=20, size=(32, 48), format=None, fps=25.0, **options):
    """Write a video that tells its frames apart, and return what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(n)
    frames = np.repeat(np.repeat(rng.integers(0, 255, (n, 3, size[0] // 8, size[1] // 8), np.uint8), 8, 2), 8, 3)
    vf.write(frames, path, format, fps=fps, **options)
    return frames
