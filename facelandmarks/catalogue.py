"""What models there are, without loading any (and without torch)."""

from typing import Any

from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import MODELS, get_spec


def list_models() -> list[str]:
    """Names for `load_model`."""
    return sorted(MODELS)


def model_info(name: str) -> dict[str, Any]:
    """What a model is, where it comes from, under which terms, and how good it is.

    Raises
    ------
    UnknownModelError
        If there is no such model; near matches are listed.
    """
    spec = get_spec(name)
    return {
        "name": spec.name,
        "title": spec.title,
        "scheme": spec.scheme,
        "landmarks": len(get_scheme(spec.scheme)),
        "input_size": spec.input_size,
        "box_convention": spec.box_convention,
        "box_padding": spec.box_padding,
        "decode": spec.decode,
        "flip_test": spec.flip_test,
        "weights": spec.weights,
        "data": spec.data,
        "terms": spec.terms,
        "metrics": list(spec.metrics),
        "paper": spec.paper,
    }
