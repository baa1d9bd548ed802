"""The functions at the top of the package."""

import os
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from facelandmarks.detection import load_detector
from facelandmarks.detection.base import Detections, Detector
from facelandmarks.engines.choose import EngineSettings, check_torch_device, choose_engine, make_engine
from facelandmarks.engines.graph import Source
from facelandmarks.errors import CheckpointError
from facelandmarks.finding import Find, detect_faces
from facelandmarks.images import ColorOrder, load_image
from facelandmarks.images.files import path_of
from facelandmarks.model import Model
from facelandmarks.pipeline import DECODERS, choose
from facelandmarks.results import Landmarks
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.weights.cache import Access
from facelandmarks.weights.load import Name, find_record, find_weights, model_facts, read_record
from facelandmarks.weights.load import Source as Weights
from facelandmarks.weights.load import Weights as FoundWeights
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import DEFAULT_MODEL, MODELS
from facelandmarks.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from facelandmarks.weights.checkpoint import Shapes

# Of a model's record, what `model_info` repeats.
# fmt: off
TOLD = (
    "name", "title", "input_size", "geometry", "box_convention", "box_padding", "decode", "flip_test",
    "variant", "story", "weights",
)
# fmt: on


def load_model(
    name: Name = DEFAULT_MODEL,
    *,
    device: str = "auto",
    engine: str = "auto",
    dtype: str = "float32",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002
    cuda_graphs: bool = False,
    flip_test: bool | None = None,
    decode: str | None = None,
    variant: str | None = None,
    weights: Weights | None = None,
    scheme: str | os.PathLike[str] | Scheme | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    allow_third_party: bool = False,
    progress: bool | None = None,
) -> Model:
    """Load a model with its weights.

    Parameters
    ----------
    name
        One of `list_models()`; or a model of your own: a folder or repository that `facelandmarks-weights push` wrote
        (`hf://owner/repository`, with `@COMMIT` to fix it), a record in a JSON file, or a `ModelSpec`.
    device
        `"auto"` (CUDA, then MPS, then CPU), or a device of PyTorch such as `"cuda:1"`.
    engine
        `"torch"`, `"onnxruntime"` or `"openvino"` (extras of the same names). `"auto"` takes, on a CPU, the first of
        the other two that is installed; `Model.engine_info()` says which. Speed and agreement: docs/engines.md.
    dtype
        `"float32"`, `"bfloat16"` or `"float16"`; which of them an engine has depends on the machine.
    threads
        CPU threads of one prediction; None is the engine's own choice.
    compile
        Whether PyTorch compiles the network: a minute at loading, and again at the first batch of another size.
    cuda_graphs
        Whether all that runs on a CUDA device is recorded once for each power of two of faces, and replayed: faster
        where batches are small. Batches are filled up.
    flip_test
        Whether to average the mirror image too; None as published.
    decode
        Another way from the network's output to points: one of `model_info(name)["decodes"]`; None as published.
    variant
        Upstream implementation to follow, `"mmpose0x"` or `"mmpose1x"`, where two run the same file; None as published.
    weights
        A checkpoint file in any dialect of the model's family, `hf://owner/repository@revision/file` on the Hugging
        Face Hub, or tensors by name, in place of the published file.
    scheme
        Layout of the points if the weights were fine-tuned to others: a `Scheme`, a JSON file of its fields
        (`*.json`), or the name of one here. Without mirror pairs there is no flip test.
    cache_dir
        Folder of the cache; None as the environment says (docs/weights.md).
    offline
        Whether the network must not be used; None as FACELANDMARKS_OFFLINE and HF_HUB_OFFLINE say.
    allow_unverified
        Whether to take a published file on first use that no published digest vouches for.
    allow_third_party
        Whether to take anybody's copy of a published file that has no digest of its authors.
    progress
        Whether to show the progress of a download on stderr; None: if that is a terminal.

    Raises
    ------
    UnknownModelError, InvalidOptionError, DeviceError
        If there is no such model or value of an option, or the device is not available.
    DownloadError, ChecksumError, OfflineError, CheckpointError
        If the weights cannot be fetched, are not the published ones, are not here offline, or do not fit.
    """
    access = Access(cache_dir, offline, allow_unverified, progress, allow_third_party)
    record, found = find_record(name, weights, access)
    spec = choose(record, scheme=scheme, variant=variant, decode=decode, flip_test=flip_test)
    settings = EngineSettings(device, dtype, threads, compile, cuda_graphs)
    file = load_manifest().files.get(spec.weights)
    kind = choose_engine(engine, settings, built_in=file is not None and file.asset)
    if kind == "torch":  # the others tell at once
        check_torch_device(settings.device)
    source = find_source(spec, found, access)
    detectors = partial(load_detector, engine=kind, threads=threads, cache_dir=cache_dir, preferred=spec.detector)
    return Model(spec, make_engine(source, kind, settings), detectors)


