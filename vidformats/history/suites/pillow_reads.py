"""What reading images with Pillow costs: from memory and disk, in part, at half size; and what loaders do with them."""

import io
from typing import Any

import numpy as np
import PIL
from PIL import Image

from .corpus import REPEAT, TIMER, check_pinned, check_result, video

IMAGES = 200
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpg": ("JPEG", {"quality": 95}),
    "png": ("PNG", {"compress_level": 1}),
    "webp": ("WEBP", {"quality": 90, "method": 2}),
    "webp, every pixel kept": ("WEBP", {"lossless": True, "method": 2}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff, lzw": ("TIFF", {"compression": "tiff_lzw"}),
}
"""Name -> Pillow's name of a format, and its options: what changes no pixel, and what changes few."""


def near(got: np.ndarray, expected: np.ndarray, mean: float = 12) -> None:
    """Raise an error unless a picture is the expected one, within what lossy codecs change."""
    if got.shape != expected.shape or np.abs(got.astype(int) - expected).mean() > mean:
        raise RuntimeError(f"expected the picture that was written, got another one of {got.shape}")


class _Suite:
    version = "1"
    timer = TIMER
    number = 1
    repeat = REPEAT
    rounds = 1
    warmup_time = 0.0
    timeout = 120

    # asv runs an inherited setup_cache once for all the classes: its key is this line.
    def setup_cache(self) -> None:
        """Write the images with the release that will read them."""
        check_pinned("pillow", PIL.__version__)
        for number, frame in enumerate(video()[:IMAGES].transpose(0, 2, 3, 1)):
            for kind, (name, options) in KINDS.items():
                Image.fromarray(np.ascontiguousarray(frame)).save(f"{number} {kind}", name, **options)


class Images(_Suite):
    """Encoded images to arrays; the files of the last cases are opened by name."""

    params = [[*KINDS, "jpg, grey", "jpg, half size", "jpg, cropped", "jpg files", "png files"]]
    param_names = ["image"]

    def setup(self, image: str) -> None:
        check_pinned("pillow", PIL.__version__)
        self.got: Any = None
        kind = image if image in KINDS else image.replace(",", " ").split()[0]
        self.names = [f"{number} {kind}" for number in range(IMAGES)]
        self.encoded = []
        for name in self.names:
            with open(name, "rb") as file:
                self.encoded.append(file.read())

    def teardown(self, image: str) -> None:
        if self.got is None:
            return
        last = video()[IMAGES - 1].transpose(1, 2, 0)
        if image == "jpg, grey":
            near(self.got, np.asarray(Image.fromarray(np.ascontiguousarray(last)).convert("L")))
        elif image == "jpg, half size":
            near(self.got, last.reshape(60, 2, 60, 2, 3).mean((1, 3)))
        elif image == "jpg, cropped":
            near(self.got, last[10:110, 10:110])
        elif image.startswith(("jpg", "webp")) and "every" not in image:
            near(self.got, last)
        else:
            check_result(self.got, last)

    def time_decode(self, image: str) -> None:
        for name, encoded in zip(self.names, self.encoded, strict=True):
            with Image.open(name if image.endswith("files") else io.BytesIO(encoded)) as picture:
                if image == "jpg, grey":
                    picture.draft("L", picture.size)
                elif image == "jpg, half size":
                    picture.draft("RGB", (60, 60))
                cropped = picture.crop((10, 10, 110, 110)) if image == "jpg, cropped" else picture
                self.got = np.asarray(cropped)


class Convert(_Suite):
    """What loaders do with a decoded frame."""

    params = [["to array", "from array", "grey", "crop", "mirror", "resize to 64", "resize by area", "turn"]]
    param_names = ["to"]

    def setup(self, to: str) -> None:
        check_pinned("pillow", PIL.__version__)
        self.got: Any = None
        self.frames: Any = np.ascontiguousarray(video()[:IMAGES].transpose(0, 2, 3, 1))
        self.pictures: list[Any] = [Image.fromarray(frame) for frame in self.frames]
        convert: dict[str, Any] = {
            "to array": np.asarray,
            "grey": lambda picture: picture.convert("L"),
            "crop": lambda picture: picture.crop((10, 10, 110, 110)),
            "mirror": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            "resize to 64": lambda picture: picture.resize((64, 64), Image.Resampling.BILINEAR),
            "resize by area": lambda picture: picture.resize((60, 60), Image.Resampling.BOX),
            "turn": lambda picture: picture.rotate(10, Image.Resampling.BILINEAR),
        }
        self.convert = convert.get(to, Image.fromarray)

    def teardown(self, to: str) -> None:
        if self.got is None:
            return
        got, last = np.asarray(self.got), self.frames[-1]
        exact = {"crop": last[10:110, 10:110], "mirror": last[:, ::-1], "to array": last, "from array": last}
        if to in exact:
            check_result(got, exact[to])
        elif to == "grey":
            near(got, last @ [0.299, 0.587, 0.114], 1)
        elif to == "resize by area":
            near(got, last.reshape(60, 2, 60, 2, 3).mean((1, 3)), 1)
        elif got.shape != {"resize to 64": (64, 64, 3)}.get(to, last.shape) or not got.any():
            raise RuntimeError(f"expected the picture that was converted, got another one of {got.shape}")

    def time_convert(self, to: str) -> None:
        for frame in self.frames if to == "from array" else self.pictures:
            self.got = self.convert(frame)
