"""The filler of the golden files is the stated one."""

import pytest
import torch
from goldens import fill, generator, golden

SMALL = ("bisenetv1_coincheung", "drn_d_22", "drnseg_drn_c_26", "xception39_torchseg")


def test_the_rule_gives_the_stated_numbers() -> None:
    expected = torch.tensor([0.010361384810078414, 0.04440303896742889], dtype=torch.float64)
    torch.testing.assert_close(fill("conv1.weight", (64, 3, 7, 7)).flatten()[:2], expected, rtol=0, atol=0)
    assert float(fill("bn1.running_var", (64,))[0]) == 0.8013546468916173
    assert generator(1).standard_normal() == 0.345584192064786


@pytest.mark.parametrize("name", SMALL)
def test_the_filler_reaches_the_stated_sum(name: str) -> None:
    total = sum(float(t.abs().sum()) for t in golden(name).state_dict().values() if t.is_floating_point())
    assert total == pytest.approx(golden(name).content["weights_sum_abs"], rel=1e-12)
