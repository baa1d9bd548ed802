"""Metrics on errors that can be worked out by hand."""

import numpy as np
import pytest

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.metrics import hrnet_official, mmpose
from facelandmarks.schemes import get_scheme

# Two faces of three points; the distances are 5, 0, 10 and 3, 4, NaN px (a prediction is missing).
TRUTH = np.array([[[0, 0], [10, 0], [10, 10]], [[5, 5], [25, 5], [9, 9]]], float)
POINTS = TRUTH + np.array([[[3, 4], [0, 0], [-6, 8]], [[3, 0], [0, -4], [np.nan, 0]]], float)
VISIBLE = np.array([[2, 1, 1], [1, 1, 0]])  # the missing one does not count
SIZES = metrics.point_pair(TRUTH, (0, 1))  # 10 and 20 px
ERRORS = np.array([[0.5, 0.0, 1.0], [0.15, 0.2, np.nan]])


def test_distances_and_sizes():
    np.testing.assert_allclose(metrics.distances(POINTS, TRUTH), [[5, 0, 10], [3, 4, np.nan]])
    assert SIZES.tolist() == [10, 20]
    np.testing.assert_allclose(metrics.normalised(metrics.distances(POINTS, TRUTH), SIZES), ERRORS)


def test_sizes_of_boxes():
    boxes = np.array([[1.0, 1.0, 4.0, 5.0], [0.0, 0.0, 9.0, 4.0]])
    assert metrics.box_sides(boxes).tolist() == [4, 9]
    np.testing.assert_allclose(metrics.box_sides(boxes, "diagonal"), [5, np.sqrt(97)])
    np.testing.assert_allclose(metrics.box_sides(boxes, "root_area"), [np.sqrt(12), 6])
    with pytest.raises(InvalidOptionError, match="'shorter'"):
        metrics.box_sides(boxes, "shorter")


def test_averages_differ_when_points_are_missing():
    assert metrics.nme(POINTS, TRUTH, SIZES, VISIBLE) == pytest.approx((0.5 + 0 + 1 + 0.15 + 0.2) / 5)
    assert metrics.nme(POINTS, TRUTH, SIZES, VISIBLE, "faces") == pytest.approx((0.5 + 0.175) / 2)
    assert metrics.epe(POINTS, TRUTH, VISIBLE) == pytest.approx((5 + 0 + 10 + 3 + 4) / 5)
    with pytest.raises(InvalidOptionError, match=r"no average 'images'; .*faces"):
        metrics.nme(POINTS, TRUTH, SIZES, VISIBLE, "images")


def test_a_missing_prediction_is_no_mean_and_a_miss():
    assert np.isnan(metrics.nme(POINTS, TRUTH, SIZES))
    assert metrics.pck(POINTS, TRUTH, SIZES, 0.2) == pytest.approx(3 / 6)
    faces = metrics.face_errors(ERRORS)
    assert metrics.failure_rate(faces, 0.6) == pytest.approx(1 / 2)
    assert metrics.ced(faces, [0.4, 0.5, 1e9]).tolist() == [0, 0.5, 0.5]
    assert metrics.auc(faces, 1.0) == pytest.approx(0.5 / 2)


def test_thresholds_include_their_value():
    assert metrics.pck(POINTS, TRUTH, SIZES, 0.2, VISIBLE) == pytest.approx(3 / 5)
    faces = np.array([0.08, 0.1, 0.02])
    assert metrics.failure_rate(faces, 0.08) == pytest.approx(1 / 3)
    assert metrics.ced(faces, 0.08) == pytest.approx(2 / 3)


def test_area_under_the_curve_is_the_integral_of_the_curve():
    faces = np.random.default_rng(0).gamma(4, 0.012, 500)
    steps = np.linspace(0, 0.07, 200_001)
    curve = metrics.ced(faces, steps)
    assert metrics.auc(faces, 0.07) == pytest.approx(curve.mean(), abs=1e-5)
    assert metrics.auc(np.zeros(3), 0.07) == 1
    assert metrics.auc(np.full(3, 0.07), 0.07) == 0


def test_errors_by_landmark_and_contour():
    valid = metrics.as_mask(VISIBLE)
    np.testing.assert_allclose(metrics.per_landmark(ERRORS, valid), [0.325, 0.1, 1.0])
    nobody = valid & np.array([True, True, False])
    np.testing.assert_allclose(metrics.per_landmark(ERRORS, nobody), [0.325, 0.1, np.nan])
    scheme = get_scheme("deepfashion_upper")  # collar 0 1, sleeves 0 2 and 1 3, hem 4 5
    errors = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, np.nan]])
    parts = metrics.per_contour(errors, scheme, ~np.isnan(errors))
    assert parts == {"collar": 1.5, "sleeve_left": 2.0, "sleeve_right": 3.0, "hem": 5.0}
    assert np.isnan(metrics.per_contour(errors, scheme, np.zeros((1, 6), bool))["hem"])


