"""load_image: what it takes, what it gives, what it refuses and with which words."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import threading
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from paths import ROOT

from facelandmarks.errors import InvalidImageError, InvalidOptionError
from facelandmarks.images import MAX_PIXELS, load_image

HEIGHT, WIDTH = 5, 7
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
SMOOTH = cv2.resize(RGB, (48, 32), interpolation=cv2.INTER_LINEAR)  # compresses well: JPEG stays close

# Orientation -> how the stored picture is brought upright (EXIF 2.32, tag 274), in words of NumPy.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def encode(extension: str, rgb: np.ndarray = SMOOTH, *options: int) -> bytes:
    stored = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 and rgb.shape[2] == 3 else rgb
    return cv2.imencode(extension, stored, options)[1].tobytes()


def encode_with_pillow(kind: str, rgb: np.ndarray = SMOOTH, mode: str = "RGB", **options) -> bytes:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(rgb).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(orientation: int, order: str = "<") -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def jpeg_with_exif(block: bytes, jpeg: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block + jpeg[2:]


def png_with(*chunks: bytes, after: int = 33, png: bytes | None = None) -> bytes:
    png = encode(".png") if png is None else png
    return png[:after] + b"".join(chunks) + png[after:]


def refused(image, words: str, **options) -> None:
    with pytest.raises(InvalidImageError, match=words):
        load_image(image, **options)


# --- arrays ---------------------------------------------------------------------------------------------------------


def test_an_rgb_array_is_returned_itself():
    assert load_image(RGB) is RGB


@pytest.mark.parametrize("view", [RGB[::-1], RGB[:, ::2], RGB[..., ::-1], np.asfortranarray(RGB)])
def test_views_become_contiguous(view):
    result = load_image(view)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, view)


def test_read_only_arrays_are_accepted():
    locked = RGB.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(load_image(locked, color="bgr"), RGB[..., ::-1])


def test_bgr_is_swapped_and_the_input_left_alone():
    bgr = RGB[..., ::-1].copy()
    before = bgr.copy()
    np.testing.assert_array_equal(load_image(bgr, color="bgr"), RGB)
    np.testing.assert_array_equal(bgr, before)


def test_alpha_is_dropped_not_blended():
    rgba = np.dstack([RGB, np.zeros((HEIGHT, WIDTH), np.uint8)])
    np.testing.assert_array_equal(load_image(rgba), RGB)
    np.testing.assert_array_equal(load_image(rgba[..., [2, 1, 0, 3]], color="bgr"), RGB)


@pytest.mark.parametrize("grey", [RGB[..., 0], RGB[..., :1]])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_grey_is_repeated(grey, color):
    np.testing.assert_array_equal(load_image(grey, color=color), np.repeat(RGB[..., :1], 3, axis=2))


def test_all_16_bit_values_are_scaled_and_rounded():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = (values.astype(np.uint32) + 128) // 257  # round(v / 257), no ties
    np.testing.assert_array_equal(load_image(values)[..., 0], expected)
    np.testing.assert_array_equal(load_image(values.astype(values.dtype.newbyteorder()))[..., 0], expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_all_8_bit_values_survive_the_way_through_floats(dtype):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(load_image((values / 255).astype(dtype))[..., 0], values)


def test_bool_is_black_and_white():
    np.testing.assert_array_equal(load_image(RGB > 127), (RGB > 127) * 255)


def test_float_rounding_noise_outside_0_to_1_is_clipped():
    np.testing.assert_array_equal(load_image(np.array([[-0.0009, 1.0009]]))[0, :, 0], [0, 255])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.zeros((3, 48, 64), np.uint8),
            r"shape \(3, 48, 64\) and dtype uint8 .*channels first: np.moveaxis\(image, 0, -1\)",
        ),
        (np.zeros((2, 48, 64, 3), np.uint8), "several images: pass them one by one"),
        (np.zeros((48, 64, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((48, 64, 5), np.uint8), "1, 3 or 4 channels"),
        (np.zeros(48, np.uint8), "expected"),
        (np.zeros((), np.uint8), "expected"),
        (np.zeros((0, 64, 3), np.uint8), "no pixels"),
        (np.zeros((64, 0), np.uint8), "no pixels"),
        (np.full((4, 4, 3), 200, np.int64), r"int64 \(200..200\).*astype\(np.uint8\)"),
        (np.zeros((4, 4, 3), np.uint32), "values are uint8"),
        (np.zeros((4, 4), complex), "complex128"),
        (np.full((4, 4), None), "object"),
        (np.full((4, 4), "x"), "values are uint8"),
        (np.full((4, 4), np.nan), "NaN or infinite"),
        (np.array([[0, np.inf]]), "NaN or infinite"),
        (np.array([[0.0, 200.0]]), r"values 0..200.*0..255: image.astype\(np.uint8\)"),
        (np.array([[0.0, 60000.0]]), "divide by 65535"),
        (np.array([[-2.1, 2.6]]), "normalised"),
        (np.array([[0.0, 1.2]]), "clip"),
    ],
)
def test_arrays_that_are_no_pictures(array, words):
    refused(array, words)


ARRAYS = hnp.arrays(
    dtype=st.one_of(
        hnp.scalar_dtypes(), st.sampled_from([np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)])
    ),
    shape=st.one_of(
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 4])),
    ),
)


@settings(max_examples=300, deadline=None)
@given(array=ARRAYS, color=st.sampled_from(["rgb", "bgr"]))
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_any_array_gives_a_picture_or_an_invalid_image_error(array, color):
    before = array.tobytes()
    try:
        result = load_image(array, color=color)
    except InvalidImageError:
        pass
    else:
        assert (result.dtype, result.shape) == (np.uint8, (*array.shape[:2], 3))
        assert result.flags.c_contiguous
    assert array.tobytes() == before


# --- tensors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_tensors_have_their_channels_first(color):
    torch = pytest.importorskip("torch")
    chw = torch.from_numpy(RGB.copy()).permute(2, 0, 1)
    expected = load_image(RGB, color=color)
    alpha = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    for tensor in (chw, chw.contiguous(), torch.cat([chw, alpha]), chw / 255, chw.double() / 255):
        result = load_image(tensor, color=color)
        np.testing.assert_array_equal(result, expected)
        assert result.flags.c_contiguous


def test_tensor_types():
    torch = pytest.importorskip("torch")
    grey = torch.from_numpy(RGB[..., 0].copy())
    expected = load_image(RGB[..., 0])
    wide = torch.from_numpy(RGB[..., 0].astype(np.uint16) * 257)
    learned = (grey / 255).requires_grad_()
    for tensor in (grey, grey[None], wide, learned, (grey / 255).half()):
        np.testing.assert_array_equal(load_image(tensor), expected)
    coarse = load_image((grey / 255).bfloat16())
    assert np.abs(coarse.astype(int) - expected).max() <= 1  # bfloat16 has 8 bits
    np.testing.assert_array_equal(load_image(grey > 127), load_image(RGB[..., 0] > 127))


def test_tensors_that_are_no_pictures():
    torch = pytest.importorskip("torch")
    refused(torch.zeros(48, 64, 3), r"shape \(48, 64, 3\).*permute\(2, 0, 1\)")
    refused(torch.zeros(1, 3, 48, 64), "one by one")
    refused(torch.zeros(3, 48, 64) + 200, "0..255")
    refused(torch.zeros(3, 48, 64, dtype=torch.int64), "int64")
    refused(torch.zeros(3, 0, 64), "no pixels")
    refused(torch.zeros(3, 48, 64, device="meta"), "cannot become an array")
    refused(torch.zeros(48, 64).to_sparse(), "cannot become an array")


@pytest.mark.parametrize("module", ["torch", "PIL"])
def test_optional_packages_are_not_imported(module):
    code = (
        "import sys, numpy as np; from facelandmarks.images import load_image; "
        f"load_image(np.zeros((4, 4, 3), np.uint8)); assert {module!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- PIL images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBX"])
def test_pil_images_of_every_mode(mode):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(RGB).convert("P" if mode == "PA" else mode).convert(mode)
    np.testing.assert_array_equal(load_image(picture), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_16_bit_pil_images_are_scaled_not_clipped(dtype):
    image = pytest.importorskip("PIL.Image")
    values = (RGB[..., 0].astype(np.uint16) * 257).astype(dtype)
    np.testing.assert_array_equal(load_image(image.fromarray(values)), load_image(RGB[..., 0]))


def test_pil_images_that_are_no_pictures():
    image = pytest.importorskip("PIL.Image")
    refused(image.new("I", (4, 3), 70000), "70000")
    refused(image.new("F", (4, 3), 200), "0..255")
    refused(image.new("RGB", (0, 3)), "no pixels")
    refused(image.new("RGB", (4, 3)), "max_pixels=11", max_pixels=11)
    refused(image.open(io.BytesIO(encode(".jpg")[:-300])), "truncated")


def test_pil_images_keep_their_pixel_grid():
    """Points are drawn on the image the caller holds, so its EXIF orientation is the caller's business."""
    image = pytest.importorskip("PIL.Image")
    jpeg = jpeg_with_exif(exif(6), encode(".jpg"))
    assert load_image(image.open(io.BytesIO(jpeg))).shape == (32, 48, 3)
    assert load_image(jpeg).shape == (48, 32, 3)


