"""Every published row has one protocol, and every number of it a place; or a reason why not."""

import pytest

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import FORMS, RELEASES
from facelandmarks.evaluation.protocols import PROTOCOLS
from facelandmarks.evaluation.rows import UNREACHABLE, at_hand, plain_row, plan_rows, published_rows, rows_of
from facelandmarks.evaluation.scoring import METRICS, RULES
from facelandmarks.pipeline import choose
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS, get_spec

PUBLISHED = [(spec, row) for spec in MODELS.values() for row in load_manifest().files[spec.weights].published]


@pytest.mark.parametrize(("spec", "row"), PUBLISHED, ids=[f"{spec.name}-{row['source']}" for spec, row in PUBLISHED])
def test_every_published_row_is_explained_once(spec, row):
    found = [ours for ours in published_rows(spec) if ours.source == row["source"]]
    if row["dataset"] in UNREACHABLE:
        assert not found
        assert len(UNREACHABLE[row["dataset"]]) > 20
        return
    (ours,) = found
    cells = {cell.key: cell for cell in ours.protocol.cells}
    assert dict(ours.values) == row["values"]
    for key, value in row["values"].items():
        assert cells[key].subset in RELEASES[ours.protocol.dataset].faces
        assert round(value, cells[key].digits) == value
    # Values are taken in the unit that metrics are printed in.
    units = {METRICS[cells[key].metric].sign for key in row["values"]}
    assert units <= {{"percent": "%", "pixels": "px"}[unit] for unit in row["unit"].split(", ")}


def test_no_protocol_is_idle():
    used = {row.protocol.name for dataset in RELEASES for row in rows_of(dataset)}
    assert used == set(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_protocols_name_what_there_is(protocol):
    forms = FORMS[protocol.dataset]
    assert set(protocol.forms) <= set(forms)
    assert set(protocol.box_shift) <= set(protocol.forms)
    for cell in protocol.cells:
        assert any(cell.subset in forms[form].places for form in protocol.forms)
        assert cell.metric in RULES[protocol.scoring]


def test_protocols_choose_what_their_models_have():
    for dataset in RELEASES:
        for row in rows_of(dataset):
            spec = choose(get_spec(row.model), variant=row.protocol.variant, decode=row.protocol.decode)
            assert spec.variant == row.protocol.variant
            assert row.protocol.decode in (None, spec.decode)


def test_points_are_scored_in_the_numbers_of_the_files():
    bases = {name: protocol.counts_from for name, protocol in PROTOCOLS.items()}
    # The .pts of 300-W and lists made from them count from 1, and so does COFW's own file, but not MMPose's COFW.
    ones = {"300w_mmpose0x", "300w_mmpose1x", "300w_official", "cofw_official"}
    assert {name for name, base in bases.items() if base == 1} == ones
    assert set(bases.values()) == {0, 1}


def test_rows_of_both_versions_of_mmpose_stay_apart():
    rows = [row for row in rows_of("300w") if row.model == "hrnetv2_w18_300w"]
    assert [(row.protocol.variant, row.values["full"]) for row in rows] == [("mmpose0x", 3.37), ("mmpose1x", 3.45)]


def test_without_models_every_row_is_planned_and_only_those_at_hand_are_measured():
    plan = plan_rows("300w")
    assert {row.model for row in plan.rows} == {"compact_300w", "tiny_300w"}
    assert {row.model for row in plan.absent} == {"hrnetv2_w18_300w", "hrnetv2_w18_300w_official"}
    assert not at_hand(get_spec("hrnetv2_w18_300w"))
    given = plan_rows("300w", ["hrnetv2_w18_300w"], "300w_mmpose1x", given=True)
    assert [row.source for row in given.rows] == ["mmpose v1.3.2 table"]
    assert not given.absent


def test_what_has_no_published_number_gets_a_plain_row():
    (row,) = plan_rows("cofw68", ["compact_300w"]).rows
    assert (row.protocol.name, row.values) == ("cofw68_plain", {})
    rows = plan_rows("300w", ["compact_300w"], subsets=["validation", "challenge", "train"]).rows
    assert [row.protocol.name for row in rows] == ["300w_compact", "300w_plain"]
    assert {cell.subset for cell in rows[1].protocol.cells} == {"challenge", "train"}


def test_plans_that_cannot_be():
    with pytest.raises(InvalidOptionError, match="gives ibug68 points, wflw has wflw98"):
        plain_row(get_spec("compact_300w"), "wflw")
    with pytest.raises(InvalidOptionError, match="no published row of wflw train"):
        plan_rows("wflw", subsets=["train"])
    with pytest.raises(InvalidOptionError, match="no published row of wflw by the protocol 'cofw_official'"):
        plan_rows("wflw", protocol="cofw_official")
