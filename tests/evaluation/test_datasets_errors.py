"""Readers of datasets on what is missing, too little, or malformed: every error says what and where."""

import json
import shutil
import sys

import numpy as np
import pytest
from dataset_cases import CASES, folder_of
from miniature_releases import make_all

from facelandmarks.errors import DatasetError, InvalidOptionError, MissingDependencyError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, read
from facelandmarks.evaluation.datasets.derived import read_coco, read_hrnet_csv, read_spiga
from facelandmarks.evaluation.datasets.files import load_mat, open_mat73, read_array, read_cell, read_list, read_pts


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("releases")
    return root, make_all(root)


@pytest.mark.parametrize(("name", "form", "subset"), CASES)
def test_other_numbers_of_faces_need_leave(releases, name, form, subset):
    published = RELEASES[name].faces[subset]
    if name.startswith("deepfashion") and form == "original":
        with pytest.raises(DatasetError, match=r"list_landmarks\.txt holds 18 images, the published number is 123016"):
            read(name, folder_of(releases[0], name), subset, form=form)
        return
    if not published or (name, subset) == ("aflw", "train"):
        assert list(read(name, folder_of(releases[0], name), subset, form=form))
        return
    count = len(releases[1][name][subset])
    with pytest.raises(DatasetError, match=f"holds {count} faces, the published number is {published[0]}"):
        read(name, folder_of(releases[0], name), subset, form=form)


@pytest.mark.parametrize("name", RELEASES)
def test_what_is_missing_is_said_with_where_it_is_to_be_had(name, tmp_path):
    subset = next(iter(RELEASES[name].faces))
    with pytest.raises(DatasetError) as nothing:
        read(name, tmp_path, subset)
    message = str(nothing.value)
    assert str(tmp_path) in message
    assert RELEASES[name].where in message
    for form in FORMS[name].values():
        assert all(place in message for place in form.places.get(subset, ()))
    with pytest.raises(DatasetError, match=r"folder .*absent not found\."):
        read(name, tmp_path / "absent", subset)


def test_a_missing_picture_is_named(releases, tmp_path):
    shutil.copy(releases[0] / "wflw" / "face_landmarks_wflw_test.csv", tmp_path)
    faces = read("wflw", tmp_path, "test", allow_partial=True)
    with pytest.raises(DatasetError, match=r"image .*0--Scene.0_Scene_0\.jpg not found\."):
        next(faces)
    assert len(list(read("wflw", tmp_path, "test", images=False, allow_partial=True))) == 6


def test_the_rest_of_a_release_is_asked_for(releases, tmp_path):
    (tmp_path / "Anno").mkdir()
    for name in ("list_landmarks.txt", "list_bbox.txt"):
        shutil.copy(releases[0] / "deepfashion" / "Anno" / name, tmp_path / "Anno")
    with pytest.raises(DatasetError, match=r"looked for Eval/list_eval_partition\.txt in .*mmlab"):
        read("deepfashion_upper", tmp_path, "test")
    shutil.copytree(releases[0] / "cofw68" / "COFW68_Data", tmp_path / "COFW68_Data")
    with pytest.raises(DatasetError, match=r"COFW_test_color\.mat.*caltech"):
        read("cofw68", tmp_path, "test", allow_partial=True)


def test_unknown_names_list_the_known(tmp_path):
    with pytest.raises(InvalidOptionError, match=r"'wlfw'.* wflw "):
        read("wlfw", tmp_path, "test")
    with pytest.raises(InvalidOptionError, match="wflw subset 'largepose'"):
        read("wflw", tmp_path, "largepose")
    with pytest.raises(InvalidOptionError, match=r"'json'.* hrnet, mmpose, original, subset_lists"):
        read("wflw", tmp_path, "test", form="json")
    with pytest.raises(InvalidOptionError, match="the form spiga of 300w has no subset 'train'"):
        read("300w", tmp_path, "train", form="spiga")


