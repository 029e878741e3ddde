"""Test-time augmentation: the mean of probabilities, and nothing else."""

import numpy as np
import pytest
import torch
from PIL import Image
from standins import pointwise

from intarsia.errors import ArgumentError
from intarsia.inference import Views
from intarsia.inference.views import SCALES


def picture(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, 3)).astype(np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)


def test_one_view_is_the_plain_answer() -> None:
    image = picture(30, 41)
    plain, single = pointwise().predict(image), pointwise(views=Views((1.0,), mirrored=False)).predict(image)
    np.testing.assert_allclose(single.probabilities, plain.probabilities, atol=1e-6)
    np.testing.assert_array_equal(single.mask, plain.mask)


def test_the_mean_is_over_probabilities_of_resized_logits() -> None:
    """Worked out with Pillow's resizing: half the size, and back."""
    own, image = pointwise(), picture(32, 48)
    small = np.array(Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR))
    half = own.predict(small).logits
    enlarged = [np.array(Image.fromarray(channel).resize((48, 32), Image.Resampling.BILINEAR)) for channel in half]
    expected = (softmax(own.predict(image).logits) + softmax(np.stack(enlarged))) / 2
    result = pointwise(views=Views((1.0, 0.5), mirrored=False)).predict(image)
    np.testing.assert_allclose(result.probabilities, expected, atol=0.01)
    assert np.abs(result.probabilities - expected).mean() < 1e-3
    np.testing.assert_allclose(result.probabilities.sum(0), 1, rtol=1e-5)


def sideways(seed: int = 0) -> object:
    """A segmenter that is not the same from left to right."""
    own = pointwise(views=Views((1.0, 1.5)))
    torch.manual_seed(seed)
    own.net.head = torch.nn.Conv2d(3, 3, 3, padding=1)
    return own


def test_with_mirrored_views_the_mirror_image_has_the_mirrored_answer() -> None:
    own, image = sideways(), picture(20, 30)
    straight, mirrored = own.predict(image), own.predict(np.ascontiguousarray(image[:, ::-1]))
    np.testing.assert_allclose(mirrored.probabilities[:, :, ::-1], straight.probabilities, atol=1e-5)


def test_which_sizes_the_network_sees() -> None:
    own = pointwise(views=Views())
    own.predict(picture(40, 80))
    assert own.net.backbone.body.seen == [
        (round(40 * scale), round(80 * scale)) for scale in SCALES for _ in ("straight", "mirrored")
    ]


def test_one_logit_is_averaged_as_a_probability() -> None:
    image = picture(20, 30)
    own, single = pointwise(2, outputs=1), pointwise(2, outputs=1, views=Views((1.0,)))
    np.testing.assert_allclose(single.predict(image).probabilities, own.predict(image).probabilities, atol=1e-6)
    np.testing.assert_array_equal(single.predict(image).mask, own.predict(image).mask)


def test_views_of_tiles_equal_views_of_the_whole() -> None:
    image, views = picture(200, 300), Views((0.5, 1.0, 1.25))
    whole, tiled = pointwise(views=views).predict(image), pointwise(views=views, tile=64).predict(image)
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-4)


def test_the_protocol_says_what_is_averaged() -> None:
    assert Views().protocol == (
        "Mean of the softmax probabilities at the scales 0.5, 0.75, 1, 1.25, 1.5 and 1.75, "
        "each also mirrored left to right."
    )
    assert Views((1.0,), mirrored=False).protocol == "Mean of the softmax probabilities at scale 1."
    assert pointwise(views=Views()).protocol.startswith(
        Views().protocol + " Images of more than 4.2 megapixels in tiles"
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, 5.0, float("nan")])
def test_impossible_scales_are_refused(scale: float) -> None:
    with pytest.raises(ArgumentError, match=r"`scales` holds .*, but a scale must lie between 0.1 and 4"):
        Views((1.0, scale))


def test_no_scale_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`scales` \(=\(\)\) must hold at least one scale"):
        Views(())
