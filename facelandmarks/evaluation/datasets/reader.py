"""From the name of a data set and a folder to its faces."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.evaluation.datasets import aflw, cofw, deepfashion, ibug300w, lapa, wflw
from facelandmarks.evaluation.datasets.form import Form, Request
from facelandmarks.evaluation.datasets.releases import Release, get_release
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
    release = get_release(name)
    if subset not in release.faces:
        raise InvalidOptionError(f"{name} has no subset {subset!r}; there are: {', '.join(release.faces)}")
    chosen, found = _find(release, Path(root), subset, form)
    faces, samples = chosen.load(Request(Path(root), found, subset, release.where, pictures, allow_partial))
    _check_count(release, subset, faces, Path(root), allow_partial)
    located = (_located(sample, chosen, Path(root)) for sample in samples)
    return _finished(located, release, subset, pictures)


def _find(release: Release, root: Path, subset: str, wanted: str | None) -> tuple[Form, Path]:
    """The form to read, and the file or folder that shows that it is there."""
    forms = FORMS[release.name]
    if wanted is not None and wanted not in forms:
        raise InvalidOptionError(f"{release.name} has no form {wanted!r}; there are: {', '.join(forms)}")
    candidates = forms if wanted is None else {wanted: forms[wanted]}
    places = [(form, place) for form in candidates.values() for place in form.places.get(subset, ())]
    if not places:
        raise InvalidOptionError(f"the form {wanted} of {release.name} has no subset {subset!r}")
    if not root.is_dir():
        raise DatasetError(f"{release.title}: there is no folder {root}. To be had from {release.where}")
    for form, place in places:
        found = next(root.glob(place), None)
        if found is not None:
            return form, found
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
