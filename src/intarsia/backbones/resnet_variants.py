"""ResNets as PSPNet and DeepLab v2 had them: timm's, with another stem or with the strides elsewhere."""

import timm
from torch import nn

from intarsia.backbones.body import Body


def deep_stem(depth: int, in_channels: int) -> Body:
    """A ResNet that starts with three 3×3 convolutions (64 with stride 2, 64, 128), as PSPNet's (its authors' code).

    Parameters have timm's names, so that weights of timm's ``resnet50s`` and ``resnet101s`` fit.
    """
    return _body(f"resnet{depth}s", in_channels)


def caffe(depth: int, in_channels: int) -> Body:
    """The ResNet of its first authors (arXiv:1512.03385), as DeepLab v2 took it from Caffe.

    The stride of a stage sits in the first 1×1 convolution of its first bottleneck, where torchvision and timm moved it
    to the 3×3 convolution, and max pooling rounds up: 321 pixels give 41 at stride 8. Parameters have timm's names.
    """
    body = _body(f"resnet{depth}", in_channels)
    for stage in ("layer2", "layer3", "layer4"):
        block = body.network.get_submodule(f"{stage}.0")
        for name, stride in (("conv1", 2), ("conv2", 1)):
            conv = block.get_submodule(name)
            assert isinstance(conv, nn.Conv2d)
            conv.stride = (stride, stride)
    setattr(body.network, "maxpool", nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True))  # noqa: B010  (a dict's key)
    return body


def _body(name: str, in_channels: int) -> Body:
    network = timm.create_model(name, features_only=True, in_chans=in_channels)
    info = network.feature_info
    strides = tuple(info.reduction())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    channels = tuple(info.channels())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    return Body(network, channels, strides, strides)
