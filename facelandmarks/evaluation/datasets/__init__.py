"""Annotated faces, as the releases of the datasets and the files derived from them hold them.

`read("wflw", root, "test")` gives one `Sample` after the other. `RELEASES` says which datasets there are, how many
faces each subset has, and where to get it; `FORMS` in which files it is found.
"""

from facelandmarks.evaluation.datasets.reader import (
    FORMS,
    RELEASES,
    Found,
    Release,
    check_subset,
    find,
    get_release,
    read,
)
from facelandmarks.evaluation.datasets.records import Sample, box_region, landmark_region

# fmt: off
__all__ = [
    "FORMS", "RELEASES", "Found", "Release", "Sample", "box_region", "check_subset", "find", "get_release",
    "landmark_region", "read",
]
# fmt: on
