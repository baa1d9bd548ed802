"""Small pictures of single faces with their points, for reports."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import tight_boxes
from facelandmarks.evaluation.protocol import Row
from facelandmarks.evaluation.runner import Measured, Settings, read_subset
from facelandmarks.evaluation.scoring import landmark_errors
from facelandmarks.images import load_image

SIDE = 240  # px
_COVER = 1.5  # side of what is shown, in units of the longer side of the truth's tight box
_GREEN, _RED = (60, 200, 60), (235, 60, 40)
_FRACTION = 4  # bits that OpenCV draws below the pixel
_QUALITY = 85


def worst_faces(row: Row, subset: str, part: Measured, settings: Settings, count: int) -> list[dict[str, Any]]:
    """The faces with the largest mean errors, worst first: name, error, and a JPEG in base64.

    The truth is green, the prediction red; a line joins the two of a landmark.
    """
    errors, valid = landmark_errors(part.faces)
    with np.errstate(invalid="ignore"):
        faces = np.where(valid, errors, 0).sum(1) / valid.sum(1)
    order = [
        int(face) for face in np.argsort(-np.nan_to_num(faces, nan=-1.0), kind="stable") if np.isfinite(faces[face])
    ]
    wanted = {part.faces.names[face]: face for face in order[:count]}
    drawn = _drawn(row, subset, part, settings, wanted)
    return [{"name": name, "error": round(float(faces[face]), 6), "jpeg": drawn[name]} for name, face in wanted.items()]


def _drawn(row: Row, subset: str, part: Measured, settings: Settings, wanted: Mapping[str, int]) -> dict[str, str]:
    drawn: dict[str, str] = {}
    for sample in read_subset(row, subset, settings)[1]:
        if sample.name in wanted:
            face = wanted[sample.name]
            truth, points = (found[face] - row.protocol.counts_from for found in (part.faces.truth, part.faces.points))
            drawn[sample.name] = draw_face(load_image(sample.image), truth, points, part.faces.visible[face])
        if len(drawn) == len(wanted):
            break
    return drawn


def draw_face(
    picture: NDArray[np.uint8], truth: NDArray[np.floating], points: NDArray[np.floating], visible: NDArray[np.bool_]
) -> str:
    """The square around a face as JPEG in base64."""
    import cv2

    x1, y1, x2, y2 = tight_boxes(truth[None, visible])[0]
    zoom = SIDE / (_COVER * max(x2 - x1, y2 - y1, 1.0))
    shift = SIDE / 2 - zoom * np.array([x1 + x2, y1 + y2]) / 2
    tile = cv2.warpAffine(picture, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), (SIDE, SIDE))
    ends = [np.round((found[visible] * zoom + shift) * 2**_FRACTION).astype(int) for found in (truth, points)]
    for start, end in zip(*ends, strict=True):
        cv2.line(tile, start.tolist(), end.tolist(), (255, 255, 255), 1, cv2.LINE_AA, _FRACTION)
    for found, colour in zip(ends, (_GREEN, _RED), strict=True):
        for point in found:
            cv2.circle(tile, point.tolist(), round(1.6 * 2**_FRACTION), colour, -1, cv2.LINE_AA, _FRACTION)
    content = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return base64.b64encode(content.tobytes()).decode()
