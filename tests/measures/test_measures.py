"""Aspect ratios, head pose and aligned crops: on shapes whose answer is known, and on labelled faces."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.transform
import torch

import facelandmarks as fl
from facelandmarks.draw.schemes import typical_layout
from facelandmarks.errors import InvalidOptionError, UnknownModelError
from facelandmarks.measures import ALIGNMENTS, align, eye_aspect_ratios, head_pose, mouth_aspect_ratio
from facelandmarks.measures.alignment import ARCFACE_POINTS, moved, similarities
from facelandmarks.measures.pose import AVERAGE_FACE, openface_angles, openface_columns, openface_rows
from facelandmarks.schemes import convert, get_scheme

DENSE = ["cofw29", "ibug68", "wflw98", "lapa106"]
FACES = ["aflw19", *DENSE]
SIZE = (640, 480)
FOCAL = 640.0


def faces(scheme, count=3):
    """float64 (N, K, 2): the layout's typical face at several places, in pixels."""
    layout = typical_layout(get_scheme(scheme)) * 200
    return layout + np.arange(count)[:, None, None] * 7.0


def turned(yaw, pitch, roll, scheme="ibug68", distance=60.0, offset=(0.0, 0.0)):
    """Points (1, K, 2) of the average face, turned by degrees and seen by a camera; other points are NaN."""
    y, p, r = np.deg2rad([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    model = np.array(list(AVERAGE_FACE.values()))
    placed = model @ (about_z @ about_y @ about_x).T + [*offset, distance]
    seen = placed[:, :2] / placed[:, 2:] * FOCAL + (np.array(SIZE) - 1) / 2
    known = get_scheme(scheme)
    points = np.full((1, len(known), 2), np.nan)
    points[0, [known.named[name] for name in AVERAGE_FACE]] = seen
    return points


def labelled(shared):
    """Points (2014, 68, 2) of 300-W's training faces, counted from 0."""
    found = []
    for path in sorted((shared / "data/300w").glob("*/train/*.pts")):
        text = path.read_text()
        rows = text[text.index("{") + 1 : text.index("}")] if "{" in text else text
        found.append(np.array(rows.split(), float).reshape(-1, 2) - 1)
    return np.array(found)


@pytest.mark.parametrize("scheme", DENSE)
def test_ratio_of_an_eye_is_its_height_over_its_width(scheme):
    known, points = get_scheme(scheme), faces(scheme)
    eye = next(contour for contour in known.contours if contour.name == "eye_left")
    half = len(eye.points) // 2
    x = np.linspace(100, 140, half + 1)
    upper = np.stack([x, np.full_like(x, 50)], -1)
    upper[[0, -1], 1] = 54
    points[0, eye.points[: half + 1]] = upper
    points[0, eye.points[half + 1 :]] = upper[half - 1 : 0 : -1] + np.array([0, 8])
    ratios = eye_aspect_ratios(points, scheme)
    assert ratios.values.shape == (3, 2)
    assert ratios.values[0, 0] == pytest.approx(8 / 40)
    assert ratios.valid.all()
    turned_by_30 = points @ np.array([[0.866, 0.5], [-0.5, 0.866]])
    np.testing.assert_allclose(eye_aspect_ratios(turned_by_30, scheme).values, ratios.values)


def test_six_points_give_the_published_ratio():
    points = faces("ibug68")
    p = points[1, 42:48]
    expected = (np.linalg.norm(p[1] - p[5]) + np.linalg.norm(p[2] - p[4])) / (2 * np.linalg.norm(p[0] - p[3]))
    assert eye_aspect_ratios(points, "ibug68").values[1, 1] == pytest.approx(expected)


@pytest.mark.parametrize("scheme", DENSE)
def test_a_closed_mouth_has_the_ratio_zero(scheme):
    known, points = get_scheme(scheme), faces(scheme)
    assert (mouth_aspect_ratio(points, scheme).values > 0.1).all()
    inner = next(contour.points for contour in known.contours if contour.name == "lips_inner")
    half = len(inner) // 2
    points[:, inner[half + 1 :]] = points[:, inner[half - 1 : 0 : -1]]
    ratios = mouth_aspect_ratio(points, scheme)
    np.testing.assert_allclose(ratios.values, 0, atol=1e-12)
    assert ratios.valid.all()


def test_eyes_that_mean_nothing_are_flagged():
    points = faces("ibug68", 5)
    points[1, 37] = np.nan
    points[2, 36:42] = points[2, 36]
    points[3, 42:48, 0] = points[3, 42, 0] + (points[3, 42:48, 0] - points[3, 42, 0]) * 0.3
    points[4] *= 0.01
    valid = eye_aspect_ratios(points, "ibug68").valid
    assert valid.tolist() == [[True, True], [False, True], [False, True], [True, False], [False, False]]
    assert eye_aspect_ratios(np.zeros((0, 68, 2)), "ibug68").values.shape == (0, 2)


def test_schemes_without_the_points_are_named():
    with pytest.raises(InvalidOptionError, match="aflw19 has no closed outline 'eye_left'; these have: cofw29, ibug68"):
        eye_aspect_ratios(faces("aflw19"), "aflw19")
    with pytest.raises(InvalidOptionError, match="anime28 lacks points that head pose needs: eye_left_outer"):
        head_pose(faces("anime28"), "anime28", SIZE)
    with pytest.raises(InvalidOptionError, match="'anime28' cannot be converted to 'points5'"):
        align(np.zeros((9, 9, 3), np.uint8), faces("anime28"), "anime28")
    with pytest.raises(InvalidOptionError, match=r"ibug68 must be \(N, 68, 2\); got \(68, 2\)"):
        mouth_aspect_ratio(np.zeros((68, 2)), "ibug68")
    with pytest.raises(UnknownModelError):
        head_pose(faces("ibug68"), "ibug86", SIZE)


MEASURES = {
    "eyes": lambda points: eye_aspect_ratios(points, "ibug68"),
    "mouth": lambda points: mouth_aspect_ratio(points, "ibug68"),
    "pose": lambda points: head_pose(points, "ibug68", SIZE),
    "align": lambda points: align(np.full((250, 250, 3), 99, np.uint8), points, "ibug68", size=9),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_tensors_and_lists_are_measured_as_arrays(measure):
    points = faces("ibug68").astype(np.float32)
    tensor = torch.tensor(points, requires_grad=True) * 1  # no leaf
    for form in (tensor, list(tensor), points.tolist()):
        np.testing.assert_equal(vars(measure(form)), vars(measure(points)))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("points", ["points", [["a"]], [[[1, 2], [3]]], None, {}, torch.zeros(1, 68, 2, device="meta")])
def test_what_is_no_points_is_refused(measure, points):
    with pytest.raises(InvalidOptionError, match=r"points of ibug68 must be \(N, 68, 2\)"):
        measure(points)


def test_landmarks_in_place_of_their_points_are_refused():
    found = fl.predict(skimage.data.astronaut())
    for measure in (*MEASURES.values(), lambda points: convert(points, "ibug68", "points5")):
        for wrong in (found, list(found), found[:0], found[0]):
            with pytest.raises(InvalidOptionError, match="points of ibug68 must be"):
                measure(wrong)


@pytest.mark.parametrize("scheme", FACES)
@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, 25, 0), (0, 0, 40), (-50, 20, -15), (10, -30, 170)])
def test_pose_of_the_average_face_comes_back(scheme, angles):
    pose = head_pose(turned(*angles, scheme, offset=(5.0, -3.0)), scheme, SIZE, focal=FOCAL)
    np.testing.assert_allclose([pose.yaw[0], pose.pitch[0], pose.roll[0]], angles, atol=1e-3)
    np.testing.assert_allclose(pose.translation, [[5, -3, 60]], atol=1e-3)
    assert pose.error[0] < 1e-6
    assert pose.valid.all()