def test_transparent_palettes_give_no_warning():
    image = pytest.importorskip("PIL.Image")
    palette = image.fromarray(RGB).quantize(8)
    palette.info["transparency"] = bytes([0, 128])
    np.testing.assert_array_equal(
        load_image(palette), np.asarray(image.fromarray(np.asarray(palette.convert("RGBA"))[..., :3]))
    )


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_encoded_bytes(wrap):
    np.testing.assert_array_equal(load_image(wrap(encode(".png", RGB))), RGB)


def test_paths(tmp_path):
    path = tmp_path / "face with spaces, ünïcode 脸.jpg"  # the name says JPEG, the content PNG
    path.write_bytes(encode(".png", RGB))
    for name in (path, str(path)):
        np.testing.assert_array_equal(load_image(name), RGB)
        np.testing.assert_array_equal(load_image(name, color="bgr"), RGB)  # a file knows its colours


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".ppm"])
def test_lossless_formats(extension):
    np.testing.assert_array_equal(load_image(encode(extension, RGB)), RGB)


@pytest.mark.parametrize(
    ("extension", "quality"), [(".jpg", cv2.IMWRITE_JPEG_QUALITY), (".webp", cv2.IMWRITE_WEBP_QUALITY)]
)
def test_lossy_formats(extension, quality):
    decoded = load_image(encode(extension, SMOOTH, quality, 90))
    assert 0 < np.abs(decoded.astype(int) - SMOOTH).mean() < 8  # colours swapped: 35


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_files_are_scaled_not_clipped(extension, channels):
    values = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    stored = values[..., [2, 1, 0, 3]] if channels == 4 else values
    np.testing.assert_array_equal(load_image(encode(extension, stored)), load_image(values))


