"""Photos of phones: HEIC by pillow-heif where that is installed, else an error that says what to install."""

import io
import sys

import numpy as np
import pytest

import facelandmarks as fl

SIZE = (96, 64)


@pytest.fixture
def heic():
    """Make a file whose left half is dark, in Pillow's modes and with an EXIF orientation."""
    plugin = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    from PIL import Image

    def make(mode="RGB", orientation=1):
        pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
        pixels[:, SIZE[0] // 2 :] = 200
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        plugin.from_pillow(Image.fromarray(pixels).convert(mode)).save(file, quality=95, exif=exif.tobytes())
        return file.getvalue()

    return make


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_files_are_read(heic, mode):
    pixels = fl.load_image(heic(mode))
    assert pixels.shape == (*SIZE[::-1], 3)
    assert abs(int(pixels[30, 20, 0])) < 8
    assert abs(int(pixels[30, 80, 0]) - 200) < 8


def test_a_photo_of_a_phone(shared):
    pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    path = shared / "data" / "cases" / "IMG_0001.HEIC"
    assert fl.load_image(path).shape == (512, 512, 3)
    np.testing.assert_array_equal(fl.load_image(path), fl.load_image(path.read_bytes()))
    assert len(fl.load_model(engine="onnxruntime", device="cpu").predict(path)) == 1


def test_the_limit_of_pixels_holds(heic):
    with pytest.raises(fl.InvalidImageError, match="too large"):
        fl.load_image(heic(), max_pixels=1000)


@pytest.mark.parametrize("brand", ["heic", "heix", "hevc", "mif1", "msf1", "hevm"])
def test_without_the_plugin_the_extra_is_named(monkeypatch, brand):
    from PIL import Image

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {name: how for name, how in Image.OPEN.items() if name != "HEIF"})
    data = b"\0\0\0\x18ftyp" + brand.encode() + b"\0\0\0\0mif1heic" + bytes(64)
    with pytest.raises(fl.InvalidImageError, match=r'is a HEIC image: pip install "facelandmarks-zoo\[heic\]"'):
        fl.load_image(data)
