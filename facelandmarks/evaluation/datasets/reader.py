"""From the name of a dataset and a folder to its faces."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facelandmarks.errors import DatasetError, InvalidOptionError, lookup
from facelandmarks.evaluation.datasets import aflw, cofw, deepfashion, ibug300w, lapa, wflw
from facelandmarks.evaluation.datasets.records import Form, Request, Sample
from facelandmarks.evaluation.datasets.releases import check_subset, get_release

# By dataset, in the order in which they are tried.
FORMS: Mapping[str, Mapping[str, Form]] = {
    "wflw": wflw.FORMS,
    "wflw68": wflw.FORMS_68,
    "300w": ibug300w.FORMS,
    "aflw": aflw.FORMS,
    "cofw": cofw.FORMS,
    "cofw68": cofw.FORMS_68,
    "deepfashion_upper": deepfashion.forms("upper", kind=1, points=6),
    "deepfashion_lower": deepfashion.forms("lower", kind=2, points=4),
    "deepfashion_full": deepfashion.forms("full", kind=3, points=8),
    "lapa": lapa.FORMS,
}


@dataclass(frozen=True)
class Found:
    """Files of a subset."""

    form: str
    path: Path  # the file or folder that showed that it is there
    whole: bool  # whether that is one file with all annotations, not one of many
    root: Path  # folder of the dataset


def find(name: str, root: str | Path, subset: str, forms: Sequence[str] = ()) -> Found:
    """Return the files that `read` would read: of the first form found, of `forms` or of all. Errors as for `read`."""
    release, root = get_release(name), Path(root)
    check_subset(release, subset)
    known = FORMS[name]
    for form in forms:
        lookup(known, form, f"form of {name}")
    places = [(form, place) for form in forms or known for place in known[form].places.get(subset, ())]
    if not places:
        raise InvalidOptionError(f"the form {' or '.join(forms)} of {name} has no subset {subset!r}")
    if not root.is_dir():
        raise DatasetError(f"{release.title}: folder {root} not found. Get the data from {release.where}")
    for form, place in places:
        path = min(root.glob(place), default=None)  # the same one on every machine
        if path is not None:
            return Found(form, path, whole=path.is_file() and "*" not in place, root=root)
    looked_for = ", ".join(dict.fromkeys(place for _, place in places))
    raise DatasetError(
        f"{release.title}, {subset}: looked for {looked_for} in {root}: not found. Get the data from {release.where}"
    )


def read(
    name: str,
    root: str | Path,
    subset: str,
    *,
    form: str | None = None,
    images: bool = True,
    allow_partial: bool = False,
) -> Iterator[Sample]:
    """Read the faces of a subset of a dataset, one after the other.

    Files are looked for, and faces counted, before the first is given; what is large is read as it is asked for.

    Parameters
    ----------
    name, root, subset
        A dataset of `RELEASES`, its folder, and a key of `Release.faces`.
    form
        Which files to read, a key of `FORMS[name]`; None takes the first form found.
    images
        Whether they are needed. If not, they may be missing, and are None where the release holds them in its own file.
    allow_partial
        Accept another number of faces than published.

    Raises
    ------
    InvalidOptionError
        If there is no such dataset, subset or form.
    DatasetError
        If files are missing (it says where to get them), malformed, or hold another number of faces than published.
    MissingDependencyError
        If a MATLAB file has to be read and the extra `evaluation` is not installed.
    """
    release, root = get_release(name), Path(root).absolute()  # readers give paths below it, or bare ones
    found = find(name, root, subset, () if form is None else (form,))
    chosen = FORMS[name][found.form]
    faces, samples = chosen.load(Request(root, found.path, subset, release.where, images, allow_partial))
    published = release.faces[subset]
    if published and faces not in published and not allow_partial:
        raise DatasetError(
            f"{release.title}, {subset}: {root} holds {faces} faces, the published number is "
            f"{' or '.join(map(str, published))}. Results on them are not comparable; allow_partial accepts them"
        )

    def finished() -> Iterator[Sample]:
        """Give samples unique names, the subset, and the paths of their images, which must exist."""
        times: Counter[str] = Counter()
        for sample in samples:
            image = chosen.locate(sample.image, root) if isinstance(sample.image, Path) else sample.image
            if images and isinstance(image, Path) and not image.is_file():
                raise DatasetError(
                    f"{release.title}, {subset}: image {image} not found. Get the data from {release.where}"
                )
            times[sample.name] += 1
            number = times[sample.name]
            name = sample.name if number == 1 else f"{sample.name}#{number}"
            yield replace(sample, name=name, image=image, subsets=sample.subsets | {subset})

    return finished()
