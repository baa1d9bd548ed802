"""Networks with random weights whose activations have a usual size: engines agree on them as on trained ones."""

import torch
from torch import nn

from facelandmarks.nn.build import FOLDED, NETWORKS, fuse_batch_norms
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import MODELS


def random_state(model: str, landmarks: int | None = None, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict under our names for a model of the zoo, with another number of landmarks if one is given."""
    spec = MODELS[model]
    torch.manual_seed(seed)
    count = len(get_scheme(spec.scheme)) if landmarks is None else landmarks
    network = NETWORKS[spec.network](**spec.network_options, landmarks=count)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    width, height = spec.input_size
    images = torch.randn(2, 3, height, width)
    with torch.no_grad():
        network.train()(images)
        if spec.network == "deeppose":  # which gives points as they are: in and about the crop
            last = network.head.fc
            last.weight *= 0.02 / network.eval()(images).std()
            last.bias.fill_(0.5)
    if spec.network in FOLDED:
        fuse_batch_norms(network.eval())
    return network.state_dict()
