"""Draws docs/pictures/refine.png: borders before and after a run's refinement, enlarged where most is mended.

    intarsia train sample:materials --model deeplabv1 --backbone tf_efficientnet_lite0 --pretrained offline --epochs 5 \
        --crop-size 128 --scale 0.75 1.5 --learning-rate 2e-3 --out runs/deeplabv1
    intarsia refine runs/deeplabv1 sample:materials --fit
    python benchmarks/refine_picture.py runs/deeplabv1 --out docs/pictures/refine.png

The mosaics are validation images that had no part in choosing the settings.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from intarsia.data import open_dataset, overlay
from intarsia.data.pictures import contact_sheet
from intarsia.files import atomic
from intarsia.inference import load
from intarsia.inference.evaluate import fingerprint

SIDE = 72  # pixels of the part that is enlarged
SHOWN = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    segmenter, rows = load(given.run), []
    assert segmenter.refinement is not None
    assert segmenter.refinement.fit is not None
    for sample in open_dataset("sample:materials").split("val"):
        image, truth = sample.image(), sample.mask()
        if len(rows) == 2 * SHOWN or fingerprint(image) in segmenter.refinement.fit.images:
            continue
        before, after = segmenter.predict_both(image)
        pictures = [image, *(overlay(image, mask, segmenter.classes, 0.45) for mask in (truth, before, after.mask))]
        gain = (after.mask == truth).astype(np.float32) - (before == truth)
        mended = ndimage.uniform_filter(gain, SIDE, mode="constant")
        half = SIDE // 2
        inner = mended[half:-half, half:-half]
        top, left = (int(place) for place in np.unravel_index(inner.argmax(), inner.shape))
        rows += [pictures, [picture[top : top + SIDE, left : left + SIDE] for picture in pictures]]
        shares = [float((mask == truth).mean()) for mask in (before, after.mask)]
        print(f"{sample.name}: pixels right {shares[0]:.4f} before, {shares[1]:.4f} after; from {top}, {left}")
    sheet = contact_sheet(rows, ("image", "truth", "network", "network and CRF"), cell=288)
    with atomic(given.out) as temporary:
        Image.fromarray(sheet).quantize(200).save(temporary, optimize=True)


if __name__ == "__main__":
    main()