@pytest.mark.parametrize(("white", "kind"), [(255, "u1"), (100, "u1"), (1023, ">u2"), (65535, ">u2")])
def test_pnm_files_of_every_depth(white, kind):
    if white not in (255, 65535):
        pytest.importorskip("PIL.Image")
    values = np.linspace(0, white, 12).astype(kind)
    data = f"P5\n# a comment\n4 3 {white}\n".encode() + values.tobytes()
    expected = np.rint(values.astype(float) * 255 / white).reshape(3, 4)
    assert np.abs(load_image(data)[..., 0] - expected).max() <= 0.5


def test_alpha_in_files_is_dropped_not_blended():
    rgba = np.dstack([RGB, np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)])
    np.testing.assert_array_equal(load_image(encode(".png", rgba[..., [2, 1, 0, 3]])), RGB)
    image = pytest.importorskip("PIL.Image")
    for kind, options in {"TIFF": {}, "WEBP": {"lossless": True, "exact": True}, "TGA": {}}.items():
        buffer = io.BytesIO()
        image.fromarray(rgba).save(buffer, kind, **options)
        np.testing.assert_array_equal(load_image(buffer.getvalue()), RGB, err_msg=kind)


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("ICO", {"sizes": [(48, 32)]}), ("TGA", {}), ("PCX", {}), ("JPEG2000", {})]
)
def test_formats_that_only_pillow_reads(kind, options):
    data = encode_with_pillow(kind, **options)
    assert np.abs(load_image(data).astype(int) - SMOOTH).mean() < 8  # GIF has 256 colours


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_or_page_is_read(kind):
    image = pytest.importorskip("PIL.Image")
    frames = [image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(load_image(buffer.getvalue()), np.asarray(frames[0]))


def test_the_picture_an_animated_png_has_for_other_viewers_is_read():
    """OpenCV 5 on its own shows the animation's first frame, OpenCV 4 the still picture."""
    image = pytest.importorskip("PIL.Image")
    still, *frames = (image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime"))
    buffer = io.BytesIO()
    still.save(buffer, "PNG", save_all=True, append_images=frames, default_image=True)
    np.testing.assert_array_equal(load_image(buffer.getvalue()), np.asarray(still))


# --- orientation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_files_are_read_upright(orientation, order):
    block = exif(orientation, order)
    jpeg, png = encode(".jpg"), encode(".png")
    for plain, turned in ((jpeg, jpeg_with_exif(block, jpeg)), (png, png_with(chunk(b"eXIf", block)))):
        np.testing.assert_array_equal(load_image(turned), UPRIGHT[orientation](load_image(plain)))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "AVIF"])
