"""Learn a signal from windows of videos, leave one subject out, and put the outputs back on the time line.

    python examples/train.py                      # on made data, under two minutes on a CPU
    python examples/train.py --data my_folder     # on yours: my_folder/manifest.csv

The manifest has the columns trial, subject, n_frames, fps, video and label; n_frames and fps are those of the
labels. Movies are read by their own time, whatever their rates; ``--rate`` says how many frames of video there are
for each label if files have no time.
Labels are arrays, or tables with a column of seconds. Needs
``pip install '.[codecs,torch]' scikit-learn matplotlib``.
"""

import argparse
import csv
import itertools
from pathlib import Path

import matplotlib
import numpy as np
import torch
from sklearn.model_selection import LeaveOneGroupOut
from torch import nn
from torch.utils.data import DataLoader

import vidformats as vf

matplotlib.use("Agg")  # a file is drawn, no window is opened
from matplotlib import pyplot as plt

MADE_RATE = 4


def make_data(folder, n_subjects=3, n_trials=2, size=32, fps=4):
    """Write videos of a disc whose brightness follows the label, on the subject's own background, in noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    rows = []
    for subject, trial in itertools.product(range(n_subjects), range(n_trials)):
        n = int(rng.integers(150, 220))
        label = np.convolve(rng.normal(size=n + 24), np.hanning(25), "valid")
        label = (label / label.std()).astype(np.float32)
        shown = np.interp(np.arange(n * MADE_RATE) / MADE_RATE, np.arange(n), label)
        across = size / 2 + 6 * np.sin(np.arange(len(shown)) / 20 + subject)
        disc = (y - size / 2) ** 2 + (x - across[:, None, None]) ** 2 < (size / 4) ** 2
        grey = 90 + 15 * subject + disc * (30 + 20 * shown[:, None, None])
        noise = rng.normal(0, 8, (len(shown), 3, size, size))
        video = np.clip(grey[:, None] + noise, 0, 255).astype(np.uint8)
        name = f"subject{subject}-trial{trial}"
        vf.write(video, folder / f"{name}.npy")
        vf.write(label, folder / f"{name}-label.npy")
        row = {"trial": name, "subject": f"subject{subject}", "n_frames": n, "fps": fps}
        rows.append(row | {"video": f"{name}.npy", "label": f"{name}-label.npy"})
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


class Network(nn.Module):
    """A few convolutions on each frame, then a few along time: (B, size, C, H, W) uint8 to (B, size, K)."""

    def __init__(self, n_channels, n_outputs):
        super().__init__()
        self.frame = nn.Sequential(
            *(nn.Conv2d(n_channels, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32), nn.ReLU()),
        )
        self.time = nn.Sequential(nn.Conv1d(32, 32, 5, padding=2), nn.ReLU(), nn.Conv1d(32, n_outputs, 5, padding=2))

    def forward(self, video):
        """Return the outputs for each frame of each window."""
        frames = video.flatten(0, 1).float() / 128 - 1
        features = self.frame(frames).unflatten(0, video.shape[:2])
        return self.time(features.transpose(1, 2)).transpose(1, 2)


def agreement(a, b):
    """Return the concordance correlation of two signals where both are: 1 is the same, 0 is chance."""
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    return 2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)


def main():
    """Train one network for each subject, without it, and put together what they say of the left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder with a manifest.csv; made data by default")
    parser.add_argument("--out", type=Path, default=Path("trained"), help="where the outputs go [trained]")
    parser.add_argument("--size", type=int, default=48, help="samples in a window [48]")
    parser.add_argument("--hop", type=int, default=32, help="samples from window to window [32]")
    parser.add_argument("--rate", default="auto", help="frames of video for each label, or auto: by their time [auto]")
    parser.add_argument("--scale", type=int, help="height and width that video is scaled to; as it is by default")
    parser.add_argument("--epochs", type=int, default=8, help="times over the training windows [8]")
    parser.add_argument("--batch", type=int, default=4, help="windows in a batch [4]")
    parser.add_argument("--workers", type=int, default=2, help="processes that read [2]")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.data is None:
        args.data = args.out / "data"
        args.data.mkdir(exist_ok=True)
        make_data(args.data)
        args.rate = MADE_RATE
    torch.manual_seed(0)

    windows = vf.windows(args.data / "manifest.csv", args.size, args.hop)
    video = "video" if "video" in windows.manifest.columns else "path"  # the latter if vidformats convert wrote it
    streams = {
        "streams": {"video": video, "label": "label"},
        "rate": {"video": args.rate if args.rate == "auto" else float(args.rate)},
        "options": {"video": {"size": (args.scale, args.scale)} if args.scale else {}},
    }
    outputs = windows.restore(np.hanning(args.size))
    truth = windows.restore("last")  # labels go the same way there and back, as a check

    for train, test in windows.split(LeaveOneGroupOut(), by="subject"):
        dataset = windows.dataset(train, **streams, phase="random", seed=0)
        loader = DataLoader(
            dataset,
            args.batch,
            shuffle=True,
            num_workers=args.workers,
            persistent_workers=args.workers > 0,  # starting them takes longer than an epoch of so little data
            collate_fn=dataset.collate,
        )
        sample = dataset[0]
        network = Network(sample["video"].shape[1], int(np.prod(sample["label"].shape[1:])))
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        loss = torch.tensor(torch.nan)  # if no window has a label
        for epoch in range(args.epochs):
            dataset.set_epoch(epoch)  # each label meets another of its frames of video
            for batch in loader:
                said = network(batch["video"])
                error = said - batch["label"].reshape(said.shape)
                valid = error[batch["mask"]]  # padded samples and gaps in the labels teach nothing
                if not len(valid):
                    continue
                loss = valid.square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        dataset = windows.dataset(test, **streams)
        with torch.inference_mode():
            for batch in DataLoader(dataset, args.batch, num_workers=args.workers, collate_fn=dataset.collate):
                outputs.add(batch, network(batch["video"]))
                truth.add(batch, batch["label"])
        subject = windows["subject"][test[0]]
        print(f"{subject}: loss {loss.item():.3f}")
    draw(windows, outputs, truth, args.out)


def draw(windows, outputs, truth, folder):
    """Store what the networks said of the subjects they had not seen, and draw it over the labels."""
    figure, axes = plt.subplots(len(outputs), figsize=(9, 1.6 * len(outputs)), squeeze=False)
    fps = dict(zip(windows.manifest.trials, windows.manifest.values("fps"), strict=True))
    for axis, trial in zip(axes[:, 0], outputs, strict=True):
        said, label = outputs[trial], truth[trial].reshape(len(outputs[trial]), -1)
        np.save(folder / f"{trial}.npy", said)
        seconds = np.arange(len(said)) / fps[trial]
        axis.plot(seconds, label[:, 0], "k", lw=1, label="label")
        axis.plot(seconds, said[:, 0], "C1", lw=1, label="network, other subjects' training")
        axis.set_title(f"{trial}: agreement {agreement(said[:, 0], label[:, 0]):.2f}", fontsize=9)
    axes[0, 0].legend(fontsize=8)
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(folder / "outputs.png", dpi=110)
    mean = np.mean([agreement(outputs[t].ravel(), truth[t].ravel()) for t in outputs])
    print(f"agreement {mean:.2f} over {len(outputs)} trials; {folder / 'outputs.png'}")


if __name__ == "__main__":
    main()
