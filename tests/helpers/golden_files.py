"""The goldens that tests read: which set of them, what it promises to hold, and how a file of it is opened.

Two sets have the same layout. The full one is computed with the original implementations and lies beside the checkout;
the small one, in `tests/goldens`, is cut out of it by `make_small_goldens.py`, with most files packed as `NAME.xz`.
"""

import io
import json
import lzma
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from paths import ROOT

SMALL = ROOT / "tests" / "goldens"
BESIDE = ROOT.parent / "shared"
HOW_TO_GET = (
    "make the small set with `python tests/helpers/make_small_goldens.py /path/to/goldens`, "
    "or choose another set with FACELANDMARKS_GOLDENS"
)
FAMILIES = ("mmpose0x", "mmpose1x", "official")
FASHION = ("full", "lower", "upper")

# End-to-end files, by family; of the full set and of the small one.
FULL_E2E = {
    "mmpose0x": {
        "deeppose_res50_wflw",
        *(f"hrnet_w48_udp_deepfashion_{part}" for part in FASHION),
        *(f"hrnetv2_w18_{data}" for data in ("300w", "aflw", "aflw_dark", "cofw", "wflw", "wflw_dark")),
    },
    "mmpose1x": {
        "deeppose_res50_wflw",
        *(f"hrnet_w48_deepfashion_{part}_udp.{decoder}" for part in FASHION for decoder in ("asshipped", "udp")),
        *(f"hrnetv2_w18_{data}" for data in ("300w", "aflw", "cofw", "wflw", "wflw_dark")),
        "res50_coco_wholebody_face",
        *(f"rtmpose_{size}_face6" for size in "tsm"),
        *(f"rtmpose_m_{data}" for data in ("coco_wholebody_face", "lapa", "wflw")),
    },
    "official": {f"hrnetv2_w18_{data}_official" for data in ("300w", "aflw", "cofw", "wflw")},
}
SMALL_E2E = {
    "mmpose0x": {
        "deeppose_res50_wflw",
        "hrnet_w48_udp_deepfashion_lower",
        "hrnetv2_w18_aflw",
        "hrnetv2_w18_aflw_dark",
    },
    "mmpose1x": {
        "deeppose_res50_wflw",
        *(f"hrnet_w48_deepfashion_lower_udp.{decoder}" for decoder in ("asshipped", "udp")),
        "hrnetv2_w18_aflw",
        "hrnetv2_w18_wflw_dark",
        "rtmpose_t_face6",
    },
    "official": {"hrnetv2_w18_aflw_official"},
}
# What generated weights need takes the most room, so the small set has it for fewer models: one a decoder.
SMALL_WEIGHTS = {
    "mmpose0x": {"deeppose_res50_wflw", "hrnetv2_w18_aflw", "hrnetv2_w18_aflw_dark"},
    "mmpose1x": {"hrnet_w48_deepfashion_lower_udp", "hrnetv2_w18_aflw", "rtmpose_t_face6"},
    "official": {"hrnetv2_w18_aflw_official"},
}


def find_shared(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder with what is too large for the repository, beside the checkout or named by FACELANDMARKS_SHARED.

    Without it a test is skipped; where it was asked for, or FACELANDMARKS_REQUIRE_DATA is set, it fails.
    """
    folder = shared_folder(environ)
    if folder.is_dir():
        return folder
    message = f"no folder {folder}: set FACELANDMARKS_SHARED to where it is"
    if environ.get("FACELANDMARKS_REQUIRE_DATA") or environ.get("FACELANDMARKS_SHARED"):
        pytest.fail(message)
    pytest.skip(message)


def shared_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("FACELANDMARKS_SHARED") or BESIDE)


def find_goldens(environ: Mapping[str, str] = os.environ) -> Path:
    """The set in use: the one named by FACELANDMARKS_GOLDENS, else the full one if it is here, else the small one."""
    named, full = environ.get("FACELANDMARKS_GOLDENS"), shared_folder(environ) / "goldens"
    folder = Path(named) if named else full if full.is_dir() else SMALL
    return folder.resolve()


GOLDENS = find_goldens()


def is_small(goldens: Path) -> bool:
    return goldens == SMALL


def e2e_names(goldens: Path) -> dict[str, set[str]]:
    """The end-to-end files that a set promises, by family."""
    return SMALL_E2E if is_small(goldens) else FULL_E2E


def weight_names(goldens: Path) -> dict[str, set[str]]:
    """The models whose weights can be generated from a set, by family."""
    if is_small(goldens):
        return SMALL_WEIGHTS
    return {family: {name.partition(".")[0] for name in names} for family, names in FULL_E2E.items()}


def has_e2e(family: str, name: str) -> bool:
    """Whether the set in use promises an end-to-end file: only then its test is there."""
    if name not in FULL_E2E[family]:
        raise ValueError(f"no set has {family}/{name}")
    return name in e2e_names(GOLDENS)[family]


def has_weights(family: str, model: str) -> bool:
    """Whether the set in use promises the weights of a model."""
    if not any(name.partition(".")[0] == model for name in FULL_E2E[family]):
        raise ValueError(f"no set has {family}/{model}")
    return model in weight_names(GOLDENS)[family]


def e2e_path(folder: Path, name: str) -> Path:
    """An end-to-end file of a family's folder."""
    prefix = "" if folder.name == "official" else f"{folder.name}_"
    return folder / "public" / f"e2e_{prefix}{name}.npz"


def existing(path: Path) -> Path:
    """The file itself or, where that is not, the packed one."""
    for candidate in (path, path.with_name(f"{path.name}.xz")):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"the golden {path} is missing: {HOW_TO_GET}")


def read(path: Path) -> bytes:
    """Content of a file of the goldens; `path` is its name in the full set."""
    found = existing(path)
    content = found.read_bytes()
    return content if found == path else lzma.decompress(content)


def arrays(path: Path) -> dict[str, NDArray]:
    """All arrays of an npz file."""
    with np.load(io.BytesIO(read(path))) as file:
        return {name: file[name] for name in file.files}


def document(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(read(path))