def test_other_formats_are_read_upright(kind, orientation):
    image = pytest.importorskip("PIL.Image")
    image.init()
    if kind not in image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    tags = image.Exif()
    tags[274] = orientation
    options = {"TIFF": {"tiffinfo": {274: orientation}}, "WEBP": {"exif": tags, "lossless": True}}.get(
        kind, {"exif": tags}
    )
    upright = load_image(encode_with_pillow(kind, **options))
    expected = UPRIGHT[orientation](SMOOTH)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() <= (5 if kind == "AVIF" else 0)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_16_bit_tiffs_are_read_upright(orientation):
    values = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(values).save(buffer, "TIFF", tiffinfo={274: orientation})
    np.testing.assert_array_equal(load_image(buffer.getvalue()), UPRIGHT[orientation](load_image(values)))


@pytest.mark.parametrize("block", [exif(0), exif(9), exif(6)[:12], b"", b"nonsense", b"II*\0\xff\xff\xff\x7f"])
def test_damaged_and_undefined_orientation_means_upright(block):
    jpeg = encode(".jpg")
    np.testing.assert_array_equal(load_image(jpeg_with_exif(block, jpeg)), load_image(jpeg))


def test_an_exif_block_that_is_cut_after_the_orientation():
    more_entries_than_there_are = exif(6)[:8] + b"\x09\0" + exif(6)[10:]
    jpeg = encode(".jpg")
    np.testing.assert_array_equal(
        load_image(jpeg_with_exif(more_entries_than_there_are, jpeg)), UPRIGHT[6](load_image(jpeg))
    )


