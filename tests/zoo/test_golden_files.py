"""The goldens themselves: a set holds what it promises, and the small one is cut out of the full one."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import (
    FAMILIES,
    FULL_E2E,
    SMALL,
    SMALL_E2E,
    SMALL_WEIGHTS,
    arrays,
    document,
    e2e_names,
    e2e_path,
    find_goldens,
    find_shared,
    has_e2e,
    has_weights,
    read,
    weight_names,
)
from golden_points import picture, stored_outputs
from make_small_goldens import DECODE, MAPS, SAMPLE_FIELDS, SAMPLES, WHOLE, make

COMMAND = r"python tests/helpers/make_small_goldens\.py"
SMALL_FILES = [(family, name) for family in FAMILIES for name in sorted(SMALL_E2E[family])]


@pytest.fixture(scope="module")
def full(shared):
    return shared / "goldens"


def names_in(folder):
    """Names of files, of packed ones as if they were not."""
    return {path.name.removesuffix(".xz") for path in folder.iterdir()}


def test_the_sets_are_what_they_are_meant_to_be():
    assert sum(map(len, FULL_E2E.values())) == 33
    for family in FAMILIES:
        assert SMALL_E2E[family] <= FULL_E2E[family]
        assert SMALL_WEIGHTS[family] <= {name.partition(".")[0] for name in SMALL_E2E[family]}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_set_in_use_holds_what_it_promises(goldens, family):
    folder = goldens / family
    promised = e2e_names(goldens)[family]
    found = {name for name in names_in(folder / "public") if name.startswith("e2e_")}
    assert found == {e2e_path(folder, name).name for name in promised}, COMMAND
    assert names_in(folder / "calibration") == {f"{model}.npz" for model in weight_names(goldens)[family]}, COMMAND
    assert set(document(folder / "weights_check.json")) >= weight_names(goldens)[family]
    images = {str(image) for name in promised for image in arrays(e2e_path(folder, name))["image_name"]}
    assert names_in(folder / "images") >= {f"{image.removesuffix('.png')}.png" for image in images}, COMMAND


def test_the_small_set_is_small():
    assert sum(path.stat().st_size for path in SMALL.rglob("*") if path.is_file()) < 4_000_000


def test_a_missing_golden_is_an_error_that_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"x\.npz is missing: .*{COMMAND}"):
        read(tmp_path / "x.npz")
    with pytest.raises(FileNotFoundError, match=COMMAND):
        picture(tmp_path, "x")


def test_which_set_is_used(tmp_path):
    beside = {"FACELANDMARKS_SHARED": str(tmp_path)}
    assert find_goldens(beside) == SMALL
    (tmp_path / "goldens").mkdir()
    assert find_goldens(beside) == tmp_path / "goldens"
    assert find_goldens(beside | {"FACELANDMARKS_GOLDENS": str(tmp_path / "other")}) == tmp_path / "other"


def test_a_missing_shared_folder_fails_where_it_must_be(tmp_path, monkeypatch):
    monkeypatch.setattr("golden_files.BESIDE", tmp_path / "none")
    with pytest.raises(pytest.skip.Exception, match="FACELANDMARKS_SHARED"):
        find_shared({})
    for environ in ({"FACELANDMARKS_REQUIRE_DATA": "1"}, {"FACELANDMARKS_SHARED": str(tmp_path / "none")}):
        with pytest.raises(pytest.fail.Exception, match="none"):
            find_shared(environ)
    assert find_shared({"FACELANDMARKS_REQUIRE_DATA": "1", "FACELANDMARKS_SHARED": str(tmp_path)}) == tmp_path


def test_a_model_that_no_set_has_is_an_error():
    for question in (has_e2e, has_weights):
        with pytest.raises(ValueError, match="no set has official/hrnetv2_w18_aflw"):
            question("official", "hrnetv2_w18_aflw")


def test_the_command_makes_what_is_here(full, tmp_path):
    make(full, tmp_path)
    made, here = ({path.relative_to(f) for path in f.rglob("*.*")} for f in (tmp_path, SMALL))
    own = {path for path in here if path.parts[0] == "mediapipe"}  # made by make_mediapipe_goldens.py
    assert own
    assert made == here - own - {Path("README.md")}
    for name in made:
        plain = name.with_name(name.name.removesuffix(".xz"))
        if plain.suffix == ".png":
            np.testing.assert_array_equal(*(picture(f / name.parts[0], name.name) for f in (tmp_path, SMALL)))
        elif plain.suffix == ".npz":  # how it is written depends on the version of NumPy
            np.testing.assert_equal(arrays(tmp_path / plain), arrays(SMALL / plain))
        else:
            assert read(tmp_path / plain) == read(SMALL / plain), name


@pytest.mark.parametrize(("family", "name"), SMALL_FILES)
def test_small_samples_are_those_of_the_full_file(full, family, name):
    small, whole = (arrays(e2e_path(folder / family, name)) for folder in (SMALL, full))
    rows = [list(map(tuple, whole["box"])).index(tuple(box)) for box in small["box"]]
    assert rows == SAMPLES[family]
    for field in (SAMPLE_FIELDS | {"crop", "output_flip"}) & set(small):
        np.testing.assert_array_equal(small[field], whole[field][rows], err_msg=field)
    kept, there = planes(small), planes(whole)
    assert kept
    for (*kind, sample, landmark), plane in kept.items():
        np.testing.assert_array_equal(plane, there[*kind, rows[sample], landmark])


def planes(fields):
    """Stored outputs of each landmark: {(flipped, axis, sample, landmark): array}."""
    found = {}
    for axis in ("", "_x", "_y"):
        own = {
            name.removesuffix(axis): value for name, value in fields.items() if name.endswith((axis, "idx", "points"))
        }
        for name, output, samples, landmarks in stored_outputs(own):
            places = np.arange(output.shape[1])[landmarks] if isinstance(landmarks, slice) else landmarks
            for i, sample in enumerate(samples):
                found |= {("flip" in name, axis, sample, k): plane for k, plane in zip(places, output[i], strict=True)}
    return found


@pytest.mark.parametrize("name", DECODE)
def test_small_maps_are_maps_of_the_full_file(full, name):
    small, whole = (arrays(folder / f"{name}.npz") for folder in (SMALL, full))
    cut = set()
    for part, field in DECODE[name].items():
        fields = [f for f in small if part in f and small[f].shape[:1] == small[field].shape]
        of_small, of_whole = (
            [b"".join(file[f][i].tobytes() for f in fields) for i in range(len(file[field]))] for file in (small, whole)
        )
        assert set(of_small) <= set(of_whole)
        kinds, counts = np.unique(whole[field], return_counts=True)
        np.testing.assert_array_equal(np.unique(small[field]), kinds)
        assert len(set(of_small)) == np.minimum(counts, MAPS).sum()
        cut |= set(fields)
    assert set(small) == {f for f in whole if not f.startswith(("batched", "error"))}
    for field in set(small) - cut:
        np.testing.assert_array_equal(small[field], whole[field], err_msg=field)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_whole(full, family):
    folder = full / family
    for path in [folder / "weights_check.json", *folder.glob("keys/*"), *folder.glob("metrics_*.json")]:
        assert read(SMALL / path.relative_to(full)) == path.read_bytes()
    metrics = f"metrics_{family}.npz"
    for name in [metrics, *(f"calibration/{model}.npz" for model in SMALL_WEIGHTS[family])]:
        small, whole = (arrays(goldens / family / name) for goldens in (SMALL, full))
        assert list(small) == list(whole)
        for field, value in whole.items():
            np.testing.assert_array_equal(small[field], value)
            assert small[field].dtype == value.dtype


def test_small_pictures_are_the_full_ones_or_black(full):
    paths = list(SMALL.glob("*/images/*.png"))
    assert len(paths) == 9
    for path in paths:
        small, whole = (picture(folder / path.parts[-3], path.name) for folder in (SMALL, full))
        assert small.shape == whole.shape
        kept = (small == whole).all(-1)
        assert not small[~kept].any()
        assert kept.all() or path.stem not in WHOLE


def test_small_crop_cases_are_all_of_the_whole_pictures(full):
    cases = document(full / "official/crop_cases.json")
    expected = [case for case in cases if case["image"] in {f"{name}.png" for name in WHOLE}]
    assert document(SMALL / "official/crop_cases.json") == expected
    assert document(SMALL / "official/crop_degenerate.json") == document(full / "official/crop_degenerate.json")