LINES = {
    "words": ("1 2 3", "expected 4 numbers and a name, found 3 words"),
    "surplus": ("1 2 3 4 -5.5 6.jpg", "found more numbers"),
    "text": ("1 2 three 4 a.jpg", "could not convert string to float: 'three'"),
    "infinite": ("1 2 inf 4 a.jpg", "not finite"),
}


@pytest.mark.parametrize(("row", "reason"), LINES.values(), ids=LINES)
def test_malformed_rows_of_lists(tmp_path, row, reason):
    path = tmp_path / "list.txt"
    path.write_text(f"1 2 3 4 a b.jpg\n\n{row}\n")
    with pytest.raises(DatasetError, match=rf"list\.txt, line 3: .*{reason}"):
        read_list(path, 2, 0)
    path.write_text("1 2 3 4 a b.jpg\n")
    assert read_list(path, 2, 0)[0].name == "a b.jpg"


def test_attributes_that_are_no_flags(releases, tmp_path):
    text = (releases[0] / "wflw68" / "list_68pt_rect_attr_test.txt").read_text()
    (tmp_path / "list_68pt_rect_attr_test.txt").write_text(text.replace(" 1 0 0 0 0 0 ", " 2 0 0 0 0 0 "))
    with pytest.raises(DatasetError, match="line 1: attributes must be 0 or 1"):
        read("wflw68", tmp_path, "test", allow_partial=True)


POINTS_FILES = {
    "too few": ("n_points: 3\n{\n1 2\n}\n", "1 points, its header says 3"),
    "none": ("n_points: 68\n{\n}", "0 points, its header says 68"),
    "empty": ("", "0 points"),
    "one number": ("1 2\n3\n", "line 2: expected 'x y'"),
    "flag": ("1 2 3\n", "line 1: expected 'x y'"),
    "number": ("one 1 2 True\n", "line 1: expected 'x y'"),
    "text": ("1 x\n", "line 1: could not convert"),
    "nan": ("1 nan\n", "line 1: a number is not finite"),
    "number 0": ("0 1 2 True\n", "line 1: expected 'x y'"),
    "large number": ("1000000000000 1 2 True\n", "line 1: expected 'x y'"),
    "twice": ("03 1 2 True\n3 1 2 True\n", "two rows of one number"),
    "sixty": ("1 2\n" * 60, "holds 60 points, 300-W has 68"),
}


@pytest.mark.parametrize(("text", "reason"), POINTS_FILES.values(), ids=POINTS_FILES)
def test_malformed_pts(tmp_path, text, reason):
    (tmp_path / "ibug").mkdir()
    (tmp_path / "ibug" / "image_1.pts").write_text(text)
    with pytest.raises(DatasetError, match=f"image_1.pts.*{reason}"):
        list(read("300w", tmp_path, "challenge", images=False, allow_partial=True))


def test_rows_with_numbers_and_flags_go_to_their_places(tmp_path):
    path = tmp_path / "a.pts"
    path.write_text("02 1.5 2.5 True\n04 3.5 4.5 False")
    points, visible = read_pts(str(path))
    np.testing.assert_array_equal(points, [[np.nan, np.nan], [1.5, 2.5], [np.nan, np.nan], [3.5, 4.5]])
    assert visible.tolist() == [False, True, False, False]


ANNOTATION = {"keypoints": [1, 2, 1], "image_id": 1, "bbox": [0, 0, 1, 1]}
JSONS = {
    "no json": ("{", "not an annotation file in COCO's form"),
    "no images": ({"annotations": []}, "not an annotation file in COCO's form: KeyError"),
    "a list": ([1], "not an annotation file in COCO's form"),
    "no picture": ({"images": [], "annotations": [ANNOTATION]}, "annotation 0: KeyError"),
    "too many": (
        {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [ANNOTATION | {"keypoints": [1, 2, 1] * 2}]},
        "annotation 0: .*cannot reshape array of size 6",
    ),
    "nan": (
        {
            "images": [{"id": 1, "file_name": "a.jpg"}],
            "annotations": [ANNOTATION | {"keypoints": [1, float("nan"), 1]}],
        },
        "annotation 0: .*not finite",
    ),
}


