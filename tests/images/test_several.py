"""A single image where several belong."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from facelandmarks.errors import InvalidOptionError
from facelandmarks.images import check_several


@pytest.mark.parametrize(
    "images",
    [
        *("photos", Path("photos"), b"photos", bytearray(b"photos"), memoryview(b"photos")),
        *(np.zeros((4, 5, 3)), np.zeros((4, 5), np.uint8), np.array("photos")),
        *(PIL.Image.new("RGB", (5, 4)), None, 5, np.int64(5)),
    ],
)
def test_one_image_is_refused(images):
    with pytest.raises(InvalidOptionError, match=r"several images belong here; got .*: give a list"):
        check_several(images)


@pytest.mark.parametrize(
    "images",
    [
        *([], ("a.png",), {"a.png"}, iter(["a.png"]), np.array(["a.png"]), np.array([Path("a.png")], object)),
        np.zeros((2, 4, 5, 3)),
    ],
)
def test_several_images_are_taken(images):
    check_several(images)


def test_tensors():
    torch = pytest.importorskip("torch")
    check_several(torch.zeros(2, 3, 4, 5))
    with pytest.raises(InvalidOptionError, match="Tensor: give a list"):
        check_several(torch.zeros(3, 4, 5))
