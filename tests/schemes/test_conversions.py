"""Conversions between layouts: what they claim is measured again where labels are at hand."""

import io
import json
import lzma
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes import CONVERSIONS, KINDS, SCHEMES, Scheme, convert, get_conversion, get_scheme

# Outer and inner corner, then the lid's points from the outer one: upper and lower, left and right eye.
LIDS = {
    "ibug68": (((36, 39), (37, 38)), ((36, 39), (41, 40)), ((45, 42), (44, 43)), ((45, 42), (46, 47))),
    "wflw98": (
        ((60, 64), (61, 62, 63)),
        ((60, 64), (67, 66, 65)),
        ((72, 68), (71, 70, 69)),
        ((72, 68), (73, 74, 75)),
    ),
}
LID_POINTS = [37, 38, 40, 41, 43, 44, 46, 47]  # of the 68 points
every_conversion = pytest.mark.parametrize("conversion", CONVERSIONS.values(), ids=lambda c: f"{c.source}-{c.target}")


def along_lids(points, scheme):
    """Median place of each lid's points on the way from the outer to the inner corner: upper, lower."""
    places = []
    for (outer, inner), lid in LIDS[scheme]:
        axis = points[:, inner] - points[:, outer]
        steps = points[:, lid] - points[:, outer, None]
        places.append((steps * axis[:, None]).sum(-1) / (axis**2).sum(-1, keepdims=True))
    upper, lower = np.concatenate(places[::2]), np.concatenate(places[1::2])
    return np.median(upper, 0), np.median(lower, 0)


def read_pts(path):
    text = path.read_text()
    rows = text[text.index("{") + 1 : text.index("}")] if "{" in text else text
    return np.array(rows.split(), float).reshape(-1, 2)


@pytest.fixture(scope="module")
def wflw_faces(shared):
    """The four faces of WFLW whose 98 points are at hand."""
    path = shared / "data/annotations/mmpose/wflw/test_wflw.json"
    annotations = json.loads(path.read_text())["annotations"]
    return np.array([a["keypoints"] for a in annotations]).reshape(-1, 98, 3)[..., :2]


@pytest.fixture(scope="module")
def wflw_as_68(shared):
    """WFLW's 2,500 test faces as PFLD's 68 points: on the lids, means of a corner and the middle of the lid."""
    with lzma.open(shared / "data/annotations/wflw/list_68pt_rect_attr_test.txt.xz", "rt") as file:
        return np.array([line.split()[:136] for line in file], float).reshape(-1, 68, 2)


@every_conversion
def test_names_and_kinds(conversion):
    source, target = get_scheme(conversion.source), get_scheme(conversion.target)
    assert len(conversion.points) == len(target)
    for point in conversion.points:
        assert point.kind in KINDS
        assert (point.kind == "unavailable") == (not point.weights)
        assert len(point.weights) == 1 or point.kind != "exact"
        assert not point.weights or sum(weight for _, weight in point.weights) == pytest.approx(1)
        assert all(0 <= index < len(source) for index, _ in point.weights)
    if conversion.residuals:
        missing = [kind == "unavailable" for kind in conversion.kinds]
        assert np.isnan(conversion.residuals.percent).tolist() == missing


@pytest.mark.parametrize("source", ["wflw98", "lapa106"])
def test_a_point_of_68_lies_on_the_contour_of_its_name(source):
    conversion, target = get_conversion(source, "ibug68"), get_scheme("ibug68")
    contours = get_scheme(source).contours
    homes = {contour.name.replace("_side_and_", "_"): set(contour.points) for contour in contours}
    for contour in target.contours:
        found = [max(conversion.points[point].weights, key=lambda term: term[1])[0] for point in contour.points]
        assert set(found) <= homes[contour.name]
        assert found == sorted(set(found))  # in the same direction


