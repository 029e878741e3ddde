"""Photographs with uncertain classes, on which dense CRFs are compared.

``python tests/reference/crf_cases.py`` prints tests/golden/crf_pydensecrf.json; it needs `pydensecrf2`, which is not
needed otherwise.
"""

import base64
import json
import sys
import zlib
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np

CLASSES = 5
WEIGHTS = (3.0, 10.0)  # of smoothness and appearance
COLOURS = ((80.0, 13.0), (20.0, 13.0), (67.0, 3.0))
SMOOTH = (1.0, 2.0, 3.0, 5.0)
SMALL = (("astronaut", 40, 30), ("coffee", 80, 60))
LARGE = ("coffee", 375, 500)


def scene(picture, height, width, classes=CLASSES):
    """A picture and probabilities: distances from some of its colours, and noise of 8 pixels and of one."""
    from skimage import data

    full = getattr(data, picture)()
    step = max(1, min(full.shape[0] // height, full.shape[1] // width))
    image = np.ascontiguousarray(full[::step, ::step][:height, :width])
    generator = np.random.Generator(np.random.PCG64(height))
    rows, columns = generator.integers(0, height, classes), generator.integers(0, width, classes)
    colours = image[rows, columns].astype(np.float64)
    distances = np.square(image[None].astype(np.float64) - colours[:, None, None]).sum(axis=-1)
    coarse = generator.normal(0, 0.8, (classes, -(-height // 8), -(-width // 8))).repeat(8, 1).repeat(8, 2)
    fine = generator.normal(0, 0.7, (classes, height, width))
    logits = -distances / (2 * 60.0**2) + coarse[:, :height, :width] + fine
    shares = np.exp(logits - logits.max(axis=0))
    return image, (shares / shares.sum(axis=0)).astype(np.float32)


def pydensecrf(image, probabilities, sxy, srgb, smooth_sxy, weights=WEIGHTS, iterations=10):
    from pydensecrf.densecrf import DenseCRF2D
    from pydensecrf.utils import unary_from_softmax

    classes, height, width = probabilities.shape
    crf = DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(unary_from_softmax(probabilities))
    crf.addPairwiseGaussian(sxy=smooth_sxy, compat=weights[0])
    crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=image, compat=weights[1])
    return np.asarray(crf.inference(iterations)).reshape(probabilities.shape)


def exact(image, probabilities, sxy, srgb, smooth_sxy, weights=WEIGHTS):
    from reference.dense_crf import appearance, kernel, mean_field, smoothness

    size = image.shape[:2]
    kernels = (kernel(smoothness(size, smooth_sxy)), kernel(appearance(size, image, sxy, srgb)))
    return mean_field(probabilities, list(zip(kernels, weights, strict=True)))


def scores(found, wanted):
    """Mean |dQ|, and the share of positions where the likeliest class is the same."""
    same = found.argmax(axis=0) == wanted.argmax(axis=0)
    return float(np.abs(found - wanted).mean()), float(same.mean())


def packed(labels):
    return base64.b64encode(zlib.compress(labels.astype(np.uint8).tobytes(), 9)).decode()


def unpacked(text, shape):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)


def main():
    cases = []
    for place, colours, smooth in product(SMALL, COLOURS, SMOOTH):
        image, probabilities = scene(*place)
        theirs = pydensecrf(image, probabilities, *colours, smooth)
        error, agreement = scores(theirs, exact(image, probabilities, *colours, smooth))
        cases.append({"scene": place, "colours": colours, "smooth": smooth, "error": error, "agreement": agreement})
    image, probabilities = scene(*LARGE)
    large = pydensecrf(image, probabilities, *COLOURS[0], 3.0)
    content = {
        "library": f"pydensecrf2 {version('pydensecrf2')}",
        "call": "pydensecrf of tests/reference/crf_cases.py, 10 iterations; `error` and `agreement` with `exact` there",
        "cases": cases,
        "large": {"scene": LARGE, "colours": COLOURS[0], "smooth": 3.0, "labels": packed(large.argmax(axis=0))},
    }
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
