"""Metrics against the numbers of the original programs: MMPose 0.29.0 and 1.3.2, official HRNet.

Every stored number is compared; what is compared is counted, so that none is skipped. 1e-6 absolute; NaN is NaN.
"""

import numpy as np
import pytest
from golden_files import arrays as read_arrays
from golden_files import document as read_document

from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.metrics import hrnet_official, mmpose
from facelandmarks.schemes import get_scheme

TOLERANCE = 1e-6
SCHEMES = {  # of the datasets that are measured in NME by a pair of points
    "wflw": "wflw98",
    "cofw": "cofw29",
    "300w": "ibug68",
    "coco_wholebody_face": "ibug68",
    "lapa": "lapa106",
}
OFFICIAL = {29: "cofw29", 68: "ibug68", 98: "wflw98"}


def same(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE, equal_nan=True)


def pair(dataset):
    return get_scheme(SCHEMES[dataset]).normaliser


@pytest.fixture(scope="module")
def old(goldens):
    folder = goldens / "mmpose0x"
    return read_arrays(folder / "metrics_mmpose0x.npz"), read_document(folder / "metrics_mmpose0x.json")


@pytest.fixture(scope="module")
def new(goldens):
    return read_arrays(goldens / "mmpose1x" / "metrics_mmpose1x.npz")


@pytest.fixture(scope="module")
def official(goldens):
    folder = goldens / "official"
    return read_arrays(folder / "metrics_official.npz"), read_document(folder / "metrics_official.json")


FUNCTIONS = (
    "plain",
    "invisible",
    "zero_norm",
    "negative_norm",
    "nothing_visible",
    "all_zero_norm",
    "single",
    "float32",
    "fashion",
)
# What the results of a function hold besides numbers of metrics.
DESCRIPTIONS = {"N", "K", "nme_mutated_normalizer", "distances_dtype"}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions_of_mmpose_0x(old, case):
    arrays, document = old
    wanted = document["functions"][case]
    points, truth, visible = (arrays[f"{case}/{name}"] for name in ("pred", "gt", "mask"))
    given = arrays[f"{case}/normalize"]
    assert np.array_equal(given[:, 0], given[:, 1])
    sizes = given[:, 0].copy()
    found = {
        "nme": mmpose.nme(points, truth, sizes, visible),
        "epe": mmpose.epe(points, truth, visible),
        "pck_cnt": int((~np.isnan(mmpose.landmark_accuracy(points, truth, sizes, visible, 0.05))).sum()),
        "auc_nor30_steps20": mmpose.auc(points, truth, visible),
        "auc_nor30.0_steps20": mmpose.auc(points, truth, visible, size=30.0),
        "auc_nor100_steps20": mmpose.auc(points, truth, visible, size=100),
        "auc_nor30_steps50": mmpose.auc(points, truth, visible, steps=50),
    }
    for threshold in (0.05, 0.1, 0.2, 0.5):
        found[f"pck_{threshold}"] = mmpose.pck(points, truth, sizes, visible, threshold)
        accuracy = mmpose.landmark_accuracy(points, truth, sizes, visible, threshold)
        same(np.nan_to_num(accuracy, nan=-1), arrays[f"{case}/pck_acc_{threshold}"])
    assert set(found) == set(wanted) - DESCRIPTIONS
    for name, value in found.items():
        same(value, wanted[name])
    errors, valid = mmpose.normalised(points, truth, sizes, visible)
    assert str(errors.dtype) == wanted["distances_dtype"]
    same(np.where(valid, errors, -1).T, arrays[f"{case}/distances_KxN"])
    assert np.array_equal(sizes, given[:, 0])  # unlike upstream, which writes 1e6 into the caller's array


def test_no_function_case_of_mmpose_0x_is_left_out(old):
    assert set(FUNCTIONS) == set(old[1]["functions"])


