"""Many images: files in, rows out, on one machine or on many.

>>> import facelandmarks as fl
>>> from facelandmarks.bulk import find_images, predict_rows
>>> for row in predict_rows(fl.load_model(), find_images(["photos"])):  # doctest: +SKIP
...     print(row["image"], row["status"], row["points"])
"""

from facelandmarks.bulk.run import Counts, draw_images, predict_to_file
from facelandmarks.bulk.stream import RayPredictor, predict_batches, predict_rows
from facelandmarks.bulk.tables import find_images
from facelandmarks.finding import Find

__all__ = [
    "Counts", "Find", "RayPredictor", "draw_images", "find_images", "predict_batches", "predict_rows", "predict_to_file"
]  # fmt: skip