def test_signs_of_the_angles():
    """The nose moves where the docs say: to the right, up; a clockwise lean lifts the eye on the left."""
    nose, left = get_scheme("ibug68").named["nose_tip"], get_scheme("ibug68").named["eye_left_outer"]
    straight = turned(0, 0, 0)[0]
    assert turned(20, 0, 0)[0, nose, 0] > straight[nose, 0]
    assert turned(0, 20, 0)[0, nose, 1] < straight[nose, 1]
    assert turned(0, 0, 20)[0, left, 1] < straight[left, 1]


def test_poses_that_mean_nothing_are_flagged():
    good = turned(10, 5, 0)
    missing = good.copy()
    missing[0, 30] = np.nan
    one_place, one_line = np.full_like(good, 7.0), np.repeat(np.arange(68.0)[None, :, None], 2, axis=2)
    noise = np.random.default_rng(0).uniform(0, 400, (1, 68, 2))
    pose = head_pose(np.concatenate([good, missing, one_place, one_line, noise]), "ibug68", SIZE)
    assert pose.valid.tolist() == [True, False, False, False, False]
    assert np.isnan(pose.yaw[1:4]).all()
    assert head_pose(np.zeros((0, 68, 2)), "ibug68", SIZE).rotation.shape == (0, 3, 3)


