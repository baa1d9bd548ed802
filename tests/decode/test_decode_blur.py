"""decode.blur against OpenCV's blur of one map."""

import cv2
import numpy as np
import pytest

from facelandmarks.decode import blur

MAPS = np.random.default_rng(0).random((7, 20, 30), np.float32)


def alone(kernel: int, beyond: blur.Beyond) -> np.ndarray:
    """Each map by itself, as upstream blurs: padded with zeros in advance, or with OpenCV's own border."""
    gap = kernel // 2
    if beyond == "mirror":
        return np.stack([cv2.GaussianBlur(m, (kernel, kernel), 0) for m in MAPS])
    return np.stack([cv2.GaussianBlur(np.pad(m, gap), (kernel, kernel), 0)[gap:-gap, gap:-gap] for m in MAPS])


@pytest.mark.parametrize("kernel", [3, 11, 17])
def test_blur_of_many_maps_is_the_blur_of_each(kernel: int) -> None:
    """The maps share one call of OpenCV; none must see its neighbour."""
    np.testing.assert_allclose(blur.blur_with_zeros(MAPS, kernel), alone(kernel, "zeros"), rtol=2e-6)
    np.testing.assert_allclose(blur.blur_mirrored(MAPS, kernel), alone(kernel, "mirror"), rtol=2e-6)


@pytest.mark.parametrize("beyond", ["zeros", "mirror"])
@pytest.mark.parametrize("kernel", [3, 11, 17])
@pytest.mark.parametrize("reach", [1, 2])
def test_windows_are_parts_of_the_blurred_maps(kernel: int, beyond: blur.Beyond, reach: int) -> None:
    """About every pixel of the map, corners and borders too; 17 reaches beyond two borders at once."""
    whole = np.pad(alone(kernel, beyond), ((0, 0), (reach, reach), (reach, reach)), constant_values=np.nan)
    side = 2 * reach + 1
    expected = np.lib.stride_tricks.sliding_window_view(whole, (side, side), axis=(1, 2)).reshape(7, -1, side, side)
    y, x = np.mgrid[:20, :30]
    places = np.stack([x.ravel(), y.ravel()], axis=-1)[:, None].repeat(7, axis=1)
    maps = np.broadcast_to(MAPS, (len(places), *MAPS.shape))
    found = blur.blur_about(maps, places, kernel, reach, beyond).transpose(2, 1, 0, 3)
    within = ~np.isnan(expected)  # beyond the border a window's values mean nothing
    np.testing.assert_allclose(found[within], expected[within], rtol=2e-6)


def test_window_of_a_map_smaller_than_the_kernel() -> None:
    maps = MAPS[None, :, :5, :4]
    for beyond, whole in (("mirror", blur.blur_mirrored), ("zeros", blur.blur_with_zeros)):
        found = blur.blur_about(maps, np.full((1, 7, 2), 2), 17, 1, beyond)
        expected = whole(np.ascontiguousarray(maps[0]), 17)[:, 1:4, 1:4]
        np.testing.assert_allclose(found[:, 0].transpose(1, 0, 2), expected, rtol=2e-6)
