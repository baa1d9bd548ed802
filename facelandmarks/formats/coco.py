"""COCO keypoints: one document for any number of images.

Coordinates count from 0, the centre of the top-left pixel, as MMPose reads them. `score` is the score of the box. Where
COCO has no field for something, the document has one of our own, which other readers ignore: `detector` of an image,
`keypoint_scores` of a face, and those of `CARRIED` that it has.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import count, pairwise
from typing import Any

from facelandmarks._files import parse_json
from facelandmarks.errors import InvalidOptionError
from facelandmarks.formats import CARRIED
from facelandmarks.schemes import SCHEMES, Scheme, get_scheme

CATEGORY = 1
LABELLED = 2  # COCO's flag of a point that is there and visible; 0 is one without a label


def to_coco(records: Mapping[str, Mapping[str, Any]], scheme: Scheme | None = None) -> str:
    """Return the document of images by file name; `InvalidOptionError` if their schemes differ or there is no image.

    `scheme` is that of your own points, which the records only name.
    """
    schemes = {record["scheme"] for record in records.values()}
    if len(schemes) != 1:
        raise InvalidOptionError(f"one document holds the points of one scheme; got {sorted(schemes)}")
    images, annotations, number = [], [], count(1)
    for image, (name, record) in enumerate(records.items(), 1):
        known = {key: record[key] for key in ("width", "height", "detector")}
        images.append({"id": image, "file_name": name, **known})
        annotations += [{"id": next(number), "image_id": image, **_annotation(face)} for face in record["faces"]]
    scheme = scheme or get_scheme(schemes.pop())
    lines = [(*contour.points, contour.points[0]) if contour.closed else contour.points for contour in scheme.contours]
    category = {
        "id": CATEGORY,
        "name": "face",
        "supercategory": "face",
        "keypoints": list(scheme.names),
        "skeleton": [[a + 1, b + 1] for line in lines for a, b in pairwise(line)],  # COCO counts from 1
    }
    return json.dumps({"images": images, "annotations": annotations, "categories": [category]}, allow_nan=False)


def _annotation(face: Mapping[str, Any]) -> dict[str, Any]:
    left, top, right, bottom = face["box"]
    width, height = round(right - left, 3), round(bottom - top, 3)
    return {
        "category_id": CATEGORY,
        "iscrowd": 0,
        "bbox": [left, top, width, height],
        "area": round(width * height, 3),
        "keypoints": [value for x, y in face["points"] for value in (x, y, LABELLED)],
        "num_keypoints": len(face["points"]),
        "score": face["box_score"],
        "keypoint_scores": face["scores"],
        **{name: face[name] for name in CARRIED if face[name] is not None},
    }


def from_coco(text: str, own: Scheme | None = None) -> dict[str, dict[str, Any]]:
    """Return the records of a document's images by file name; `InvalidOptionError` if it is of another kind.

    Its only category must have the point names of a scheme that is known here, or of `own`. Points without a label, and
    scores that the document does not have, are None.
    """
    try:
        document = parse_json(text)
        (category,), images = document["categories"], document["images"]
        names = tuple(category["keypoints"])
        known = [*SCHEMES.values(), *([own] if own else [])]
        scheme = next((scheme.name for scheme in known if scheme.names == names), None)
        if scheme is None:
            raise InvalidOptionError(f"no scheme here has these {len(names)} points: {', '.join(names[:3])}, ...")
        _check_unlike([image["id"] for image in images])
        _check_unlike([str(image["file_name"]) for image in images])
        faces: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
        for annotation in document["annotations"]:
            faces[annotation["image_id"]].append(_face(annotation))
        return {
            str(image["file_name"]): {
                "width": image["width"],
                "height": image["height"],
                "scheme": scheme,
                "detector": image.get("detector"),
                "faces": faces[image["id"]],
            }
            for image in images
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"this is not a COCO document of faces: {type(error).__name__}: {error}") from error


def _check_unlike(names: Sequence[Any]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"two images are called {twice[0]!r:.99}")


def _face(annotation: Mapping[str, Any]) -> dict[str, Any]:
    left, top, width, height = annotation["bbox"]
    x, y, flags = (annotation["keypoints"][start::3] for start in range(3))
    points = [(a, b) if flag else (None, None) for a, b, flag in zip(x, y, flags, strict=True)]
    return {
        "box": [left, top, left + width, top + height],
        "box_score": annotation.get("score"),
        "points": points,
        "scores": annotation.get("keypoint_scores") or [None] * len(points),
        **{name: annotation.get(name) for name in CARRIED},
    }