def test_thresholds_of_mmpose_are_strict(old):
    wanted = old[1]["threshold"]
    lengths = [2.0, np.nextafter(np.float32(2), np.float32(0)), 0.0]  # exactly at 0.2 of 10 px, just under it, perfect
    points = np.zeros((1, 3, 2), np.float32)
    points[0, :, 0] = lengths
    given = (points, np.zeros_like(points), np.array([10.0]), np.ones((1, 3)))
    assert mmpose.landmark_accuracy(*given, threshold=0.2).tolist() == wanted["acc"]
    assert mmpose.landmark_accuracy(*given, threshold=0.0).tolist() == wanted["acc_thr0"]


def test_thresholds_of_mmpose_leave_out_one(old):
    wanted = old[1]["auc_thresholds"]
    assert wanted["thresholds"] == pytest.approx([step / mmpose.AUC_STEPS for step in range(mmpose.AUC_STEPS)])
    perfect = np.zeros((2, 4, 2))
    assert mmpose.auc(perfect, perfect, np.ones((2, 4))) == pytest.approx(0.95)


def dataset_metrics(dataset, arrays, key):
    """What a dataset of 0.x reports, from predictions and the arrays of its annotations."""
    points, truth, visible = arrays[f"{key}/pred"][..., :2], arrays[f"{key}/db_gt"], arrays[f"{key}/db_mask"]
    assert np.array_equal(visible, metrics.as_mask(arrays[f"{key}/visible"]))
    if dataset.startswith("deepfashion"):
        box = arrays[f"{key}/bbox_xywh"]
        sizes = metrics.box_sides(np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1))
        return {
            "PCK": mmpose.pck(points, truth, sizes, visible),
            "AUC": mmpose.auc(points, truth, visible),
            "EPE": mmpose.epe(points, truth, visible),
        }
    sizes = arrays[f"{key}/box_size"] if dataset == "aflw" else metrics.point_pair(truth, pair(dataset))
    same(sizes, arrays[f"{key}/normalizer"])
    return {"NME": mmpose.nme(points, truth, sizes, visible)}


DATASETS = (
    *(f"{name}{zero}" for name in ("wflw", "aflw", "cofw", "300w", "coco_wholebody_face") for zero in ("", "_zero")),
    *(f"deepfashion_{part}" for part in ("upper", "lower", "full")),
)


@pytest.mark.parametrize("dataset", DATASETS)
def test_data_sets_of_mmpose_0x(old, dataset):
    arrays, document = old
    wanted = document["datasets"][f"ds_{dataset}"]["metrics"]
    found = dataset_metrics(dataset.removesuffix("_zero"), arrays, f"ds_{dataset}")
    assert set(found) == set(wanted)
    for name, value in found.items():
        same(value, wanted[name])


def test_no_data_set_of_mmpose_0x_is_left_out(old):
    assert {f"ds_{name}" for name in DATASETS} == set(old[1]["datasets"])


def metric_of_mmpose_1x(case, arrays):
    """The value of one case of 1.x: its name says which metric of which dataset."""
    points, truth, visible, boxes = (arrays[f"{case}/{name}"] for name in ("pred", "gt", "visible", "bboxes"))
    kind, rest = case.split("_", 1)
    if kind == "epe":
        return mmpose.epe(points, truth, visible)
    if kind == "auc" and rest.endswith("_nf100_thr10"):
        return mmpose.auc(points, truth, visible, size=100, steps=10)
    if kind == "auc":
        return mmpose.auc(points, truth, visible)
    if kind.startswith("pck"):
        return mmpose.pck(points, truth, metrics.box_sides(boxes), visible, float(kind.removeprefix("pck")))
    if rest == "aflw_box_size_item":
        return mmpose.nme(points, truth, arrays[f"{case}/box_size"], visible)
    if rest.startswith("aflw_bbox_size"):
        return mmpose.nme(points, truth, metrics.box_sides(boxes), visible)
    if rest == "wflw_custom_indices":
        return mmpose.nme(points, truth, metrics.point_pair(truth, (96, 97)), visible)
    dataset = rest.removesuffix("_plain").removesuffix("_nonan")
    return mmpose.nme(points, truth, metrics.point_pair(truth, pair(dataset)), visible)


