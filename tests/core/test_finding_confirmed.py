"""The second opinion on detections: what it looks at, and whom it asks."""

from dataclasses import replace

import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks.detection.base import Detections
from facelandmarks.finding import confirmed, evidence
from facelandmarks.pipeline import choose
from facelandmarks.results import Landmarks
from facelandmarks.schemes import Scheme, convert, get_scheme
from facelandmarks.zoo import BUILT_IN, get_spec
from facelandmarks.zoo.own import spec_from_dict, spec_to_dict
from facelandmarks.zoo.spec import OPINION

SPEC = get_spec("compact_300w")


def faces_of(count: int, detector: str = "compact", **changes: object) -> Landmarks:
    """Make faces in boxes of 40 x 90 pixels; the detector's points are those of the model."""
    rng = np.random.default_rng(7)
    points = rng.uniform(10, 50, (count, 68, 2)).astype(np.float32)
    made = Landmarks(
        points=points,
        scores=np.full((count, 68), 0.7, np.float32),
        boxes=np.tile(np.float32([10, 10, 50, 100]), (count, 1)),
        box_scores=np.full(count, 0.8, np.float32),
        scheme=get_scheme("ibug68"),
        image_size=(200, 200),
        detector=detector,
        detector_points=convert(points, "ibug68", "points5").astype(np.float32),
        expected_error=np.full((count, 68), 3.0, np.float32),
    )
    return replace(made, **changes)


def test_evidence_is_in_sides_of_the_box():
    faces = faces_of(2)
    faces.detector_points[1, 3] += (12, 0)
    rows = evidence(faces)
    assert rows.shape == (2, 4)
    side = np.sqrt(40 * 90)
    expected = [np.log(3 / side), np.log(0.01), np.log(0.8 / 0.2), np.log2(side)]
    np.testing.assert_allclose(rows[0], expected, rtol=1e-4)
    expected[1] = np.log(12 / side)
    np.testing.assert_allclose(rows[1], expected, rtol=1e-4)


def test_evidence_stays_finite():
    faces = faces_of(1, box_scores=np.float32([1.0]), boxes=np.float32([[0, 0, 1e5, 1e5]]))
    faces.detector_points[:] = 1e6
    assert np.isfinite(evidence(faces)).all()


@pytest.mark.parametrize("gone", ["detector_points", "expected_error"])
def test_without_the_evidence_the_mean_point_score_decides(gone):
    faces = faces_of(3, **{gone: None})
    assert evidence(faces) is None
    faces.scores[1] = 0.05
    assert confirmed(faces, replace(SPEC, confirm_below=0.1)).tolist() == [True, False, True]
    assert confirmed(faces, replace(SPEC, confirm_below=None)).all()


def with_opinion(**numbers):
    """Return the record with this opinion on its detector's boxes; what is left out is 0."""
    return replace(SPEC, opinions={"compact": dict.fromkeys(OPINION, 0.0) | numbers})


def test_an_opinion_is_asked_for_its_own_detector_only():
    never = with_opinion(least=1)
    assert not confirmed(faces_of(2), never).any()
    assert confirmed(faces_of(2, detector="yunet"), never).all()


def test_an_opinion_belongs_to_weights_and_points():
    assert SPEC.opinions
    assert not choose(SPEC, scheme="ibug68").opinions
    assert not spec_from_dict({"like": SPEC.name, "name": "mine"}).opinions
    sent = spec_to_dict(replace(SPEC, weights="model.safetensors"))
    assert spec_from_dict(sent).opinions == SPEC.opinions
    with pytest.raises(fl.InvalidOptionError, match=r"opinions must be an object of detectors, each with doubt.*least"):
        spec_from_dict(sent | {"opinions": {"compact": {"doubt": 1}}})


NAMES = OPINION[:-2]


def test_points_of_ones_own_are_not_compared():
    """Weights fine-tuned to points without eyes or a mouth: the fitted opinion is not asked."""
    jaw = Scheme("jaw3", size=3, pairs=((0, 2),))
    every = faces_of(2)
    points, scores, errors = every.points[:, :3], every.scores[:, :3], every.expected_error[:, :3]
    faces = replace(every, points=points, scores=scores, expected_error=errors, scheme=jaw)
    assert confirmed(faces, choose(SPEC, scheme=jaw)).all()
    assert confirmed(faces, replace(SPEC, scheme=jaw)).all()  # even if the record has one


@pytest.mark.parametrize("weight", NAMES)
def test_each_weight_belongs_to_its_column(weight):
    faces = faces_of(1)
    value = evidence(faces)[0, NAMES.index(weight)]
    for least, kept in ((value - 0.01, True), (value + 0.01, False)):
        assert confirmed(faces, with_opinion(**{weight: 1.0, "least": least})).tolist() == [kept]


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_the_opinions_of_the_built_in_models_say_what_a_face_is(spec):
    """Points in doubt make a face less likely, a better score of the detector more."""
    opinion = spec.opinions["compact"]
    assert set(opinion) == set(OPINION)
    assert opinion["doubt"] < 0
    assert opinion["detector"] > 0
    assert opinion["beside"] > 0


def test_beside_a_face_less_is_enough():
    scores = np.float32([0.5, 0.6, 0.7, 0.8])
    sums = np.log(scores / (1 - scores))
    faces, spec = faces_of(4, box_scores=scores), with_opinion(detector=1, least=sums[2] - 0.01, beside=0.5)
    assert confirmed(faces, spec).tolist() == [False, True, True, True]
    assert confirmed(faces[:2], spec).tolist() == [False, False]
    assert confirmed(faces[:2], spec, beside=True).tolist() == [False, True]


@pytest.mark.parametrize("name", [spec.name for spec in BUILT_IN])
@pytest.mark.parametrize("picture", ["page", "hubble_deep_field"])
def test_letters_and_stars_are_not_confirmed(name, picture):
    image = getattr(skimage.data, picture)()
    model = fl.load_model(name)
    assert len(model.predict(image, confirm=False)) > 0  # to the detector alone some look like faces
    assert len(model.predict(image)) == 0


@pytest.mark.parametrize("name", [spec.name for spec in BUILT_IN])
@pytest.mark.parametrize("picture", ["astronaut", "camera"])
def test_the_one_face_of_a_photo_is_confirmed(name, picture):
    assert len(fl.load_model(name).predict(getattr(skimage.data, picture)())) == 1


@pytest.mark.parametrize("options", [{"largest": True}, {"max_faces": 1}, {"rotations": (0, 180), "largest": True}])
def test_which_faces_are_kept_is_said_after_the_opinion(options):
    """What is refuted takes no face's place: here a box without a face, larger and first."""
    photo = skimage.data.astronaut()

    class Two:
        name = convention = "compact"

        def detect(self, image, *, min_score=None):
            if not np.array_equal(image, photo):
                return Detections(
                    np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
                )
            face = fl.detect(photo)
            boxes = np.concatenate([[[320, 10, 500, 190]], face.boxes]).astype(np.float32)
            nowhere = np.full((1, 5, 2), 330, np.float32)
            return Detections(boxes, np.float32([0.4, 0.9]), np.concatenate([nowhere, face.points]))

    model = fl.load_model("compact_300w")
    assert len(model.predict(photo, detector=Two(), confirm=False)) == 2
    assert len(model.predict(photo, detector=Two())) == 1
    kept = model.predict(photo, detector=Two(), **options)
    assert len(kept) == 1
    assert kept.boxes[0, 0] < 200
    assert model.predict(photo, detector=Two(), confirm=False, **options).boxes[0, 0] > 300
