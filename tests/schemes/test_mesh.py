"""The layouts of the face mesh against MediaPipe's own tables, and the measured error of what is made of them."""

import numpy as np
import pytest
from golden_files import document

from facelandmarks.draw.schemes import typical_layout
from facelandmarks.measures import eye_aspect_ratios, head_pose, mouth_aspect_ratio
from facelandmarks.schemes import convert, get_conversion, get_scheme, mesh


@pytest.fixture(scope="module")
def topology(shared):
    return document(shared / "goldens/mediapipe/mesh_topology.json")


@pytest.mark.parametrize("count", [468, 478])
def test_mirror_images_are_the_published_ones(topology, count):
    scheme = get_scheme(f"mesh{count}")
    assert len(scheme) == count
    assert scheme.mirror.tolist() == topology[f"flip_index_{count}"]


def edges(contours):
    found = set()
    for contour in contours:
        ends = [*contour.points[1:], contour.points[0]] if contour.closed else contour.points[1:]
        found |= {frozenset(edge) for edge in zip(contour.points, ends, strict=False)}
    return found


def test_lines_are_the_published_ones(topology):
    published = {frozenset(edge) for part in topology["contours"].values() for edge in part["edges"]}
    assert edges(get_scheme("mesh478").contours) == published


def test_what_the_attention_model_places_again(topology):
    lists = topology["attention_outputs_to_mesh"]
    assert (list(mesh.LIPS), list(mesh.LEFT_EYE), list(mesh.RIGHT_EYE)) == (
        lists["lips"],
        lists["left_eye_output"],
        lists["right_eye_output"],
    )
    around = [list(eye[: mesh.AROUND_IRIS]) for eye in (mesh.LEFT_EYE, mesh.RIGHT_EYE)]
    assert around == lists["iris_z_average"]
    assert set(around[0]) == set(mesh.LEFT_EYE_OUTLINE)


def test_points_of_68_are_the_published_ones(topology):
    sources = [[index for index, _ in point.weights] for point in get_conversion("mesh468", "ibug68").points]
    published = topology["ibug68_from_mesh"]
    # Of one pair of the jaw the published list has the mean of two points on one side only.
    assert (published[3], published[13], sources[13]) == ([132, 58], [361], [361, 288])
    assert [*sources[:13], *sources[14:]] == [*published[:13], *published[14:]]


def test_points_without_a_line_have_a_number_for_a_name():
    names = get_scheme("mesh478").names
    assert names[0] == "lips_outer_5"
    assert names[3] == "point_3"
    assert names[468] == "pupil_left_0"


def test_a_typical_mesh_can_be_measured():
    """As a face: the layout looks straight ahead, with open eyes and mouth."""
    points = typical_layout(get_scheme("mesh478"))[None] * 1000
    eyes, mouth = eye_aspect_ratios(points, "mesh478"), mouth_aspect_ratio(points, "mesh478")
    assert eyes.valid.all()
    assert eyes.values[0, 0] == pytest.approx(eyes.values[0, 1], abs=1e-9)
    assert 0.1 < eyes.values.mean() < 0.5
    assert mouth.valid.all()
    assert 0.05 < mouth.values[0] < 0.5
    pose = head_pose(points, "mesh478", (1000, 1000))
    assert pose.valid.all()
    assert abs(pose.yaw[0]) < 0.5
    assert abs(pose.roll[0]) < 0.5


def test_478_points_begin_with_the_468():
    points = np.random.default_rng(0).uniform(size=(2, 478, 2))
    np.testing.assert_array_equal(convert(points, "mesh478", "mesh468"), points[:, :468])
