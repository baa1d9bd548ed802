"""What a reader of one kind of files is, and what it is asked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facelandmarks.evaluation.datasets.sample import Sample

SCALE_UNIT = 200.0  # px, in which HRNet and MMPose count the scale of a face
# How many faces there are, known before the first is read, and the faces.
Faces = tuple[int, Iterator[Sample]]


@dataclass(frozen=True)
class Request:
    """What to read.

    `root` is the folder of the data set, `found` the file or folder in it that showed that the form is there, `where`
    says how to obtain what is missing. Without `pictures` only annotations are wanted. `partial` allows incomplete
    releases.
    """

    root: Path
    found: Path
    subset: str
    where: str
    pictures: bool = True
    partial: bool = False


@dataclass(frozen=True)
class Form:
    """Files that hold a data set.

    Attributes
    ----------
    places
        By subset: files or folders, relative to the root, of which the first that is there is read. They may hold
        wildcards.
    load
        The reader; the pictures of its samples are paths relative to one of `folders`, or absolute.
    counts_from
        What the files call the centre of the top-left pixel, 0 or 1. Samples are counted from 0 always; who needs the
        numbers of the file adds this. (Programs that took numbers counted from 1 as they stand give such points, too.)
    folders
        Where the pictures may be, relative to the root; last, they are looked for in the root itself.
    other_names
        Pictures that a release calls something else than the lists do: name there by name in the list.
    """

    places: Mapping[str, tuple[str, ...]]
    load: Callable[[Request], Faces]
    counts_from: int = 0
    folders: tuple[str, ...] = ()
    other_names: Mapping[str, str] = field(default_factory=dict)

    def locate(self, picture: Path, root: Path) -> Path:
        """Where a picture is; where it would be, if it is not there."""
        names = [picture]
        if picture.name in self.other_names:
            names.append(picture.with_name(self.other_names[picture.name]))
        candidates = [root / folder / name for folder in (*self.folders, ".") for name in names]
        return next((path for path in candidates if path.is_file()), candidates[0])
