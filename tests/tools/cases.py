"""A made case for each code of `doctor`, and a data set in which nothing is wrong."""

import os
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np

import vidformats as vf

CASES = {}


def case(function):
    """Register what makes the folder of a code."""
    CASES[function.__name__] = function
    return function


def noise(*shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 254, shape).astype(dtype)


def videos(folder, n=6, **options):
    """Write some videos of numbers that differ in content only."""
    return [vf.write(noise(8, 3, 16, 16, seed=k), folder / f"t{k}.npy", **options) for k in range(n)]


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n")


@case
def VF001(folder):
    (folder / "a.mp4").write_bytes(b"no video " * 99)


@case
def VF002(folder):
    path = vf.write(noise(8, 3, 16, 16), folder / "a.npy")
    os.truncate(path, os.path.getsize(path) // 2)


@case
def VF003(folder):
    (folder / "a.mp4").touch()


@case
def VF004(folder):
    os.mkfifo(folder / "a.npy")


@case
def VF007(folder):
    (folder / "a.npy").symlink_to("nothing.npy")


@case
def VF008(folder):
    for k, name in enumerate(("a.npy", "A.npy")):
        vf.write(noise(8, 3, 16, 16, seed=k), folder / name)


@case
def VF009(folder):
    shutil.copy(videos(folder)[0], folder / "copy.npy")


@case
def VF010(folder):
    (folder / "a.npy.json").write_text("{}")


@case
def VF011(folder):
    vf.write(noise(9, 3, 16, 16), folder / "a", "jpg")
    (folder / "a" / "4.jpg").write_bytes(b"\xff\xd8" + bytes(99) + b"\xff\xd9")


@case
def VF031(folder):
    np.save(folder / "a.npy", np.random.default_rng(0).random((8, 16, 16)))


@case
def VF032(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("video", data=noise(20, 3, 32, 32), chunks=(4, 3, 16, 16), compression="gzip")


@case
def VF033(folder):
    vf.write(noise(8, 3, 16, 16), folder / "a.mat", "mat")


@case
def VF034(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("video", data=noise(40, 3, 16, 16), chunks=(40, 3, 16, 16), compression="gzip")


@case
def VF041(folder):
    videos(folder)
    vf.write(noise(8, 3, 16, 24), folder / "wide.npy")


@case
def VF042(folder):
    for k in range(6):
        vf.write(noise(8, 3, 16, 16, seed=k), folder / f"t{k}.mp4", fps=30.0 if k == 3 else 25.0)


@case
def VF043(folder):
    for k in range(3):
        (folder / f"t{k}").mkdir()
        for frame in range(4):
            picture = noise(16, 16, seed=4 * k + frame, dtype=np.uint16 if k == 1 else np.uint8)
            cv2.imwrite(str(folder / f"t{k}" / f"{frame}.png"), picture)


@case
def VF045(folder):
    videos(folder)
    vf.write(noise(8, 1, 16, 16), folder / "grey.npy")


@case
def VF046(folder):
    videos(folder)
    vf.write(noise(8, 3, 16, 16, dtype=np.float32), folder / "float.npy")


@case
def VF047(folder):
    vf.write(noise(9, 3, 16, 16), folder / "a", "jpg")
    (folder / "a" / "4.jpg").unlink()


@case
def VF048(folder):
    videos(folder, 9)
    (folder / "t4.npy").unlink()


@case
def VF051(folder):
    for path in map(Path, videos(folder)):
        np.save(path.with_name(f"{path.stem}_valence.npy"), np.arange(8.0) + int(path.stem[1:]))
    np.save(folder / "t3_valence.npy", np.arange(5.0))


@case
def VF052(folder):
    np.save(folder / "valence.npy", np.array([0, np.nan, 1]))


@case
def VF053(folder):
    table(folder / "valence.csv", "time,valence", "0,1", "1,2,3,4")


@case
def VF054(folder):
    videos(folder)
    table(folder / "manifest.csv", "trial,video", *(f"t{k},t{k}.npy" for k in range(7)))


@case
def VF055(folder):
    videos(folder)
    table(folder / "manifest.csv", "trial,video", *(f"t{k},t{k}.npy" for k in range(5)))


@case
def VF056(folder):
    table(folder / "manifest.csv", "trial,n_frames,subject", "a,8,Ann", "a,8,Ann")


@case
def VF061(folder):
    table(folder / "manifest.csv", "trial,n_frames,subject", "a,8,S01", "b,8,s1")


@case
def VF062(folder):
    table(folder / "manifest.csv", "trial,n_frames,subject,fold", "a,8,Ann,1", "b,8,Ann,2")


@case
def VF063(folder):
    table(folder / "manifest.csv", "trial,n_frames,subject", "a,8,Ann", "b,8,")


def clean(folder):
    """Write a data set as people have them: folders by subject, two streams, labels, a manifest with folds."""
    rows = ["trial,subject,n_frames,fps,face,label,fold"]
    seed = 0
    for subject in ("s01", "s02", "s03"):
        (folder / subject).mkdir()
        for trial in ("t1", "t2"):
            seed += 1
            frames, stem = 20 + 4 * seed, f"{subject}/{trial}"
            vf.write(noise(frames, 3, 16, 16, seed=seed), folder / f"{stem}_face.mp4", fps=20.0)
            vf.write(noise(frames, 3, 24, 16, seed=50 + seed), folder / f"{stem}_body.mp4", fps=20.0)
            values = np.random.default_rng(seed).random(frames).astype(np.float32)
            np.save(folder / f"{stem}_label.npy", values)
            rows.append(f"{subject}-{trial},{subject},{frames},20,{stem}_face.mp4,{stem}_label.npy,{subject[-1]}")
    table(folder / "manifest.csv", *rows)
    (folder / "notes.txt").write_text("not looked at")