@pytest.mark.parametrize("focal", [0.0, -1, 1e300, 1e-300, np.nan, np.inf, "a", (1, 2)])
def test_focal_lengths_that_cannot_be_are_refused(focal):
    with pytest.raises(InvalidOptionError, match="focal"):
        head_pose(turned(10, 5, 0), "ibug68", SIZE, focal=focal)


@pytest.mark.parametrize("size", [(512, np.nan), (512, 0), (512,), (512, 512, 3), None, 512, "ab", (1e300, 9), ()])
@pytest.mark.parametrize("focal", [None, 500.0])
def test_image_sizes_that_cannot_be_are_refused(size, focal):
    with pytest.raises(InvalidOptionError, match="image_size"):
        head_pose(turned(10, 5, 0), "ibug68", size, focal=focal)


def test_faces_that_are_too_small_in_the_image_have_no_pose():
    """OpenCV refuses points that are so close together."""
    pose = head_pose(np.concatenate([turned(10, 5, 0), turned(10, 5, 0) * 0.01]), "ibug68", SIZE)
    assert pose.valid.tolist() == [True, False]


def test_angles_hardly_depend_on_the_focal_length():
    points = turned(25, 10, 5, distance=200.0)
    near, far = (head_pose(points, "ibug68", SIZE, focal=focal) for focal in (500.0, 2000.0))
    for name in ("yaw", "pitch", "roll"):
        assert getattr(near, name)[0] == pytest.approx(getattr(far, name)[0], abs=2.5)
    assert far.translation[0, 2] / near.translation[0, 2] == pytest.approx(4, rel=0.05)


def test_labelled_faces_have_a_pose_and_mirrored_ones_have_not(shared):
    points = labelled(shared)[::20]
    sizes = np.ptp(points, axis=1).max() * 3
    assert head_pose(points, "ibug68", (int(sizes), int(sizes))).valid.all()
    mirrored = points * [-1, 1] + [sizes, 0]
    assert not head_pose(mirrored, "ibug68", (int(sizes), int(sizes))).valid.any()


def test_angles_of_aflw2000(shared):
    """Poses of a face model that was fitted to 16 pictures: 10 degrees for the whole rotation, 6 in the mean."""
    scipy_io = pytest.importorskip("scipy.io")
    files = [scipy_io.loadmat(path) for path in sorted((shared / "data/annotations/aflw2000").glob("*.mat"))]
    points = np.array([file["pt3d_68"][:2].T - 1 for file in files])
    pose = head_pose(points, "ibug68", (450, 450))
    flip = np.diag([1.0, -1.0, -1.0])  # their axes: y up, z to the camera
    given = np.array([flip @ _their_rotation(*file["Pose_Para"][0, :3]) @ flip for file in files])
    cosine = (np.trace(given.transpose(0, 2, 1) @ pose.rotation, axis1=1, axis2=2) - 1) / 2
    off = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
    print(off.round(1), "median", np.median(off).round(1))
    assert len(files) == 16
    assert pose.valid.all()
    assert off.max() < 10
    assert off.mean() < 6


