"""Cut the small goldens out of the full ones: `python tests/helpers/make_small_goldens.py /path/to/goldens`.

All lists of keys, digests and metrics are kept; some models, samples and landmarks of the end-to-end files; some maps
of every kind of the decoding files; of the pictures what the kept samples see, with the rest black. `README.md` stays.
"""

import argparse
import io
import json
import lzma
import shutil
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from golden_files import FAMILIES, SMALL, SMALL_E2E, SMALL_WEIGHTS, arrays, document, e2e_path, is_small
from golden_points import e2e, picture
from numpy.typing import NDArray

Fields = dict[str, NDArray]
Region = tuple[NDArray, NDArray]  # center and size, in pixels

# Those with a stored output come first. 0.x: a grey picture and a box partly outside of it; 12 px; a tiny picture.
# 1.x: a usual box; a tiny picture, and it in a larger box. Official: one partly outside of a grey picture; 12 px.
SAMPLES = {"mmpose0x": [2, 4, 7], "mmpose1x": [0, 10, 11], "official": [0, 3]}
LANDMARKS = 4  # so many of each stored output
MAPS = 2  # so many of each kind
WHOLE = ("off_tiny96", "off_synth")  # pictures of which all crops are kept
MARGIN = 2  # pixels around a region that interpolation may read

SAMPLE_FIELDS = {
    *("image_name", "box", "center", "scale", "crop_sha256", "output_strided", "output_probe", "coords_hm"),
    *(f"{name}{flip}" for name in ("points", "scores", "sens", "top2margin") for flip in ("", "_flip")),
    *("points_subpixel", "sens_subpixel"),
}
# Decoding files, and what names the kinds of their maps; {part of a field's name: field with the kinds}.
DECODE = {
    "mmpose0x/decode_mmpose0x": {f"_{size}": f"kind_{size}" for size in ("64x64", "64x48")},
    "mmpose1x/decode_mmpose1x": {f"{name}_": f"{name}_label" for name in ("64x64", "64x48", "simcc")},
    "official/decode_official": {"": "tag"},
    "official/decode_official_res32": {"": "tag"},
}


def make(full: Path, small: Path) -> None:
    """Write all files of the small set, over those that are there."""
    for family in FAMILIES:
        shutil.rmtree(small / family, ignore_errors=True)
        copy_whole(full / family, small / family)
        for name in sorted(SMALL_E2E[family]):
            write_arrays(e2e_path(small / family, name), cut_e2e(full / family, name))
        for name, regions in sorted(seen_regions(full / family).items()):
            write_picture(small / family / "images" / f"{name}.png", only(regions, picture(full / family, name)))
    for name, kinds in DECODE.items():
        write_arrays(small / f"{name}.npz", cut_maps(arrays(full / f"{name}.npz"), kinds))
    cases = document(full / "official/crop_cases.json")
    kept = [case for case in cases if case["image"].removesuffix(".png") in WHOLE]
    write(small / "official/crop_cases.json", json.dumps(kept).encode())
    write(small / "official/crop_degenerate.json", (full / "official/crop_degenerate.json").read_bytes())
    shutil.copyfile(full / "mmpose0x/warp_opencv4.py", small / "mmpose0x/warp_opencv4.py")


def copy_whole(full: Path, small: Path) -> None:
    """What the small set has of a family as it is: keys, digests, metrics, and what weights are calibrated with."""
    for path in sorted([full / "weights_check.json", *full.glob("keys/*.json"), *full.glob("metrics_*.json")]):
        write(small / path.relative_to(full), path.read_bytes())
    calibration = [full / "calibration" / f"{model}.npz" for model in SMALL_WEIGHTS[full.name]]
    for path in sorted([*calibration, *full.glob("metrics_*.npz")]):
        write_arrays(small / path.relative_to(full), arrays(path))


