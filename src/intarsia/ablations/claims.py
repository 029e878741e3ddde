"""The claims, in the order of the line: what is said where, and the small trainings that show it.

Mosaics of 96 × 96 pixels give maps of 12, 6 and 3 positions at output strides 8, 16 and 32, where the papers' crops
give 65, 33 and 17. Rates of spatial pyramids are the papers' times 6 / 33: 6, 12, 18, 24 become 1, 2, 3, 4 at output
stride 16. The multi-grid is left out, whose largest rates would leave the map.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from intarsia.ablations.claim import Claim, Comparison
from intarsia.ablations.variant import Variant

SCALES = ("mean_iou_at_0.5", "mean_iou_at_2")
PATTERN = "checkerboard"
RATES = (1, 2, 3)


def variant(label: str, model: str, *scores: str, **settings: Any) -> Variant:
    """Settings of the recipe, among them the ``options`` of the model's form; and scores that are taken besides."""
    return Variant(label, {"model": model, **settings}, scores)


def _unet(label: str, *scores: str, **options: Any) -> Variant:
    return variant(label, "unet", *scores, **({"options": options} if options else {}))


def _v3(label: str, rates: tuple[int, ...], image_pooling: bool) -> Variant:
    options: dict[str, Any] = {"multi_grid": (), "rates": rates}
    return variant(label, "deeplabv3", options=options if image_pooling else options | {"image_pooling": False})


def danet(label: str, branches: str = "both") -> Variant:
    """DANet as its authors train it, without the multi-grid; ``branches`` as in its form."""
    options = {"multi_grid": ()} | ({} if branches == "both" else {"branches": branches})
    return variant(label, "danet", auxiliary=True, options=options)


def _bisenet(label: str, **options: bool) -> Variant:
    return variant(label, "bisenet", auxiliary=True, **({"options": options} if options else {}))


def _dilated(label: str, rates_at_16: tuple[int, ...], rates_at_32: tuple[int, ...]) -> Variant:
    return variant(label, "fcn", output_stride=8, options={"rates_at_16": rates_at_16, "rates_at_32": rates_at_32})


FCN32S, FCN16S, FCN8S = (variant(f"FCN-{stride}s", f"fcn{stride}s", *SCALES) for stride in (32, 16, 8))
OS8, OS16, OS32 = (variant(f"output stride {stride}", "fcn", output_stride=stride) for stride in (8, 16, 32))
UNET = _unet("fixed: repetition")
PSPNET = variant("with auxiliary loss", "pspnet", auxiliary=True)
V3 = _v3("+ image pooling", RATES, image_pooling=True)
V3PLUS = variant("v3+, separable", "deeplabv3plus", options={"rates": RATES})
DANET = danet("both")
BISENET = _bisenet("paper: ARM y·a, FFM y + y·a")


def renamed(given: Variant, label: str) -> Variant:
    """The same training under another label."""
    return replace(given, label=label)


CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "output_stride": Claim(
            "Denser maps",
            "DeepLab v3, arXiv:1706.05587, section 4.1, table 1",
            "With the last stages dilated instead of strided, a denser last map segments better: 75.18, 73.88 and "
            "70.06 mean IoU on VOC at output strides 8, 16 and 32.",
            (OS8, OS16, OS32),
            (Comparison(OS8.label, OS16.label), Comparison(OS16.label, OS32.label)),
        ),
        "fcn_skips": Claim(
            "Skips of FCN",
            "FCN, arXiv:1605.06211, section 4.2; its authors' results: 63.6, 65.0 and 65.5 mean IoU on VOC",
            "Each skip from a finer map refines the answer, so that FCN-8s is better than 16s and that than "
            "32s. Here at three object scales: regions grow with the mosaic, textures do not.",
            (FCN8S, FCN16S, FCN32S),
            (
                Comparison("FCN-16s", "FCN-32s"),
                Comparison("FCN-8s", "FCN-16s"),
                Comparison("FCN-8s", "FCN-32s", score="mean_iou_at_0.5"),
                Comparison("FCN-8s", "FCN-32s"),
                Comparison("FCN-8s", "FCN-32s", score="mean_iou_at_2"),
            ),
        ),
        "fcn_deconvolution": Claim(
            "FCN's deconvolutions need not learn",
            "the authors' code, shelhamer/fcn.berkeleyvision.org, README",
            "Deconvolutions that stay bilinear do as well as learned ones.",
            (
                renamed(FCN8S, "fixed, bilinear"),
                variant("learned", "fcn8s", options={"learn_upsampling": True}),
            ),
            (Comparison("fixed, bilinear", "learned", "no worse"),),
        ),
        "unet_skip": Claim(
            "U-Net concatenates",
            "U-Net, arXiv:1505.04597, section 2",
            "Skips are concatenated, so that the way up has many channels, where FCN adds.",
            (renamed(UNET, "concatenated"), _unet("added", skip="add")),
            (Comparison("concatenated", "added"),),
        ),
        "unet_upsampling": Claim(
            "U-Net learns its upsampling",
            "U-Net, arXiv:1505.04597, section 2",
            "The way up is learned: a 2×2 up-convolution of stride 2 doubles each map.",
            (UNET, _unet("learned: up-convolution", upsampling="deconvolution")),
            (Comparison("learned: up-convolution", UNET.label),),
        ),
        "checkerboard": Claim(
            "Deconvolutions draw checkerboards",
            "Odena et al., Distill 2016, doi:10.23915/distill.00003",
            "A kernel that its stride does not divide overlaps unevenly; 4×4 at stride 2 is better than 3×3, and "
            "resizing before a convolution avoids the pattern.",
            (
                _unet("deconvolution 2×2", PATTERN, upsampling="deconvolution"),
                _unet("deconvolution 3×3", PATTERN, upsampling="deconvolution", up_kernel=3),
                _unet("deconvolution 4×4", PATTERN, upsampling="deconvolution", up_kernel=4),
                _unet("resize, then 3×3", PATTERN, upsampling="resize_convolution"),
            ),
            (
                Comparison("deconvolution 4×4", "deconvolution 3×3", "below", PATTERN),
                *(Comparison("resize, then 3×3", f"deconvolution {k}×{k}", "below", PATTERN) for k in (2, 3, 4)),
                Comparison("resize, then 3×3", "deconvolution 3×3"),
            ),
            "The claim is about the pattern; whether a network without it also segments better is our question. The "
            "number is the power of the logits' spectrum at the frequencies of stride 2, over that of the frequencies "
            "beside them: 1 without a pattern.",
            shows_logits=True,
        ),
        "auxiliary": Claim(
            "An auxiliary loss helps",
            "PSPNet, arXiv:1612.01105, section 3.3 and its ablation on ADE20K",
            "A second classifier on the fourth stage, weight 0.4, makes the deep network learn better: 35.82 → 37.23 "
            "mean IoU on ADE20K.",
            (PSPNET, variant("without", "pspnet")),
            (Comparison(PSPNET.label, "without"),),
        ),
        "aspp": Claim(
            "Spatial pyramids",
            "DeepLab v3, arXiv:1706.05587, section 4.2, table 5",
            "Several rates see several scales; the mean of the image helps further (76.58 → 77.21 mean IoU on VOC), a "
            "fourth rate of 24 does not (76.46).",
            (
                _v3("1×1 alone", (), image_pooling=False),
                _v3("three rates", RATES, image_pooling=False),
                V3,
                _v3("+ fourth rate", (*RATES, 4), image_pooling=False),
            ),
            (
                Comparison("three rates", "1×1 alone"),
                Comparison(V3.label, "three rates"),
                Comparison("three rates", "+ fourth rate"),
            ),
            "On a map of 6 × 6 positions the rates are 1, 2, 3 and 4: the paper's 6, 12, 18, 24 on 33 × 33.",
        ),
        "decoder": Claim(
            "A decoder sharpens borders",
            "DeepLab v3+, arXiv:1802.02611, sections 3.1 and 4.1",
            "Joined with a low-level map at stride 4, the pyramid's answer becomes better, and separable convolutions "
            "make it cheaper and no worse.",
            (
                renamed(V3, "v3"),
                variant("v3+, plain convolutions", "deeplabv3plus", options={"rates": RATES, "separable": False}),
                V3PLUS,
            ),
            (
                Comparison("v3+, plain convolutions", "v3"),
                Comparison(V3PLUS.label, "v3"),
                Comparison(V3PLUS.label, "v3+, plain convolutions", "no worse"),
            ),
        ),
        "hybrid_rates": Claim(
            "Hybrid rates leave fewer holes",
            "HDC, arXiv:1702.08502, section 3.2 and table 3",
            "Layers in a row that all have one rate skip positions; rates that differ from unit to unit and share no "
            "factor skip few or none: 75.0 → 76.4 mean IoU on Cityscapes.",
            (_dilated("2, 2, 2 and 4, 4, 4", (2,), (4,)), _dilated("1, 2, 3 and 3, 4, 5", (1, 2, 3), (3, 4, 5))),
            (Comparison("1, 2, 3 and 3, 4, 5", "2, 2, 2 and 4, 4, 4"),),
            "The last stage alone reads 19 of 73 positions per axis with the uniform rates and 65 of 69 with the "
            "hybrid ones; the whole network has holes in neither variant, because the stages before are dense. "
            "Its field is a little smaller with the hybrid rates.",
        ),
        "dual_attention": Claim(
            "Attention over positions and channels",
            "DANet, arXiv:1809.02983, section 4.2, table 1",
            "Each of both attentions helps, and both together help more.",
            (
                danet("neither", "none"),
                danet("positions (PAM)", "position"),
                danet("channels (CAM)", "channel"),
                DANET,
            ),
            (
                Comparison("positions (PAM)", "neither"),
                Comparison("channels (CAM)", "neither"),
                Comparison("both", "positions (PAM)"),
                Comparison("both", "channels (CAM)"),
            ),
            "Both factors γ begin at zero and have 100 steps to grow. The variants differ in more than attention: with "
            "both branches the decoder has twice the parameters, and each branch has a side loss.",
        ),
        "gates": Claim(
            "BiSeNet's gates",
            "BiSeNet, arXiv:1808.00897, section 3.2 and figure 2",
            "Attention refinement multiplies, y·a; feature fusion adds the map, y + y·a.",
            (
                BISENET,
                _bisenet("ARM y + y·a", residual_refinement=True),
                _bisenet("FFM y·a", residual_fusion=False),
            ),
            (Comparison(BISENET.label, "ARM y + y·a"), Comparison(BISENET.label, "FFM y·a")),
            "The paper draws the gates so and compares nothing; the comparison is ours.",
        ),
        "attention_blocks": Claim(
            "Squeeze-and-excitation, non-local",
            "SE, arXiv:1709.01507; non-local networks, arXiv:1711.07971",
            "A gate over channels, or a sum over all positions, put into a network makes it better.",
            (
                renamed(OS16, "none"),
                variant(
                    "squeeze-and-excitation",
                    "fcn",
                    output_stride=16,
                    options={"attention": "squeeze_excitation"},
                ),
                variant("non-local", "fcn", output_stride=16, options={"attention": "non_local"}),
            ),
            (Comparison("squeeze-and-excitation", "none"), Comparison("non-local", "none")),
            "Both papers put many blocks into the backbone; here one stands between decoder and classifier.",
        ),
    }
)
