"""Networks that others trained and published, by name."""

from dataclasses import dataclass

from intarsia.data import Classes
from intarsia.data.colours import voc_colour
from intarsia.errors import ArgumentError
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
        ArgumentError: torchvision has no such network, or none that is known here; or its weights cannot be downloaded.
    """
    from torchvision.models import get_model_weights, list_models, segmentation

    name = source.removeprefix(TORCHVISION)
    known = [
        other for other in list_models(module=segmentation) if other.startswith(("fcn_resnet", "deeplabv3_resnet"))
    ]
    if name not in known:
        raise ArgumentError(
            f"`{source}` is no network of torchvision that is known here; take one of {', '.join(known)}."
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
