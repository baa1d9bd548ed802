"""Which subsets of the tiny releases each form of files holds."""

FASHION = ("deepfashion_upper", "deepfashion_lower", "deepfashion_full")
WFLW = ("test", "pose", "expression", "illumination", "makeup", "occlusion", "blur")
PUBLIC, PRIVATE = ("full", "common", "challenge"), ("test", "indoor", "outdoor")
WRITTEN = {
    ("wflw", "original"): (*WFLW, "train"),
    ("wflw", "subset_lists"): WFLW,
    ("wflw", "mmpose"): WFLW,
    ("wflw", "hrnet"): WFLW,
    ("wflw68", "original"): (*WFLW, "train"),
    ("300w", "original"): (*PUBLIC, *PRIVATE, "train", "validation"),
    ("300w", "mmpose"): PUBLIC,
    ("300w", "hrnet"): PUBLIC,
    ("300w", "pfld"): PUBLIC,
    ("300w", "spiga"): (*PUBLIC, *PRIVATE),
    ("aflw", "original"): ("full", "frontal"),
    ("aflw", "mmpose"): ("full", "frontal"),
    ("aflw", "hrnet"): ("full", "frontal"),
    ("cofw", "original"): ("test", "train"),
    ("cofw", "mmpose"): ("test",),
    ("cofw68", "original"): ("test",),
    ("lapa", "original"): ("test", "val", "train"),
    ("lapa", "mmpose"): ("test",),
    **{(name, "original"): ("test", "val", "train") for name in FASHION},
    **{(name, "mmpose"): ("test",) for name in FASHION},
}
CASES = [(name, form, subset) for (name, form), subsets in WRITTEN.items() for subset in subsets]


def folder_of(root, name):
    """Folder of a dataset in what `miniature_releases.make_all` writes."""
    return root / ("deepfashion" if name in FASHION else name)
