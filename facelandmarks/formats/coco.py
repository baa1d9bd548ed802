"""COCO keypoints: one document for any number of pictures.

Coordinates count from 0, the centre of the top-left pixel, as MMPose reads them. `score` is the score of the box. What
COCO has no field for stands in fields of our own, which other readers pass over: `detector` of a picture and
`keypoint_scores` of a face.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import count, pairwise
from typing import Any

from facelandmarks._files import parse_json
from facelandmarks.errors import InvalidOptionError
from facelandmarks.formats.json import from_faces
from facelandmarks.results import Landmarks
from facelandmarks.schemes import SCHEMES, Scheme

CATEGORY = 1
LABELLED = 2  # COCO's flag of a point that is there and visible; 0 is one without a label


def to_coco(pictures: Mapping[str, Landmarks]) -> str:
    """A document of pictures by file name; `InvalidOptionError` if there is none, or their schemes differ."""
    schemes = {faces.scheme.name for faces in pictures.values()}
    if len(schemes) != 1:
        raise InvalidOptionError(f"one document holds the points of one scheme; got {sorted(schemes)}")
    images, annotations, number = [], [], count(1)
    for image, (name, faces) in enumerate(pictures.items(), 1):
        width, height = faces.image_size
        known = {"id": image, "file_name": name, "width": width, "height": height, "detector": faces.detector}
        images.append(known)
        annotations += [_annotation(face, next(number), image) for face in faces.to_dict()["faces"]]
    category = _category(SCHEMES[schemes.pop()])
    return json.dumps({"images": images, "annotations": annotations, "categories": [category]}, allow_nan=False)


def _annotation(face: Mapping[str, Any], number: int, image: int) -> dict[str, Any]:
    left, top, right, bottom = face["box"]
    width, height = round(right - left, 3), round(bottom - top, 3)
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY,
        "iscrowd": 0,
        "bbox": [left, top, width, height],
        "area": round(width * height, 3),
        "keypoints": [value for x, y in face["points"] for value in (x, y, LABELLED)],
        "num_keypoints": len(face["points"]),
        "score": face["box_score"],
        "keypoint_scores": face["scores"],
    }


def _category(scheme: Scheme) -> dict[str, Any]:
    lines = [(*contour.points, contour.points[0]) if contour.closed else contour.points for contour in scheme.contours]
    skeleton = [[first + 1, second + 1] for line in lines for first, second in pairwise(line)]  # COCO counts from 1
    names = list(scheme.names)
    return {"id": CATEGORY, "name": "face", "supercategory": "face", "keypoints": names, "skeleton": skeleton}


def from_coco(text: str) -> dict[str, Landmarks]:
    """The pictures of a document by file name, in its order.

    Its only category must have the point names of a scheme that is known here. Points without a label, and scores that
    it does not have, become NaN.

    Raises
    ------
    InvalidOptionError
        If it is no such document.
    """
    try:
        document = parse_json(text)
        scheme = _scheme(document["categories"])
        faces: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
        _check_unlike([image["id"] for image in document["images"]])
        _check_unlike([str(image["file_name"]) for image in document["images"]])
        for annotation in document["annotations"]:
            faces[annotation["image_id"]].append(_face(annotation))
        return {
            str(image["file_name"]): from_faces(
                faces[image["id"]], scheme, (image["width"], image["height"]), image.get("detector")
            )
            for image in document["images"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"this is no COCO document of faces: {type(error).__name__}: {error}") from error


def _scheme(categories: Sequence[Mapping[str, Any]]) -> str:
    (category,) = categories
    names = tuple(category["keypoints"])
    known = [scheme.name for scheme in SCHEMES.values() if scheme.names == names]
    if not known:
        raise InvalidOptionError(f"no scheme here has these {len(names)} points: {', '.join(names[:3])}, ...")
    return known[0]


def _check_unlike(names: Sequence[Any]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"two pictures are called {twice[0]!r:.99}")


def _face(annotation: Mapping[str, Any]) -> dict[str, Any]:
    left, top, width, height = annotation["bbox"]
    x, y, flags = (annotation["keypoints"][start::3] for start in range(3))
    points = [(a, b) if flag else (None, None) for a, b, flag in zip(x, y, flags, strict=True)]
    return {
        "box": [left, top, left + width, top + height],
        "box_score": annotation.get("score"),
        "points": points,
        "scores": annotation.get("keypoint_scores") or [None] * len(points),
    }
