"""facelandmarks-predict with a model that costs next to nothing: python bulk_and_die.py ARGUMENTS.

Says `ready` when all is imported, so that whoever kills it can choose the moment of its work.
"""

import sys
import time

import numpy as np

from facelandmarks.cli import common
from facelandmarks.cli.predict import main
from facelandmarks.detection.base import Detections
from facelandmarks.engines.base import EngineInfo
from facelandmarks.model import Model
from facelandmarks.zoo import get_spec


class Finder:
    """As many faces as the first pixel says; a box is a part of the picture."""

    name, convention = "finder", "tight"

    def detect(self, image, *, min_score=None):
        count = int(image[0, 0, 0]) % 4
        height, width = image.shape[:2]
        boxes = np.array([[n, n, width - n - 1, height - n - 1] for n in range(count)], np.float32).reshape(-1, 4)
        return Detections(boxes, np.linspace(1, 0.5, count).astype(np.float32))


class CheapEngine:
    info = EngineInfo("none", "0", "cpu", "float32", 1)

    def run(self, pixels):
        time.sleep(0.01)  # what a batch takes
        points = np.linspace(0, 1, 68 * 4, dtype=np.float32).reshape(1, 68, 4)
        return points + pixels.mean(axis=(1, 2, 3), dtype=np.float32)[:, None, None] / 1000


if __name__ == "__main__":
    model = Model(get_spec("compact_300w"), CheapEngine(), lambda _name: Finder())
    common.load_chosen_model = lambda _args: model
    import facelandmarks.bulk.run  # noqa: F401

    print("ready", flush=True)
    sys.exit(main())
