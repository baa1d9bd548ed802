"""What `fuzz.py` damages: valid files of every kind that a user may hand in, and what reads them."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from fuzz_files import Target, in_file, saved_by
from fuzz_native_targets import graph, video
from fuzz_text_targets import (
    config,
    faces_coco,
    faces_csv,
    faces_json,
    faces_pts,
    journal,
    list_of_pictures,
    predictions,
)


def images() -> Target:
    """Pictures of all formats that are read without a plugin."""
    from PIL import Image

    from facelandmarks.images import load_image

    rng = np.random.default_rng(7)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((64, 48))
    other = smooth.rotate(180)
    deep = Image.fromarray(np.asarray(smooth)[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    kinds: list[tuple[str, Image.Image, str, dict[str, object]]] = [
        ("rgb.jpg", smooth, "JPEG", {"exif": exif}),
        ("progressive.jpg", smooth, "JPEG", {"progressive": True}),
        ("grey.jpg", smooth.convert("L"), "JPEG", {}),
        ("cmyk.jpg", smooth.convert("CMYK"), "JPEG", {}),
        ("rgb.png", smooth, "PNG", {"exif": exif}),
        ("palette.png", smooth.quantize(16), "PNG", {"transparency": 3}),
        ("deep.png", deep, "PNG", {}),
        ("animated.png", smooth, "PNG", {"save_all": True, "append_images": [other]}),
        ("lossy.webp", smooth, "WEBP", {"exif": exif}),
        ("lossless.webp", smooth.convert("RGBA"), "WEBP", {"lossless": True}),
        ("animated.webp", smooth, "WEBP", {"save_all": True, "append_images": [other]}),
        ("rgb.bmp", smooth, "BMP", {}),
        ("palette.bmp", smooth.quantize(16), "BMP", {}),
        ("raw.tif", smooth, "TIFF", {}),
        ("lzw.tif", smooth, "TIFF", {"compression": "tiff_lzw", "tiffinfo": {274: 6}}),
        ("deflate.tif", smooth.convert("RGBA"), "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", smooth, "TIFF", {"compression": "jpeg"}),
        ("fax.tif", smooth.convert("1"), "TIFF", {"compression": "group4"}),
        ("pages.tif", smooth, "TIFF", {"save_all": True, "append_images": [other]}),
        ("one.gif", smooth.quantize(32), "GIF", {}),
        ("animated.gif", smooth, "GIF", {"save_all": True, "append_images": [other]}),
        ("colour.ppm", smooth, "PPM", {}),
        ("one.ico", smooth, "ICO", {"sizes": [(48, 32)]}),
        ("one.jp2", smooth, "JPEG2000", {}),
        ("one.tga", smooth, "TGA", {"compression": "tga_rle"}),
        ("one.pcx", smooth, "PCX", {}),
    ]
    return Target(
        [(name, _saved(image, kind, options)) for name, image, kind, options in kinds], _call(load_image), _png_sums
    )


def _call(read: Callable[[bytes], np.ndarray]) -> Callable[[str, bytes], None]:
    def check(_: str, data: bytes) -> None:
        picture = read(data)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise TypeError(f"not a picture: {picture.dtype} {picture.shape}")

    return check


def _saved(image: object, kind: str, options: Mapping[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png_sums(data: bytes, rng: np.random.Generator) -> bytes:
    """With right checksums, of three PNGs in four: else none would come as far as the decoder."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or rng.random() < 0.25:
        return data
    parts, position = [data[:8]], 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        body = data[position + 4 : position + 8 + length]
        if position + 12 + length > len(data):
            break
        parts.append(struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)))
        position += 12 + length
    return b"".join(parts) + data[position:]


def _write_chunked(path: Path) -> None:
    """Compressed in chunks, with checksums: other code of the HDF5 library than plain arrays."""
    import h5py

    with h5py.File(path, "w") as file:
        options = {"chunks": True, "compression": "gzip", "shuffle": True, "fletcher32": True}
        cells = np.empty((1, 2), h5py.ref_dtype)
        for n in range(2):
            cells[0, n] = file.create_dataset(f"b{n}", data=np.full((3, 16, 12), n, np.uint8), **options).ref
        file.create_dataset("IsT", data=cells)
        file.create_dataset("phisT", data=np.arange(174.0).reshape(87, 2), **options)
        file.create_dataset("bboxesT", data=np.arange(8.0).reshape(4, 2), **options)


def mat73() -> Target:
    """MATLAB 7.3, which is HDF5."""
    from miniature_releases import cofw_pictures, make_faces, write_cofw_mat

    from facelandmarks.evaluation.datasets.files import open_mat73, read_array, read_cell

    faces = make_faces(["a.jpg", "b.jpg"], 29, 1)
    data = saved_by(lambda path: write_cofw_mat(path, faces, "T", cofw_pictures(2)))
    chunked = saved_by(_write_chunked)

    def read(path: Path) -> None:
        with open_mat73(path, "IsT", "phisT", "bboxesT") as file:
            read_array(file, "phisT")
            read_array(file, "bboxesT")
            read_cell(file, "IsT", 0)
            read_cell(file, "IsT", 1)

    return Target([("cofw.mat", data), ("chunked.mat", chunked)], in_file(".mat", read))


def _tensors() -> dict[str, object]:
    import torch

    rng = np.random.default_rng(5)
    return {f"backbone.layer{n}.weight": torch.from_numpy(rng.normal(size=(64, 9))) for n in range(6)}


