"""From a record's network name to the module."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from facelandmarks.nn.compact import CompactLandmarkNet

NETWORKS: Mapping[str, type[nn.Module]] = {"compact": CompactLandmarkNet}


def build_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    """A network with fresh weights. The names are those of `ModelSpec.network`."""
    return NETWORKS[name](**options)
