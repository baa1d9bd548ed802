"""MediaPipe's own package beside this one, on one core: networks alone, and a whole image to points.

    python benchmarks/beside_mediapipe.py --other /tmp/mediapipe/bin/python --files FOLDER

`--other` is a Python that has mediapipe==0.10.21 and ai-edge-litert, FOLDER has MediaPipe's four .tflite files. Each of
five rounds runs both, one after the other, as processes of their own; a number is the median of a round's turns in
processor time (the machine may be busy), and of the five rounds the median is taken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROUNDS, TURNS, WARM_UPS = 5, 100, 10
NETWORKS = {  # of ours, file, side of the input
    "face_mesh": ("face_landmark_fp16.tflite", 192),
    "face_mesh_attention": ("face_landmark_with_attention.tflite", 192),
    "blazeface_short": ("face_detection_short_range.tflite", 128),
    "blazeface_full": ("face_detection_full_range_sparse.tflite", 192),
}
MODELS = {"mediapipe_face_mesh": "face_mesh", "mediapipe_face_mesh_attention": "face_mesh_attention"}
PHOTO = 480  # pixels: side of the image for the models in the wheel
# Of the models in the wheel, how they are called, and what of theirs does the same.
BUILT_IN = {"tiny_300w": {"min_face": 0.2}, "compact_300w": {}}
BESIDE = {
    **dict.fromkeys(BUILT_IN, "face_mesh"),
    **{f"photo to 68, {name}": "photo to 468" for name in BUILT_IN},
}


def median_of(action: Callable[[], object]) -> float:
    """Milliseconds of processor time, all threads together."""
    times = []
    for _ in range(WARM_UPS + TURNS):
        begun = time.process_time()
        action()
        times.append(time.process_time() - begun)
    return statistics.median(times[WARM_UPS:]) * 1e3


def ours(folder: Path) -> dict[str, float]:
    """Networks in ONNX Runtime, and `Model.predict`."""
    import cv2
    import numpy as np
    from skimage import data

    import facelandmarks as fl
    from facelandmarks.detection import load_detector

    cv2.setNumThreads(1)
    image, found, detector = data.astronaut(), {}, {}
    for name in ("blazeface_short", "blazeface_full"):
        file, side = NETWORKS[name]
        detector[name] = load_detector(name, weights=folder / file, engine="onnxruntime", threads=1)
        crop = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        found[name] = median_of(lambda run=detector[name].engine.run, crop=crop: run(crop))
    for name, network in MODELS.items():
        file, side = NETWORKS[network]
        model = fl.load_model(name, weights=folder / file, engine="onnxruntime", threads=1)
        crop = model.prepare(image, (170, 60, 280, 190)).pixels
        found[network] = median_of(lambda run=model.engine.run, crop=crop: run(crop))
        if not len(model.predict(image, detector=detector["blazeface_short"])):
            raise RuntimeError("no face found")
        predict = model.predict
        found[f"image to {len(model.scheme)}"] = median_of(
            lambda predict=predict: predict(image, detector=detector["blazeface_short"])
        )
    photo = cv2.resize(image[20:320, 70:370], (PHOTO, PHOTO), interpolation=cv2.INTER_CUBIC)
    for name, options in BUILT_IN.items():
        model = fl.load_model(name, engine="onnxruntime", threads=1)
        crop = model.prepare(photo, (176, 114, 310, 248)).pixels
        found[name] = median_of(lambda run=model.engine.run, crop=crop: run(crop))
        call = partial(model.predict, photo, detector="compact", **options)
        if len(call()) != 1:
            raise RuntimeError("one face expected")
        found[f"photo to 68, {name}"] = median_of(call)
    return found


def theirs(folder: Path) -> dict[str, float]:
    """Networks in LiteRT, and `FaceMesh.process`."""
    import cv2
    import mediapipe as mp
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from skimage import data

    image, found = data.astronaut(), {}
    photo = cv2.resize(image[20:320, 70:370], (PHOTO, PHOTO), interpolation=cv2.INTER_CUBIC)
    for name, (file, side) in NETWORKS.items():
        if name == "face_mesh_attention":
            continue  # LiteRT lacks its operators
        interpreter = Interpreter(str(folder / file), num_threads=1)
        interpreter.allocate_tensors()
        place, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        crop = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)

        def run(interpreter=interpreter, place=place, result=result, crop=crop) -> None:
            interpreter.set_tensor(place, crop.astype(np.float32) * np.float32(1 / 255))
            interpreter.invoke()
            interpreter.get_tensor(result)

        found[name] = median_of(run)
    for count in (468, 478):
        with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=count == 478) as mesh:
            if mesh.process(image).multi_face_landmarks is None:
                raise RuntimeError("no face found")
            found[f"image to {count}"] = median_of(lambda mesh=mesh: mesh.process(image))
            found[f"photo to {count}"] = median_of(lambda mesh=mesh: mesh.process(photo))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", default=sys.executable)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--child", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps({"ours": ours, "theirs": theirs}[args.child](args.files)))
        return
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(ROUNDS):
        found = {}
        for child, python in (("ours", sys.executable), ("theirs", args.other)):
            command = [python, __file__, "--files", str(args.files), "--child", child]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[child] = json.loads(done.stdout.splitlines()[-1])
        rounds.append(found)
    print(f"{'':28}{'ours':>8}{'theirs':>8}  ratio   (ms of processor time)")
    for name in rounds[0]["ours"]:
        mine = statistics.median(found["ours"][name] for found in rounds)
        same = BESIDE.get(name, name)
        both = [found for found in rounds if same in found["theirs"]]
        other = statistics.median(found["theirs"][same] for found in both) if both else None
        ratio = statistics.median(found["ours"][name] / found["theirs"][same] for found in both) if both else None
        print(f"{name:28}{mine:8.2f}" + (f"{other:8.2f}  {ratio:.2f}" if ratio else f"{'-':>8}"))


if __name__ == "__main__":
    main()
