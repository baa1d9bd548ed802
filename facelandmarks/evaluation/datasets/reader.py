"""From the name of a data set and a folder to its faces."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.evaluation.datasets import aflw, cofw, deepfashion, ibug300w, lapa, wflw
from facelandmarks.evaluation.datasets.form import Form, Request
from facelandmarks.evaluation.datasets.releases import Release, check_subset, get_release
from facelandmarks.evaluation.datasets.sample import Sample

# In the order in which they are looked for.
FORMS: Mapping[str, Mapping[str, Form]] = MappingProxyType(
    {
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
)


@dataclass(frozen=True)
class Found:
    """Files of a subset: name of the form, and the file or folder that showed that it is there.

    `whole` says whether that is one file with all annotations, not one of many.
    """

    form: str
    path: Path
    whole: bool


def find(name: str, root: str | Path, subset: str, forms: Sequence[str] = ()) -> Found:
    """Which files `read` would read.

    Parameters
    ----------
    name, root, subset
        As for `read`.
    forms
        Keys of `FORMS[name]`, of which the first that is there is taken; without any, all in their order.

    Raises
    ------
    InvalidOptionError
        If there is no such data set, subset or form.
    DatasetError
        If none of the files is there.
    """
    release = get_release(name)
    check_subset(release, subset)
    return _find(release, Path(root), subset, tuple(forms))


def read(
    name: str,
    root: str | Path,
    subset: str,
    *,
    form: str | None = None,
    pictures: bool = True,
    allow_partial: bool = False,
) -> Iterator[Sample]:
    """Faces of a subset of a data set, one after the other.

    Files are looked for, and faces counted, before the first is given; what is large is read as it is asked for.

    Parameters
    ----------
    name
        A data set of `RELEASES`.
    root
        Its folder.
    subset
        One of its subsets, a key of `Release.faces`.
    form
        Which files to read, a key of `FORMS[name]`; None takes the first form that is there.
    pictures
        Whether the pictures are needed. If not, they may be missing, and are None where the release holds them in its
        own file.
    allow_partial
        Take what is there, also if it is not as many faces as were published.

    Raises
    ------
    InvalidOptionError
        If there is no such data set, subset or form.
    DatasetError
        If files are missing (it says which, where they were looked for and where the release is to be had), are
        malformed, or hold another number of faces than published.
    MissingDependencyError
        If a MATLAB file has to be read and the extra `evaluation` is not installed.
    """
    release, root = get_release(name), Path(root).absolute()  # readers give paths below it, or bare ones
    found = find(name, root, subset, () if form is None else (form,))
    chosen = FORMS[name][found.form]
    faces, samples = chosen.load(Request(root, found.path, subset, release.where, pictures, allow_partial))
    _check_count(release, subset, faces, root, allow_partial)
    located = (_located(sample, chosen, root) for sample in samples)
    return _finished(located, release, subset, pictures)


def _find(release: Release, root: Path, subset: str, wanted: tuple[str, ...]) -> Found:
    forms = FORMS[release.name]
    unknown = [form for form in wanted if form not in forms]
    if unknown:
        raise InvalidOptionError(f"{release.name} has no form {unknown[0]!r}; there are: {', '.join(forms)}")
    places = [(form, place) for form in wanted or forms for place in forms[form].places.get(subset, ())]
    if not places:
        raise InvalidOptionError(f"the form {' or '.join(wanted)} of {release.name} has no subset {subset!r}")
    if not root.is_dir():
        raise DatasetError(f"{release.title}: there is no folder {root}. To be had from {release.where}")
    for form, place in places:
        path = min(root.glob(place), default=None)  # the same one on every machine
        if path is not None:
            return Found(form, path, whole=path.is_file() and "*" not in place)
    looked_for = ", ".join(dict.fromkeys(place for _, place in places))
    raise DatasetError(
        f"{release.title}, {subset}: looked for {looked_for} in {root}: not there. To be had from {release.where}"
    )


def _check_count(release: Release, subset: str, faces: int, root: Path, allow_partial: bool) -> None:
    published = release.faces[subset]
    if published and faces not in published and not allow_partial:
        raise DatasetError(
            f"{release.title}, {subset}: {root} holds {faces} faces, published are {' or '.join(map(str, published))}."
            " What is measured on them is not comparable; allow_partial takes them all the same"
        )


def _located(sample: Sample, form: Form, root: Path) -> Sample:
    return replace(sample, image=form.locate(sample.image, root)) if isinstance(sample.image, Path) else sample


def _finished(samples: Iterator[Sample], release: Release, subset: str, pictures: bool) -> Iterator[Sample]:
    """Samples with names of their own, of the subset, and with pictures that are there."""
    times: Counter[str] = Counter()
    for sample in samples:
        if pictures and isinstance(sample.image, Path) and not sample.image.is_file():
            raise DatasetError(
                f"{release.title}, {subset}: there is no picture {sample.image}. To be had from {release.where}"
            )
        times[sample.name] += 1
        number = times[sample.name]
        name = sample.name if number == 1 else f"{sample.name}#{number}"
        yield replace(sample, name=name, subsets=sample.subsets | {subset})
