"""Write requirements-light.txt, all dependencies but PyTorch, from pyproject.toml: python docs/make_requirements.py."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# Written by docs/make_requirements.py. Without PyTorch the built-in models and kept ONNX graphs run:
#   pip install -r requirements-light.txt
#   pip install --no-deps .
"""


def document() -> str:
    """The whole file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return HEAD + "".join(f"{line}\n" for line in project["dependencies"] if not line.startswith("torch"))


if __name__ == "__main__":
    (ROOT / "requirements-light.txt").write_text(document(), encoding="utf-8")
