"""What reading frames with OpenCV costs: images from memory and disk, and films read, skipped and sought."""

from typing import Any

import cv2
import numpy as np

from .corpus import REPEAT, TIMER, check_pinned, video

IMAGES = 200
FRAMES = 600
WINDOWS = (37, 291, 488)


def near(got: np.ndarray, expected: np.ndarray, half: bool = False) -> None:
    """Raise an error unless a picture is the expected one, within what lossy codecs change."""
    if half:
        expected = cv2.resize(expected, (expected.shape[1] // 2, expected.shape[0] // 2), interpolation=cv2.INTER_AREA)
    if got.shape != expected.shape or np.abs(got.astype(int) - expected).mean() > 12:
        raise RuntimeError(f"expected the picture that was written, got another one of {got.shape}")


class _Suite:
    version = "2"
    timer = TIMER
    number = 1
    repeat = REPEAT
    rounds = 1
    warmup_time = 0.0
    timeout = 120

    # asv runs an inherited setup_cache once for all the classes: its key is this line.
    def setup_cache(self) -> None:
        """Write the images and the films with the release that will read them."""
        check_pinned("opencv-python", cv2.__version__)
        frames = np.ascontiguousarray(video()[:FRAMES].transpose(0, 2, 3, 1))
        for number, frame in enumerate(frames[:IMAGES]):
            for kind in ("jpg", "png", "webp"):
                cv2.imwrite(f"{number}.{kind}", frame)
        for name, code in (("film.mp4", "mp4v"), ("film.avi", "MJPG")):
            writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*code), 64, (120, 120))
            for frame in frames:
                writer.write(frame)
            writer.release()


class Images(_Suite):
    params = [["jpg", "jpg, grey", "jpg, half size", "png", "webp", "jpg files"]]
    param_names = ["image"]
    flags = {"jpg, grey": cv2.IMREAD_GRAYSCALE, "jpg, half size": cv2.IMREAD_REDUCED_COLOR_2}

    def setup(self, image: str) -> None:
        check_pinned("opencv-python", cv2.__version__)
        self.flag = self.flags.get(image, cv2.IMREAD_COLOR)
        self.got: Any = None
        kind = image.replace(",", " ").split()[0]
        self.encoded = [np.fromfile(f"{number}.{kind}", np.uint8) for number in range(IMAGES)]

    def teardown(self, image: str) -> None:
        if self.got is not None:
            last = video()[IMAGES - 1].transpose(1, 2, 0)
            near(self.got, cv2.cvtColor(last, cv2.COLOR_BGR2GRAY) if "grey" in image else last, "half" in image)

    def time_decode(self, image: str) -> None:
        if image == "jpg files":
            for number in range(IMAGES):
                self.got = cv2.imread(f"{number}.jpg")
        else:
            for encoded in self.encoded:
                self.got = cv2.imdecode(encoded, self.flag)


class _Film(_Suite):
    name: str
    params = [["all", "stride", "one window", "windows"]]
    param_names = ["access"]

    def setup(self, access: str) -> None:
        check_pinned("opencv-python", cv2.__version__)
        self.got: Any = None

    def teardown(self, access: str) -> None:
        if self.got is not None:
            last = {"windows": WINDOWS[-1] + 63, "one window": WINDOWS[1] + 63, "stride": FRAMES - 4}
            near(self.got, video()[last.get(access, FRAMES - 1)].transpose(1, 2, 0))

    def time_read(self, access: str) -> None:
        film = cv2.VideoCapture(self.name)
        if access == "all":
            there, frame = film.read()
            while there:
                self.got = frame
                there, frame = film.read()
        elif access == "stride":
            for number in range(FRAMES):
                film.grab()
                if number % 4 == 0:
                    self.got = film.retrieve()[1]
        else:
            for start in WINDOWS if access == "windows" else WINDOWS[1:2]:
                film.set(cv2.CAP_PROP_POS_FRAMES, start)
                for _ in range(64):
                    self.got = film.read()[1]
        film.release()


class Mp4(_Film):
    """MPEG-4 part 2, as ``VideoWriter`` writes it with ``mp4v``."""

    name = "film.mp4"


class MotionJpeg(_Film):
    name = "film.avi"


class Convert(_Suite):
    """What loaders do with a decoded frame."""

    params = [["BGR to RGB", "split into planes", "resize to 64", "resize by area", "blobFromImages"]]
    param_names = ["to"]

    def setup(self, to: str) -> None:
        self.frames: list[Any] = [cv2.imread(f"{number}.jpg") for number in range(IMAGES)]
        self.convert: Any = {
            "BGR to RGB": lambda frame: cv2.cvtColor(frame, cv2.COLOR_BGR2RGB),
            "split into planes": cv2.split,
            "resize to 64": lambda frame: cv2.resize(frame, (64, 64)),
            "resize by area": lambda frame: cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA),
        }.get(to)

    def time_convert(self, to: str) -> None:
        if self.convert is None:
            cv2.dnn.blobFromImages(self.frames, swapRB=True)
        else:
            for frame in self.frames:
                self.convert(frame)
