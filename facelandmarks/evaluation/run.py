"""Evaluate models on a dataset: plan the rows, load each model, measure, and report."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

from facelandmarks import __version__
from facelandmarks._files import sha256_of
from facelandmarks._rules import MOST, is_whole
from facelandmarks.errors import CheckpointError, DatasetError, DownloadError, InvalidImageError, InvalidOptionError
from facelandmarks.evaluation.card import Card, card_of_row, date_of_run, make_card, worst_faces
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.measuring import Boxes, Settings, Subsets, is_here, measure_row, subsets_of
from facelandmarks.evaluation.predict import DetectedBoxes, GivenPredictions, Predict, PredictionStore, predict_faces
from facelandmarks.evaluation.protocols import Row
from facelandmarks.evaluation.report import Report
from facelandmarks.evaluation.rows import plain_protocol, plan_rows
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo.own import deciding
from facelandmarks.zoo.spec import ModelSpec

_LOADING = ("device", "engine", "dtype", "threads", "cache_dir", "weights", "scheme")  # go to `load_model` as they are
_PIPELINE = ("variant", "geometry", "box_convention", "box_padding", "decode", "flip_test")  # facts told of a model
WORST = 12  # faces drawn of the first subset of a row
BOXES: Mapping[str, tuple[Boxes, ...]] = {"gt": ("gt",), "detector": ("detector",), "both": ("gt", "detector")}


def evaluate(
    dataset: str,
    data_root: str | os.PathLike[str],
    models: str | Sequence[str] | None = None,
    *,
    predictions: str | os.PathLike[str] | None = None,
    subsets: Sequence[str] = (),
    protocol: str | None = None,
    form: str | None = None,
    limit: int | None = None,
    allow_partial: bool = False,
    boxes: Literal["gt", "detector", "both"] = "gt",
    detector: str = "auto",
    device: str = "auto",
    engine: str = "auto",
    dtype: str = "float32",
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    scheme: str | os.PathLike[str] | None = None,
    fetch: bool = False,
    batch_size: int = 32,
    workers: int = 4,
    resume: str | os.PathLike[str] | None = None,
    thumbnails: bool = False,
    progress: bool = False,
    command: Sequence[str] | None = None,
) -> Report:
    """Measure models on a dataset by the protocols of the published tables.

    Parameters
    ----------
    dataset, data_root
        A key of `facelandmarks.evaluation.datasets.RELEASES`, and its folder.
    models
        One or several names, or folders, repositories or records of your own as for `facelandmarks.load_model`; None:
        all that have a published row and whose weights are at hand.
    predictions
        JSON file with the points of another program, scored in place of models (`facelandmarks-predict --json`).
    subsets, limit
        What to measure, and how many faces of it; empty: all of the row.
    protocol
        Only rows measured this way, a key of `facelandmarks.evaluation.protocols.PROTOCOLS`.
    form
        Which annotation files to read, in place of the protocol's choice.
    allow_partial
        Continue with another number of faces than published.
    boxes, detector
        `"gt"`: annotated regions; `"detector"`: boxes of the detector, which runs in the model's engine; `"both"`.
    device, engine, dtype, threads, cache_dir
        As for `facelandmarks.load_model`.
    weights, scheme, fetch
        Your own checkpoint for the one model, and its points if they are others than the model's, as for
        `facelandmarks.load_model`; whether to fetch published weights that are not in the cache.
    batch_size, workers
        Faces in one call of the network, and threads that read images.
    resume
        Folder that keeps predictions; those already in it are used again.
    thumbnails, progress
        Draw the worst faces into the report; show progress bars on stderr.
    command
        How to repeat the run, kept in the report; None: this call.

    Raises
    ------
    InvalidOptionError
        If options exclude each other, a number is out of its range, or there is no such dataset, subset, form or row.
    DatasetError, DownloadError, CheckpointError
        If nothing could be measured because files or weights are missing or malformed.
    """
    names = (models,) if isinstance(models, str) else tuple(models or ())
    if predictions is not None and (names or weights is not None or boxes != "gt"):
        reason = "predictions of another program are scored without a model"
        raise InvalidOptionError(f"{reason}: leave out models, weights and boxes")
    if weights is not None and len(names) != 1:
        raise InvalidOptionError(f"weights belong to one model, got {len(names)} models: name one")
    if boxes not in BOXES:
        raise InvalidOptionError(f"boxes must be one of {', '.join(BOXES)}; got {boxes!r}")
    numbers: dict[str, Any] = {"limit": 1 if limit is None else limit, "batch_size": batch_size, "workers": workers}
    for option, number in numbers.items():
        if not is_whole(number, 1):
            raise InvalidOptionError(f"{option} must be a whole number from 1 to {MOST}; got {number!r}")
    date = date_of_run()  # an error of its variable comes first
    paths = {"predictions": predictions, "cache_dir": cache_dir, "resume": resume}
    settings = Settings(
        dataset,
        Path(data_root),
        models=names,
        subsets=(subsets,) if isinstance(subsets, str) else tuple(subsets),
        protocol=protocol,
        form=form,
        limit=limit,
        allow_partial=allow_partial,
        boxes=BOXES[boxes],
        detector=detector,
        device=device,
        engine=engine,
        dtype=dtype,
        threads=threads,
        weights=None if weights is None else os.fspath(weights),
        scheme=None if scheme is None else os.fspath(scheme),
        fetch=fetch,
        batch_size=batch_size,
        workers=workers,
        thumbnails=thumbnails,
        progress=progress,
        **{name: None if path is None else Path(path) for name, path in paths.items()},
    )
    rows, not_run = _measure(settings)
    return Report(make_card(command or [_as_call(settings)], date, settings, rows, not_run))


def _as_call(settings: Settings) -> str:
    """Return the call that gives these settings, without those that are at their defaults."""
    standard = Settings(settings.dataset, settings.data_root)
    chosen = {name: value for name, value in vars(settings).items() if value != getattr(standard, name)}
    if "boxes" in chosen:
        chosen["boxes"] = next(name for name, boxes in BOXES.items() if boxes == settings.boxes)
    shown = {name: str(value) if isinstance(value, Path) else value for name, value in chosen.items()}
    options = "".join(f", {name}={value!r}" for name, value in shown.items() if name != "progress")
    return f"facelandmarks.evaluation.evaluate({settings.dataset!r}, {str(settings.data_root)!r}{options})"


def _measure(settings: Settings) -> tuple[list[Card], list[Card]]:
    """Measure every row whose weights are at hand; the rows, and those that were not measured with the reason.

    An error of one row, of its weights or its data, does not stop the others; the first is raised if none is measured.
    Predictions of another program are one row, scored by plain rules.
    """
    if path := settings.predictions:
        row = Row(path.name, plain_protocol(settings.dataset, settings.subsets))
        count = len(get_scheme(get_release(settings.dataset).scheme))
        predict = GivenPredictions(path, count, row.protocol)
        measured, missing = _measure_with_progress(row, predict, PredictionStore(None, {}), settings)
        run = {"predictions": path.name, "sha256": sha256_of(path)}
        return [card_of_row(row, run, measured, {}, missing)], []
    given = settings.fetch or settings.weights is not None
    choices = (settings.protocol, settings.subsets, given, settings.cache_dir, settings.scheme)
    plan = plan_rows(settings.dataset, settings.models, *choices)
    rows, errors = [], []
    for row in plan.rows:
        try:
            if subsets_of(row, settings):
                rows.append(_measure_model(row, plan.names.get(row.model, row.model), settings))
        except (DownloadError, CheckpointError, DatasetError, InvalidImageError) as error:
            errors.append((row, error))
    if errors and not rows:
        raise errors[0][1]
    reason = "its weights are not at hand; --fetch gets them"
    absent = [{"model": row.model, "source": row.source, "reason": reason, "failed": False} for row in plan.absent]
    failed = [{"model": row.model, "source": row.source, "reason": str(e), "failed": True} for row, e in errors]
    return rows, [*absent, *failed]


def _measure_model(row: Row, name: str, settings: Settings) -> Card:
    """Load the model of a row, and measure it with each kind of boxes."""
    from facelandmarks.api import load_model

    options: dict[str, Any] = {option: getattr(settings, option) for option in _LOADING}
    options |= {"variant": row.protocol.variant, "decode": row.protocol.decode}
    model = load_model(name, offline=None if settings.fetch else True, **options)
    finder = DetectedBoxes(model, settings.detector) if "detector" in settings.boxes else None
    spec, info = model.spec, model.engine_info()
    pipeline = {fact: getattr(spec, fact) for fact in _PIPELINE}
    run: Card = {  # what decides the model's points
        "weights": {"file": Path(settings.weights).name if settings.weights else spec.weights, "sha256": info.weights},
        "engine": asdict(info),
        "pipeline": {**pipeline, "flip_average": spec.flip_average if spec.flip_test else None},
        "detector": finder.name if finder else None,
    }
    # All of them before the first face: a store of another run is an error at once.
    stores = {boxes: _open_store(row, boxes, spec, run, settings) for boxes in settings.boxes}
    passes = {}
    for boxes, store in stores.items():
        how: dict[str, Any] = {"batch_size": settings.batch_size, "workers": settings.workers}
        by = finder if boxes == "detector" else None
        predict = partial(predict_faces, model, row.protocol, known=store, finder=by, **how)
        passes[boxes] = _measure_with_progress(row, predict, store, settings)
    given, detected = passes.get("gt", ({}, {})), passes.get("detector", ({}, {}))
    card = card_of_row(row, run, given[0], detected[0], {**detected[1], **given[1]})
    if settings.thumbnails:
        subset, part = next(iter((given[0] or detected[0]).items()))
        card["subsets"][subset]["worst"] = worst_faces(row, subset, part, settings, WORST)
    return card


def _open_store(row: Row, boxes: Boxes, spec: ModelSpec, run: Card, settings: Settings) -> PredictionStore:
    """Open the predictions that a model has made for a row before, if they are kept."""
    settings_of_points = {
        "version": __version__,
        **{f"model.{field}": value for field, value in deciding(spec).items()},
        "weights": run["weights"]["sha256"],
        **{name: run["engine"][name] for name in ("engine", "dtype")},
        "protocol": row.protocol.name,
        "boxes": boxes,
        "detector": run["detector"] if boxes == "detector" else None,
    }
    name = f"{spec.name}-{row.protocol.name}-{boxes}.jsonl"
    return PredictionStore(settings.resume / name if settings.resume else None, settings_of_points)


def _measure_with_progress(row: Row, predict: Predict, store: PredictionStore, settings: Settings) -> Subsets:
    """Measure a row under a progress bar; `DatasetError` if none of its subsets can be read."""
    from tqdm import tqdm

    subsets = [subset for subset in subsets_of(row, settings) if is_here(row, subset, settings)]
    faces = {
        **get_release(settings.dataset).faces,
        **{cell.subset: cell.faces for cell in row.protocol.cells if cell.faces},
    }
    counts = [settings.limit or max(faces[subset], default=0) for subset in subsets]
    total = sum(counts) if all(counts) else None
    title = f"{row.model}, {row.protocol.name}"
    with tqdm(total=total, desc=title, unit="face", disable=not settings.progress) as bar:
        measured, missing = measure_row(row, predict, store, settings, bar.update)
    if not measured:
        none = DatasetError(f"{row.model} has no row of these subsets of {settings.dataset}")
        raise next(iter(missing.values()), none)
    return measured, missing
