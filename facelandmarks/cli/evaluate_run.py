"""facelandmarks-eval: load each model, measure its row, show progress."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from facelandmarks.errors import DatasetError, DownloadError, FaceLandmarksError
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.finders import GivenPredictions
from facelandmarks.evaluation.plan import plan_rows, weights_digest
from facelandmarks.evaluation.protocol import Row
from facelandmarks.evaluation.report import Card, card_of_row, make_card
from facelandmarks.evaluation.rows import plain_protocol
from facelandmarks.evaluation.runner import (
    Boxes,
    Measured,
    Predict,
    Settings,
    expected_faces,
    find_finder,
    measure_row,
    model_predictions,
    open_store,
    subsets_of,
)
from facelandmarks.evaluation.store import PredictionStore
from facelandmarks.evaluation.thumbnails import worst_faces
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo.spec import ModelSpec

WORST = 12  # faces that are drawn of the first subset of a row


def measure_models(args: argparse.Namespace, settings: Settings, command: Sequence[str]) -> Card:
    """The card of every row whose weights are at hand."""
    plan = plan_rows(args.dataset, args.model, args.protocol, args.subset, given=args.fetch or args.weights is not None)
    made = [(row, _measured_or_error(row, args, settings)) for row in plan.rows if subsets_of(row, settings)]
    rows = [card for _, card in made if isinstance(card, dict)]
    errors = [(row, error) for row, error in made if isinstance(error, FaceLandmarksError)]
    if errors and not rows:
        raise errors[0][1]
    absent = [_not_run(row, "its weights are not at hand; --fetch gets them", failed=False) for row in plan.absent]
    return make_card(command, settings, rows, [*absent, *(_not_run(row, error, failed=True) for row, error in errors)])


def _not_run(row: Row, reason: object, failed: bool) -> Card:
    return {"model": row.model, "source": row.source, "reason": str(reason), "failed": failed}


def _measured_or_error(row: Row, args: argparse.Namespace, settings: Settings) -> Card | FaceLandmarksError:
    """The card of a row; or why there is none, if that does not concern the others."""
    try:
        return _measure_model(row, args, settings)
    except (DownloadError, DatasetError) as error:
        return error


def _measure_model(row: Row, args: argparse.Namespace, settings: Settings) -> Card:
    from facelandmarks.api import load_model

    model = load_model(
        row.model,
        device=args.device,
        engine=args.engine,
        variant=row.protocol.variant,
        decode=row.protocol.decode,
        weights=args.weights,
        offline=None if args.fetch else True,
    )
    digest = weights_digest(model.spec, args.weights)
    finders = {boxes: find_finder(model, settings, boxes) for boxes in settings.boxes}
    stores = {boxes: open_store(row, model, digest, settings, finder) for boxes, finder in finders.items()}
    run = {
        "weights": {"file": str(args.weights or model.spec.weights), "sha256": digest},
        "engine": asdict(model.engine_info()),
        "pipeline": _pipeline(model.spec),
        "detector": next((finder.name for finder in finders.values() if finder), None),
    }
    passes = {
        boxes: _measure(
            row, model_predictions(model, row, stores[boxes], settings, finder), stores[boxes], args, settings
        )
        for boxes, finder in finders.items()
    }
    return _card(row, run, passes, args, settings)


def _pipeline(spec: ModelSpec) -> dict[str, Any]:
    """What of a model's record decides its points."""
    return {
        "variant": spec.variant,
        "geometry": spec.geometry,
        "box_convention": spec.box_convention,
        "box_padding": spec.box_padding,
        "decode": spec.decode,
        "flip_test": spec.flip_test,
        "flip_average": spec.flip_average if spec.flip_test else None,
    }


def measure_given(args: argparse.Namespace, settings: Settings, command: Sequence[str]) -> Card:
    """The card of predictions of another program."""
    protocol = plain_protocol(args.dataset, args.subset)
    count = len(get_scheme(get_release(args.dataset).scheme))
    predict = GivenPredictions(args.predictions, count, protocol)
    row = Row(args.predictions.name, protocol)
    part = _measure(row, predict, PredictionStore(None, {}), args, settings)
    card = _card(row, {"predictions": str(args.predictions)}, {"gt": part}, args, settings)
    return make_card(command, settings, [card], [])


Pass = tuple[Mapping[str, Measured], Mapping[str, DatasetError]]  # by subset: its faces, or why there are none


def _measure(
    row: Row,
    predict: Predict,
    store: PredictionStore,
    args: argparse.Namespace,
    settings: Settings,
    boxes: str = "",
) -> Pass:
    from tqdm import tqdm

    total, pictures = _total(row, settings), args.predictions is None
    with tqdm(total=total, desc=f"{row.model}, {row.protocol.name}{boxes}", unit="face", disable=args.quiet) as bar:
        measured, missing = measure_row(row, predict, store, settings, pictures=pictures, progress=bar.update)
    if not measured:
        raise next(iter(missing.values()), DatasetError(f"{row.model} has no row of these subsets of {args.dataset}"))
    return measured, missing


def _card(
    row: Row, run: Mapping[str, Any], passes: Mapping[Boxes, Pass], args: argparse.Namespace, settings: Settings
) -> Card:
    given, detected = passes.get("gt", ({}, {})), passes.get("detector", ({}, {}))
    card = card_of_row(row, run, given[0], detected[0], {**detected[1], **given[1]})
    if args.predictions is None and (args.html or args.json):
        subset, part = next(iter((given[0] or detected[0]).items()))
        card["subsets"][subset]["worst"] = worst_faces(row, subset, part, settings, WORST)
    return card


def _total(row: Row, settings: Settings) -> int | None:
    """How many faces there will be, if that is known."""
    cells = row.protocol.cells
    numbers = [
        expected_faces(row.protocol.dataset, subset, [cell for cell in cells if cell.subset == subset])
        for subset in subsets_of(row, settings)
    ]
    counts = [settings.limit or max(number, default=0) for number in numbers]
    return sum(counts) if all(counts) else None
