"""Overlap of boxes."""

import numpy as np
import pytest

from facelandmarks.boxes import overlaps

BOX = np.array([10.0, 20, 30, 60])
CASES = [
    ((10, 20, 30, 60), 1),
    ((10, 20, 20, 60), 1 / 2),  # a half of it
    ((20, 40, 40, 80), 200 / 1400),  # a quarter of each in common
    ((30, 20, 50, 60), 0),  # side by side
    ((100, 200, 300, 600), 0),
    ((40, 70, 50, 80), 0),  # beyond it in both directions: two negative sides are no area
    ((15, 30, 15, 50), 0),  # a line inside
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares(dtype):
    boxes = np.array([box for box, _ in CASES], dtype)
    found = overlaps(boxes, BOX.astype(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [share for _, share in CASES], rtol=1e-6)
    for box, share in zip(boxes, found, strict=True):
        assert overlaps(BOX.astype(dtype)[None], box)[0] == pytest.approx(share)


def test_boxes_without_area_overlap_nothing():
    point = np.array([5.0, 5, 5, 5])
    assert overlaps(np.stack([point, BOX]), point).tolist() == [0, 0]
    assert overlaps(np.zeros((0, 4)), BOX).shape == (0,)