@pytest.mark.parametrize(("document", "reason"), JSONS.values(), ids=JSONS)
def test_malformed_coco_files(tmp_path, document, reason):
    path = tmp_path / "a.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(DatasetError, match=rf"a\.json.*{reason}"):
        list(read_coco(path, 1)[1])


def test_malformed_spiga_files(tmp_path):
    path = tmp_path / "a.json"
    for text in ("{", '[{"imgpath": "a.jpg", "bbox": [0, 0, 1, 1], "landmarks": [[1, 2]]}]', "[{}]"):
        path.write_text(text)
        with pytest.raises(DatasetError, match=r"a\.json is not an annotation file"):
            read_spiga(path, 2)


def test_malformed_csv_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image_name,scale,center_w,center_h,x,y\na.jpg,1,2,3,4,5\na.jpg,1,2,3,4\n")
    with pytest.raises(DatasetError, match=r"a\.csv, line 3: expected 6 columns, found 5"):
        read_hrnet_csv(path, 1)
    path.write_text("image_name,scale,center_w,center_h,x,y\na.jpg,1,2,3,four,5\n")
    with pytest.raises(DatasetError, match=r"a\.csv, line 2: could not convert"):
        read_hrnet_csv(path, 1)


FASHION = {
    "rows": (
        "Anno/list_bbox.txt",
        lambda text: text.replace("18\n", "19\n", 1),
        "holds 18 rows, its first line says 19",
    ),
    "box": ("Anno/list_bbox.txt", lambda text: text.rstrip()[:-4], r"line 20: expected a name and 4 values, found 3"),
    "landmarks": ("Anno/list_landmarks.txt", lambda text: text.rstrip()[:-4], "expected 8 landmarks of 3 numbers"),
    "visibility": ("Anno/list_landmarks.txt", lambda text: text.replace("3  5  1 ", "3  5  7 "), "must be 0, 1 or 2"),
    "corner": ("Anno/list_bbox.txt", lambda text: text.rstrip()[:-3] + "low", r"list_bbox\.txt, line 20: could not"),
    "twice": (
        "Anno/list_bbox.txt",
        lambda text: text.replace("img_30000005", "img_30000004"),
        r"line 20: a second row of img/img_30000004\.jpg",
    ),
    "nothing": ("Eval/list_eval_partition.txt", lambda _: "", "holds 0 rows, its first line says nothing"),
    "no box": (
        "Anno/list_bbox.txt",
        lambda text: text.replace("img_30000005", "img_39999999"),
        r"img_30000005\.jpg has no box",
    ),
    "partition": (
        "Eval/list_eval_partition.txt",
        lambda text: text.replace("  val\n", "  vla\n", 1),
        "no known partition",
    ),
    "type": (
        "Anno/list_landmarks.txt",
        lambda text: text.replace("jpg  3  5", "jpg  4  5"),
        "no known type of clothes",
    ),
}


@pytest.mark.parametrize(("file", "change", "reason"), FASHION.values(), ids=FASHION)
def test_malformed_lists_of_deepfashion(releases, tmp_path, file, change, reason):
    for folder in ("Anno", "Eval"):
        shutil.copytree(releases[0] / "deepfashion" / folder, tmp_path / folder)
    text = (tmp_path / file).read_text()
    assert change(text) != text
    (tmp_path / file).write_text(change(text))
    with pytest.raises(DatasetError, match=reason):
        list(read("deepfashion_full", tmp_path, "test", images=False, allow_partial=True))


def test_malformed_files_of_lapa(releases, tmp_path):
    folder = tmp_path / "test" / "landmarks"
    folder.mkdir(parents=True)
    for text, reason in (
        ("105\n1 2\n", "line 1: expected 106"),
        ("", "expected 106"),
        ("106\n" + "1\n" * 106, "line 2"),
    ):
        (folder / "a.txt").write_text(text)
        with pytest.raises(DatasetError, match=rf"a\.txt, .*{reason}"):
            list(read("lapa", tmp_path, "test", images=False, allow_partial=True))


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "a.pts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"cannot read .*a\.pts"):
        read_pts(tmp_path / "a.pts")
    with pytest.raises(DatasetError, match=r"cannot read .*absent"):
        read_pts(tmp_path / "absent.pts")


