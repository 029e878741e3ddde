"""The picture of what networks answer: the mosaic's own pixels, then logits, each as large squares."""

from pathlib import Path

import numpy as np

from intarsia.ablations.logits_picture import GAP, MAGNIFIED, SHOWN, grey, logits_picture
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.trials import Trial, perform, prepare_data
from intarsia.ablations.variant import Variant
from intarsia.inference import load

SIDE = SHOWN * MAGNIFIED


def test_each_pixel_is_a_square(tmp_path: Path) -> None:
    mosaics = Mosaics(train=4, val=2, size=SHOWN + 8)
    tiny = Variant("tiny", {"model": "fcn8s", "backbone": "test_resnet", "pretrained": False, "batch_size": 2})
    trial = Trial(tiny, mosaics, 0, tmp_path)
    prepare_data(mosaics, tmp_path)
    perform(trial)
    picture = logits_picture([trial, trial])
    assert picture.shape == (SIDE, 3 * SIDE + 2 * GAP, 3)
    sample = mosaics.dataset().split("val")[0]
    window = slice(4, 4 + SHOWN), slice(4, 4 + SHOWN)
    np.testing.assert_array_equal(picture[::MAGNIFIED, :SIDE:MAGNIFIED], sample.image()[window])
    np.testing.assert_array_equal(
        picture[MAGNIFIED - 1 :: MAGNIFIED, MAGNIFIED - 1 : SIDE : MAGNIFIED], sample.image()[window]
    )
    assert (picture[:, SIDE : SIDE + GAP] == 255).all()
    answers = [picture[::MAGNIFIED, left : left + SIDE : MAGNIFIED, 0] for left in (SIDE + GAP, 2 * (SIDE + GAP))]
    np.testing.assert_array_equal(*answers)
    material = np.bincount(sample.mask()[window].ravel()).argmax()
    logits = load(trial.folder).predict(sample.image()).logits
    assert logits is not None
    correlation = np.corrcoef(logits[material][window].ravel(), answers[0].ravel())[0, 1]
    assert correlation > 0.99


def test_grey_goes_from_black_to_white() -> None:
    values = np.linspace(-3, 5, 101, dtype=np.float32).reshape(1, 101)
    shades = grey(values)[0].astype(int)
    assert (shades[0], shades[1], shades[99], shades[100]) == (0, 0, 255, 255)
    assert (np.diff(shades[1:100]) > 0).all()
    assert (grey(np.ones((3, 3), np.float32)) == 0).all()
