"""Which frames a release of a reader returns: the referee's requests, answered in asv's process.

`vidformats.history.frames` writes the clips, the requests and the adapters beside this file.
"""

import importlib
import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .corpus import check_pinned

HERE = Path(__file__).parent
_FILE = HERE / "requests.json"
ASKED: dict[str, Any] = json.loads(_FILE.read_text()) if _FILE.exists() else {"library": "", "cases": {}}


class Frames:
    """Single frames at random, of one clip by one reader."""

    version = "1"
    timeout = 120
    params = [list(ASKED["cases"])]
    param_names = ["reader and clip"]
    unit = "frames"

    def setup(self, case: str) -> None:
        check_pinned(ASKED["library"], metadata.version(ASKED["library"]))

    def track_wrong_frames(self, case: str) -> float:
        return float(self.outcomes(case)[1])

    def track_refused(self, case: str) -> float:
        return float(self.outcomes(case)[2])

    def outcomes(self, case: str) -> list[int]:
        """Return how many frames were right, wrong and refused."""
        module_at = importlib.import_module(".child", __package__).module_at
        asked = ASKED["cases"][case]
        adapter = module_at(str(HERE / asked["adapter"]), "adapter")
        number_of = module_at(str(HERE / "numbered.py"), "numbered").number_of
        counts = [0, 0, 0]
        try:
            video = adapter.open(os.fspath(HERE / asked["path"]), **asked["options"])
        except Exception:
            return [0, 0, len(asked["calls"])]
        for call, due in zip(asked["calls"], asked["due"], strict=True):
            try:
                shown = number_of(np.asarray(video.frame(call)).transpose(2, 0, 1))
            except Exception:
                counts[2] += 1
            else:
                counts[int(shown != due)] += 1
        return counts
