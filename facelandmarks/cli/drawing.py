"""Options of facelandmarks-predict about drawings, and windows that show them."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from facelandmarks import errors
from facelandmarks.cli import common

if TYPE_CHECKING:
    from facelandmarks.draw import Style

parse_size = partial(common.parse_number, least=0.1, most=1000, meaning="a radius of 0.1 to 1000 pixels")


def parse_color(text: str) -> str:
    """Parse a colour: a name, #rrggbb, or R,G,B."""
    from facelandmarks.draw import parse_color as parse

    text = f"rgb({text})" if "," in text and "(" not in text else text
    try:
        parse(text)
    except errors.InvalidOptionError as error:
        raise argparse.ArgumentTypeError(f"expected a color such as red, #ff3c3c or 255,60,60, got {text!r}") from error
    return text


def add_drawing_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how faces are drawn."""
    add = parser.add_argument_group("drawings (with --draw or --show)").add_argument
    add("--show", action="store_true", help="show images, a video or a camera in a window; q or Esc ends it")
    color = "color of the contours: a name, #rrggbb or R,G,B (default: light blue)"
    add("--color", type=parse_color, metavar="COLOR", help=color)
    size = "radius of the points in pixels (default: fits each face)"
    add("--point-size", type=parse_size, metavar="PX", help=size)
    add("--indices", action="store_true", help="write the number of each point beside it")
    add("--no-boxes", action="store_true", help="draw no boxes")
    add("--no-contours", action="store_true", help="draw points only")


def chosen_style(args: argparse.Namespace) -> "Style":
    """Return how faces are drawn by the options."""
    from facelandmarks.draw import Style

    color = Style.color if args.color is None else args.color
    return Style(color, args.point_size, not args.no_boxes, not args.no_contours, args.indices)


def check_screen(args: argparse.Namespace) -> None:
    """Raise an error if a window is asked for and there can be none: before anything is loaded."""
    if args.show:
        from facelandmarks.draw.window import check_windows

        check_windows()
