"""Write docs/licences.md from the manifest: python docs/make_licences.py."""

from pathlib import Path
from typing import Any

from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

INTRODUCTION = """\
# Licences

Written by `python docs/make_licences.py` from [weights_manifest.json](../weights_manifest.json).

The code is Apache-2.0. **Weights are another matter**: the licence of a repository says little about a network that was
trained on photos and annotations with terms of their own. The tables give the published terms, word for word where they
are short; "nothing published" is not permission. None of this is legal advice. `fl.model_info(name)["training_data"]`
says the same.

## Weights files

| models | file | licence of the file's source | trained on |
| --- | --- | --- | --- |
"""
DATA = """\
## Terms of the data

| data | terms, as published | where | note |
| --- | --- | --- | --- |
"""
USE = """\
## For a product

| for a product | licence of the source | also known |
| --- | --- | --- |
| MediaPipe's face mesh and detectors: `mediapipe_face_mesh`, `mediapipe_face_mesh_attention`, `blazeface_short`, \
`blazeface_full` | Apache-2.0: that of mediapipe 0.10.21, whose wheel holds the files | {said}. The files themselves \
name no licence; they were trained on Google's own photos, about which nothing is published |
| YuNet: `yunet` | MIT: that of the model's folder in opencv_zoo | trained on WIDER FACE, whose data card says \
CC BY-NC-ND 4.0 |

These are the published facts, not a legal opinion. Every other file, including the built-in models, was trained on
data that is limited to non-commercial use or states no terms. The code, the point schemes and the evaluation tool are
free of these terms: train on data that you have the rights to, and load the weights with
`load_model(name, weights=FILE)` ([adding a model](adding_a_model.md)). Privacy law may also apply to images of people.
"""


def main() -> None:
    """Write the file beside this one."""
    Path(__file__).with_name("licences.md").write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole file."""
    manifest = load_manifest()
    used = sorted({name for file in manifest.files.values() for name in file.training_data})
    files = "\n".join(row_of_file(file) for file in manifest.files.values())
    data = "\n".join(row_of_data(name, dict(manifest.training_data[name])) for name in used)
    said = manifest.files[MODELS["mediapipe_face_mesh"].weights].notes[0]
    return "\n".join([INTRODUCTION + files + "\n", DATA + data + "\n", USE.format(said=said.replace("|", "/"))])


def row_of_file(file: Any) -> str:
    """Models, file, licence and data."""
    models = ", ".join(f"`{name}`" for name, spec in MODELS.items() if spec.weights == file.name)
    return row(
        models or "(face detector)", f"`{file.name}`", file.licence or "none stated", ", ".join(file.training_data)
    )


def row_of_data(name: str, data: dict[str, str | None]) -> str:
    """What is published of a dataset."""
    title = f"[{name}]({data['homepage']})" if data["homepage"] else name
    return row(title, data["terms"] or "nothing published", data["where"] or "", data["note"] or "")


def row(*cells: str) -> str:
    """A row of a table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    main()
