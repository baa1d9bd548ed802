"""Every model, one frozen record each. No code and no torch here: to add a model is to add a record."""

from collections.abc import Mapping
from types import MappingProxyType

from facelandmarks.errors import UnknownModelError, hint_at
from facelandmarks.zoo import builtin, mmpose, official, rtmpose
from facelandmarks.zoo.spec import ModelSpec

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (*builtin.MODELS, *mmpose.MODELS, *official.MODELS, *rtmpose.MODELS)}
)
DEFAULT_MODEL = "compact_300w"


def get_spec(name: str) -> ModelSpec:
    """The record of a model.

    Raises
    ------
    UnknownModelError
        If there is none; the message lists near matches.
    """
    if name in MODELS:
        return MODELS[name]
    raise UnknownModelError(f"no model {name!r}; {hint_at(name, MODELS)}")
