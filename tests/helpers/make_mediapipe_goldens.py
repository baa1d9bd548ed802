"""Make `tests/goldens/mediapipe`: what MediaPipe itself finds in images that anybody has.

    python3.11 -m venv /tmp/mediapipe && /tmp/mediapipe/bin/pip install mediapipe==0.10.21 scikit-image
    /tmp/mediapipe/bin/python tests/helpers/make_mediapipe_goldens.py

Solutions as they are, but that the regions are asked for too.
"""

from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.python.solution_base import SolutionBase
from mediapipe_images import NAMES, image

FOLDER = Path(__file__).parents[1] / "goldens" / "mediapipe"
MOST_FACES = 5
PARAMETERS = {  # those of `FaceMesh`
    "facedetectionshortrangecpu__facedetectionshortrange__facedetection__"
    "TensorsToDetectionsCalculator.min_score_thresh": 0.5,
    "facelandmarkcpu__ThresholdingCalculator.threshold": 0.5,
}
MESH = "mediapipe/modules/face_landmark/face_landmark_front_cpu.binarypb"


def face_mesh(picture: np.ndarray, *, refine: bool) -> dict[str, np.ndarray]:
    """Regions (n, 5) of `FaceMesh` and points (k, K, 3), as fractions of the image."""
    sides = {"num_faces": MOST_FACES, "with_attention": refine, "use_prev_landmarks": False}
    outputs = ["multi_face_landmarks", "face_rects_from_detections"]
    with SolutionBase(
        binary_graph_path=MESH, side_inputs=sides, calculator_params=PARAMETERS, outputs=outputs
    ) as graph:
        found = graph.process({"image": picture})
    regions = [(r.x_center, r.y_center, r.width, r.height, r.rotation) for r in found.face_rects_from_detections or ()]
    points = [[(p.x, p.y, p.z) for p in face.landmark] for face in found.multi_face_landmarks or ()]
    count = 478 if refine else 468
    return {
        "roi": np.float32(regions).reshape(-1, 5),
        "points": np.float32(points).reshape(-1, count, 3),
    }


def face_detection(picture: np.ndarray, model: int) -> dict[str, np.ndarray]:
    """Boxes (n, 4: left, top, width, height), key points (n, 6, 2) and scores of `FaceDetection`, as fractions."""
    with mp.solutions.face_detection.FaceDetection(model_selection=model, min_detection_confidence=0.5) as solution:
        found = solution.process(picture).detections or ()
    places = [detection.location_data for detection in found]
    boxes = [(b.xmin, b.ymin, b.width, b.height) for b in (place.relative_bounding_box for place in places)]
    points = [[(p.x, p.y) for p in place.relative_keypoints] for place in places]
    return {
        "boxes": np.float32(boxes).reshape(-1, 4),
        "keypoints": np.float32(points).reshape(-1, 6, 2),
        "scores": np.float32([detection.score[0] for detection in found]),
    }


def main() -> None:
    for name in NAMES:
        picture = image(name)
        runs = {
            "mesh468": face_mesh(picture, refine=False),
            "mesh478": face_mesh(picture, refine=True),
            "short": face_detection(picture, 0),
            "full": face_detection(picture, 1),
        }
        arrays = {f"{run}_{key}": value for run, found in runs.items() for key, value in found.items()}
        print(
            name, picture.shape, {key: value.shape for key, value in arrays.items() if "points" in key or "box" in key}
        )
        np.savez_compressed(FOLDER / f"{name}.npz", size=np.array(picture.shape[1::-1]), **arrays)


if __name__ == "__main__":
    main()
