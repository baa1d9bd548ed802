"""Point layouts against the published tables."""

import json

import numpy as np
import pytest

from facelandmarks.boxes import CONVENTIONS, convert_boxes, get_convention, tight_boxes
from facelandmarks.draw import draw_landmarks
from facelandmarks.errors import UnknownModelError
from facelandmarks.evaluation.datasets.files import read_pts
from facelandmarks.results import Landmarks
from facelandmarks.schemes import SCHEMES, convert, get_conversion, get_scheme

OURS = {"points5"}  # made of other layouts; no dataset has it
MESHES = {"mesh468", "mesh478"}  # see test_mesh.py
PUBLISHED = [scheme for scheme in SCHEMES.values() if scheme.name not in OURS | MESHES]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_mirror_is_its_own_inverse_and_contours_cover_everything(scheme):
    assert np.array_equal(scheme.mirror[scheme.mirror], np.arange(len(scheme)))
    on_contours = sorted({p for c in scheme.contours for p in c.points})
    assert on_contours == list(range(len(scheme))) or (scheme.size == len(scheme) and scheme.name in MESHES)
    assert len(set(scheme.names)) == len(scheme)


@pytest.mark.parametrize("scheme", PUBLISHED, ids=lambda s: s.name)
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
    assert set(SCHEMES) - OURS - MESHES == set(json.loads((shared / "zoo" / "flip_pairs.json").read_text())["schemes"])


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
    assert draw_landmarks(np.zeros((100, 100, 3), np.uint8), points, box, scheme).any()
    assert list(faces[0].to_dict())


def test_unknown_scheme_lists_the_known():
    with pytest.raises(UnknownModelError, match="ibug68"):
        get_scheme("ibug86")


@pytest.mark.parametrize("name", [["ibug68"], {}, None, 68, np.zeros(2)])
def test_what_cannot_be_a_name_is_unknown(name):
    for look_up in (get_scheme, get_convention, lambda name: get_conversion(name, "ibug68")):
        with pytest.raises(UnknownModelError, match="no "):
            look_up(name)


@pytest.mark.parametrize("scheme", [s for s in SCHEMES.values() if s.named], ids=lambda s: s.name)
def test_named_points_mirror_each_other(scheme):
    swapped = {name: name.replace("left", "RIGHT").replace("right", "left").lower() for name in scheme.named}
    assert {name: int(scheme.mirror[scheme.named[name]]) for name in scheme.named} == {
        name: scheme.named[other] for name, other in swapped.items()
    }


@pytest.mark.parametrize("name", ["aflw19", "cofw29", "ibug68", "wflw98", "lapa106"])
def test_named_points_lie_where_their_names_say(name):
    scheme = get_scheme(name)
    contours = {contour.name: contour.points for contour in scheme.contours}
    lips = contours.get("lips_outer", contours.get("mouth"))
    assert {scheme.named["mouth_left"], scheme.named["mouth_right"]} <= set(lips)
    for side in ("left", "right"):
        corners = {scheme.named[f"eye_{side}_outer"], scheme.named[f"eye_{side}_inner"]}
        assert corners < set(contours[f"eye_{side}"])
        assert contours[f"eye_{side}"][0] in corners
    if scheme.normaliser:
        assert scheme.normaliser == (scheme.named["eye_left_outer"], scheme.named["eye_right_outer"])


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_the_boxes_of_points_are_of_a_known_kind(scheme):
    assert scheme.box_convention in CONVENTIONS


@pytest.mark.parametrize("name", ["aflw19", "cofw29"])
def test_boxes_of_fewer_points_are_brought_to_the_tight_box(shared, name):
    """On labelled faces: as 19 or 29 points, their boxes lie nearer to those of the 68 points by the convention."""
    files = sorted((shared / "data/300w_test").glob("[hl]*/test/*.pts"))
    points = np.array([read_pts(path)[0] for path in files])
    convention = CONVENTIONS[get_scheme(name).box_convention]
    known = tight_boxes(points)
    fewer = convert(points, "ibug68", name)
    bare = np.concatenate([np.nanmin(fewer, 1), np.nanmax(fewer, 1)], axis=1)
    brought = convert_boxes(bare, convention.name, "tight")
    width = (known[:, 2] - known[:, 0])[:, None]
    inside, off = (((boxes - known)[:, [0, 2]] * [1, -1] / width).mean(axis=0) for boxes in (bare, brought))
    assert len(points) == 434
    assert (inside > 2 * convention.residual).all()  # left and right edge, as fractions of the width
    assert (np.abs(off) < convention.residual).all()
