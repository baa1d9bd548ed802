"""Numbers of tables from points: the original programs' on their goldens, missed faces, and what passes."""

import json

import numpy as np
import pytest

from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.scoring import Faces, interval, judge, score
from facelandmarks.schemes import get_scheme

TOLERANCE = 1e-6


def faces_of(points, truth, visible=None, sizes=None):
    count = len(points)
    visible = np.ones(points.shape[:2], bool) if visible is None else np.asarray(visible).astype(bool)
    sizes = np.full(count, 50.0) if sizes is None else sizes
    names = tuple(map(str, range(count)))
    return Faces(names, points.astype(np.float32), truth.astype(np.float32), visible, sizes.astype(np.float32))


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 200, (20, 5, 2))
    return faces_of(truth + rng.normal(0, 3, truth.shape), truth, sizes=rng.uniform(40, 90, 20))


@pytest.mark.parametrize("dataset", ["wflw", "300w", "cofw", "aflw"])
def test_nme_of_mmpose(shared, dataset):
    folder = shared / "goldens" / "mmpose0x"
    arrays = np.load(folder / "metrics_mmpose0x.npz")
    document = json.loads((folder / "metrics_mmpose0x.json").read_text())
    key = f"ds_{dataset}"
    pair = {"wflw": "wflw98", "300w": "ibug68", "cofw": "cofw29"}.get(dataset)
    truth = arrays[f"{key}/db_gt"]
    sizes = metrics.point_pair(truth, get_scheme(pair).normaliser) if pair else arrays[f"{key}/box_size"]
    faces = faces_of(arrays[f"{key}/pred"][..., :2], truth, arrays[f"{key}/db_mask"], sizes)
    assert score(faces, "NME", "mmpose") == pytest.approx(document["datasets"][key]["metrics"]["NME"], abs=TOLERANCE)


@pytest.mark.parametrize("part", ["upper", "lower", "full"])
def test_numbers_of_deepfashion(shared, part):
    folder = shared / "goldens" / "mmpose0x"
    arrays = np.load(folder / "metrics_mmpose0x.npz")
    wanted = json.loads((folder / "metrics_mmpose0x.json").read_text())["datasets"][f"ds_deepfashion_{part}"]["metrics"]
    key = f"ds_deepfashion_{part}"
    sizes = arrays[f"{key}/bbox_xywh"][:, 2:].max(1)
    faces = faces_of(arrays[f"{key}/pred"][..., :2], arrays[f"{key}/db_gt"], arrays[f"{key}/db_mask"], sizes)
    found = {name: score(faces, name, "mmpose") for name in ("PCK@0.2", "AUC", "EPE")}
    assert found["PCK@0.2"] == pytest.approx(wanted["PCK"], abs=TOLERANCE)
    assert found["AUC"] == pytest.approx(wanted["AUC"], abs=TOLERANCE)
    assert found["EPE"] == pytest.approx(wanted["EPE"], rel=TOLERANCE)


@pytest.mark.parametrize("count", [19, 29, 68, 98])
def test_numbers_of_the_official_program(shared, count):
    folder = shared / "goldens" / "official"
    arrays = np.load(folder / "metrics_official.npz")
    wanted = json.loads((folder / "metrics_official.json").read_text())[str(count)]
    scheme = {29: "cofw29", 68: "ibug68", 98: "wflw98"}.get(count)
    truth = arrays[f"gt_{count}"]
    sizes = metrics.point_pair(truth, get_scheme(scheme).normaliser) if scheme else arrays["box_size_19"]
    faces = faces_of(arrays[f"pred_{count}"], truth, sizes=sizes)
    assert score(faces, "NME", "hrnet_official") == pytest.approx(wanted["nme"], abs=TOLERANCE)
    assert score(faces, "FR@0.10", "hrnet_official") == wanted["fr_010"]


@pytest.mark.parametrize("scoring", ["mmpose", "hrnet_official", "plain"])
def test_a_point_that_is_no_number_spoils_a_mean(some, scoring):
    some.points[3, 2] = np.nan
    assert np.isnan(score(some, "NME", scoring))
    others = faces_of(*(np.delete(array, 3, axis=0) for array in (some.points, some.truth, some.visible, some.sizes)))
    assert score(some, "NME", scoring, skip_missed=True) == score(others, "NME", scoring)


@pytest.mark.parametrize("scoring", ["hrnet_official", "plain"])
def test_missed_faces_are_failures(some, scoring):
    before = score(some, "FR@0.10", scoring)
    some.points[np.flatnonzero(metrics.face_errors(metrics.distances(some.points, some.truth)) < 4)[:2]] = np.nan
    assert score(some, "FR@0.10", scoring, skip_missed=True) == pytest.approx(before + 2 / 20)


def test_no_face_gives_no_number(some):
    some.points[:] = np.nan
    for scoring in ("mmpose", "hrnet_official", "plain"):
        assert np.isnan(score(some, "NME", scoring, skip_missed=True))
    assert interval(some, "plain") is None


def test_the_interval_holds_the_mean(some):
    for scoring in ("plain", "mmpose", "hrnet_official"):
        low, high = interval(some, scoring)
        assert low < score(some, "NME", scoring) < high


def test_the_interval_counts_points_where_the_program_does(some):
    """MMPose's mean is over visible points: faces that have none but their worst one count little in it."""
    errors = metrics.normalised(metrics.distances(some.points, some.truth), some.sizes)
    for face in range(10):
        some.visible[face] = np.arange(5) == errors[face].argmax()
    low, high = interval(some, "mmpose")
    assert low < score(some, "NME", "mmpose") < high
    assert interval(some, "plain")[0] > score(some, "NME", "mmpose")


def test_what_passes():
    assert judge(4.06, 4.06, 2, True, "published") == "PASS"
    # As far as one in the last digit, after rounding as the table does.
    assert judge(4.06, 4.0749, 2, True, "published") == "PASS"
    assert judge(4.06, 4.0751, 2, True, "published") == "FAIL"
    assert judge(4.06, 4.0451, 2, True, "published") == "PASS"
    assert judge(4.06, 4.0449, 2, True, "published") == "FAIL"
    assert judge(96.1, 96.24, 1, True, "published") == "PASS"
    assert judge(96.1, 96.26, 1, True, "published") == "FAIL"
    assert judge(4.06, float("nan"), 2, True, "published") == "FAIL"
    assert judge(4.06, float("inf"), 2, True, "published") == "FAIL"
    assert judge(None, 4.06, 2, True, "published") == "-"


def test_what_is_not_comparable_never_passes():
    for measured in (4.06, 9.0, float("nan")):
        for kind in ("published", "own"):
            assert judge(4.06, measured, 2, False, kind) == "PARTIAL"


def test_our_own_numbers_give_no_pass():
    for measured in np.arange(3.9, 4.2, 0.001):
        wanted = {"PASS": "SAME", "FAIL": "DIFFERENT"}[judge(4.06, measured, 2, True, "published")]
        assert judge(4.06, measured, 2, True, "own") == wanted
    assert judge(4.06, float("nan"), 2, True, "own") == "DIFFERENT"
    assert judge(None, 4.06, 2, True, "own") == "-"


def test_no_number_further_away_passes():
    for published in np.round(np.arange(0, 10, 0.07), 2):
        for off in np.arange(-0.5, 0.5, 0.0013):
            wanted = "PASS" if abs(off) < 0.015 else "FAIL"
            if abs(abs(off) - 0.015) > 1e-6:
                assert judge(float(published), float(published + off), 2, True, "published") == wanted