# --- cut, damaged, too large ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp", ".tif", ".ppm"])
def test_cut_files_are_refused_wherever_they_end(extension):
    data = encode(extension, cv2.resize(SMOOTH, (96, 64)))
    for length in {1, 2, 3, 4, 8, 12, 20, 33, *range(40, len(data) - 1, max(1, len(data) // 40)), len(data) - 1}:
        if extension == ".tif" and length == len(data) - 1:
            continue  # the last byte is padding of the directory
        refused(data[:length], "the encoded image")


@pytest.mark.parametrize("kind", ["GIF", "TGA", "ICO", "JPEG2000"])
def test_cut_files_are_refused_by_pillow_too(kind):
    data = encode_with_pillow(kind)
    for length in range(30, len(data) - 60, len(data) // 20):
        refused(data[:length], "the encoded image")


def test_a_damaged_jpeg_2000_does_not_crash_the_process():
    """OpenCV 4.10 did on this one: the size of the box is not that of the data within."""
    data = encode_with_pillow("JPEG2000")
    box = data.index(b"ihdr") + 4
    for height in (1, 31, 33, 0x3C0020):
        with contextlib.suppress(InvalidImageError):
            assert load_image(data[:box] + struct.pack(">I", height) + data[box + 4 :]).shape[2] == 3


def test_progressive_jpegs_and_restart_markers_are_read():
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    data = encode(".jpg", SMOOTH, *options)
    assert np.abs(load_image(data).astype(int) - SMOOTH).mean() < 5
    for length in range(100, len(data), 50):
        refused(data[:length], "no end-of-image marker")


def test_bytes_around_a_jpeg_do_not_matter():
    jpeg = encode(".jpg")
    plain = load_image(jpeg)
    np.testing.assert_array_equal(load_image(jpeg + b"after the end"), plain)
    np.testing.assert_array_equal(load_image(jpeg[:2] + b"\xff\xff" + jpeg[2:]), plain)  # filling before a marker
    thumbnail = exif(1) + jpeg  # with an end marker of its own
    np.testing.assert_array_equal(load_image(jpeg_with_exif(thumbnail, jpeg)), plain)
    refused(jpeg_with_exif(thumbnail, jpeg)[:-200], "no end-of-image marker")


def test_png_checksums():
    good = png_with(chunk(b"teSt", b"x" * 9))
    np.testing.assert_array_equal(load_image(good), SMOOTH)
    inside_ancillary = bytearray(good)
    inside_ancillary[33 + 10] ^= 1
    np.testing.assert_array_equal(load_image(bytes(inside_ancillary)), SMOOTH)
    inside_data = bytearray(good)
    inside_data[-30] ^= 1
    refused(bytes(inside_data), "wrong checksum in chunk IDAT")


def test_png_without_all_of_its_data():
    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 2, 0, 0, 0))
    refused(header + chunk(b"IEND", b""), "no image data")
    refused(header + chunk(b"IDAT", zlib.compress(bytes(25 * 3))) + chunk(b"IEND", b""), "PNG data is damaged")
    full = header + chunk(b"IDAT", zlib.compress(bytes(25 * 6))) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(load_image(full), np.zeros((6, 8, 3), np.uint8))


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp", ".tif", ".ppm"])
def test_the_limit_counts_the_pixels_of_the_header(extension):
    data = encode(extension)
    assert load_image(data, max_pixels=32 * 48).shape == (32, 48, 3)
    refused(data, "48 x 32 pixels, more than max_pixels=1535", max_pixels=1535)


@pytest.mark.parametrize("kind", ["GIF", "TGA", "JPEG2000", "WEBP", "TIFF"])
def test_the_limit_holds_for_pillow_too(kind):
    data = encode_with_pillow(kind, mode="RGBA" if kind in ("WEBP", "TIFF") else "RGB")
    refused(data, "48 x 32 pixels, more than max_pixels=1535", max_pixels=1535)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("widths", [(20000, 48), (48, 20000), (24, 48), (48, 24)])
def test_a_tiff_may_not_hide_a_second_size(dtype, widths):
    tiff = encode(".tif", SMOOTH.astype(dtype))
    (start,) = struct.unpack_from("<I", tiff, 4)
    entries = [tiff[at : at + 12] for at in range(start + 2, start + 2 + 12 * tiff[start], 12)]
    twice = [struct.pack("<HHII", 256, 4, 1, width) for width in widths]
    head = tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:]
    head += struct.pack("<H", len(entries) + 1) + b"".join([*twice, *entries[1:]]) + bytes(4)
    assert entries[0][:2] == b"\0\1"  # the width
    with contextlib.suppress(InvalidImageError):
        assert load_image(head, max_pixels=32 * 48).size <= 32 * 48 * 3


def test_declared_sizes_are_refused_before_decoding():
    png = bytearray(encode(".png"))
    png[8:33] = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    refused(bytes(png), f"60000 x 60000 pixels, more than max_pixels={MAX_PIXELS}")
    png[8:33] = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 32, 8, 2, 0, 0, 0))
    refused(bytes(png), "no pixels: its header says 0 x 32")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_give_a_picture_or_an_invalid_image_error(data):
    extension = data.draw(st.sampled_from([".jpg", ".png", ".webp", ".bmp", ".tif", ".ppm"]))
    encoded = bytearray(encode(extension))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = load_image(bytes(encoded), max_pixels=10**6)
    except InvalidImageError:
        return
    assert result.dtype == np.uint8
    assert result.ndim == 3


