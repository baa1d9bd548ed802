"""Point layouts against the published tables."""

import json
import lzma

import numpy as np
import pytest

from facelandmarks.conversions import CONVERSIONS, convert_points
from facelandmarks.draw import draw_landmarks
from facelandmarks.errors import InvalidOptionError, UnknownModelError
from facelandmarks.results import Landmarks
from facelandmarks.schemes import SCHEMES, get_scheme

LIDS = [37, 38, 40, 41, 43, 44, 46, 47]  # of the 68 points
# WFLW's 98 points among LaPa's 106, as MMPose 1.3.2 trains RTMPose on both (configs/face_2d_keypoint/rtmpose/face6).
WFLW_IN_LAPA = [*range(55), *range(58, 63), *range(66, 74), *range(75, 83), *range(84, 106)]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_mirror_is_its_own_inverse_and_contours_cover_everything(scheme):
    assert np.array_equal(scheme.mirror[scheme.mirror], np.arange(len(scheme)))
    assert sorted({p for c in scheme.contours for p in c.points}) == list(range(len(scheme)))
    assert len(set(scheme.names)) == len(scheme)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_schemes_are_the_published_ones(shared, scheme):
    facts = json.loads((shared / "zoo" / "flip_pairs.json").read_text())["schemes"][scheme.name]
    assert len(scheme) == facts["n"]
    assert scheme.mirror.tolist() == facts["flip_indices"]
    found = [{"name": c.name, "points": list(c.points), "closed": c.closed} for c in scheme.contours]
    assert found == facts["contours"]
    pair = facts["nme_normaliser"]["pair"]
    assert scheme.normaliser == (None if pair is None else tuple(pair))
    assert list(scheme.published_names) == (facts["point_names"] or [])


def test_all_published_schemes_are_here(shared):
    assert set(SCHEMES) == set(json.loads((shared / "zoo" / "flip_pairs.json").read_text())["schemes"])


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_mirror_of_a_contour_is_a_contour(scheme):
    sets = {frozenset(c.points) for c in scheme.contours}
    assert {frozenset(scheme.mirror[list(c.points)].tolist()) for c in scheme.contours} == sets


def test_names_of_points():
    assert get_scheme("ibug68").names[36:38] == ("eye_left_0", "eye_left_1")
    assert get_scheme("cofw29").names[22] == "lips_outer_0"  # a corner of the mouth, on both contours of the lips
    assert get_scheme("deepfashion_lower").names == ("left waistline", "right waistline", "left hem", "right hem")


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_every_scheme_can_be_drawn(scheme):
    count = len(scheme)
    points = np.random.default_rng(0).uniform(20, 80, (1, count, 2)).astype(np.float32)
    box = np.array([[20, 20, 80, 80]], np.float32)
    faces = Landmarks(points, np.ones((1, count), np.float32), box, np.ones(1, np.float32), scheme, (100, 100))
    assert draw_landmarks(np.zeros((100, 100, 3), np.uint8), faces).any()
    assert list(faces[0].to_dict())


def test_unknown_scheme_lists_the_known():
    with pytest.raises(UnknownModelError, match="ibug68"):
        get_scheme("ibug86")


@pytest.mark.parametrize("conversion", CONVERSIONS.values(), ids=lambda c: f"{c.source}-{c.target}")
def test_a_converted_point_lies_on_the_contour_of_its_name(conversion):
    source, target = get_scheme(conversion.source), get_scheme(conversion.target)
    assert len(set(conversion.points)) == len(conversion.points) == len(target)
    homes = {contour.name.replace("_side_and_", "_"): set(contour.points) for contour in source.contours}
    for contour in target.contours:
        found = [conversion.points[point] for point in contour.points]
        assert set(found) <= homes[contour.name]
        assert found == sorted(found)  # in the same direction


@pytest.mark.parametrize("conversion", CONVERSIONS.values(), ids=lambda c: f"{c.source}-{c.target}")
def test_conversion_and_mirroring_can_be_exchanged(conversion):
    source, target = get_scheme(conversion.source), get_scheme(conversion.target)
    points = np.random.default_rng(1).uniform(0, 100, (2, 3, len(source), 2)).astype(np.float32)
    points.setflags(write=False)
    converted = convert_points(points, source.name, target.name)
    assert converted.shape == (2, 3, len(target), 2)
    assert converted.dtype == np.float32
    mirrored = convert_points(points[..., source.mirror, :], source.name, target.name)
    np.testing.assert_array_equal(mirrored, converted[..., target.mirror, :])


def test_wflw_to_68_is_the_published_list_but_for_the_lids(shared):
    folder = shared / "data" / "annotations"
    annotations = json.loads((folder / "mmpose/wflw/test_wflw.json").read_text())["annotations"]
    faces = np.array([a["keypoints"] for a in annotations]).reshape(-1, 98, 3)[..., :2]
    with lzma.open(folder / "wflw/list_68pt_rect_attr_test.txt.xz", "rt") as file:
        published = np.array([line.split()[:136] for line in file], float).reshape(-1, 68, 2)
    converted = convert_points(faces, "wflw98", "ibug68")
    same = [np.abs(published[:, :36] - face[:36]).max((1, 2)).argmin() for face in converted]
    difference = np.abs(published[same] - converted).max(-1)
    assert len(faces) == 4
    np.testing.assert_allclose(np.delete(difference, LIDS, axis=1), 0, atol=1e-5)


def test_both_ways_to_68_agree():
    assert len(WFLW_IN_LAPA) == 98
    lapa, wflw = get_scheme("lapa106"), get_scheme("wflw98")
    np.testing.assert_array_equal(lapa.mirror[WFLW_IN_LAPA], np.array(WFLW_IN_LAPA)[wflw.mirror])
    points = np.random.default_rng(2).uniform(0, 100, (106, 2))
    expected = convert_points(points[WFLW_IN_LAPA], "wflw98", "ibug68")
    np.testing.assert_array_equal(convert_points(points, "lapa106", "ibug68"), expected)
    pair = np.array(get_scheme("ibug68").normaliser)
    np.testing.assert_array_equal(expected[pair], points[list(lapa.normaliser)])


def test_conversions_that_cannot_be_are_refused():
    with pytest.raises(InvalidOptionError, match="wflw98 to ibug68, lapa106 to ibug68"):
        convert_points(np.zeros((68, 2)), "ibug68", "wflw98")
    with pytest.raises(InvalidOptionError, match=r"wflw98 must be \(\.\.\., 98, 2\); got \(106, 2\)"):
        convert_points(np.zeros((106, 2)), "wflw98", "ibug68")
