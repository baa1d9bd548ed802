"""Every file of ../shared/data/formats: good ones give the picture, bad ones InvalidImageError and nothing else."""

import csv

import numpy as np
import pytest

from facelandmarks.errors import InvalidImageError
from facelandmarks.images import MAX_PIXELS, load_image

SIZE = (160, 200)
OTHER_SIZES = {
    "bad_bomb_12000x12000.png": (12000, 12000),  # a real picture, within the limit of 178,956,970 pixels
    "face.ico": (128, 128),
    "face_animated.gif": (120, 150),
    "odd_1x1.png": (1, 1),
    "odd_1x4000.png": (1, 4000),
    "odd_2x2.jpg": (2, 2),
    "odd_4000x1.png": (4000, 1),
    "odd_large_face.jpg": (840, 1000),
    "odd_tiny_face_24.png": (19, 24),
}
EXACT = [
    "face.bmp",
    "face.ppm",
    "face.tga",
    "face_animated.png",
    "face_cmyk.tif",
    "face_exif6.png",
    "face_interlaced.png",
    "face_lossless.jp2",
    "face_lossless.webp",
    "face_lzw.tif",
    "face_multipage.tif",
    "face_orient6.tif",
    "face_png_named.jpg",
    "face_rgb.png",
    "face_rgb16.png",
    "face_rgb16.tif",
    "face_rgba.png",
    "odd_icc_broken.png",
]
GREY_EXACT = ["face.pgm", "face_float32.tif", "face_gray16.png", "face_gray16.tif", "face_la.png"]
# Mean absolute difference to the reference; 5 grey levels for all that is not named.
LIMITS = {
    "face_low_q10.jpg": 10,
    "face_alpha.webp": 12,  # the colours below alpha 0 are not kept
    "face_1bit.png": 90,
    "odd_all_black.png": np.inf,
    "odd_all_white.png": np.inf,
    "odd_transparent.png": np.inf,
    "bad_scan_noise.jpg": np.inf,  # complete by its markers, the damage is within
}
# Valid is "partly" in the index: either an error or a picture would do. These are the ones that are read.
READ_IN_PART = {
    "bad_bomb_12000x12000.png",
    "bad_scan_noise.jpg",
    "face_float32.tif",
    "face_rgb16.tif",
    "odd_icc_broken.png",
}
NEEDS_PLUGIN = {"face.avif", "face.heic"}  # read or refused, by what is installed
REASONS = {
    "bad_bomb_60000x60000.png": "60000 x 60000 pixels, more than max_pixels",
    "bad_bomb_65500.jpg": "65500 x 65500 pixels, more than max_pixels",
    "bad_crc.png": "wrong checksum",
    "bad_empty.jpg": "is empty",
    "bad_empty.png": "is empty",
    "bad_gitlfs.onnx": "git-lfs pointer",
    "bad_html.png": "HTML",
    "bad_ihdr_only.png": "no image data",
    "bad_json.jpg": "known format",
    "bad_text.jpg": "known format",
    "bad_zero_dim.png": "no pixels",
    "bad_zeros.jpg": "known format",
    "bad_zip.jpg": "known format",
    "odd_pdf.jpg": "known format",
    "odd_svg_named.png": "known format",
    "odd_vector.svg": "known format",
    **{f"bad_trunc_{length}.jpg": "the file ends early" for length in (2, 20, 300, 3072, 6144, 12089, 12287)},
    **{f"bad_trunc_{length}.png": "the file ends early" for length in (4, 8, 33, 60, 30406, 60800)},
}
NOT_STORED = 5  # made in test_images.py


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "formats"


@pytest.fixture(scope="module")
def rows(folder):
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reference(folder):
    return load_image(folder / "face_rgb.png")


def grey(rgb):
    """Luma as Pillow and OpenCV give it (ITU-R 601)."""
    return np.repeat((rgb @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)


def is_read(row):
    return row["valid"] == "yes" or row["file"] in READ_IN_PART


def stored(rows):
    found = [row for row in rows if not row["file"].startswith("(not stored)")]
    assert len(found) == len(rows) - NOT_STORED
    return [row for row in found if row["file"] not in NEEDS_PLUGIN]


def test_good_files_give_the_picture(folder, rows, reference):
    pytest.importorskip("PIL.Image")
    wrong = {}
    for name in (row["file"] for row in stored(rows) if is_read(row)):
        picture = load_image(folder / name)
        size = OTHER_SIZES.get(name, SIZE)
        if picture.dtype != np.uint8 or picture.shape != (size[1], size[0], 3) or not picture.flags.c_contiguous:
            wrong[name] = (picture.shape, picture.dtype)
        elif size == SIZE:
            is_grey = not np.ptp(picture, axis=2).any()
            difference = np.abs(picture - (grey(reference) if is_grey else reference.astype(float)))
            limit = 0 if name in EXACT else LIMITS.get(name, 5)
            if not (difference.mean() <= limit and (name not in GREY_EXACT or difference.max() <= 1)):
                wrong[name] = difference.mean()
    assert wrong == {}


def test_bad_files_are_refused_and_nothing_else(folder, rows):
    wrong = {}
    for name in (row["file"] for row in stored(rows) if not is_read(row)):
        try:
            picture = load_image(folder / name)
        except InvalidImageError as error:
            if name not in str(error) or REASONS.get(name, "") not in str(error):
                wrong[name] = str(error)
        else:
            wrong[name] = picture.shape
    assert wrong == {}


def test_formats_that_need_a_plugin(folder, reference):
    for name in NEEDS_PLUGIN:
        try:
            picture = load_image(folder / name)
        except InvalidImageError as error:
            # Read or refused, by what is installed; the message says what to install.
            assert "Pillow" in str(error) or "[heic]" in str(error)  # noqa: PT017
        else:
            assert np.abs(picture.astype(int) - reference).mean() < 5


def test_bytes_give_what_paths_give(folder, rows):
    pytest.importorskip("PIL.Image")
    for row in stored(rows):
        if is_read(row) and row["file"] != "bad_bomb_12000x12000.png":
            path = folder / row["file"]
            np.testing.assert_array_equal(load_image(path.read_bytes()), load_image(path), err_msg=row["file"])


def test_the_limit_is_what_the_tables_say():
    assert 12000 * 12000 < MAX_PIXELS < 60000 * 60000