@every_conversion
def test_conversion_and_mirroring_can_be_exchanged(conversion):
    source, target = get_scheme(conversion.source), get_scheme(conversion.target)
    points = np.random.default_rng(1).uniform(0, 100, (2, 3, len(source), 2)).astype(np.float32)
    points.setflags(write=False)
    converted = convert(points, source, target)
    assert converted.shape == (2, 3, len(target), 2)
    assert converted.dtype == np.float32
    mirrored = convert(points[..., source.mirror, :], source.name, target.name)
    np.testing.assert_allclose(mirrored, converted[..., target.mirror, :], rtol=1e-5)  # sums in another order


def test_only_what_is_unavailable_is_nan():
    converted = convert(np.ones((68, 2)), "ibug68", "cofw29")
    assert np.flatnonzero(np.isnan(converted).any(-1)).tolist() == [5, 7]
    np.testing.assert_allclose(np.delete(converted, [5, 7], axis=0), 1)


def test_a_missing_point_spoils_only_what_is_made_of_it():
    points = np.ones((98, 2))
    points[62] = np.nan
    assert np.flatnonzero(np.isnan(convert(points, "wflw98", "ibug68")).any(-1)).tolist() == [37, 38]


def test_wflw_to_68_is_the_published_list_but_for_the_lids(wflw_faces, wflw_as_68):
    converted = convert(wflw_faces, "wflw98", "ibug68")
    same = [np.abs(wflw_as_68[:, :36] - face[:36]).max((1, 2)).argmin() for face in converted]
    difference = np.abs(wflw_as_68[same] - converted).max(-1)
    assert len(wflw_faces) == 4
    np.testing.assert_allclose(np.delete(difference, LID_POINTS, axis=1), 0, atol=1e-5)


def test_points_of_the_lids_stand_where_300w_has_them(shared, wflw_faces, wflw_as_68):
    files = sorted((shared / "data/300w").glob("*/train/*.pts"))
    wanted = along_lids(np.array([read_pts(path) for path in files]), "ibug68")
    quarters = along_lids(wflw_faces, "wflw98")
    for label, given, quarter, mean_to_middle in zip(
        wanted, quarters, [q[[0, 2]] for q in quarters], along_lids(wflw_as_68, "ibug68"), strict=True
    ):
        # PFLD's points are halfway between a corner and the middle of the lid: 2,500 faces say where that is.
        middle = 2 * mean_to_middle[0]
        assert middle == pytest.approx(2 * mean_to_middle[1] - 1, abs=0.01)
        assert middle == pytest.approx(given[1], abs=0.05)  # as the four faces have it
        mixture = (2 * quarter + middle) / 3
        print(label.round(3), "a quarter:", quarter.round(3), "middle:", middle.round(3), "mixture:", mixture.round(3))
        assert np.abs(mixture - label).max() < 0.02
        assert np.abs(quarter - label).min() > 0.06
    assert len(files) == 2014


def percent_off(given, wanted, visible, points_68):
    size = np.sqrt(np.ptp(points_68, axis=1).prod(-1))
    off = np.linalg.norm(given - wanted, axis=-1) / size[:, None] * 100
    return np.where(visible, off, 0).sum(0) / visible.sum(0)


def test_residuals_of_68_to_29_are_as_measured(shared):
    scipy_io = pytest.importorskip("scipy.io")
    folder = shared / "data/annotations"
    annotations = json.loads((folder / "mmpose/cofw/test_cofw.json").read_text())["annotations"]
    wanted = np.array([a["keypoints"] for a in annotations]).reshape(-1, 29, 3)[..., :2]
    with tarfile.open(folder / "cofw68/test_annotations_507.tar.xz") as archive:
        names = [f"COFW68_Data/test_annotations/{a['image_id'] - 1345}_points.mat" for a in annotations]
        files = [archive.extractfile(name).read() for name in names]
    points = np.array([scipy_io.loadmat(io.BytesIO(file))["Points"] for file in files]) - 1.0  # MATLAB counts from 1
    record = get_conversion("ibug68", "cofw29").residuals
    off = percent_off(convert(points, "ibug68", "cofw29"), wanted, np.ones((2, 29), bool), points)
    np.testing.assert_allclose(off, record.percent, atol=0.051)
    assert len(points) == record.faces