def test_nothing_to_average_is_nan_without_a_warning():
    empty, nothing = np.zeros((0, 3)), np.zeros((2, 3), bool)
    assert np.isnan(metrics.mean_error(empty))
    assert np.isnan(metrics.mean_error(ERRORS, nothing))
    assert np.isnan(metrics.mean_error(ERRORS, nothing, "faces"))
    assert metrics.face_errors(ERRORS, nothing).shape == (0,)
    assert np.isnan(metrics.failure_rate(metrics.face_errors(empty), 0.1))
    assert np.isnan(metrics.auc(metrics.face_errors(empty), 0.1))
    assert np.isnan(metrics.ced(metrics.face_errors(empty), [0.1])).all()
    assert np.isnan(hrnet_official.nme(np.zeros((0, 3, 2)), np.zeros((0, 3, 2)), np.zeros(0)))
    assert np.isnan(hrnet_official.failure_rate(np.zeros(0), 0.1))


@pytest.mark.parametrize("size", [0.0, -5.0, np.nan, np.inf])
def test_a_normaliser_that_is_no_size_is_refused_by_name(size):
    with pytest.raises(InvalidOptionError, match=f"face 1 of 2 has a normaliser of {size:g} px"):
        metrics.nme(POINTS, TRUTH, [10, size], VISIBLE)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidOptionError, match=r"\(2, 3, 2\) for points and \(2, 2, 2\)"):
        metrics.distances(POINTS, TRUTH[:, :2])
    with pytest.raises(InvalidOptionError, match="one shape"):
        metrics.distances(POINTS[0], TRUTH[0])
    for plain in (metrics.nme, mmpose.nme):
        with pytest.raises(InvalidOptionError, match=r"sizes must have the shape \(2,\)"):
            plain(POINTS, TRUTH, [10.0], VISIBLE)
        for mask in (VISIBLE[:1], VISIBLE[0], np.ones(2), np.ones((2, 1))):
            with pytest.raises(InvalidOptionError, match=r"must have the shape \(2, 3\)"):
                plain(POINTS, TRUTH, SIZES, mask)
        with pytest.raises(InvalidOptionError, match="one shape"):
            plain(POINTS, TRUTH[:1], SIZES, VISIBLE)
    with pytest.raises(InvalidOptionError, match="one shape"):
        hrnet_official.nme(POINTS, TRUTH[:1], SIZES)
    with pytest.raises(InvalidOptionError, match="sizes"):
        hrnet_official.nme(POINTS, TRUTH, SIZES[:1])


def test_thresholds_and_resamples_have_to_be_some():
    for threshold in (0, -0.1, float("nan")):
        with pytest.raises(InvalidOptionError, match="threshold"):
            metrics.auc(np.zeros(3), threshold)
    for wrong in ({"faces": 0}, {"resamples": 0}, {"level": 1.0}):
        with pytest.raises(InvalidOptionError, match="need a face"):
            metrics.bootstrap_interval(lambda drawn: drawn.mean(), **{"faces": 3, **wrong})


def test_rules_of_mmpose_differ_from_the_plain_ones():
    points, truth, visible = np.nan_to_num(POINTS), TRUTH, np.ones((2, 3))
    plain = metrics.nme(points[:1], truth[:1], SIZES[:1])
    assert mmpose.nme(points, truth, np.array([10.0, 0.0]), visible) == pytest.approx(plain)  # left out
    halved = mmpose.nme(points, truth, np.array([10.0, -1.0]), visible)  # its points count, their errors vanish
    assert halved == pytest.approx(plain / 2, abs=1e-4)
    # Strict thresholds, one landmark after the other, 0 where nothing counts.
    assert mmpose.pck(POINTS, TRUTH, SIZES, VISIBLE, 0.2) == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert mmpose.nme(points, truth, SIZES, np.zeros((2, 3))) == 0
    assert mmpose.auc(points, truth, np.zeros((2, 3))) == 0


def test_a_nan_is_no_failure_for_the_official_program():
    faces = np.array([np.nan, 0.2])
    assert hrnet_official.failure_rate(faces, 0.1) == 0.5
    assert metrics.failure_rate(faces, 0.1) == 1.0


def test_bootstrap_interval_is_seeded_and_covers():
    rng = np.random.default_rng(1)
    errors = rng.gamma(4, 0.01, (400, 5))

    def interval(**options):
        return metrics.bootstrap_interval(lambda drawn: metrics.mean_error(errors[drawn]), len(errors), **options)

    low, high = interval()
    assert interval() == (low, high)
    assert interval(seed=1) != (low, high)
    assert low < errors.mean() < high
    # For a mean it is the normal interval, nearly.
    spread = errors.mean(1).std() / np.sqrt(len(errors))
    assert (high - low) == pytest.approx(2 * 1.96 * spread, rel=0.1)
    narrow = interval(level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_faces_are_drawn_whole():
    # Twenty points that all have the error of their face: no surer than one point a face.
    faces = np.random.default_rng(2).gamma(4, 0.01, (100, 1))
    one = metrics.bootstrap_interval(lambda drawn: metrics.mean_error(faces[drawn]), 100)
    many = np.repeat(faces, 20, axis=1)
    assert metrics.bootstrap_interval(lambda drawn: metrics.mean_error(many[drawn]), 100) == pytest.approx(one)
