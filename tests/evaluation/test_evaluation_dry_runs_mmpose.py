"""Every row of MMPose's tables end to end: a tiny release of golden faces, generated weights, MMPose's own points.

The release holds pictures and boxes of the goldens; its truth lies known distances beside the points that MMPose found
in them, flip test included. What is measured must be what MMPose's metrics, which have goldens of their own, give on
MMPose's points. Points that a last bit of the network can move are marked as not visible. The numbers are far from the
published ones, as the weights are no trained ones: every row must say FAIL.
"""

import functools
import json
import shutil

import numpy as np
import pytest
from evaluation_cases import cells_of, evaluate, publish, save_weights
from golden_files import e2e_path
from golden_weights import golden_weights

from facelandmarks.evaluation.datasets import FORMS, RELEASES
from facelandmarks.evaluation.metrics import mmpose
from facelandmarks.evaluation.rows import rows_of
from facelandmarks.schemes import get_scheme

ROWS = [row for dataset in RELEASES for row in rows_of(dataset)]
MMPOSE = [row for row in ROWS if row.protocol.scoring == "mmpose"]
# Models without goldens have those of a model that differs from them in nothing but training.
TWINS = {
    "hrnetv2_w18_wflw_awing": "hrnetv2_w18_wflw",
    "deeppose_res50_wflw_wing": "deeppose_res50_wflw",
    "deeppose_res50_wflw_softwing": "deeppose_res50_wflw",
}
# Of this model 0.x alone was run. In these faces the two versions cut the same crops and decode alike.
ONLY_OLD = {"hrnetv2_w18_aflw_dark"}
# Faces with whole boxes inside of the picture and even scales: written to a file and read again they are bit-equal.
FACES = {"mmpose0x": [1, 9], "mmpose1x": [0, 5]}
STEP = 1.5  # px, a twentieth of 30: thresholds of AUC


def golden_of(row):
    version = "mmpose0x" if row.model in ONLY_OLD else row.protocol.variant
    return version, TWINS.get(row.model, row.model)


@pytest.fixture(scope="module")
def weights(shared, tmp_path_factory):
    """File of generated weights by version and model."""
    folder = tmp_path_factory.mktemp("weights")

    @functools.cache
    def made(version, name):
        return save_weights(golden_weights(shared / "goldens" / version, name), folder / f"{version}-{name}.pth")

    return made


def golden_faces(folder, version, name):
    """Picture, box, side of the region, points of MMPose, how far they can move, and which are certain."""
    golden = f"{name}.asshipped" if "deepfashion" in name else name
    fields = np.load(e2e_path(folder, golden))
    units = 200 if version == "mmpose0x" else 1
    chosen = FACES[version]
    return {
        "pictures": [folder / "images" / f"{image}.png" for image in fields["image_name"][chosen]],
        "boxes": fields["box"][chosen],
        "centers": fields["center"][chosen].astype(float),
        "sides": fields["scale"][chosen, 0].astype(float) * units,
        "points": fields["points_flip"][chosen].astype(np.float32),
        "tolerance": np.maximum(0.01, 4 * fields["sens_flip"][chosen]),
        "certain": ~(fields["top2margin_flip"][chosen] < 1e-3),
    }


def truth_beside(points):
    """Points at distances in the middle between two thresholds of AUC, in any direction."""
    rng = np.random.default_rng(0)
    lengths = STEP * (rng.integers(0, 25, points.shape[:2]) + 0.5)
    angles = rng.uniform(0, 2 * np.pi, points.shape[:2])
    return points + lengths[..., None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def write_release(root, row, subset, faces, truth):
    """MMPose's file of annotations, and the pictures."""
    form = FORMS[row.protocol.dataset]["mmpose"]
    path = root / form.places[subset][0]
    path.parent.mkdir(parents=True)
    folder = root / (form.folders[0] if form.folders else ".")
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, picture in enumerate(faces["pictures"]):
        shutil.copy(picture, folder / picture.name)
        images.append({"id": number, "file_name": picture.name})
        (x1, y1, x2, y2), points = faces["boxes"][number].tolist(), truth[number]
        annotations.append(
            {
                "image_id": number,
                "keypoints": np.column_stack([points, 2 * faces["certain"][number]]).ravel().tolist(),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "center": faces["centers"][number].tolist(),
                "scale": faces["sides"][number] / 250,
                "box_size": 100.0 + number,
            }
        )
    path.write_text(json.dumps({"images": images, "annotations": annotations}))


def sizes_of(row, faces, truth):
    """What MMPose divides by."""
    scheme = get_scheme(RELEASES[row.protocol.dataset].scheme)
    if scheme.normaliser:
        return np.linalg.norm(truth[:, scheme.normaliser[0]] - truth[:, scheme.normaliser[1]], axis=-1)
    if row.protocol.dataset != "aflw":
        return (faces["boxes"][:, 2:] - faces["boxes"][:, :2]).max(1)
    return 100.0 + np.arange(len(truth)) if row.protocol.variant == "mmpose0x" else faces["sides"] / 1.25


@pytest.mark.parametrize("row", MMPOSE, ids=[f"{row.model}-{row.protocol.variant}" for row in MMPOSE])
def test_a_row_gives_what_mmpose_gives(shared, weights, tmp_path, monkeypatch, capsys, row):
    version, name = golden_of(row)
    faces = golden_faces(shared / "goldens" / version, version, name)
    truth = truth_beside(faces["points"]).astype(np.float32)
    subset = next(cell.subset for cell in row.protocol.cells if cell.key in row.values)
    write_release(tmp_path / "data", row, subset, faces, truth)
    publish(monkeypatch, row.protocol.dataset, **{subset: len(truth)})
    options = ("--dataset", row.protocol.dataset, "--data-root", tmp_path / "data", "--model", row.model)
    options = (*options, "--weights", weights(version, name), "--protocol", row.protocol.name, "--subset", subset)
    code, card = evaluate(tmp_path, *options, "--strict")
    assert code == 1
    cells, sizes, certain = cells_of(card), sizes_of(row, faces, truth).astype(np.float32), faces["certain"]
    assert certain.mean() > 0.9
    given = (faces["points"], truth)
    for cell in cells.values():
        wanted, tolerance = {
            "NME": (mmpose.nme(*given, sizes, certain), (faces["tolerance"] / sizes[:, None])[certain].mean()),
            "PCK@0.2": (mmpose.pck(*given, sizes, certain), 1e-6),
            "AUC": (mmpose.auc(*given, certain), 1e-6),
            "EPE": (mmpose.epe(*given, certain), faces["tolerance"][certain].mean()),
        }[cell["metric"]]
        assert cell["fraction"] == pytest.approx(wanted, abs=tolerance)
        assert tolerance < 0.05 * wanted
        assert (cell["verdict"], cell["faces_found"], cell["faces_expected"]) == ("FAIL", len(truth), [len(truth)])
    assert {cell["reference"] for cell in cells.values()} <= set(row.values.values())
    assert len(cells) == sum(cell.subset == subset and cell.key in row.values for cell in row.protocol.cells)
    printed = capsys.readouterr().out
    assert printed.count("FAIL") == len(cells)
    assert row.model in printed


def test_no_row_is_left_out():
    """Official rows are in test_evaluation_dry_runs, the models in the wheel are measured in test_cli_evaluate."""
    others = {row.model for row in ROWS if row.protocol.scoring != "mmpose"}
    official = {f"hrnetv2_w18_{dataset}_official" for dataset in ("wflw", "aflw", "300w", "cofw")}
    assert others == official | {"compact_300w", "tiny_300w"}
    assert len(MMPOSE) == 28
