"""Every model, one frozen record each. No code and no torch here: to add a model is to add a record."""

from collections.abc import Mapping
from types import MappingProxyType

from facelandmarks.errors import lookup
from facelandmarks.zoo import builtin, mmpose, official, rtmpose
from facelandmarks.zoo.spec import ModelSpec

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (*builtin.MODELS, *mmpose.MODELS, *official.MODELS, *rtmpose.MODELS)}
)
DEFAULT_MODEL = "compact_300w"


def get_spec(name: str) -> ModelSpec:
    """Return the record of a model; `UnknownModelError` if there is none of that name."""
    return lookup(MODELS, name, "model")
