"""Every system by name: one dict, plain imports."""

from collections.abc import Mapping
from types import MappingProxyType

from intarsia.errors import UnknownNameError
from intarsia.models import (
    bisenet,
    danet,
    deeplab_v1,
    deeplab_v2,
    deeplab_v3,
    deeplab_v3plus,
    depth_completion,
    drn,
    duc,
    fcn,
    fcn_dilated,
    pspnet,
    unet,
    unet_paper,
)
from intarsia.models.entry import Entry, Task

CATALOG: Mapping[str, Entry] = MappingProxyType(
    {
        **{
            name: Entry(
                title=title,
                paper="arXiv:1411.4038",
                year=2014,
                build=build,
                forms=fcn.FORMS,
                output_stride=32,
                backbone="vgg16_fcn",
                tiny={"backbone": "test_resnet"},
                auxiliary=False,
                origins=True,
            )
            for name, title, build in (
                ("fcn32s", "FCN-32s", fcn.fcn32s),
                ("fcn16s", "FCN-16s", fcn.fcn16s),
                ("fcn8s", "FCN-8s", fcn.fcn8s),
            )
        },
        "fcn": Entry(
            title="FCN, dilated",
            paper="torchvision",
            year=2019,
            build=fcn_dilated.fcn_dilated,
            forms=fcn_dilated.FORMS,
            output_stride=8,
            backbone="resnet50",
            tiny={"backbone": "test_resnet"},
        ),
        "deeplabv1": Entry(
            title="DeepLab v1",
            paper="arXiv:1412.7062",
            year=2014,
            build=deeplab_v1.deeplab_v1,
            forms=deeplab_v1.FORMS,
            output_stride=8,
            backbone="vgg16_largefov",
            tiny={"backbone": "test_resnet"},
        ),
        "unet_paper": Entry(
            title="U-Net, paper",
            paper="arXiv:1505.04597",
            year=2015,
            build=unet_paper.unet_paper,
            forms=unet_paper.FORMS,
            output_stride=16,
            backbone="unet_contracting",
            tiny={"backbone": "test_unet_contracting"},
            auxiliary=False,
            output_strides=(16,),
            origins=True,
        ),
        "unet": Entry(
            title="U-Net",
            paper="arXiv:1505.04597",
            year=2015,
            build=unet.unet,
            forms=unet.FORMS,
            output_stride=32,
            backbone="resnet34",
            tiny={"backbone": "test_resnet", "widths": (16, 16, 16, 8, 8)},
        ),
        "deeplabv2": Entry(
            title="DeepLab v2",
            paper="arXiv:1606.00915",
            year=2016,
            build=deeplab_v2.deeplab_v2,
            forms=deeplab_v2.FORMS,
            output_stride=8,
            backbone="resnet101_caffe",
            tiny={"backbone": "test_resnet"},
            output_strides=(8, 16),
        ),
        "pspnet": Entry(
            title="PSPNet",
            paper="arXiv:1612.01105",
            year=2016,
            build=pspnet.pspnet,
            forms=pspnet.FORMS,
            output_stride=8,
            backbone="resnet50_deep_stem",
            tiny={"backbone": "test_resnet", "channels": 16},
        ),
        "drn": Entry(
            title="DRN",
            paper="arXiv:1705.09914",
            year=2017,
            build=drn.drn,
            forms=drn.FORMS,
            output_stride=8,
            backbone="drn_c_26",
            tiny={"backbone": "test_resnet"},
            auxiliary=False,
        ),
        "duc": Entry(
            title="HDC and DUC",
            paper="arXiv:1702.08502",
            year=2017,
            build=duc.duc,
            forms=duc.FORMS,
            output_stride=8,
            backbone="resnet101_deep_stem",
            tiny={"backbone": "test_resnet"},
        ),
        "deeplabv3": Entry(
            title="DeepLab v3",
            paper="arXiv:1706.05587",
            year=2017,
            build=deeplab_v3.deeplab_v3,
            forms=deeplab_v3.FORMS,
            output_stride=16,
            backbone="resnet101",
            tiny={"backbone": "test_resnet", "channels": 16, "rates": (2, 4, 6)},  # whole at any output stride
        ),
        "deeplabv3plus": Entry(
            title="DeepLab v3+",
            paper="arXiv:1802.02611",
            year=2018,
            build=deeplab_v3plus.deeplab_v3plus,
            forms=deeplab_v3plus.FORMS,
            output_stride=16,
            backbone="resnet50",
            tiny={
                "backbone": "test_resnet",
                "rates": (2, 4, 6),
                "aspp_channels": 16,
                "decoder_channels": 16,
                "low_level_channels": 8,
            },
        ),
        "danet": Entry(
            title="DANet",
            paper="arXiv:1809.02983",
            year=2018,
            build=danet.danet,
            forms=danet.FORMS,
            output_stride=8,
            backbone="resnet101",
            tiny={"backbone": "test_resnet"},
        ),
        "bisenet": Entry(
            title="BiSeNet",
            paper="arXiv:1808.00897",
            year=2018,
            build=bisenet.bisenet,
            forms=bisenet.FORMS,
            output_stride=32,
            backbone="resnet18",
            tiny={"backbone": "test_resnet", "channels": 16, "spatial_channels": (8, 8, 16)},
        ),
    }
)

DEPTH_CATALOG: Mapping[str, Entry] = MappingProxyType(
    {
        "cspn_depth": Entry(
            title="CSPN, depth",
            paper="arXiv:1808.00150",
            year=2018,
            build=depth_completion.cspn_depth,
            forms=depth_completion.FORMS,
            output_stride=32,
            backbone="resnet50",
            tiny={"backbone": "test_resnet", "steps": 3},
            unused=depth_completion.UNUSED,
            auxiliary=False,
            output_strides=(32,),
            task="depth",
            classes=1,
            in_channels=4,
        ),
    }
)


def list_models(task: Task = "segmentation") -> tuple[str, ...]:
    """The names of all systems for a task, in the order of their line.

    >>> "deeplabv3plus" in list_models()
    True
    >>> list_models("depth")
    ('cspn_depth',)
    """
    return tuple(CATALOG if task == "segmentation" else DEPTH_CATALOG)


def entry(name: str) -> Entry:
    """The catalog's entry of that name, or the nearest names in an error."""
    known = {**CATALOG, **DEPTH_CATALOG}
    if name not in known:
        raise UnknownNameError("model", name, known, "`intarsia models`")
    return known[name]
