"""Whether one model is better than another on the same faces, from the cards of two runs; cards put together."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.card import SCHEMA, Card
from facelandmarks.evaluation.statistics import compare_errors, from_json
from facelandmarks.evaluation.tables import label_of_row

_SAME_SIZE = 0.15  # px: sizes of faces are kept with one decimal


def merge_cards(cards: Sequence[Card]) -> Card:
    """Return the rows of several runs as one card."""
    parts = {name: [entry for card in cards for entry in card[name]] for name in ("runs", "rows", "not_run")}
    return {"schema": SCHEMA, **parts, "comparisons": [pair for card in cards for pair in card["comparisons"]]}


def compare_cards(first: Card, second: Card) -> Card:
    """Return both cards as one, with the comparison of every row of the second with those of the first.

    Rows are compared where they share dataset, subset, boxes and normaliser; of rows of several protocols, those of
    the same one. `InvalidOptionError` if there are none, fewer than two common faces, or if the annotations differ.
    """
    card = merge_cards([first, second])
    for one in first["rows"]:
        partners = [row for row in second["rows"] if _held(row) == _held(one)]
        same = [row for row in partners if row["protocol"]["name"] == one["protocol"]["name"]]
        for two, subset, boxes in product(same or partners, one["subsets"], ("measured", "detector")):
            if all(row["subsets"].get(subset, {}).get(boxes) for row in (one, two)):
                card["comparisons"].append(_compare(one, two, subset, boxes))
    if not card["comparisons"]:
        held = [sorted({_held(row) for row in rows}) for rows in (first["rows"], second["rows"])]
        raise InvalidOptionError(f"nothing can be compared: the first holds {held[0]}, the second {held[1]}")
    return card


def _held(row: Card) -> str:
    return f"{row['protocol']['dataset']} in % of {row['protocol']['normaliser']}"


def _compare(one: Card, two: Card, subset: str, boxes: str) -> Card:
    """Return what the card says of one comparison."""
    parts = [row["subsets"][subset] for row in (one, two)]
    found = {name: place for place, name in enumerate(parts[1]["names"])}
    common = [place for place, name in enumerate(parts[0]["names"]) if name in found]
    places = common, [found[parts[0]["names"][place]] for place in common]
    labels = [label_of_row(row, boxes) for row in (one, two)]
    if len(places[0]) < 2:
        raise InvalidOptionError(f"{' and '.join(labels)} have fewer than two faces of {subset} in common")
    if all(part["sizes"] for part in parts):
        sizes = [np.array(part["sizes"])[place] for part, place in zip(parts, places, strict=True)]
        if (np.abs(sizes[0] - sizes[1]) > _SAME_SIZE).any():
            raise InvalidOptionError(
                f"{' and '.join(labels)} were measured on other annotations of {subset}: use one --form for both"
            )
    errors = [from_json(part[boxes]["errors"])[place] for part, place in zip(parts, places, strict=True)]
    return {
        "labels": labels,
        "subset": subset,
        "boxes": boxes,
        "normaliser": one["protocol"]["normaliser"],
        "faces_of": [len(part["names"]) for part in parts],
        "errors": [[None if np.isnan(error) else float(error) for error in faces] for faces in errors],
        **compare_errors(*errors),
    }
