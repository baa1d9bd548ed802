"""Files of text that this package writes itself and reads again: landmarks, and what runs are resumed from."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from fuzz_files import Target, in_file, saved_by
from fuzz_mutations import values_or_bytes

from facelandmarks.results import Landmarks
from facelandmarks.schemes import get_scheme

SCHEME = "deepfashion_full"  # eight points: most of a file is then something else than points


def made(count: int) -> Landmarks:
    """Faces with numbers that are not known among the others."""
    rng = np.random.default_rng(count)
    layout = get_scheme(SCHEME)
    points = rng.uniform(0, 90, (count, len(layout), 2)).astype(np.float32)
    boxes = np.concatenate([points.min(1), points.max(1)], 1) if count else np.zeros((0, 4), np.float32)
    scores = rng.uniform(0, 1, points.shape[:2]).astype(np.float32)
    scores[:1, 0] = np.nan
    return Landmarks(points, scores, boxes, np.full(count, np.nan, np.float32), layout, (640, 480), "compact")


def check(faces: Landmarks) -> None:
    """Raise if these could not come from a prediction."""
    for array, shape in zip(
        (faces.points, faces.scores, faces.boxes, faces.box_scores),
        ((len(faces.scheme), 2), (len(faces.scheme),), (4,), ()),
        strict=True,
    ):
        if array.dtype != np.float32 or array.shape != (len(faces), *shape) or np.isinf(array).any():
            raise TypeError(f"not landmarks: {array.dtype} {array.shape}, {np.isinf(array).sum()} infinite")
    if not all(type(side) is int and 0 < side < 1 << 31 for side in faces.image_size):
        raise TypeError(f"not a size: {faces.image_size!r:.99}")
    if not isinstance(faces.detector, str | None):
        raise TypeError(f"not a name: {faces.detector!r:.99}")
    faces.to_json()
    faces.to_csv()


def _of_text(write: Callable[[Landmarks], str], read: Callable[[str], object]) -> Target:
    def run(_: str, data: bytes) -> None:
        read(data.decode("utf-8", "surrogateescape"))

    corpus = [(f"{count}", write(made(count)).encode()) for count in (0, 1, 3)]
    return Target(corpus, run, damage=values_or_bytes)


def faces_json() -> Target:
    """`Landmarks.to_json`."""
    return _of_text(Landmarks.to_json, lambda text: check(Landmarks.from_json(text)))


def faces_csv() -> Target:
    """`Landmarks.to_csv`."""
    return _of_text(Landmarks.to_csv, lambda text: check(Landmarks.from_csv(text)))


def faces_coco() -> Target:
    """COCO documents of one picture and of two."""
    from facelandmarks.formats import to_coco

    def read(text: str) -> None:
        for name, faces in Landmarks.from_coco(text).items():
            if not isinstance(name, str):
                raise TypeError(f"not a name: {name!r:.99}")
            check(faces)

    return _of_text(lambda faces: to_coco({"a.jpg": faces.to_dict(), "b.jpg": made(1).to_dict()}), read)


def faces_pts() -> Target:
    """`.pts` files."""

    def write(faces: Landmarks) -> str:
        return made(1 + len(faces)).to_pts()[-1]

    return _of_text(write, lambda text: check(Landmarks.from_pts([text], SCHEME, (640, 480))))


def list_of_pictures() -> Target:
    """A list of paths, and the pictures that it names."""
    from facelandmarks.bulk.stream import predict_rows
    from facelandmarks.bulk.tables import find_images

    def read(path: Path) -> None:
        pictures = find_images([path])
        rows = list(predict_rows(StandIn(), pictures, workers=1))
        if len(rows) != len(pictures):
            raise ValueError(f"{len(rows)} rows for {len(pictures)} pictures")
        for row in rows:
            json.dumps(row, allow_nan=False).encode()
            row["image"].encode()

    text = "folder/a.jpg\n/dev/null\n\nb c.png\r\n\u00e9.jpg\n"
    return Target([("list.txt", text.encode())], in_file(".txt", read), damage=values_or_bytes)


class StandIn:
    """What `predict_to_file` asks of a model, without a network: no picture exists, each has so many faces."""

    def __init__(self, reads: bool = True) -> None:
        from facelandmarks.zoo import get_spec

        self.spec = replace(get_spec("hrnet_w48_deepfashion_full_udp"), box_convention="tight")
        self.scheme, self._reads = get_scheme(SCHEME), reads

    def engine_info(self) -> object:
        """As of an engine."""
        from facelandmarks.engines.base import EngineInfo

        return EngineInfo("torch", "1", "cpu", "float32", 1)

    def detector(self, name: str) -> object:
        """Finds nothing."""
        from types import SimpleNamespace

        return SimpleNamespace(name=name, detect=None)

    def find_and_prepare(self, image: str, *_: object) -> tuple[None, None]:
        """Read the image, or seem to."""
        from facelandmarks.images import load_image

        if self._reads:
            load_image(image)
        return None, None

    def infer(self, crops: object) -> object:
        """Run no network."""
        from facelandmarks.results import Decoded

        return Decoded(np.zeros((0, len(self.scheme), 2), np.float32), np.zeros((0, len(self.scheme)), np.float32))

    def result(self, *_: object) -> Landmarks:
        """Make a result up."""
        return made(2)


def journal() -> Target:
    """The journal of a run that was broken off: rows of all pictures come out, in their order, or an error."""
    from facelandmarks.bulk.run import journal_path, predict_to_file
    from facelandmarks.finding import Find

    pictures = [f"{n}.jpg" for n in range(6)]
    model = StandIn(reads=False)

    def resume(path: Path) -> None:
        out = path.with_name("out.jsonl")
        path.replace(journal_path(out))
        predict_to_file(model, pictures, out, Find("compact"), batch_size=2, workers=1, resume=True)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        if [row["image"] for row in rows if row["face"] in (0, None)] != pictures:
            raise ValueError(f"not the pictures: {[row['image'] for row in rows]}"[:200])
        for row in rows:
            if row["face"] is not None and np.array(row["points"], float).shape != (len(model.scheme), 2):
                raise ValueError(f"not a face: {row}"[:200])

    return Target([("whole", _journal_of(model, pictures))], in_file(".journal", resume), damage=values_or_bytes)


def _journal_of(model: StandIn, pictures: list[str]) -> bytes:
    """As it stands after four pictures, of which one has no faces and one could not be read."""
    from facelandmarks.bulk.run import _settings
    from facelandmarks.finding import Find
    from facelandmarks.results import image_record

    found = [made(2), made(0), None, made(1)]
    records = [
        image_record(image, model.spec.name, faces, "no such file" if faces is None else None)
        for image, faces in zip(pictures, found, strict=False)
    ]
    lines = [_settings(model, pictures, Find("compact")), *records]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def predictions() -> Target:
    """What `facelandmarks-eval --resume` keeps."""
    from facelandmarks.evaluation.predict import Prediction, PredictionStore

    settings = {"model": "compact_300w", "version": "1", "threads": None}

    def read(path: Path) -> None:
        for key, made in PredictionStore(path, settings).items():
            good = made.points.dtype == np.float32 and made.points.ndim == 2 and not np.isinf(made.points).any()
            if not isinstance(key, str) or not good or not isinstance(made.size, float):
                raise TypeError(f"not a prediction: {key!r:.50} {made.points.dtype} {made.points.shape} {made.size!r}")

    def write(path: Path) -> None:
        rng = np.random.default_rng(1)
        faces = {f"face/{n}": Prediction(rng.uniform(0, 9, (5, 2)).astype(np.float32), 3.5) for n in range(3)}
        PredictionStore(path, settings).keep(faces.items())

    return Target([("kept.jsonl", saved_by(write))], in_file(".jsonl", read), damage=values_or_bytes)


def config() -> Target:
    """The `config.json` of a model's folder: loaded and run if it is read; of large networks, read and bound."""
    import tempfile

    from facelandmarks.api import load_model
    from facelandmarks.pipeline import bind, choose
    from facelandmarks.share import write_model
    from facelandmarks.weights.load import CONFIG, MOST_CONFIG, read_config
    from facelandmarks.zoo import MODELS
    from facelandmarks.zoo.own import choices, spec_to_dict

    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    own = folder / CONFIG
    write_model("tiny_300w", folder)
    image = np.zeros((64, 64, 3), np.uint8)
    scheme = {"name": "mine", "size": 68, "pairs": [[0, 16], [1, 15]], "contours": [{"name": "jaw", "points": [0, 1]}]}
    short = {"like": "tiny_300w", "name": "mine", "scheme": scheme, "flip_test": True}
    large = ("hrnetv2_w18_wflw_dark", "hrnetv2_w18_cofw_official", "rtmpose_t_face6", "mediapipe_face_mesh")
    specs = {name: replace(MODELS[name], weights="model.safetensors") for name in large}
    corpus = [("run", own.read_bytes()), ("run short", _config(short))]
    corpus += [(name, _config(spec_to_dict(spec))) for name, spec in specs.items()]

    def run(name: str, data: bytes) -> None:
        if name.startswith("run"):
            own.write_bytes(data)
            model = load_model(folder, engine="torch", device="cpu")
            if not np.isfinite(model.predict(image, (8, 8, 56, 56)).boxes).all():
                raise TypeError("no numbers")
        elif len(data) <= MOST_CONFIG:
            for spec in choices(read_config(data, "it").spec):
                bind(choose(spec))

    return Target(corpus, run, damage=values_or_bytes)


def _config(model: dict[str, object]) -> bytes:
    return json.dumps({"schema": "facelandmarks-model/1", "model": model}).encode()