def checkpoint() -> Target:
    """`torch.save` in both formats."""
    import torch

    from facelandmarks.weights.load import read_given

    state = _tensors()
    records = {"state_dict": state, "meta": {"epoch": 3, "names": ["a", "b"]}, "optimizer": {"lr": 0.1}}
    corpus = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(records, buffer, _use_new_zipfile_serialization=new)
        corpus.append((f"zip_{new}.pth", buffer.getvalue()))
    return Target(corpus, in_file(".pth", read_given))


def safetensors() -> Target:
    """safetensors files."""
    from safetensors.torch import save

    from facelandmarks.weights.load import read_given

    data = save(_tensors())
    return Target([("a.safetensors", data)], in_file(".safetensors", read_given))


def packed() -> Target:
    """The package's own files of weights."""
    from packed_files import save_packed

    from facelandmarks.weights.load import read_given

    state = {f"layer{n}.weight": np.random.default_rng(n).normal(size=(4, 3, 1, 1)) for n in range(6)}
    data = saved_by(lambda path: save_packed(path, state))
    return Target([("a.onnx", data)], in_file(".onnx", read_given))


def tflite() -> Target:
    """TensorFlow Lite files."""
    from tflite_files import small_file

    from facelandmarks.weights.tflite import read_tflite

    corpus = [(f"{seed}.tflite", small_file(seed)[0]) for seed in range(3)]
    return Target(corpus, in_file(".tflite", read_tflite))


def bundle() -> Target:
    """Bundles of weights."""
    import json
    import zipfile

    from facelandmarks.weights.bundle import document_of, unpack_bundle
    from facelandmarks.weights.manifest import load_manifest

    manifest = load_manifest()
    record = next(record for record in manifest.files.values() if record.sha256 and record.bytes and not record.asset)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights_manifest.json", json.dumps(document_of([record], manifest)))
        archive.writestr(record.name, bytes(1000))

    def read(path: Path) -> None:
        cache = path.parent / "cache"
        unpack_bundle(path, cache)

    return Target([("a.zip", buffer.getvalue())], in_file(".zip", read))


def annotations() -> Target:
    """Lists, points and JSON as the datasets publish them; which reader by the name of the file."""
    import json

    from facelandmarks.evaluation.datasets.derived import read_coco, read_hrnet_csv
    from facelandmarks.evaluation.datasets.files import read_list, read_pts

    rng = np.random.default_rng(3)
    points = rng.uniform(0, 100, (19, 2))
    rows = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points)
    flagged = "\n".join(f"{n} {x:.3f} {y:.3f} True" for n, (x, y) in enumerate(points, 1))
    numbers = " ".join(f"{value:.3f}" for value in points.ravel())
    columns = ",".join(["image", "scale", "cx", "cy", *(f"p{n}" for n in range(38))])
    keypoints = np.concatenate([points, np.ones((19, 1))], axis=1).ravel().tolist()
    face = {"image_id": 1, "keypoints": keypoints, "bbox": [1, 2, 30, 40], "center": [1, 2], "scale": 1.5}
    coco = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [face, face]}
    corpus = [
        ("plain.pts", f"version: 1\nn_points: 19\n{{\n{rows}\n}}\n"),
        ("flags.pts", flagged),
        ("list.txt", f"{numbers} 1 2 30 40 folder/a b.jpg\n" * 3),
        ("hrnet.csv", columns + f"\na.jpg,1.5,3.0,4.0,{numbers.replace(' ', ',')}\n" * 3),
        ("coco.json", json.dumps(coco)),
    ]
    readers: Mapping[str, Callable[[Path], object]] = {
        "plain.pts": read_pts,
        "flags.pts": read_pts,
        "list.txt": lambda path: read_list(path, 19, 4),
        "hrnet.csv": lambda path: list(read_hrnet_csv(path, 19)[1]),
        "coco.json": lambda path: list(read_coco(path, 19)[1]),
    }
    runs = {name: in_file(".txt", read) for name, read in readers.items()}
    return Target([(name, text.encode()) for name, text in corpus], lambda name, data: runs[name](name, data))


def misbehaving() -> Target:
    """Not a reader at all: what the search itself is tested with. The file's name says what happens."""
    import ctypes
    import time

    from facelandmarks.errors import InvalidImageError

    def refuse() -> None:
        raise InvalidImageError("refused")

    def fail() -> None:
        raise KeyError("not ours")

    actions: Mapping[str, Callable[[], object]] = {
        "fine": int,
        "crash": lambda: ctypes.string_at(0),
        "refuse": refuse,
        "fail": fail,
        "fine too": int,
        "hang": lambda: time.sleep(3600),
    }
    return Target([(name, b"x") for name in actions], lambda name, _: actions[name]())


TARGETS: Mapping[str, Callable[[], Target]] = {
    "images": images,
    "mat73": mat73,
    "checkpoint": checkpoint,
    "safetensors": safetensors,
    "packed": packed,
    "tflite": tflite,
    "bundle": bundle,
    "annotations": annotations,
    "faces_json": faces_json,
    "faces_csv": faces_csv,
    "faces_coco": faces_coco,
    "faces_pts": faces_pts,
    "list_of_pictures": list_of_pictures,
    "journal": journal,
    "predictions": predictions,
    "config": config,
    "video": video,
    "graph": graph,
}
# Kept out of the table, which tests go through.
ALL = {**TARGETS, "misbehaving": misbehaving}
