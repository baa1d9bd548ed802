"""Statistics of faces against independent computations and goldens; models whose difference is known."""

import json

import numpy as np
import pytest
from scipy import integrate, stats

from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.metrics import STATISTICS, compare_errors, from_json, summarize
from facelandmarks.schemes import get_scheme


@pytest.fixture
def errors():
    return np.random.default_rng(3).lognormal(-2.8, 0.5, 137)


@pytest.mark.parametrize(("name", "statistic"), [("mean", np.mean), ("median", np.median)])
def test_intervals_are_those_of_scipy(errors, name, statistic):
    """The same resamples: SciPy draws indices as we do, one dataset at a time."""
    wanted = stats.bootstrap(
        (errors,), statistic, n_resamples=1000, batch=1, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = summarize(errors)[name]
    assert found["value"] == pytest.approx(statistic(errors), abs=1e-6)
    assert found["interval"] == pytest.approx([wanted.low, wanted.high], abs=2e-6)


def test_the_interval_of_a_share_is_that_of_the_binomial(errors):
    """A failure rate of resampled faces is a binomial share, whose quantiles are known."""
    found = summarize(errors)["failures_08"]
    rate = float(np.mean(errors > 0.08))
    ends = stats.binom.ppf([0.025, 0.975], len(errors), rate) / len(errors)
    assert found["value"] == pytest.approx(rate, abs=1e-6)
    assert found["interval"] == pytest.approx(ends, abs=1.5 / len(errors))


@pytest.mark.parametrize(("name", "limit"), [("08", 0.08), ("10", 0.10)])
def test_failures_and_area_by_counting_and_integrating(errors, name, limit):
    errors[:5] = np.nan
    found = summarize(errors)
    failed = sum(1 for error in errors if not error <= limit) / len(errors)
    assert found[f"failures_{name}"]["value"] == pytest.approx(failed, abs=1e-6)
    grid = np.linspace(0, limit, 200_001)
    shares = np.searchsorted(np.sort(errors[5:]), grid, side="right") / len(errors)
    assert found[f"auc_{name}"]["value"] == pytest.approx(integrate.trapezoid(shares, grid) / limit, abs=1e-5)
    assert (found["faces"], found["missed"]) == (137, 5)
    assert found["mean"]["value"] == pytest.approx(stats.tmean(errors[5:]), abs=1e-6)


@pytest.mark.parametrize("count", [19, 29, 68, 98])
def test_failures_of_the_official_program(shared, count):
    """It prints them at 8 and 10 %; its normalised errors are those of the plain rules."""
    folder = shared / "goldens" / "official"
    arrays = np.load(folder / "metrics_official.npz")
    wanted = json.loads((folder / "metrics_official.json").read_text())[str(count)]
    scheme = {29: "cofw29", 68: "ibug68", 98: "wflw98"}.get(count)
    truth = arrays[f"gt_{count}"].astype(np.float64)
    sizes = metrics.point_pair(truth, get_scheme(scheme).normaliser) if scheme else arrays["box_size_19"]
    errors = metrics.normalised(metrics.distances(arrays[f"pred_{count}"], truth), sizes)
    found = summarize(metrics.face_errors(errors))
    assert found["mean"]["value"] == pytest.approx(wanted["nme"], abs=1e-6)
    assert found["failures_08"]["value"] == pytest.approx(wanted["fr_008"], abs=1e-6)
    assert found["failures_10"]["value"] == pytest.approx(wanted["fr_010"], abs=1e-6)


def test_few_faces_and_none():
    one = summarize(np.array([0.05]))
    assert (one["mean"], one["failures_10"]) == ({"value": 0.05, "interval": None}, {"value": 0.0, "interval": None})
    none = summarize(np.array([np.nan, np.nan]))
    assert none["mean"] == {"value": None, "interval": None}
    assert none["failures_10"] == {"value": 1.0, "interval": [1.0, 1.0]}
    assert none["auc_10"]["value"] == 0
    assert set(summarize(np.zeros(0))) == {"faces", "missed", *STATISTICS}
    assert np.isnan(from_json([0.1, None])[1])


def simulate(rng, count=60):
    """Errors of two models on the same faces: hard ones are hard for both, the second is better by 0.004 on average."""
    hard = rng.lognormal(-3, 0.5, count)
    return hard + rng.normal(0, 0.006, count), hard - 0.004 + rng.normal(0, 0.006, count)


def test_the_interval_holds_the_known_difference():
    """In 95 % of cases by its name; of 200 simulations, 90 to 99 %. The wins hold theirs, a normal probability, too."""
    rng = np.random.default_rng(11)
    chance = stats.norm.cdf(0.004 / (0.006 * np.sqrt(2)))
    held, won = 0, 0
    for _ in range(200):
        found = compare_errors(*simulate(rng))
        low, high = found["difference"]["interval"]
        held += low <= -0.004 <= high
        low, high = found["wins"]["interval"]
        won += low <= chance <= high
    assert 0.90 <= held / 200 <= 0.99
    assert 0.90 <= won / 200 <= 0.99


def test_equal_models_are_seldom_told_apart():
    """One in twenty by the name of the interval; each of the two has its half."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        hard = rng.lognormal(-3, 0.5, 60)
        found.append(compare_errors(hard + rng.normal(0, 0.006, 60), hard + rng.normal(0, 0.006, 60))["better"])
    assert 0.01 <= np.mean([better is not None for better in found]) <= 0.10


def test_pairs_tell_more_than_two_separate_intervals():
    """Of the same faces: the difference is sure although the intervals of both overlap."""
    first, second = simulate(np.random.default_rng(1))
    found = compare_errors(first, second)
    assert found["better"] == "second"
    assert summarize(second)["mean"]["interval"][1] > summarize(first)["mean"]["interval"][0]
    again = compare_errors(second, first)
    assert again["better"] == "first"
    assert again["difference"]["value"] == -found["difference"]["value"]
    assert again["wins"]["value"] == pytest.approx(1 - found["wins"]["value"])


def test_missed_faces_are_lost_and_not_averaged():
    first = np.array([0.04, 0.05, np.nan, np.nan, 0.03])
    second = np.array([0.03, np.nan, 0.09, np.nan, 0.03])
    found = compare_errors(first, second)
    assert (found["faces"], found["both"], found["missed"]) == (5, 2, [2, 2])
    assert found["difference"]["value"] == pytest.approx(-0.005)
    assert found["means"] == [0.035, 0.03]
    assert found["wins"]["value"] == pytest.approx((1 + 0 + 1 + 0.5 + 0.5) / 5)