@pytest.mark.parametrize("target", ["aflw19", "points5"])
def test_residuals_of_68_to_fewer_are_as_measured(shared, target):
    scipy_io = pytest.importorskip("scipy.io")
    files = sorted((shared / "data/annotations/aflw2000").glob("*.mat"))
    faces = [scipy_io.loadmat(path) for path in files]
    ears = (12, 16)
    labels = np.array([np.delete(face["pt2d"].T, ears, axis=0) for face in faces])
    labels = np.where((labels >= 0).all(-1, keepdims=True), labels, np.nan)  # -1 is not visible
    wanted = convert(labels, "aflw19", target)
    points = np.array([face["pt3d_68"][:2].T for face in faces])
    record = get_conversion("ibug68", target).residuals
    off = percent_off(convert(points, "ibug68", target), wanted, ~np.isnan(wanted).any(-1), points)
    np.testing.assert_allclose(off, record.percent, atol=0.051)
    assert len(points) == record.faces


def test_both_ways_to_68_agree():
    lapa, wflw = get_scheme("lapa106"), get_scheme("wflw98")
    points = np.random.default_rng(2).uniform(0, 100, (106, 2))
    as_wflw = convert(points, lapa, wflw)
    np.testing.assert_array_equal(convert(points, lapa, "ibug68"), convert(as_wflw, wflw, "ibug68"))
    pair = np.array(get_scheme("ibug68").normaliser)
    np.testing.assert_array_equal(convert(points, lapa, "ibug68")[pair], points[list(lapa.normaliser)])


def test_the_same_layout_is_a_copy():
    points = np.ones((68, 2))
    copied = convert(points, "ibug68", "ibug68")
    copied[:] = 0
    assert points.all()


def test_whole_numbers_become_fractions():
    converted = convert(np.arange(196).reshape(98, 2), "wflw98", "ibug68")
    assert converted[37].tolist() == pytest.approx([(2 * 122 + 124) / 3, (2 * 123 + 125) / 3])


def test_conversions_that_cannot_be_are_refused():
    with pytest.raises(InvalidOptionError, match="98 points cannot be made of 68"):
        convert(np.zeros((68, 2)), "ibug68", "wflw98")
    with pytest.raises(InvalidOptionError, match="no point scheme"):
        convert(np.zeros((68, 2)), "nothing", "nothing")
    with pytest.raises(InvalidOptionError, match=r"wflw98 must be \(\.\.\., 98, 2\); got \(106, 2\)"):
        convert(np.zeros((106, 2)), "wflw98", "ibug68")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64])
def test_tensors_become_arrays_and_float32_stays(dtype):
    points = torch.arange(196).reshape(98, 2).to(dtype)
    if dtype.is_floating_point:
        points = points.requires_grad_() * 1  # no leaf
    single = dtype == torch.float32
    for target in ("ibug68", "wflw98"):
        expected = convert(points.detach().double().numpy(), "wflw98", target)
        for form in (points, list(points), [list(row) for row in points]):
            found = convert(form, "wflw98", target)
            assert found.dtype == (np.float32 if single else np.float64)
            np.testing.assert_allclose(found, expected, rtol=1e-6 if single else 0)


@pytest.mark.parametrize(
    "points", ["points", [["a", "b"]] * 98, [[1, 2], [3]], [], None, {}, object(), np.array(["a"])]
)
def test_what_is_no_points_is_refused(points):
    for target in ("ibug68", "wflw98"):
        with pytest.raises(InvalidOptionError, match=r"points of wflw98 must be \(\.\.\., 98, 2\)"):
            convert(points, "wflw98", target)


def test_own_schemes_are_told_from_those_here_by_what_they_are():
    points, mine, false = np.ones((1, 5, 2)), Scheme("mine", size=5), Scheme("ibug68", size=5)
    for own in (mine, false):
        np.testing.assert_array_equal(convert(points, own, replace(own)), points)
        for pair in ((own, "points5"), ("points5", own)):
            with pytest.raises(InvalidOptionError, match=f"{own.name!r} is a scheme of your own"):
                convert(points, *pair)
    assert convert(np.ones((68, 2)), replace(SCHEMES["ibug68"]), "points5") == pytest.approx(1.0)