def predict(image: Any, bbox: ArrayLike | None = None, **options: Any) -> Landmarks:
    """Find the landmarks of one image, as `Model.predict`, with the default model, loaded once and kept."""
    pixels = load_image(image, color=options.pop("color", "rgb"))  # a wrong path is told before a model is loaded
    return replace(_default_model().predict(pixels, bbox, **options), source=path_of(image))


def detect(
    image: Any,
    *,
    detector: str | Detector = "auto",
    color: ColorOrder = "rgb",
    min_score: float | None = None,
    min_face: float | None = None,
    max_faces: int | None = None,
    largest: bool = False,
) -> Detections:
    """Find the faces of one image: boxes, scores, and five points where the detector has them.

    Arguments are those of `Model.predict`. Detectors are loaded once, and kept; boxes are in the detector's own
    convention (`facelandmarks.boxes`).
    """
    find = Find(detector, min_score=min_score, min_face=min_face, max_faces=max_faces, largest=largest)
    finder = _kept_detector(detector) if isinstance(detector, str) else detector
    return detect_faces(load_image(image, color=color), finder, find)


_default_model = cache(load_model)
_kept_detector = cache(load_detector)


def list_models() -> list[str]:
    """Return the names for `load_model`."""
    return sorted(MODELS)


def model_info(name: Name) -> dict[str, Any]:
    """Return what a model is, where it comes from, under which terms, and how good it is.

    `name` is as in `load_model`; what a model of your own says of itself is not verified.
    """
    spec, (file, manifest) = read_record(name, Access()), model_facts(name, Access())
    normalisers = {name: row["normaliser"] for name, row in manifest.protocols.items()}
    return {
        **{key: getattr(spec, key) for key in TOLD},
        "scheme": str(spec.scheme),
        "sources": [{"url": each.url, "kind": each.kind} for each in file.sources],
        "landmarks": len(get_scheme(spec.scheme)),
        "decodes": sorted({spec.decode, *spec.decodes}),
        "scores": DECODERS[spec.decode].scores,
        "variants": sorted(spec.variants),
        "source": dict(file.source),
        "published": [
            {**row, "values": dict(row["values"]), "normaliser": normalisers.get(row["protocol"])}
            for row in file.published
        ],
        "licence": file.licence,
        "training_data": {data: dict(manifest.training_data[data]) for data in file.training_data},
        "papers": [dict(manifest.papers[paper]) for paper in file.papers],
        "notes": list(file.notes),
    }


def find_source(spec: ModelSpec, weights: Weights | FoundWeights | None, access: Access) -> Source:
    """Return what an engine is made from; the published file is fetched if it is not here."""
    found = weights if isinstance(weights, FoundWeights) else find_weights(spec.weights, weights, access)
    numbers = network_numbers(spec)

    def shapes_of_all() -> "dict[str, Shapes]":
        from facelandmarks.nn.build import network_shapes

        return {name: network_shapes(each.network, network_numbers(each)) for name, each in MODELS.items()}

    def check(wanted: "Shapes", given: "Shapes") -> None:
        from facelandmarks.nn.build import landmarks_of
        from facelandmarks.weights.checkpoint import check_shapes

        try:
            check_shapes(wanted, given, spec.name, shapes_of_all)
        except CheckpointError as error:
            count = landmarks_of(spec.network, numbers, given)
            if count in (None, numbers["landmarks"]):
                raise
            raise CheckpointError(
                f"{error}. The weights have {count} landmarks, the scheme {spec.scheme} {numbers['landmarks']}: give "
                f'theirs, such as scheme=Scheme("mine", size={count}) (--scheme FILE.json)'
            ) from error

    published = MODELS.get(spec.name)
    if published is None or published.scheme != spec.scheme:
        found = replace(found, graph=None)
    stem = Path(spec.weights).stem[:150]
    return Source(stem, spec.network, numbers, spec.mean, spec.std, spec.input_size, found, spec.name, check)


def network_numbers(spec: ModelSpec) -> dict[str, Any]:
    """Return the arguments of the network's constructor."""
    return {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))}
