"""Networks made cheaper for inference, with equal results."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norms(network: nn.Module) -> None:
    """Put each batch norm that directly follows a convolution in an `nn.Sequential` into its weights, in place.

    The network has to be in evaluation mode.
    """
    for parent in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for index in range(len(parent) - 1):
            conv, norm = parent[index], parent[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                parent[index], parent[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
