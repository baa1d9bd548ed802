"""Draw the images of docs/schemes.md again: python docs/make_schemes.py."""

from pathlib import Path

from PIL import Image

from facelandmarks.draw.schemes import draw_scheme
from facelandmarks.schemes import SCHEMES

COLOURS = 64  # less than half the bytes, and nobody sees it

for scheme in SCHEMES.values():
    drawing = Image.fromarray(draw_scheme(scheme)).quantize(COLOURS, dither=Image.Dither.NONE)
    drawing.save(Path(__file__).with_name("schemes") / f"{scheme.name}.png", optimize=True)
