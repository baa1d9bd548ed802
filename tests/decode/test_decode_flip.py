"""The flip test's averages, by construction: the mirror image of what a network gave must average to itself."""

import numpy as np
import pytest

from facelandmarks.decode.heatmaps import decode_argmax, decode_dark
from facelandmarks.decode.vectors import decode_regression, decode_simcc
from facelandmarks.pipeline import AVERAGES
from facelandmarks.zoo import MODELS

SIZE = (256, 256)
EXCHANGE = np.array([1, 0, 2])
KEEP = np.arange(3)


def average(how, direct, mirrored, exchange):
    step = AVERAGES[how]
    facts = {"exchange": exchange, "input_size": SIZE}
    return step.function(direct, mirrored, **{name: facts[name] for name in step.takes}, **step.options)


def gaussians(points, side=64, sigma=2.0):
    """Heatmaps (1, K, side, side) with peaks at points (K, 2) in pixels of the map."""
    grid = np.arange(side, dtype=np.float64)
    gx = np.exp(-0.5 * ((grid - points[:, :1]) / sigma) ** 2)
    gy = np.exp(-0.5 * ((grid - points[:, 1:]) / sigma) ** 2)
    return (gy[:, :, None] * gx[:, None, :])[None].astype(np.float32)


def test_heatmaps_of_a_mirrored_crop_average_to_themselves():
    points = np.array([[10.3, 20.0], [40.0, 22.6], [30.2, 41.5]])
    direct = gaussians(points)
    mirrored = gaussians(points[EXCHANGE] * (-1, 1) + (63, 0))
    averaged = average("heatmaps", direct, mirrored, EXCHANGE)
    np.testing.assert_allclose(averaged, direct, atol=1e-6)


def test_shift_moves_the_mirrored_map_one_pixel_right_and_keeps_the_first_column():
    row = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
    averaged = average("shifted_heatmaps", np.zeros_like(row), row, np.array([0]))
    assert (2 * averaged).ravel().tolist() == [7, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(("how", "bias"), [("heatmaps", -1.5), ("shifted_heatmaps", 0.5)])
def test_plain_geometry_is_biased_as_upstream(how, bias):
    """Crop pixel x of the mirrored crop is 255 - x, and map pixel i stands at crop pixel 4 i."""
    points = np.array([[20.3, 30.0], [41.2, 22.6], [30.2, 33.5]])
    direct, mirrored = gaussians(points), gaussians(np.stack([255 / 4 - points[:, 0], points[:, 1]], -1))
    found, _ = decode_dark(average(how, direct, mirrored, KEEP), SIZE)
    np.testing.assert_allclose(found[0, :, 0] - 4 * points[:, 0], bias, atol=0.02)


@pytest.mark.parametrize(("how", "shift"), [("coordinates", 0.0), ("shifted_coordinates", 1.0)])
def test_coordinates(how, shift):
    direct = np.array([[[0.2, 0.3], [0.7, 0.4], [0.5, 0.9]]], np.float32)
    mirrored = direct[:, EXCHANGE] * np.array([-1, 1], np.float32) + np.array([1 - shift / 256, 0], np.float32)
    averaged = average(how, direct, mirrored, EXCHANGE)
    np.testing.assert_allclose(decode_regression(averaged, SIZE)[0], direct * 256, atol=1e-4)


def test_simcc_reverses_x_only():
    direct = np.zeros((1, 2, 3, 512), np.float32)
    direct[0, 0, range(3), [100, 300, 250]] = 1
    direct[0, 1, range(3), [50, 60, 70]] = 1
    mirrored = direct[:, :, EXCHANGE].copy()
    mirrored[:, 0] = mirrored[:, 0, :, ::-1]
    averaged = average("simcc", direct, mirrored, EXCHANGE)
    np.testing.assert_array_equal(averaged, direct)
    assert decode_simcc(averaged, SIZE)[0][0].tolist() == [[50, 25], [150, 30], [125, 35]]


def test_points_with_scores():
    direct = np.array([[[0.2, 0.3, 0.9], [0.7, 0.4, 0.1], [0.5, 0.9, 0.5]]], np.float32)
    mirrored = direct[:, EXCHANGE] * np.array([-1, 1, 1], np.float32) + np.array([1, 0, 0], np.float32)
    np.testing.assert_allclose(average("points", direct, mirrored, EXCHANGE), direct, atol=1e-6)


def test_inputs_are_left_alone():
    direct, mirrored = gaussians(np.full((3, 2), 30.0)), gaussians(np.full((3, 2), 33.0))
    before = direct.copy(), mirrored.copy()
    decode_argmax(average("shifted_heatmaps", direct, mirrored, EXCHANGE), SIZE)
    np.testing.assert_array_equal(direct, before[0])
    np.testing.assert_array_equal(mirrored, before[1])


def test_every_record_names_an_average():
    changes = [change for spec in MODELS.values() for change in (*spec.variants.values(), *spec.decodes.values())]
    named = {spec.flip_average for spec in MODELS.values()}
    assert named | {change["flip_average"] for change in changes if "flip_average" in change} == set(AVERAGES)
