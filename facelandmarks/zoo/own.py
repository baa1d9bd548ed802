"""Records and schemes of the user's own, as JSON, checked field by field: only what the networks here can run."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from facelandmarks import _rules as rules
from facelandmarks._files import parse_json
from facelandmarks._rules import Accepts, Rules
from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes.scheme import SCHEMES, Contour, Scheme, get_scheme
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.spec import OPINION, ModelSpec

WEIGHTS = "model.safetensors"
VARIANTS = ("mmpose0x", "mmpose1x")
DETECTORS = ("yunet", "blazeface_short", "blazeface_full")  # that a model may prefer
_options: Mapping[str, Accepts] = dict.fromkeys(("stretch_image", "unbiased"), rules.of_type(bool))  # of geometries
_width, _depths = rules.whole(8, 256), rules.list_of(rules.whole(1, 64), 4)


@dataclass(frozen=True)
class Family:
    """What the records of a network may say, so that it fits what goes in and what comes out."""

    options: Mapping[str, Accepts]
    decodes: tuple[str, ...]
    averages: tuple[str, ...]
    geometries: tuple[str, ...]
    size: tuple[int, int] | None = None  # the only input size; None: multiples of 32 pixels
    optional: bool = False  # whether options may be left out


_MAPS = (
    ("argmax", "dark", "udp", "hrnet_official", "hrnet_official_subpixel"),
    ("heatmaps", "shifted_heatmaps"),
    ("classic", "udp", "hrnet_official"),
)
_BOXES = ("classic", "hrnet_official")
_MESH = (("mesh",), ("mesh",), ("rotated",), (192, 192))
_COMPACT: Mapping[str, Accepts] = {
    "stem": rules.list_of(rules.whole(1, 1024), 2),
    "widths": rules.list_of(rules.whole(1, 1024), 4),
    "blocks": _depths,
    "neck": rules.whole(1, 1024),
}
FAMILIES: Mapping[str, Family] = {
    "hrnetv2": Family({"width": _width}, *_MAPS),
    "hrnet": Family({"width": _width}, *_MAPS),
    "simple_baseline": Family({}, *_MAPS),
    "deeppose": Family({}, ("regression",), ("coordinates", "shifted_coordinates"), _BOXES),
    "rtmpose": Family({"width": _width, "depths": _depths}, ("simcc",), ("simcc",), _BOXES, (256, 256)),
    "compact": Family(_COMPACT, ("points",), ("points",), _BOXES, optional=True),
    "face_mesh": Family({}, *_MESH),
    "face_mesh_attention": Family({}, *_MESH),
}


def _named(values: str) -> tuple[str, Accepts]:
    """Return the rule for a name that some family has."""
    names = sorted({name for family in FAMILIES.values() for name in getattr(family, values)})
    return f"one of {', '.join(names)}", rules.one_of(names)


def _is_text(most: int) -> tuple[str, Accepts]:
    return f"a text of at most {most} letters", lambda value: isinstance(value, str) and len(value) <= most


CHANGES: Rules = {  # what a variant or another decoding may change
    "geometry": _named("geometries"),
    "decode": _named("decodes"),
    "flip_average": _named("averages"),
    "crop_options": ("an object of options", rules.object_of(_options, _options)),
    "back_options": ("an object of options", rules.object_of(_options, _options)),
    "decode_options": ("an empty object", rules.object_of({})),
}
_change = rules.object_of({name: accepts for name, (_, accepts) in CHANGES.items()}, CHANGES)
_rgb = rules.list_of(rules.number(-1e4, 1e4), 3)
RULES: Rules = {
    "name": ("a word of letters, digits, . - and _", rules.matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")),
    "title": _is_text(200),
    "network": (f"one of {', '.join(FAMILIES)}", rules.one_of(FAMILIES)),
    "network_options": ("an object", rules.table_of(lambda _: True)),
    "scheme": ("a name, or an object with the fields of a scheme", rules.of_type(str, dict)),
    "weights": (
        "a file name that ends with .safetensors",
        rules.matching(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\.safetensors"),
    ),
    "input_size": ("width and height, 32 to 1024 pixels", rules.list_of(rules.whole(32, 1024), 2)),
    "flip_test": ("true or false", rules.of_type(bool)),
    "box_convention": _is_text(64),
    "box_padding": ("a number from 0.1 to 10", rules.number(0.1, 10)),
    "mean": ("three numbers", _rgb),
    "std": ("three numbers above 0", lambda value: _rgb(value) and all(each > 1e-3 for each in value)),
    "flip_exchange": ("true or false", rules.of_type(bool)),
    **CHANGES,
    "variant": (f"one of {', '.join(VARIANTS)}, or null", rules.one_of((None, *VARIANTS))),
    "variants": ("an object of variants and what they change", rules.table_of(_change)),
    "decodes": ("an object of decoders and what they change", rules.table_of(_change)),
    "detector": (f"one of {', '.join(DETECTORS)}, or null", rules.one_of((None, *DETECTORS))),
    "opinions": (
        f"an object of detectors, each with {', '.join(OPINION)}",
        rules.table_of(rules.object_of(dict.fromkeys(OPINION, rules.number(-1e4, 1e4)))),
    ),
    "confirm_below": ("a number, or null", rules.or_null(rules.number(-1e4, 1e4))),
    "story": _is_text(10_000),
}
_NEEDED = {each.name for each in fields(ModelSpec) if each.default is MISSING and each.default_factory is MISSING}


def spec_from_dict(given: Any) -> ModelSpec:
    """Return the record that JSON values describe: the fields of `ModelSpec`.

    With `like`, the name of a model here, fields that are left out are that model's, except for `opinions`: they belong
    to its weights. `name` is always needed. `InvalidOptionError` says what is wrong first, and what was expected.
    """
    if not isinstance(given, dict):
        raise InvalidOptionError("this is not a record of a model: expected an object")
    base, given = given.get("like"), {key: value for key, value in given.items() if key != "like"}
    if base is not None:
        if not rules.one_of(MODELS)(base):
            raise InvalidOptionError(f"this is not a record of a model: like must be a model here, not {base!r:.60}")
        given = {**spec_to_dict(replace(MODELS[base], weights=WEIGHTS, opinions={})), "title": f"Like {base}", **given}
    given = {"weights": WEIGHTS, **given}
    if problem := rules.first_problem(given, RULES, RULES.keys() - _NEEDED):
        raise InvalidOptionError(f"this is not a record of a model: {problem}")
    scheme = scheme_from_dict(given["scheme"]) if isinstance(given["scheme"], dict) else get_scheme(given["scheme"])
    spec = ModelSpec(**{**rules.frozen(given), "scheme": reference(scheme)})
    if problem := next(filter(None, map(misfit, choices(spec))), None):
        raise InvalidOptionError(f"this is not a record of a model: {problem}")
    return spec


def choices(spec: ModelSpec) -> Iterator[ModelSpec]:
    """Give the record in each of its variants and decodings, itself first."""
    for variant, decode in product((None, *spec.variants), (None, *spec.decodes)):
        varied = spec if variant is None else replace(spec, variant=variant, **spec.variants[variant])
        yield varied if decode is None else replace(varied, decode=decode, decode_options={}, **spec.decodes[decode])


def misfit(spec: ModelSpec) -> str | None:
    """Return which part of a record does not fit the others, or None."""
    family, (width, height) = FAMILIES[spec.network], spec.input_size
    given = rules.thawed(spec.network_options)
    if not rules.object_of(family.options, family.options if family.optional else ())(given):
        return f"network_options of {spec.network} are {', '.join(family.options) or 'none'}; got {given!r:.200}"
    if family.size not in (None, spec.input_size) or width % 32 or height % 32:
        wanted = "multiples of 32" if family.size is None else "{}x{} pixels".format(*family.size)
        return f"input_size of {spec.network} must be {wanted}, not {width}x{height}"
    allowed = {"decode": family.decodes, "flip_average": family.averages, "geometry": family.geometries}
    for field, names in allowed.items():
        if getattr(spec, field) not in names:
            return f"{field} of {spec.network} is {' or '.join(names)}, not {getattr(spec, field)!r:.60}"
    options, by_mmpose = {**spec.crop_options, **spec.back_options}, spec.geometry in ("classic", "udp")
    if spec.variant is not None and (spec.variant not in VARIANTS or not by_mmpose):
        return f"geometry {spec.geometry} has no variant {spec.variant!r:.60}"
    if spec.geometry == "hrnet_official" and spec.input_size[0] != spec.input_size[1]:
        return "geometry hrnet_official is square"
    if options and spec.geometry != "hrnet_official":
        return f"geometry {spec.geometry} has no options {', '.join(options)}"
    return None


def spec_to_dict(spec: ModelSpec) -> dict[str, Any]:
    """Return JSON values that `spec_from_dict` reads."""
    scheme = spec.scheme if isinstance(spec.scheme, str) else scheme_to_dict(spec.scheme)
    return {**rules.thawed({name: getattr(spec, name) for name in RULES}), "scheme": scheme}


MOST_POINTS = 10_000
_point = rules.whole(0, MOST_POINTS - 1)
_pair = rules.list_of(_point, 2)
_contour = rules.object_of(
    {"name": rules.is_text, "points": rules.list_of(_point), "closed": rules.of_type(bool)}, optional=("closed",)
)
SCHEME_RULES: Rules = {
    "name": ("a word of letters, digits, - and _", rules.matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")),
    "size": (f"the number of points, at most {MOST_POINTS}, or null", rules.or_null(rules.whole(1, MOST_POINTS))),
    "contours": ("a list of objects with name and points (indices)", rules.list_of(_contour)),
    "pairs": ("a list of pairs of indices", rules.list_of(_pair)),
    "normaliser": ("a pair of indices, or null", rules.or_null(_pair)),
    "source": ("a text", rules.of_type(str)),
    "published_names": ("a list of names", rules.list_of(rules.is_text)),
    "named": ("an object of names and indices", rules.table_of(_point)),
    "box_convention": ("a text", rules.is_text),
}


def scheme_from_dict(fields: Any) -> Scheme:
    """Return the scheme that JSON values describe: the fields of `Scheme`, of which only `name` is needed.

    `InvalidOptionError` names the first field that is wrong, and what was expected.
    """
    if problem := rules.first_problem(fields, SCHEME_RULES, SCHEME_RULES.keys() - {"name"}):
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
    fields = {name: getattr(scheme, name) for name in SCHEME_RULES}
    return {**rules.thawed(fields), "contours": [rules.thawed(vars(each)) for each in scheme.contours]}


def deciding(spec: ModelSpec) -> dict[str, Any]:
    """Return what of a record decides the points, for a run to be continued: all but texts, and weights by name."""
    return {name: value for name, value in spec_to_dict(spec).items() if name not in ("title", "story", "weights")}


def find_scheme(given: str | os.PathLike[str] | Scheme) -> Scheme:
    """Return a scheme: itself, the one of a name here, or that of a JSON file, `*.json`."""
    if isinstance(given, Scheme):
        return scheme_from_dict(scheme_to_dict(given))
    if isinstance(given, str) and not given.lower().endswith(".json"):
        return get_scheme(given)
    if not isinstance(given, str | os.PathLike):
        raise InvalidOptionError(f"a scheme is a Scheme, a name, or FILE.json; got {given!r:.99}")
    path = Path(given)
    try:
        return scheme_from_dict(parse_json(path.read_bytes()))
    except OSError as error:
        raise InvalidOptionError(f"cannot read the scheme {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidOptionError(f"{path}: {error}") from error
