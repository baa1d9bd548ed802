"""Differences between two forms of annotations are found, and only those."""

import json
import lzma
import shutil

import pytest
from miniature_releases import make_aflw, make_cofw, make_wflw

from facelandmarks.cli.evaluate import main
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.compare import compare_annotations


@pytest.fixture(scope="module")
def wflw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wflw")
    make_wflw(folder)
    return folder


def comparison(root, name="wflw", second="mmpose"):
    (found,) = [found for found in compare_annotations(name, root, "test") if found.second == second]
    return found


def test_forms_that_agree(wflw):
    found = comparison(wflw)
    assert (found.first, found.faces, found.common) == ("original", (6, 6), 6)
    assert (found.moved, found.visible) == (0, 0)
    assert max(found.points, found.boxes, found.region) < 1e-5
    assert found.centers is None  # the original has none


def test_boxes_of_cofw_by_mmpose_are_a_pixel_further(tmp_path):
    make_cofw(tmp_path)
    assert comparison(tmp_path, "cofw").boxes == pytest.approx(1)


def test_regions_of_aflw_are_those_of_its_boxes(tmp_path):
    make_aflw(tmp_path)
    for found in compare_annotations("aflw", tmp_path, "full"):
        assert found.box_region < 1e-9
        assert found.region > 0.1


def test_what_differs_is_found(wflw, tmp_path):
    root = tmp_path / "wflw"
    shutil.copytree(wflw, root)
    path = root / "annotations" / "face_landmarks_wflw_test.json"
    document = json.loads(path.read_text())
    faces = document["annotations"]
    faces[0]["keypoints"][3] += 2.5
    faces[1]["keypoints"][5] = 0
    faces[2]["center"][0] += 1
    del faces[3]
    path.write_text(json.dumps(document))
    found = comparison(root)
    assert (found.faces, found.common, found.moved, found.visible) == ((6, 5), 5, 1, 1)
    assert (found.points, found.region) == (pytest.approx(2.5), pytest.approx(1))


def test_one_form_is_not_enough(wflw, tmp_path):
    root = tmp_path / "wflw"
    root.mkdir()
    shutil.copy(wflw / "face_landmarks_wflw_test.csv", root)
    with pytest.raises(DatasetError, match=r"two forms of files are needed, .* has hrnet"):
        compare_annotations("wflw", root, "test")


def test_the_command_prints_each_pair(wflw, capsys):
    assert main(["--compare-annotations", "--dataset", "wflw", "--data-root", str(wflw), "--subset", "blur"]) == 0
    out = capsys.readouterr().out
    assert out.count("wflw, blur: original (1 faces) and") == 3
    assert "center and scale of hrnet from the points of original: differ by up to 0.0000 px" in out


def test_two_real_lists_of_300w(shared, tmp_path):
    lists = shared / "data" / "annotations" / "300w_lists"
    (tmp_path / "300wpublic").mkdir()
    for source, target in (
        ("pfld_test_689.txt.xz", "list.txt"),
        ("spiga_300wpublic_test.json.xz", "300wpublic/test.json"),
    ):
        (tmp_path / target).write_bytes(lzma.decompress((lists / source).read_bytes()))
    (found,) = compare_annotations("300w", tmp_path, "full")
    assert (found.first, found.second, found.faces, found.common, found.moved) == ("pfld", "spiga", (689, 689), 689, 0)
    assert found.points < 1e-9  # counted from 1 in one of the files, from 0 in the other
    assert found.boxes > 1