def test_mmpose_1x(new):
    results = {key: float(new[key]) for key in new if "/result/" in key}
    # 5 datasets and 2 precisions of AFLW with 3 sets of rows, 2 odd normalisers; 7 of each kind of clothes; 3 of WFLW.
    assert len(results) == (5 + 2) * 3 + 2 + 3 * 7 + 3
    assert {key.split("/")[0] for key in new} == {key.split("/")[0] for key in results}
    for key, wanted in results.items():
        found = metric_of_mmpose_1x(key.split("/")[0], new)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE, equal_nan=True, err_msg=key)


def test_mmpose_1x_holds_its_quirks(new):
    # The special rows do something: what they change is what the rules above are for.
    nan = [key for key in new if "/result/" in key and np.isnan(new[key])]
    assert len(nan) == 7 + 3  # NME of every dataset with a NaN prediction, and EPE of the three kinds of clothes
    assert new["nme_wflw_nonan/result/NME"] > 38  # one normaliser of 0.01 px


@pytest.mark.parametrize("count", [19, *OFFICIAL])
def test_official(official, count):
    arrays, document = official
    points, truth = arrays[f"pred_{count}"], arrays[f"gt_{count}"]
    sizes = metrics.point_pair(truth, get_scheme(OFFICIAL[count]).normaliser) if count != 19 else arrays["box_size_19"]
    faces, wanted = hrnet_official.face_errors(points, truth, sizes), document[str(count)]
    same(faces, arrays[f"nme_{count}"])
    same(hrnet_official.nme(points, truth, sizes), wanted["nme"])
    for threshold, name in zip(hrnet_official.FAILURES, ("008", "010"), strict=True):
        rate = hrnet_official.failure_rate(faces, threshold)
        same(rate, wanted[f"fr_{name}"])
        assert round(rate * len(faces)) == wanted[f"fail_{name}"]
        assert f"[{name}]:{rate:.4f}" in wanted["log_line_after_time"]
        # The plain functions agree where there is nothing special.
        same(metrics.failure_rate(faces, threshold), wanted[f"fr_{name}"])
    same(metrics.nme(points, truth, sizes, average="faces"), wanted["nme"])


def test_official_thresholds_and_zero_normalisers(official):
    probe = official[1]["threshold_probe_68"]
    for threshold, name in zip(hrnet_official.FAILURES, ("over_008", "over_010"), strict=True):
        over = [hrnet_official.failure_rate(np.array([error]), threshold) == 1 for error in probe["nme"]]
        assert over == probe[name]
    arrays = official[0]
    faces = hrnet_official.face_errors(arrays["pred_68"][:3], arrays["gt_68"][:3], np.zeros(3))
    assert [str(error) for error in faces] == official[1]["zero_normaliser_68"]


def test_no_count_of_the_official_program_is_left_out(official):
    assert {key.split("_")[-1] for key in official[0]} == {"19", *map(str, OFFICIAL)}


def test_plain_functions_agree_with_mmpose_where_nothing_is_special(new):
    for dataset in SCHEMES:
        case = f"nme_{dataset}_plain"
        points, truth, visible = (new[f"{case}/{name}"] for name in ("pred", "gt", "visible"))
        sizes = metrics.point_pair(truth, pair(dataset))
        same(metrics.nme(points, truth, sizes, visible), new[f"{case}/result/NME"])
    for part in ("upper", "lower", "full"):
        case = f"epe_deepfashion_{part}_plain"
        points, truth, visible = (new[f"{case}/{name}"] for name in ("pred", "gt", "visible"))
        same(metrics.epe(points, truth, visible), new[f"{case}/result/EPE"])
