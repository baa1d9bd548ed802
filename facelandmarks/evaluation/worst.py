"""The worst faces of a subset as small images, truth and prediction drawn on them."""

import base64

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import tight_boxes
from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.measuring import Measured, Settings, read_subset
from facelandmarks.evaluation.protocols import Row
from facelandmarks.evaluation.scoring import mean_errors
from facelandmarks.images import load_image

SIDE = 420  # px
_COVER = 1.5  # side of what is shown, in units of the longer side of the truth's tight box
# Colours that colour-blind readers tell apart, and different shapes: rings for the truth, dots for the prediction.
TRUTH, PREDICTION = (86, 180, 233), (255, 140, 0)
_FRACTION = 4  # fractional bits of OpenCV's drawing coordinates
_QUALITY = 80


def worst_faces(row: Row, subset: str, part: Measured, settings: Settings, count: int) -> list[Card]:
    """Return the faces with the largest mean errors, worst first: name, error, and a JPEG in base64.

    The truth is a blue ring, the prediction an orange dot; a line joins the two points of a landmark.
    """
    faces = part.faces
    errors = mean_errors(faces)
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")
    wanted = {faces.names[face]: int(face) for face in order[np.isfinite(errors[order])][:count]}
    drawn: dict[str, str] = {}
    for sample in read_subset(row, subset, settings)[1]:
        if sample.name in wanted:
            face = wanted[sample.name]
            truth, points = (found[face] - row.protocol.counts_from for found in (faces.truth, faces.points))
            drawn[sample.name] = draw_face(load_image(sample.image), truth, points, faces.visible[face])
        if len(drawn) == len(wanted):
            break
    return [
        {"name": name, "error": round(float(errors[face]), 6), "jpeg": drawn[name]} for name, face in wanted.items()
    ]


def draw_face(
    image: NDArray[np.uint8], truth: NDArray[np.floating], points: NDArray[np.floating], visible: NDArray[np.bool_]
) -> str:
    """Return the square around a face as JPEG in base64."""
    from facelandmarks._opencv import cv2

    x1, y1, x2, y2 = tight_boxes(truth[None, visible])[0]
    zoom = SIDE / (_COVER * max(x2 - x1, y2 - y1, 1.0))
    shift = SIDE / 2 - zoom * np.array([x1 + x2, y1 + y2]) / 2
    tile = cv2.warpAffine(image, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), (SIDE, SIDE))
    ends = [np.round((found[visible] * zoom + shift) * 2**_FRACTION).astype(int) for found in (truth, points)]
    for start, end in zip(*ends, strict=True):
        cv2.line(tile, start.tolist(), end.tolist(), (255, 255, 255), 1, cv2.LINE_AA, _FRACTION)
        cv2.circle(tile, start.tolist(), round(4.5 * 2**_FRACTION), TRUTH, 2, cv2.LINE_AA, _FRACTION)
    for end in ends[1]:
        cv2.circle(tile, end.tolist(), round(2.2 * 2**_FRACTION), PREDICTION, -1, cv2.LINE_AA, _FRACTION)
    content = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return base64.b64encode(content.tobytes()).decode()