def test_malformed_matlab_files(releases, tmp_path):
    old, new = releases[0] / "aflw" / "AFLWinfo_release.mat", releases[0] / "cofw" / "COFW_test_color.mat"
    for path in (old, new):
        for cut in (0, 40, 300, 2000):
            (tmp_path / "a.mat").write_bytes(path.read_bytes()[:cut])
            with pytest.raises(DatasetError, match=r"a\.mat"):
                load_mat(tmp_path / "a.mat", "bbox")
            with pytest.raises(DatasetError, match=r"a\.mat"), open_mat73(tmp_path / "a.mat", "IsT"):
                pass
    with pytest.raises(DatasetError, match="has no field boxes"):
        load_mat(old, "boxes")
    with pytest.raises(DatasetError, match="has no field boxes"), open_mat73(new, "boxes"):
        pass
    with pytest.raises(DatasetError, match="cannot read"):
        load_mat(new, "IsT")
    with pytest.raises(DatasetError, match="cannot read"), open_mat73(old, "bbox"):
        pass
    with pytest.raises(DatasetError, match="cannot read"), open_mat73(new, "IsT") as file:
        read_cell(file, "IsT", 3)
    with pytest.raises(DatasetError, match="cannot read"), open_mat73(new, "IsT") as file:
        read_array(file, "IsT")


def test_boxes_of_cofw_that_are_none(tmp_path, releases):
    from scipy.io import savemat

    shutil.copytree(releases[0] / "cofw68" / "COFW68_Data", tmp_path / "COFW68_Data")
    for boxes, reason in (
        (np.zeros((3, 5)), r"expected boxes of 4 numbers, got an array of shape \(3, 5\)"),
        (np.zeros((2, 4)), "none of the 2 boxes"),
    ):
        savemat(tmp_path / "COFW68_Data" / "cofw68_test_bboxes.mat", {"bboxes": boxes})
        with pytest.raises(DatasetError, match=reason):
            read("cofw68", tmp_path, "test", images=False, allow_partial=True)
    (tmp_path / "COFW68_Data" / "test_annotations" / "a_points.mat").touch()
    with pytest.raises(DatasetError, match="should have a number before its _"):
        read("cofw68", tmp_path, "test", images=False, allow_partial=True)


def test_fields_of_aflw_that_do_not_fit(tmp_path):
    from scipy.io import savemat

    fields = {
        "nameList": np.array([["a"]], object),
        "bbox": np.zeros((1, 4)),
        "data": np.zeros((1, 38)),
        "mask_new": np.ones((1, 19)),
        "ra": np.array([[1]]),
    }
    for name, value in (
        ("ra", [[2]]),
        ("nameList", np.array([["a"], ["b"]], object)),
        ("data", np.zeros((1, 42))),
        ("mask_new", np.ones((2, 19))),
    ):
        savemat(tmp_path / "AFLWinfo_release.mat", fields | {name: value})
        with pytest.raises(DatasetError, match="1 faces in the field `ra`"):
            read("aflw", tmp_path, "full", allow_partial=True)


@pytest.mark.parametrize(("package", "name"), [("h5py", "cofw"), ("scipy.io", "aflw")])
def test_missing_packages_are_named_with_their_extra(releases, monkeypatch, package, name):
    monkeypatch.setitem(sys.modules, package, None)
    subset = next(iter(RELEASES[name].faces))
    message = rf"needs {package.split('.')[0]}: pip install 'facelandmarks-zoo\[evaluation\]'"
    with pytest.raises(MissingDependencyError, match=message):
        read(name, releases[0] / name, subset, allow_partial=True)
