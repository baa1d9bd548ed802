"""Point layouts against the published tables."""

import json

import numpy as np
import pytest

from facelandmarks.errors import UnknownModelError
from facelandmarks.schemes import SCHEMES, get_scheme


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_mirror_is_its_own_inverse_and_contours_cover_everything(scheme):
    assert np.array_equal(scheme.mirror[scheme.mirror], np.arange(len(scheme)))
    assert sorted({p for c in scheme.contours for p in c.points}) == list(range(len(scheme)))
    assert len(set(scheme.names)) == len(scheme)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_schemes_are_the_published_ones(shared, scheme):
    facts = json.loads((shared / "zoo" / "flip_pairs.json").read_text())["schemes"][scheme.name]
    assert len(scheme) == facts["n"]
    assert scheme.mirror.tolist() == facts["flip_indices"]
    found = [{"name": c.name, "points": list(c.points), "closed": c.closed} for c in scheme.contours]
    assert found == facts["contours"]


def test_mirror_of_a_contour_is_a_contour():
    scheme = get_scheme("ibug68")
    sets = {frozenset(c.points) for c in scheme.contours}
    assert {frozenset(scheme.mirror[list(c.points)].tolist()) for c in scheme.contours} == sets


def test_unknown_scheme_lists_the_known():
    with pytest.raises(UnknownModelError, match="ibug68"):
        get_scheme("ibug86")
