import numpy as np
import pytest
import torch

from intarsia.inference import Preprocessing
from intarsia.kernels.normalising import looked_up


@pytest.mark.parametrize("shape", [(2, 7, 5, 3), (1, 1, 1, 1), (3, 4, 6, 5)])
def test_each_byte_is_looked_up_in_its_channels_table(shape):
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, shape, np.uint8)
    tables = generator.random((shape[3], 256), np.float32)
    expected = np.stack([tables[c][pictures[..., c]] for c in range(shape[3])], axis=1)
    np.testing.assert_array_equal(looked_up(pictures, tables), expected)
    np.testing.assert_array_equal(looked_up(pictures[:, ::-1], tables), expected[:, :, ::-1])


def test_a_table_holds_the_same_bits_as_the_arithmetic():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pictures = torch.arange(256, dtype=torch.uint8)[None, :, None, None].expand(1, 256, 2, 3)
    scaled = (torch.tensor(values)[:, None, None] * 255 for values in (mean, std))
    centre, spread = scaled
    expected = (pictures.permute(0, 3, 1, 2).float() - centre) / spread
    assert torch.equal(Preprocessing(mean, std)(pictures), expected)
