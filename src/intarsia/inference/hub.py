"""Networks that others trained and published, by name."""

from dataclasses import dataclass

from intarsia.data import Classes
from intarsia.data.colours import voc_colour
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models import SegmentationNetwork
from intarsia.models.loading import network_of

TORCHVISION = "torchvision:"

TORCHVISION_TERMS = (
    "torchvision's code is under BSD-3-Clause; its weights may carry the terms of the data they were trained on "
    "(COCO: annotations CC BY 4.0, photographs by Flickr's terms)."
)


@dataclass(frozen=True)
class Published:
    """A network in evaluation mode with what it takes to use it; ``terms`` says under which licence it comes."""

    net: SegmentationNetwork
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: Classes
    terms: str


def published(source: str) -> Published:
    """``"torchvision:deeplabv3_resnet50"`` and the like; downloaded once, then taken from torch's cache.

    Torchvision itself shrinks images to 520 pixels on the shorter side first; here they keep their size.

    Raises:
        UnknownNameError: torchvision has no such segmentation network.
        ArgumentError: the weights cannot be downloaded, or are laid out in a way that is not known here.
    """
    from torchvision.models import get_model_weights, list_models, segmentation

    name = source.removeprefix(TORCHVISION)
    if name not in list_models(module=segmentation):
        raise UnknownNameError(
            "torchvision network", name, list_models(module=segmentation), "torchvision's documentation"
        )
    weights = get_model_weights(name)["DEFAULT"]
    try:
        state = weights.get_state_dict(weights_only=True, progress=False)
    except OSError as error:
        raise ArgumentError(
            f"The weights of `{source}` cannot be had ({error}); download {weights.url} to torch's folder "
            "hub/checkpoints by hand, or try again with a network."
        ) from error
    names = tuple(weights.meta["categories"])
    preset = weights.transforms()
    return Published(
        network_of(state).eval(),
        tuple(preset.mean),
        tuple(preset.std),
        Classes(names, tuple(voc_colour(index) for index in range(len(names)))),
        TORCHVISION_TERMS,
    )
