"""From a record and a user's choices to the functions that run."""

import json
import math

import jsonschema
import numpy as np
import pytest
from paths import DOCS

from facelandmarks.api import model_info
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.errors import InvalidOptionError
from facelandmarks.pipeline import DECODERS, GEOMETRIES, bind, choose
from facelandmarks.results import Landmarks, image_record
from facelandmarks.schemes import SCHEMES, get_scheme
from facelandmarks.zoo import MODELS, get_spec

NO_DETECTOR = {"clothes", "anime"}


@pytest.mark.parametrize("name", MODELS)
def test_every_choice_of_every_record_can_be_bound(name):
    spec = MODELS[name]
    assert spec.name == name
    assert spec.scheme in SCHEMES
    assert spec.box_convention in {*CONVENTIONS, *NO_DETECTOR}
    assert spec.variant in {None, *spec.variants}
    for variant in (None, *spec.variants):
        for decode in (None, spec.decode, *spec.decodes):
            chosen = choose(spec, variant=variant, decode=decode)
            assert chosen.decode == decode or decode is None
            bind(chosen)
            assert chosen.geometry in GEOMETRIES
            assert chosen.decode in DECODERS


def test_nothing_chosen_is_as_published():
    spec = get_spec("hrnetv2_w18_wflw_dark")
    assert choose(spec) is spec
    assert choose(spec, flip_test=False) == choose(spec, variant="mmpose0x", decode="dark", flip_test=False)


def test_udp_brings_its_own_crop_and_flip():
    fashion = choose(get_spec("hrnet_w48_deepfashion_upper_udp"), decode="udp")
    assert (fashion.geometry, fashion.decode, fashion.flip_average) == ("udp", "udp", "heatmaps")
    assert choose(get_spec("hrnet_w48_deepfashion_upper_udp"), variant="mmpose0x").geometry == "udp"
    wflw = choose(get_spec("hrnetv2_w18_wflw_dark"), decode="udp")
    assert (wflw.geometry, wflw.flip_average) == ("udp", "heatmaps")


def test_back_from_the_other_variant():
    """A decoder that is named stands, whatever the variant would have brought."""
    fashion = choose(get_spec("hrnet_w48_deepfashion_upper_udp"), variant="mmpose0x", decode="argmax")
    assert (fashion.geometry, fashion.decode) == ("classic", "argmax")


def test_deeppose_flips_by_its_variant():
    spec = get_spec("deeppose_res50_wflw")
    assert spec.flip_average == "coordinates"
    assert choose(spec, variant="mmpose1x").flip_average == "shifted_coordinates"


def test_official_points_whole_or_not():
    spec = get_spec("hrnetv2_w18_wflw_official")
    assert spec.back_options == {"unbiased": True}
    assert choose(spec, decode="hrnet_official").back_options == {}


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("hrnetv2_w18_wflw", {"variant": "mmpose2x"}, "variant must be mmpose0x or mmpose1x for hrnetv2_w18_wflw"),
        ("hrnetv2_w18_300wlp", {"variant": "mmpose0x"}, "variant must be mmpose1x"),
        ("hrnetv2_w18_wflw_official", {"variant": "mmpose0x"}, "variant cannot be chosen"),
        ("deeppose_res50_wflw", {"decode": "dark"}, "decode must be regression"),
        ("hrnetv2_w18_wflw_official", {"decode": "dark"}, "must be hrnet_official or hrnet_official_subpixel"),
        ("hrnetv2_w18_wflw", {"decode": "simcc"}, "decode must be argmax or dark or udp"),
    ],
)
def test_impossible_choices(name, choice, message):
    with pytest.raises(InvalidOptionError, match=message):
        choose(get_spec(name), **choice)


def raw_outputs(decode):
    """Raw outputs of every kind of network, with values far beyond those of trained ones where it may give them."""
    rng = np.random.default_rng(3)
    if decode == "regression":
        return rng.normal(0.5, 3, (4, 6, 2)).astype(np.float32)
    if decode == "points":  # the network's own scores are 0..1: tests/nn/test_nn_integral.py
        return rng.random((4, 6, 4), np.float32)
    if decode == "mesh":
        return rng.normal(0, 50, (4, 6 * 3 + 1)).astype(np.float32)
    if decode == "simcc":
        return rng.normal(2, 3, (4, 2, 6, 128)).astype(np.float32)
    return rng.normal(0.5, 1, (4, 6, 64, 64)).astype(np.float32)


@pytest.mark.parametrize("decode", DECODERS)
def test_scores_are_as_is_said_of_each_decoder(decode):
    step = DECODERS[decode]
    facts = {"input_size": (256, 256), "variant": "mmpose0x"}
    scores = step.function(raw_outputs(decode), **{name: facts[name] for name in step.takes})[1]
    low, high = {"regression": (1, 1), "points": (0, 1), "mesh": (0, 1)}.get(decode, (-math.inf, math.inf))
    assert low <= scores.min() <= scores.max() <= high
    assert step.scores
    assert ("not limited to 0..1" in step.scores) == (high == math.inf) == bool(scores.max() > 1)


def test_the_schema_of_the_json_takes_scores_of_every_decoder():
    schema = json.loads((DOCS / "predictions.schema.json").read_text())
    faces = Landmarks(np.zeros((1, 98, 2), np.float32), np.full((1, 98), 7.3, np.float32), np.zeros((1, 4), np.float32),
                      np.ones(1, np.float32), get_scheme("wflw98"), (10, 10), "compact")  # fmt: skip
    record = image_record("a.jpg", "rtmpose_m_wflw", faces, None)
    jsonschema.validate({"schema": "facelandmarks-predictions/2", "images": [record]}, schema)


@pytest.mark.parametrize("name", MODELS)
def test_model_info_says_what_scores_are(name):
    assert model_info(name)["scores"] == DECODERS[MODELS[name].decode].scores
