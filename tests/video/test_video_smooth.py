"""Smoothing, jitter and lag on paths that are known."""

import numpy as np
import pytest

from facelandmarks.errors import InvalidOptionError
from facelandmarks.video import Cutoffs, FaceSmoother, Smoothing, jitter, lag

RNG = np.random.default_rng(0)
SHAPE = RNG.uniform(-50, 50, (68, 2)) + 200
SIDE = float(np.sqrt(np.ptp(SHAPE, axis=0).prod()))
STANDARD = Smoothing()
TIMES = np.arange(90) / 30


def smooth(points, times, smoothing=STANDARD):
    smoother = FaceSmoother(smoothing)
    return np.array([smoother.smooth(p, t) for p, t in zip(points, times, strict=True)])


def test_noise_is_held_and_the_first_points_stay():
    noisy = SHAPE + RNG.normal(0, 0.1, (90, 68, 2))
    steady = smooth(noisy, TIMES)
    np.testing.assert_array_equal(steady[0], noisy[0].astype(np.float32))
    assert jitter(noisy) > 3 * jitter(steady)


@pytest.mark.parametrize("speed", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("rate", [12, 30, 60])
def test_a_steady_motion_is_behind_by_a_half_percent_of_the_face_at_most(speed, rate):
    times = np.arange(3 * rate) / rate
    way = SHAPE + (speed * SIDE * times)[:, None, None] * np.array([0.6, 0.8])
    behind = np.linalg.norm(way[-1] - smooth(way, times)[-1], axis=-1) / SIDE
    assert 0 < behind.max() < 1 / (2 * np.pi * 40) * 1.02
    assert behind.max() / speed < 0.040  # seconds


def test_a_turn_beyond_half_a_circle_and_a_zoom_keep_the_shape():
    angle, zoom = 2.5 * TIMES, np.exp(0.3 * TIMES)
    plane = ((SHAPE - 200) @ [1, 1j])[None] * (zoom * np.exp(1j * angle))[:, None]
    steady = smooth(np.stack([plane.real, plane.imag], -1) + 200, TIMES)
    off = (steady[..., 0] + 1j * steady[..., 1] - (200 + 200j)) - plane
    assert np.abs(off).max() / (SIDE * zoom.max()) < 0.02


def test_size_of_the_face_does_not_matter():
    noisy = SHAPE + RNG.normal(0, 0.3, (60, 68, 2)) + 40 * TIMES[:60, None, None]
    np.testing.assert_allclose(smooth(noisy * 7, TIMES[:60]), 7 * smooth(noisy, TIMES[:60]), rtol=1e-4)


def test_real_times_count_not_frames():
    uneven = np.cumsum(RNG.choice([1 / 60, 1 / 30, 1 / 15], 120))
    lags = {}
    for name, times in (("even", np.arange(120) * uneven[-1] / 120), ("uneven", uneven)):
        way = SHAPE + (0.3 * SIDE * times)[:, None, None]
        lags[name] = (way - smooth(way, times))[-1].mean() / (0.3 * SIDE)
        # Taken for even frames of a thirtieth, the same points would be as much later as they are more apart.
        lags[name + ", wrong"] = (way - smooth(way, np.arange(120) / 30))[-1].mean() / (0.3 * SIDE)
    assert lags["even"] == pytest.approx(lags["uneven"], rel=0.02)
    assert abs(lags["uneven"] - lags["uneven, wrong"]) > 0.1 * lags["uneven"]


def test_after_a_gap_points_begin_anew():
    smoother = FaceSmoother(Smoothing())
    smoother.smooth(SHAPE, 0.0)
    later = SHAPE + 100
    np.testing.assert_allclose(smoother.smooth(later, 1.0), later, rtol=1e-6)


def test_the_filter_is_the_low_pass_that_it_says():
    slow = Cutoffs(1.0, 0.0, 1.0)
    points = SHAPE + np.where(TIMES > 0, 10.0, 0.0)[:, None, None]
    moved = smooth(points, TIMES, Smoothing(slow, slow, slow, gap=1.0)).mean((1, 2)) - SHAPE.mean()
    weight = 1 / (1 + 30 / (2 * np.pi))
    np.testing.assert_allclose(moved, 10 * (1 - (1 - weight) ** np.arange(90)), atol=1e-3)


def test_doubtful_points_count_less_in_the_shape():
    noisy = SHAPE + RNG.normal(0, 1, (20, 68, 2))
    first = np.arange(68) == 0
    errors = {"plain": (), "all": (np.full(68, 0.01),), "first point held": (np.where(first, 1e6, 0.01),)}
    smoothed = {}
    for name, trust in errors.items():
        smoother = FaceSmoother(STANDARD)
        smoothed[name] = np.array([smoother.smooth(p, t, *trust) for p, t in zip(noisy, TIMES[:20], strict=True)])
    np.testing.assert_array_equal(smoothed["plain"], smoothed["all"])
    held = smoothed["first point held"]
    np.testing.assert_array_equal(held[:, 1:], smoothed["plain"][:, 1:])
    # The point moves with the face, and not within it.
    assert jitter(held[:, :1] - held.mean(1, keepdims=True) + SHAPE[:3]) < jitter(noisy) / 20


def test_jitter_is_the_movement_that_should_not_be():
    way = np.zeros((4, 68, 2)) + SHAPE + np.arange(4)[:, None, None] * [5.0, 0.0]
    assert jitter(way, way + 3) == 0
    shaking = way + np.array([0, 1, 0, 1])[:, None, None] * [0.0, 2.0]
    assert jitter(shaking, way) == pytest.approx(2 / SIDE)
    assert jitter(way) == pytest.approx(5 / SIDE)


@pytest.mark.parametrize("delay", [-0.020, 0.0, 0.035, 0.2])
def test_lag_finds_the_delay(delay):
    times = np.sort(np.concatenate([TIMES, TIMES[:-1] + 0.011]))
    path = lambda t: SHAPE + (40 * np.sin(3 * t))[:, None, None]  # noqa: E731
    assert lag(path(times - delay) + 7, path(times), times) == pytest.approx(delay * 1000, abs=1.0)


def test_what_stands_still_has_no_lag():
    still = np.tile(SHAPE, (90, 1, 1))
    assert np.isnan(lag(still, still, TIMES))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_motion_of_one_velocity_has_no_lag(dtype):
    way = (SHAPE + (300 * TIMES)[:, None, None]).astype(dtype)
    assert np.isnan(lag(way - 3, way, TIMES))


@pytest.mark.parametrize("frames", [2, 3])
def test_a_few_frames_have_no_lag(frames):
    noisy = SHAPE + RNG.normal(0, 10, (frames, 68, 2))
    assert np.isnan(lag(noisy + RNG.normal(0, 10, noisy.shape), noisy, TIMES[:frames]))


@pytest.mark.parametrize("times", [TIMES[:-1], TIMES[::-1]])
def test_wrong_times_are_refused(times):
    with pytest.raises(InvalidOptionError, match="90 increasing"):
        lag(np.zeros((90, 3, 2)), np.zeros((90, 3, 2)), times)


def test_wrong_shapes_are_refused():
    with pytest.raises(InvalidOptionError, match=r"\(T, K, 2\) .*\(68, 2\)"):
        jitter(SHAPE)
    with pytest.raises(InvalidOptionError, match=r"a point, or more; got \(2, 0, 2\)"):
        jitter(np.zeros((2, 0, 2)))
    with pytest.raises(InvalidOptionError, match=r"\(5, 68, 2\) and \(4, 68, 2\)"):
        jitter(np.zeros((5, 68, 2)), np.zeros((4, 68, 2)))


@pytest.mark.parametrize("value", [np.nan, -1.0, "1", None, True])
def test_settings_are_numbers_in_their_range(value):
    for name in ("least", "slope", "speed"):
        with pytest.raises(InvalidOptionError, match="least and speed must be positive, slope at least 0"):
            Cutoffs(**{"least": 1.0, "slope": 0.0, "speed": 1.0, name: value})
    for name in ("gap", "sure"):
        with pytest.raises(InvalidOptionError, match="gap and sure must be numbers of at least 0"):
            Smoothing(**{name: value})
    with pytest.raises(InvalidOptionError, match="must be Cutoffs"):
        Smoothing(pose=value)