def _their_rotation(pitch, yaw, roll):
    """As 3DDFA, whose parameters these are: about x, then y, then z, applied from the right."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([pitch, yaw, roll]), np.sin([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")  # what takes its place is new in 0.26
def test_similarities_are_umeyamas():
    rng = np.random.default_rng(0)
    target = np.array(ARCFACE_POINTS)
    points = target * 2.5 @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + rng.normal(0, 5, (4, 5, 2))
    found = similarities(points, target)
    for matrix, one in zip(found, points, strict=True):
        expected = skimage.transform.SimilarityTransform()
        assert expected.estimate(one, target)
        np.testing.assert_allclose(matrix, expected.params[:2], atol=1e-9)


def test_arcface_crop_is_opencvs_warp():
    image = skimage.data.astronaut()
    five = np.array([[[202, 102], [247, 104], [224, 127], [204, 139], [245, 140]]], float)
    aligned = align(image, five, "points5")
    assert aligned.valid.all()
    assert aligned.pixels.shape == (1, 112, 112, 3)
    # OpenCV 5's own warp has other last bits than OpenCV 4's.
    expected = cv2.warpAffine(image, aligned.matrices[0], (112, 112))
    assert np.abs(aligned.pixels[0].astype(int) - expected).mean() < 0.5
    np.testing.assert_allclose(moved(five, aligned.matrices), [ARCFACE_POINTS], atol=6)
    large = align(image, five, "points5", size=224)
    np.testing.assert_allclose(moved(five, large.matrices), moved(five, aligned.matrices) * 2)


def test_ffhq_square_is_that_of_the_recipe():
    """The published recipe, step by step, on one face; its corners are the outer edges of the crop."""
    five = np.array([[[202, 102], [247, 108], [224, 127], [204, 139], [245, 140]]], float)
    eyes, mouth = five[0, :2].mean(0), five[0, 3:].mean(0)
    across, down = five[0, 1] - five[0, 0], mouth - eyes
    x = across - np.flipud(down) * [-1, 1]
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    y = np.flipud(x) * [-1, 1]
    centre = eyes + down * 0.1
    quad = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])  # as there: counterclockwise
    aligned = align(skimage.data.astronaut(), five, "points5", "ffhq", size=256)
    edges = np.array([[0, 0], [0, 256], [256, 256], [256, 0]]) - 0.5
    np.testing.assert_allclose(moved(quad[None], aligned.matrices)[0], edges, atol=1e-9)


@pytest.mark.parametrize("kind", ALIGNMENTS)
@pytest.mark.parametrize("scheme", FACES)
def test_every_scheme_is_aligned_alike(kind, scheme):
    """The typical face has one place for all schemes: so has its crop."""
    picture = np.zeros((300, 300, 3), np.uint8)
    found = align(picture, faces(scheme, 1), scheme, kind, size=112)
    assert found.valid.all()
    expected = align(picture, faces("ibug68", 1), "ibug68", kind, size=112)
    places = faces("ibug68", 1)[:, [8, 36, 45]]
    np.testing.assert_allclose(moved(places, found.matrices), moved(places, expected.matrices), atol=1.5)


def test_smooth_crops_average_the_picture():
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    five = convert(faces("ibug68", 1), "ibug68", "points5") * 5
    small = align(noise, five, "points5", "ffhq", size=64)
    assert small.valid.all()
    inside = small.pixels[0, 24:40, 24:40]
    assert inside.std() < 15  # single pixels would have 74
    assert abs(inside.mean() - 127.5) < 3


def test_smooth_crops_are_at_the_same_place():
    """A picture that is its own x coordinate: a finer cut must not move it."""
    picture = np.repeat(np.repeat(np.linspace(0, 250, 1001)[None, :, None], 1001, 0), 3, 2).round().astype(np.uint8)
    five = convert(faces("ibug68", 1), "ibug68", "points5") * 4
    small = align(picture, five, "points5", "ffhq", size=100)
    inverse = np.linalg.inv(np.vstack([small.matrices[0], [0, 0, 1]]))
    middle = inverse @ [50, 50, 1]
    assert small.pixels[0, 50, 50, 0] == pytest.approx(middle[0] / 4, abs=1.0)


def test_crops_that_mean_nothing_are_black_and_flagged(shared):
    points = np.concatenate([faces("ibug68", 1), np.full((1, 68, 2), 9.0), faces("ibug68", 1) * [-1, 1] + [200, 0]])
    points = np.concatenate([points, points[:1]])
    points[3, 30] = np.nan
    for kind in ALIGNMENTS:
        aligned = align(np.full((250, 250, 3), 200, np.uint8), points, "ibug68", kind)
        assert aligned.valid.tolist() == [True, False, False, False]
        assert aligned.pixels[0].any()
        assert not aligned.pixels[1:].any()
        assert np.isfinite(aligned.matrices).all()
    five = convert(labelled(shared), "ibug68", "points5")
    assert align(np.zeros((9, 9, 3), np.uint8), five, "points5", size=1).valid.all()
    assert not align(np.zeros((9, 9, 3), np.uint8), five * [-1, 1], "points5", size=1).valid.any()


def test_options_of_align():
    picture, points = np.zeros((9, 9, 3), np.uint8), faces("ibug68")
    for size in (0, 5000, 112.0, "a", np.nan):
        with pytest.raises(InvalidOptionError, match="size"):
            align(picture, points, "ibug68", size=size)
    for kind in ("arcface", ["arcface112"], None):
        with pytest.raises(InvalidOptionError, match="arcface112"):
            align(picture, points, "ibug68", kind)
    assert align(picture, points, "ibug68", size=np.int64(7)).pixels.shape == (3, 7, 7, 3)
    assert align(picture, points[:0], "ibug68").pixels.shape == (0, 112, 112, 3)


def test_measures_need_no_torch():
    code = "import sys, facelandmarks.measures; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("angles", [(0.3, -0.4, 0.2), (-0.5, 0.25, -0.6), (0.0, 0.0, 0.0), (0.1, 0.9, 0.0)])
def test_angles_of_openface_come_back(angles):
    """Rx Ry Rz with the signs of its `Euler2RotationMatrix`."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    turn = np.array(
        [
            [cy * cz, -cy * sz, sy],
            [cx * sz + cz * sx * sy, cx * cz - sx * sy * sz, -cy * sx],
            [sx * sz - cx * cz * sy, cz * sx + cx * sy * sz, cx * cy],
        ]
    )
    points = np.zeros((1, 68, 2))
    width, height = SIZE
    for name, place in AVERAGE_FACE.items():
        x, y, z = turn @ np.array(place) + (0.0, 0.0, 60.0)
        focal = max(SIZE)
        points[0, get_scheme("ibug68").named[name]] = (
            focal * x / z + (width - 1) / 2,
            focal * y / z + (height - 1) / 2,
        )
    np.testing.assert_allclose(openface_angles(points, "ibug68", SIZE)[0], angles, atol=2e-3)


def test_openface_leaves_poses_out_that_mean_nothing_and_has_a_row_without_faces():
    points = np.random.default_rng(0).uniform(0, 100, (1, 68, 2))
    assert openface_angles(points, "ibug68", SIZE) == [(None, None, None)]
    face = {"points": points[0].tolist(), "box_score": None}
    record = {"scheme": "ibug68", "width": SIZE[0], "height": SIZE[1], "faces": [face, face]}
    rows = list(openface_rows(record, 7, 1.23456, [4, 9]))
    assert [row[:5] for row in rows] == [[7, 4, 1.235, None, 1], [7, 9, 1.235, None, 1]]
    assert len(rows[0]) == len(openface_columns("ibug68")) == 5 + 3 + 2 * 68
    assert rows[0][8 + 68 :] == points[0, :, 1].tolist()
    assert list(openface_rows({**record, "faces": []}, 3, None)) == [[3, 0, None, 0, 0]]