# --- not pictures at all --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "HTML, perhaps"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', r"known format \(first bytes b'<\?xml"),
        (b"%PDF-1.7\n", r"known format \(first bytes b'%PDF"),
        (b"PK\x03\x04" + bytes(60), r"known format \(first bytes b'PK"),
        (b'{"error": "no"}', r"known format \(first bytes b'{"),
        (b"\0\0\0\x18ftypmp42" + bytes(60), "video"),
        (bytes(4096), "known format"),
        (b"photo of a face\n", "known format"),
        (b"\xac\n\x7f\x8c/\xaa\xc4\x97" * 100, "known format"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n\xff\n",
            "known format",
        ),  # starts no Ghostscript
    ],
)
def test_files_of_other_kinds(data, words):
    pytest.importorskip("PIL.Image")
    refused(data, words)


def test_a_missing_file(tmp_path):
    with pytest.raises(InvalidImageError, match=r"no such file: .*missing\.jpg") as caught:
        load_image(tmp_path / "missing.jpg")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    refused("https://example.org/a.jpg", "a URL: download it first")


def test_paths_that_are_no_files(tmp_path):
    folder = tmp_path / "x.jpg"
    folder.mkdir()
    refused(folder, "x.jpg is a directory")
    refused("a\0b.jpg", "cannot read")
    refused("x" * 5000, "cannot read")


@pytest.mark.skipif(os.name == "nt", reason="no such files on Windows")
def test_pipes_and_loops_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    refused(tmp_path / "fifo.jpg", "pipe")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    refused(tmp_path / "loop.jpg", "cannot read")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission(tmp_path):
    path = tmp_path / "noperm.jpg"
    path.write_bytes(encode(".jpg"))
    path.chmod(0)
    refused(path, "Permission denied")


@pytest.mark.parametrize("thing", [None, 3, [[1, 2], [3, 4]], object(), {"path": "a.jpg"}])
def test_other_objects(thing):
    refused(thing, rf"{type(thing).__qualname__}: pass a path")


def test_color_is_checked():
    with pytest.raises(InvalidOptionError, match="'rgb' or 'bgr', not 'RGB'"):
        load_image(RGB, color="RGB")


# --- Pillow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_the_common_formats_do_not_load_pillow(monkeypatch, extension):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert load_image(encode(extension)).shape == (32, 48, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_pillow_does_not_warn_of_sizes_within_the_limit(monkeypatch, kind):
    image = pytest.importorskip("PIL.Image")
    data = encode_with_pillow(kind)
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 32 * 48 - 1)  # warns from there on, refuses from twice that
    assert load_image(data).shape == (32, 48, 3)
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 32 * 48 // 2 - 1)
    refused(data, "1536 pixels.*MAX_IMAGE_PIXELS")


def test_pillow_does_not_warn_of_damaged_exif():
    webp = encode_with_pillow("WEBP", exif=b"Exif\0\0" + exif(6)[:8] + b"\x09\0" + exif(6)[10:])
    assert load_image(webp).shape in {(32, 48, 3), (48, 32, 3)}


# --- threads --------------------------------------------------------------------------------------------------------


def test_many_threads_read_the_same():
    files = [encode(extension) for extension in (".jpg", ".png", ".webp", ".tif")]
    expected = [load_image(file) for file in files]
    wrong = []

    def work() -> None:
        for _ in range(20):
            wrong.extend(k for k, file in enumerate(files) if not np.array_equal(load_image(file), expected[k]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