def write(path: Path, content: bytes) -> None:
    """Write a file, packed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))


def write_arrays(path: Path, fields: Fields) -> None:
    """Write an npz file; members are packed together, being often smaller than what zip adds to each."""
    stream = io.BytesIO()
    np.savez(stream, **fields)
    write(path, stream.getvalue())


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


def cut_e2e(folder: Path, name: str) -> Fields:
    """An end-to-end file with the kept samples alone."""
    fields, samples = arrays(e2e_path(folder, name)), SAMPLES[folder.name]
    rows = SAMPLE_FIELDS if "crop_sha256" in fields else SAMPLE_FIELDS | {"crop"}
    kept = {field: fields[field][samples] for field in sorted(rows & set(fields))}
    return kept | (cut_regression if "deeppose" in name else cut_outputs)(fields, samples)


def cut_regression(fields: Fields, samples: list[int]) -> Fields:
    """DeepPose's outputs are small: all landmarks of the kept samples."""
    if "output_idx" not in fields:
        return {name: fields[name][samples] for name in ("output", "output_flip")}
    merged = fields["output_flipmerged"][:1]  # of the samples from 0 on
    return {"output": fields["output"][[position(fields, samples)]], "output_idx": [0], "output_flipmerged": merged}


def cut_outputs(fields: Fields, samples: list[int]) -> Fields:
    """Outputs of the first kept sample for some landmarks, in the form of the files that hold no more than that."""
    first = position(fields, samples)
    count = fields["points"].shape[1]
    there = fields.get("output_sub_keypoints", np.arange(count))
    places = np.linspace(0, len(there) - 1, LANDMARKS).astype(int)
    kept = {"output_sub_idx": np.array([0]), "output_sub_keypoints": there[places]}
    for axis in ("", "_x", "_y"):
        for name, row, landmarks in (
            ("output", first, there[places]),
            ("output_flipmerged", 0, there[places]),
            ("output_flipmerged_sub", 0, places),
        ):
            if name + axis in fields:
                kept[f"{name.removesuffix('_sub')}_sub{axis}"] = fields[name + axis][[row]][:, landmarks]
    return kept


def position(fields: Fields, samples: list[int]) -> int:
    """Where the output of the first kept sample stands in the file."""
    return list(fields.get("output_idx", range(len(fields["points"])))).index(samples[0])


def cut_maps(fields: Fields, kinds: dict[str, str]) -> Fields:
    """A decoding file with some maps of every kind."""
    kept = {name: value for name, value in fields.items() if not name.startswith(("batched", "error"))}
    for part, field in kinds.items():
        labels = fields[field]
        rows = np.sort(np.concatenate([some(np.flatnonzero(labels == kind)) for kind in np.unique(labels)]))
        members = [name for name in kept if part in name and len(np.atleast_1d(kept[name])) == len(labels)]
        kept |= {name: kept[name][rows] for name in members}
    return kept


def some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first and the last, and others between."""
    return rows[np.linspace(0, len(rows) - 1, min(MAPS, len(rows))).astype(int)]


def seen_regions(folder: Path) -> dict[str, list[Region]]:
    """What of which picture the small set needs."""
    regions = defaultdict(list)
    for name in SMALL_E2E[folder.name]:
        fields = e2e(folder, name)
        for i in SAMPLES[folder.name]:
            regions[str(fields["image_name"][i]).removesuffix(".png")].append((fields["center"][i], fields["scale"][i]))
    if folder.name == "official":
        for case in document(folder / "crop_degenerate.json"):
            if "sha256" in case and case["image_shape"] == [512, 512, 3]:
                regions["off_astronaut"].append((np.array(case["center"]), np.array(200 * case["scale"])))
        for name in WHOLE:
            regions[name].append((np.zeros(2), np.array(np.inf)))
    return regions


def only(regions: list[Region], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, black outside of the regions."""
    kept, size = np.zeros_like(image), image.shape[1::-1]
    for center, side in regions:
        left, top = np.clip(np.floor(center - side / 2) - MARGIN, 0, size).astype(int)
        right, bottom = np.clip(np.ceil(center + side / 2) + MARGIN + 1, 0, size).astype(int)
        kept[top:bottom, left:right] = image[top:bottom, left:right]
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description="Cut the small goldens out of the full ones.")
    parser.add_argument("goldens", type=Path, help="folder with the full goldens")
    full = parser.parse_args().goldens.resolve()
    if is_small(full) or not all((full / family).is_dir() for family in FAMILIES):
        parser.error(f"these are not the full goldens: {full}")
    make(full, SMALL)


if __name__ == "__main__":
    main()
