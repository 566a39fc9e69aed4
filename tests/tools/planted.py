"""Faults planted into stores, to see whether `verify` finds them: ``python -m tests.tools.planted --faults 1000``.

Half of them look like damage: the result is changed, its receipt is not. The other half are of a faulty converter,
whose receipts agree with what it wrote, so that only the sources tell.
"""

import argparse
import dataclasses
import random
import tempfile
import time
from pathlib import Path

import numpy as np

import vidformats as vf
from vidformats.tools import receipts
from vidformats.tools.frames import Frames, Recipe, digests_of
from vidformats.writing import store

FORMATS = {"npy": {}, "h5_frames": {"level": 1}, "png": {}, "ffv1": {}, "jpg": {}, "mp4": {}, "h264": {}, "vp9": {}}
LOSSY = ("jpg", "mp4", "h264", "vp9")


def scene(n, seed, size=(48, 64)):
    """Return frames of a textured scene that drifts, with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (12, 16, 3))
    big = np.kron(coarse, np.ones((8, 8, 1)))[: size[0] + 16, : size[1] + 16]
    frames = [np.roll(big, (k, 2 * k), (0, 1))[: size[0], : size[1]] + rng.normal(0, 2, (*size, 3)) for k in range(n)]
    return np.clip(frames, 0, 255).astype(np.uint8).transpose(0, 3, 1, 2).copy()


def dropped(frames, k, rate):
    return np.delete(frames, k, axis=0), rate


def doubled(frames, k, rate):
    return np.concatenate([frames[: k + 1], frames[k:-1]]), rate


def repeated(frames, k, rate):
    frames[k] = frames[k - 1]
    return frames, rate


def swapped(frames, k, rate):
    frames[[k, k - 1]] = frames[[k - 1, k]]
    return frames, rate


def bgr(frames, k, rate):
    return frames[:, ::-1].copy(), rate


def bgr_once(frames, k, rate):
    frames[k] = frames[k, ::-1].copy()
    return frames, rate


def shifted(frames, k, rate):
    return np.concatenate([frames[:1], frames[:-1]]), rate


def narrowed(frames, k, rate):
    return (frames * (219 / 255) + 16).astype(np.uint8), rate


def widened(frames, k, rate):
    return np.clip((frames.astype(float) - 16) * (255 / 219), 0, 255).astype(np.uint8), rate


def flipped(frames, k, rate):
    frames[k, 1, 7, 9] ^= 1
    return frames, rate


def mistimed(frames, k, rate):
    return frames, rate * 30000 / 25025


KINDS = (dropped, doubled, repeated, swapped, bgr, bgr_once, shifted, narrowed, widened, mistimed, "bit")


def plant(target, kind, honest, rng):
    """Put a fault into one result; an honest receipt stays as it was, the other agrees with the fault."""
    receipt = receipts.read(target)
    source = Path(target.parents[len(Path(receipt.path).parts) - 1], receipt.source["path"])
    recipe = Recipe.of(receipt.recipe)
    if kind == "bit" and honest:
        flip(target, lambda: True, rng)
    elif kind == "bit" and recipe.to in LOSSY:
        before = vf.load(target)
        flip(target, lambda: changed(target, before), rng)
    else:
        kind = flipped if kind == "bit" else kind
        with Frames(str(source), recipe) as frames:
            found, rate = kind(frames[0 : len(frames)], rng.randrange(2, len(frames) - 2), frames.fps)
        found = Timed(found, rate)
        store(found, target, recipe.to, recipe.options, 1)
    if not honest:
        with vf.open(target) as video:
            digests = digests_of(video)
            size, _ = receipts.size_and_time(target)
            result = receipt.result | {"size": size, "sha256": receipts.sha256_of(target)}
            agreed = {"shape": list(video.shape), "fps": video.fps, "decoded": digests, "stored": digests}
            receipts.save(target, dataclasses.replace(receipt, result=result, **agreed))


class Timed:
    """Frames with a rate."""

    def __init__(self, frames, rate):
        self.frames, self.fps, self.shape, self.dtype = frames, rate, frames.shape, frames.dtype

    def __getitem__(self, part):
        return self.frames[part]


def flip(target, enough, rng):
    """Flip one bit of a file."""
    while True:
        piece = rng.choice(sorted(target.iterdir())) if target.is_dir() else target
        data = bytearray(piece.read_bytes())
        good, at = bytes(data), rng.randrange(len(data) * 8)
        data[at // 8] ^= 1 << at % 8
        piece.write_bytes(data)
        if enough():
            return
        piece.write_bytes(good)


def changed(target, before):
    """Tell whether a result opens as before, but shows something else, by more than lossy formats differ anyway."""
    try:
        off = np.square(vf.load(target).astype(float) - before).max(axis=1)
    except Exception:
        return False  # whatever does not open is found by anyone
    n, height, width = off.shape
    return off.reshape(n, height // 8, 8, width // 8, 8).mean(axis=(2, 4)).max() > 6400


def trial(folder, name, n, seed):
    """Convert `n` videos, plant a fault into each, and return how many, what was missed, and false alarms before."""
    rng = random.Random(f"{name} {seed}")
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        frames = scene(rng.randrange(20, 90), rng.randrange(1 << 30))
        (folder / "source").mkdir(exist_ok=True)
        vf.write(frames, folder / "source" / f"{k:03d}.npy", fps=25.0)
    vf.convert(folder / "source", folder / "store", name, **FORMATS[name])
    alarms = [str(problem) for problem in vf.verify(folder / "store")]
    alarms += [str(problem) for problem in vf.verify(folder / "store", against=folder / "source")]
    alarms += [str(problem) for problem in vf.verify(folder / "store", against=folder / "source", quick=True)]
    planted = {}
    for place, target in enumerate(list(receipts.targets(folder / "store"))):
        kind, honest = KINDS[(place + seed) % len(KINDS)], rng.random() < 0.5
        plant(target, kind, honest, rng)
        planted[target.name] = f"{getattr(kind, '__name__', kind)} {'damage' if honest else 'converter'}"
    alone = {problem.path for problem in vf.verify(folder / "store") if problem.is_fault}
    against = vf.verify(folder / "store", against=folder / "source")
    found = {problem.path for problem in against if problem.is_fault}
    missed = [f"{name} {path} {what}, against" for path, what in planted.items() if path not in found]
    missed += [f"{name} {p} {what}, alone" for p, what in planted.items() if "damage" in what and p not in alone]
    return planted, missed, alarms, against


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=33)
    options = parser.parse_args()
    total, missed, alarms, clean, start, seed = 0, [], [], 0, time.time(), 0
    while total < options.faults:
        for name in FORMATS:
            n = min(options.batch, options.faults - total)
            if n:
                with tempfile.TemporaryDirectory() as folder:
                    planted, lost, false, _ = trial(Path(folder), name, n, seed)
                total, clean, missed, alarms = total + len(planted), clean + n, missed + lost, alarms + false
                print(
                    f"{name}: {len(planted)} planted, {len(lost)} missed, {len(false)} false", *lost, *false, sep="\n "
                )
        seed += 5
    print(
        f"{total} faults, {len(missed)} missed; {clean} clean results, {len(alarms)} false; {time.time() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
