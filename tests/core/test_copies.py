"""Results and records go to other processes, as multiprocessing sends them, and can be copied as a whole."""

import copy
import pickle

import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.errors import UnknownNameError
from facelandmarks.evaluation import Report
from facelandmarks.measures import ALIGNMENTS, align, eye_aspect_ratios, head_pose
from facelandmarks.schemes import CONVERSIONS, SCHEMES, Scheme
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

IMAGE = skimage.data.astronaut()
WAYS = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy}
TABLES = {
    "schemes": SCHEMES,
    "conversions": CONVERSIONS,
    "conventions": CONVENTIONS,
    "models": MODELS,
    "files": load_manifest().files,
    "alignments": ALIGNMENTS,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_results_are_copied(way):
    faces = fl.predict(IMAGE)
    points, scheme = faces.points, faces.scheme
    crops = fl.load_model().prepare(IMAGE, faces.boxes)
    measures = head_pose(points, scheme, (512, 512)), eye_aspect_ratios(points, scheme), align(IMAGE, points, scheme)
    decoded = fl.load_model().decode(fl.load_model().forward(crops), crops)
    card = {"rows": [], "comparisons": []}
    for value in (faces, faces[0], fl.detect(IMAGE), crops, decoded, *measures, fl.Style(color="red"), Report(card)):
        assert type(way(value)) is type(value)
        np.testing.assert_equal(vars(way(value)), vars(value))
    assert way(faces)[0].scheme.named == scheme.named
    assert str(way(UnknownNameError("no"))) == "no"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_records_are_copied(table, way):
    for record in (*table.values(), load_manifest(), Scheme("mine", size=3, named={"nose_tip": 2})):
        assert repr(way(record)) == repr(record)  # NaN is in some, and not equal to itself
