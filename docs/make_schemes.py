"""Draw the images of docs/schemes.md again: python docs/make_schemes.py."""

from pathlib import Path

from facelandmarks.cli.schemes import write_drawing
from facelandmarks.schemes import SCHEMES

for scheme in SCHEMES.values():
    write_drawing(scheme, Path(__file__).with_name("schemes") / f"{scheme.name}.png")
