"""Schemes of the user's own, as JSON: the fields of `Scheme`, each of them checked."""

import os
from pathlib import Path
from typing import Any

from facelandmarks import _rules as rules
from facelandmarks._files import parse_json
from facelandmarks._rules import Rules
from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes.scheme import SCHEMES, Contour, Scheme, get_scheme

MOST_POINTS = 10_000
_point = rules.whole(0, MOST_POINTS - 1)
_pair = rules.list_of(_point, 2)
_contour = rules.object_of(
    {"name": rules.is_text, "points": rules.list_of(_point), "closed": lambda value: isinstance(value, bool)},
    ("closed",),
)
RULES: Rules = {
    "name": ("a word of letters, digits, - and _", rules.matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")),
    "size": (f"the number of points, at most {MOST_POINTS}, or null", rules.or_null(rules.whole(1, MOST_POINTS))),
    "contours": ("a list of objects with name and points (indices)", rules.list_of(_contour)),
    "pairs": ("a list of pairs of indices", rules.list_of(_pair)),
    "normaliser": ("a pair of indices, or null", rules.or_null(_pair)),
    "source": ("a text", lambda value: isinstance(value, str)),
    "published_names": ("a list of names", rules.list_of(rules.is_text)),
    "named": ("an object of names and indices", rules.table_of(_point)),
    "box_convention": ("a text", rules.is_text),
}


def scheme_from_dict(fields: Any) -> Scheme:
    """Return the scheme that JSON values describe: the fields of `Scheme`, of which only `name` is needed.

    `InvalidOptionError` names the first field that is wrong, and what was expected.
    """
    if problem := rules.first_problem(fields, RULES, RULES.keys() - {"name"}):
        raise InvalidOptionError(f"this is not a scheme: {problem}")
    values = rules.frozen(fields)
    scheme = Scheme(**{**values, "contours": tuple(Contour(**each) for each in values.get("contours", ()))})
    if SCHEMES.get(scheme.name, scheme) != scheme:
        raise InvalidOptionError(f"there is another scheme {scheme.name!r} here: choose another name")
    return scheme


def reference(scheme: Scheme) -> str | Scheme:
    """Return how a model's record refers to a scheme: by its name if it is one here, else the scheme itself."""
    return scheme.name if scheme.name in SCHEMES else scheme


def scheme_to_dict(scheme: Scheme) -> dict[str, Any]:
    """Return JSON values that `scheme_from_dict` reads."""
    fields = {name: getattr(scheme, name) for name in RULES}
    return {**rules.thawed(fields), "contours": [rules.thawed(vars(each)) for each in scheme.contours]}


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
