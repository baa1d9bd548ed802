"""Schemes of the user's own, as JSON: the fields of `Scheme`, each of them checked."""

import os
from pathlib import Path
from typing import Any

from facelandmarks._files import parse_json
from facelandmarks._rules import Rules, first_problem, is_text, list_of, matching, object_of, or_null, table_of, whole
from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes.scheme import SCHEMES, Contour, Scheme, get_scheme

MOST_POINTS = 10_000
_point = whole(0, MOST_POINTS - 1)
_pair = list_of(_point, 2)
_contour = object_of(
    {"name": is_text, "points": list_of(_point), "closed": lambda value: isinstance(value, bool)}, ("closed",)
)
RULES: Rules = {
    "name": ("a word of letters, digits, - and _", matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")),
    "size": (f"the number of points, at most {MOST_POINTS}, or null", or_null(whole(1, MOST_POINTS))),
    "contours": ("a list of objects with name and points (indices)", list_of(_contour)),
    "pairs": ("a list of pairs of indices", list_of(_pair)),
    "normaliser": ("a pair of indices, or null", or_null(_pair)),
    "source": ("a text", lambda value: isinstance(value, str)),
    "published_names": ("a list of names", list_of(is_text)),
    "named": ("an object of names and indices", table_of(_point)),
    "box_convention": ("a text", is_text),
}


def scheme_from_dict(fields: Any) -> Scheme:
    """Return the scheme that JSON values describe: the fields of `Scheme`, of which only `name` is needed.

    `InvalidOptionError` names the first field that is wrong, and what was expected.
    """
    if problem := first_problem(fields, RULES, RULES.keys() - {"name"}):
        raise InvalidOptionError(f"this is not a scheme: {problem}")
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    contours = (Contour(**{**each, "points": tuple(each["points"])}) for each in fields.get("contours", ()))
    lists |= {"contours": tuple(contours), "pairs": tuple(tuple(pair) for pair in fields.get("pairs", ()))}
    scheme = Scheme(**lists)
    if SCHEMES.get(scheme.name, scheme) != scheme:
        raise InvalidOptionError(f"there is another scheme {scheme.name!r} here: choose another name")
    return scheme


def reference(scheme: Scheme) -> str | Scheme:
    """Return how a model's record refers to a scheme: by its name if it is one here, else the scheme itself."""
    return scheme.name if scheme.name in SCHEMES else scheme


def scheme_to_dict(scheme: Scheme) -> dict[str, Any]:
    """Return JSON values that `scheme_from_dict` reads."""
    fields = {name: getattr(scheme, name) for name in RULES}
    contours = [{"name": each.name, "points": list(each.points), "closed": each.closed} for each in scheme.contours]
    return {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()},
        "contours": contours,
        "pairs": [list(pair) for pair in scheme.pairs],
        "named": dict(scheme.named),
    }


def find_scheme(given: str | os.PathLike[str] | Scheme) -> Scheme:
    """Return a scheme: itself, the one of a name here, or that of a JSON file, `*.json`."""
    if isinstance(given, Scheme):
        return scheme_from_dict(scheme_to_dict(given))
    if isinstance(given, str) and not given.lower().endswith(".json"):
        return get_scheme(given)
    path = Path(given)
    try:
        return scheme_from_dict(parse_json(path.read_bytes()))
    except OSError as error:
        raise InvalidOptionError(f"cannot read the scheme {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidOptionError(f"{path}: {error}") from error
