"""What options and JSON from anywhere may hold: tests of values, the first field that fails one, lists as tuples."""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from typing import Any

from facelandmarks.errors import hint_at

Accepts = Callable[[Any], bool]
Rules = Mapping[str, tuple[str, Accepts]]  # by field: what is expected, for messages, and the test of a value
MOST = 2**31 - 1  # as a whole number: more does not fit into the integers of native code


def is_whole(value: Any, least: int) -> bool:
    """Tell whether an option is a whole number, Python's or NumPy's, from `least` to `MOST`."""
    try:
        return not isinstance(value, bool) and least <= operator.index(value) <= MOST
    except TypeError:
        return False


def is_number(value: Any) -> bool:
    """Tell whether an option is a real number, Python's or NumPy's, and not NaN."""
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and not math.isnan(value)
    except OverflowError:  # a whole number that is no float
        return False


def is_text(value: Any) -> bool:
    """Tell whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def of_type(*types: type) -> Accepts:
    """Accept values of these types, whatever they hold."""
    return lambda value: isinstance(value, types)


def or_null(accepts: Accepts) -> Accepts:
    """Accept null, too."""
    return lambda value: value is None or accepts(value)


def matching(pattern: str) -> Accepts:
    """Accept texts that match a pattern as a whole."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def hexadecimal(digits: str) -> Accepts:
    """Accept small hexadecimal digits; `digits` is how many, as in a pattern: `64`, or `6,63`."""
    return matching(f"[0-9a-f]{{{digits}}}")


def whole(least: int, most: int) -> Accepts:
    """Accept whole numbers in a range."""
    return lambda value: type(value) is int and least <= value <= most


def number(least: float, most: float) -> Accepts:
    """Accept numbers in a range."""
    return lambda value: type(value) in (int, float) and least <= value <= most


def one_of(choices: Collection[Any]) -> Accepts:
    """Accept these texts, numbers or null."""
    return lambda value: isinstance(value, str | int | float | None) and value in choices


def list_of(accepts: Accepts, count: int | None = None) -> Accepts:
    """Accept lists, of a certain length if `count` is given."""
    return lambda value: isinstance(value, list) and count in (None, len(value)) and all(map(accepts, value))


def object_of(fields: Mapping[str, Accepts], optional: Collection[str] = ()) -> Accepts:
    """Accept objects with these fields."""
    return lambda value: (
        isinstance(value, dict)
        and fields.keys() - set(optional) <= value.keys() <= fields.keys()
        and all(fields[key](inside) for key, inside in value.items())
    )


def table_of(accepts: Accepts) -> Accepts:
    """Accept objects with any fields, whose values are alike."""
    return lambda value: isinstance(value, dict) and all(map(accepts, value.values()))


def first_problem(fields: Any, rules: Rules, optional: Collection[str] = ()) -> str | None:
    """Return what is wrong with an object, or None: a field that is unknown, missing, or holds something else."""
    if not isinstance(fields, dict):
        return "expected an object"
    if unknown := sorted(fields.keys() - rules.keys()):
        return f"{unknown[0]!r:.60} is unknown; {hint_at(unknown[0], rules.keys())}"
    if missing := sorted(rules.keys() - set(optional) - fields.keys()):
        return f"{missing[0]} is missing"
    for field, (expected, accepts) in rules.items():
        if field in fields and not accepts(fields[field]):
            return f"{field} must be {expected}, not {fields[field]!r:.200}"
    return None


def frozen(value: Any) -> Any:
    """Return a JSON value with tuples in place of lists, at every depth."""
    if isinstance(value, Mapping):
        return {key: frozen(each) for key, each in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def thawed(value: Any) -> Any:
    """Return a value of a record as JSON has it: lists in place of tuples, at every depth."""
    if isinstance(value, Mapping):
        return {key: thawed(each) for key, each in value.items()}
    return list(map(thawed, value)) if isinstance(value, tuple) else value
