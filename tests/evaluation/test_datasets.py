"""Readers of datasets, on tiny releases that the tests write themselves."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_cases import CASES, WRITTEN, folder_of
from miniature_releases import cofw_pictures, make_all, make_wflw

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, get_release, landmark_region, read
from facelandmarks.schemes import get_scheme

ONE_BASED = {"300w", "cofw", "cofw68"}


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("releases")
    return root, make_all(root)


def faces_of(releases, name, form, subset, **options):
    options = {"allow_partial": True, **options}
    return list(read(name, folder_of(releases[0], name), subset, form=form, **options))


def test_every_form_is_written():
    crops = {("wflw68", "crops")}  # these have other coordinates and names, and tests of their own
    assert set(WRITTEN) | crops == {(name, form) for name, forms in FORMS.items() for form in forms}
    assert set(FORMS) == set(RELEASES)


@pytest.mark.parametrize(("name", "form", "subset"), CASES)
def test_faces_are_those_of_the_release(releases, name, form, subset):
    found, wanted = faces_of(releases, name, form, subset), releases[1][name][subset]
    assert len(found) == len(wanted)
    assert len({sample.name for sample in found}) == len(found)
    for sample, face in zip(found, wanted, strict=True):
        assert sample.points.shape == (len(get_scheme(get_release(name).scheme)), 2)
        assert sample.points.dtype == np.float64
        np.testing.assert_allclose(sample.points, face.points - (name in ONE_BASED), rtol=0, atol=1e-9)
        assert subset in sample.subsets
        assert sample.visible.dtype == bool
        wanted_name = face.name.removeprefix("img/") if name.startswith("deepfashion") else face.name
        assert sample.name.removeprefix("img/").split("#")[0] == wanted_name.replace(" _", "_")
        if isinstance(sample.image, Path):
            assert sample.image.is_file()
            assert sample.image.name.replace(" _", "_") == Path(face.name).name.replace(" _", "_")


@pytest.mark.parametrize("name", sorted({name for name, _ in WRITTEN}))
def test_two_forms_of_one_face_agree(releases, name):
    for subset in RELEASES[name].faces:
        forms = [form for (n, form), subsets in WRITTEN.items() if n == name and subset in subsets]
        read_once = [faces_of(releases, name, form, subset) for form in forms]
        for samples in zip(*read_once, strict=True):
            for key in ("points", "visible", "occluded", "center", "scale", "box_size"):
                given = [getattr(s, key) for s in samples if getattr(s, key) is not None]
                for value in given[1:]:
                    np.testing.assert_allclose(value, given[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "form", "subset"), CASES)
def test_the_folder_may_be_given_as_seen_from_here(releases, name, form, subset, monkeypatch):
    expected = faces_of(releases, name, form, subset)
    folder = folder_of(releases[0], name)
    monkeypatch.chdir(folder.parent)
    found = list(read(name, folder.name, subset, form=form, allow_partial=True))
    assert [sample.name for sample in found] == [sample.name for sample in expected]
    assert all(sample.image.is_file() for sample in found if isinstance(sample.image, Path))


def test_first_form_that_is_there_is_read(releases, tmp_path):
    for name in ("face_landmarks_wflw_test.csv", "annotations/face_landmarks_wflw_test.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(releases[0] / "wflw" / name, path)
    (tmp_path / "images").symlink_to(releases[0] / "wflw" / "WFLW_images")
    first = next(read("wflw", tmp_path, "test", allow_partial=True))
    assert first.box is not None  # of the JSON; the CSV has none
    assert first.image.parent.parent.name == "images"


def test_attributes_pick_the_subsets_of_wflw(releases):
    faces = faces_of(releases, "wflw", "original", "test")
    assert [sorted(face.subsets - {"test"}) for face in faces[:3]] == [
        ["pose"],
        ["expression", "pose"],
        ["expression", "illumination", "pose"],
    ]
    blurred = faces_of(releases, "wflw", "original", "blur")
    assert [face.name for face in blurred] == [faces[-1].name]
    np.testing.assert_array_equal(faces[0].box, releases[1]["wflw"]["test"][0].box)


def test_further_faces_of_a_picture_have_names_of_their_own(releases):
    names = [face.name for face in faces_of(releases, "wflw", "original", "test")]
    assert names[1:3] == ["1--Scene/1_Scene_1.jpg", "1--Scene/1_Scene_1.jpg#2"]


def test_mirrored_copies_are_no_faces(releases):
    assert list((releases[0] / "300w").rglob("*_mirror.pts"))
    assert not any("mirror" in face.name for face in faces_of(releases, "300w", "original", "full"))


def test_300w_lies_in_images_too(releases, tmp_path):
    (tmp_path / "images").mkdir()
    for part in ("helen", "lfpw", "ibug"):
        (tmp_path / "images" / part).symlink_to(releases[0] / "300w" / part)
    moved = list(read("300w", tmp_path, "full", allow_partial=True))
    assert [face.name for face in moved] == [face.name for face in faces_of(releases, "300w", "original", "full")]


def test_part_of_300w_needs_leave(releases, tmp_path):
    (tmp_path / "ibug").symlink_to(releases[0] / "300w" / "ibug")
    with pytest.raises(
        DatasetError, match=r"looked for \.pts files in helen/testset, helen/test of .*ibug.doc.ic.ac.uk"
    ):
        read("300w", tmp_path, "full")
    assert len(list(read("300w", tmp_path, "full", allow_partial=True))) == 2


def test_a_face_of_300w_without_picture(releases, tmp_path):
    shutil.copytree(releases[0] / "300w" / "ibug", tmp_path / "ibug")
    (tmp_path / "ibug" / "image_003_1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 faces have no image beside their \.pts, first .*image_003_1\.pts"):
        read("300w", tmp_path, "challenge")
    assert [face.name for face in read("300w", tmp_path, "challenge", allow_partial=True)] == ["ibug/image_092_01.jpg"]
    alone = list(read("300w", tmp_path, "challenge", images=False, allow_partial=True))
    assert [face.image is None for face in alone] == [True, False]


def test_frontal_faces_of_aflw_have_every_point_seen(releases):
    full, frontal = (faces_of(releases, "aflw", "original", subset) for subset in ("full", "frontal"))
    assert [face.occluded.any() for face in full] == [False, True, False, True]
    assert [face.name for face in frontal] == [full[0].name, full[2].name]
    assert all(face.visible.all() for face in full)  # hidden points are annotated, and count


def test_sizes_of_aflw_are_the_longer_side_of_the_box(releases):
    face = faces_of(releases, "aflw", "original", "full")[0]
    x1, y1, x2, y2 = face.box
    assert face.box_size == max(x2 - x1, y2 - y1)


def test_training_faces_of_aflw_come_first_in_its_order(releases):
    faces = faces_of(releases, "aflw", "original", "train", allow_partial=False)
    assert len(faces) == 20_000
    assert {face.name.split("#")[0] for face in faces} == {"0/image00001.jpg"}


@pytest.mark.parametrize("name", ["cofw", "cofw68"])
def test_pictures_of_cofw_come_out_of_its_file(releases, name):
    faces = faces_of(releases, name, "original", "test")
    for face, picture in zip(faces, cofw_pictures(3), strict=True):
        np.testing.assert_array_equal(face.image, picture)
    bare = faces_of(releases, name, "original", "test", images=False)
    assert [face.image for face in bare] == [None] * 3
    np.testing.assert_array_equal(faces[1].occluded, releases[1][name]["test"][1].flags == 1)
    np.testing.assert_array_equal(faces[1].box, releases[1][name]["test"][1].box - 1)


def test_boxes_of_cofw_by_mmpose_are_a_pixel_further(releases):
    ours, theirs = (faces_of(releases, "cofw", form, "test") for form in ("original", "mmpose"))
    np.testing.assert_allclose(theirs[0].box - ours[0].box, 1)


def test_landmarks_that_are_cut_off_do_not_count(releases):
    for form in ("original", "mmpose"):
        face = faces_of(releases, "deepfashion_full", form, "test")[0]
        codes = releases[1]["deepfashion_full"]["test"][0].flags
        assert face.visible.tolist() == (codes != 2).tolist()
        assert face.occluded.tolist() == (codes == 1).tolist()
    original = faces_of(releases, "deepfashion_full", "original", "test")[0]
    assert original.subsets == {"test", "large zoom-in"}


def test_regions_of_derived_forms_follow_from_the_points(releases):
    for name in ("wflw", "300w"):
        for face in faces_of(releases, name, "hrnet", "full" if name == "300w" else "test"):
            center, scale = landmark_region(face.points)
            np.testing.assert_allclose(center, face.center)
            np.testing.assert_allclose(scale, face.scale)


def test_points_plus_base_are_the_numbers_of_the_file(releases):
    for name, form in (("300w", "hrnet"), ("cofw", "original"), ("cofw", "mmpose"), ("300w", "spiga")):
        counts_from = FORMS[name][form].counts_from
        assert counts_from == (0 if (name, form) in {("cofw", "mmpose"), ("300w", "spiga")} else 1)
        subset = "full" if name == "300w" else "test"
        face = faces_of(releases, name, form, subset)[0]
        in_release = releases[1][name][subset][0].points - (1 - counts_from)
        np.testing.assert_allclose(face.points + counts_from, in_release, atol=1e-9)


def test_faces_are_read_one_after_the_other(releases, tmp_path):
    shutil.copytree(releases[0] / "300w" / "ibug", tmp_path / "ibug")
    broken = tmp_path / "ibug" / "image_092 _01.pts"
    broken.write_text("1 2\n1 two\n")
    faces = read("300w", tmp_path, "challenge", allow_partial=True)
    assert next(faces).name == "ibug/image_003_1.jpg"
    with pytest.raises(DatasetError, match=r"image_092 _01\.pts, line 2"):
        next(faces)


def test_pictures_of_cofw_are_not_read_ahead(releases, monkeypatch):
    from facelandmarks.evaluation.datasets import cofw

    taken = []
    read_cell = cofw.read_cell
    monkeypatch.setattr(cofw, "read_cell", lambda *given: taken.append(given[2]) or read_cell(*given))
    faces = read("cofw", releases[0] / "cofw", "test", allow_partial=True)
    assert taken == []
    next(faces)
    assert taken == [0]


def test_importing_loads_neither_torch_nor_the_extra():
    code = (
        "import sys, facelandmarks.evaluation.datasets, facelandmarks.evaluation.metrics\n"
        "print(sorted({'torch', 'cv2', 'scipy', 'h5py'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


CROP = np.array([3.0, 2.0, 1.5, 2.0])  # offset and scale, x and y


def to_crop(points):
    """Move points or corners of the whole image into the crop: pixels have their centres at whole numbers."""
    return (points - CROP[:2] + 0.5) * CROP[2:] - 0.5


@pytest.fixture
def crops(tmp_path):
    """The faces of the list of 68 points, and the same faces as crops."""
    make_wflw(tmp_path / "whole", 68)
    faces = list(read("wflw68", tmp_path / "whole", "test", allow_partial=True))
    folder = tmp_path / "crops" / "test"
    folder.mkdir(parents=True)
    columns = ("file", *("pose", "expression", "illumination", "make_up", "occlusion", "blur"))
    columns += ("rect_x0", "rect_y0", "rect_x1", "rect_y1", "crop_x", "crop_y", "scale_x", "scale_y")
    lines = [",".join(columns)]
    for number, face in enumerate(faces):
        shutil.copy(face.image, folder / f"{number}.jpg")
        rows = "\n".join(f"{x:.9f} {y:.9f}" for x, y in to_crop(face.points) + 1)
        (folder / f"{number}.pts").write_text(f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n")
        flags = [int(name.replace("make_up", "makeup") in face.subsets) for name in columns[1:7]]
        lines.append(",".join(map(str, [f"{number}.jpg", *flags, *face.box, *CROP])))
    (folder.parent / "test.csv").write_text("\n".join(lines) + "\n")
    return faces, folder.parent


@pytest.mark.parametrize("subset", ["test", "pose", "makeup", "blur"])
def test_crops_of_wflw_are_the_faces_of_the_list(crops, subset):
    wanted = [face for face in crops[0] if subset in face.subsets]
    found = list(read("wflw68", crops[1], subset, allow_partial=True))
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.points, to_crop(other.points), rtol=0, atol=1e-8)
        np.testing.assert_allclose(one.box.reshape(2, 2), to_crop(other.box.reshape(2, 2)), rtol=0, atol=1e-8)
        assert one.subsets == other.subsets - {"test"} | {subset}
        assert one.name == f"test/{one.image.name}"


BROKEN_CROPS = [
    ("test.csv", "rect_x0", "left", r"test\.csv, line 1: no column rect_x0"),
    ("test.csv", ",3.0,2.0,", ",3.0,nan,", r"test\.csv, line 2: a number is not finite"),
    ("test.csv", ",3.0,2.0,", ",,2.0,", r"test\.csv, line 2: could not convert"),
    ("test/0.pts", "n_points:  68", "n_points:  67", r"0\.pts"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "message"), BROKEN_CROPS)
def test_broken_crops_say_where(crops, file, right, wrong, message):
    path = crops[1] / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    with pytest.raises(DatasetError, match=message):
        list(read("wflw68", crops[1], "test", allow_partial=True))


def test_the_list_of_68_points_is_found_in_the_folders_of_the_release(tmp_path):
    faces = make_wflw(tmp_path, 68)["test"]
    for folder in ("WFLW_annotations", "WFLW_annotations/list_98pt_rect_attr_train_test"):
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        found = next(tmp_path.rglob("list_68pt_rect_attr_test.txt"))
        found.rename(target / found.name)
        assert len(list(read("wflw68", tmp_path, "test", allow_partial=True))) == len(faces)
