"""Whether numbers are probabilities, told as fast as they are read."""

import numpy as np
from jaxtyping import Float32

from intarsia.kernels.compiled import compiled

_BLOCK = 512
_ONE = np.float32(1)


@compiled
def are_probabilities(planes: Float32[np.ndarray, "K N"], tolerance: np.float32) -> bool:
    """None negative or NaN, and at each position with a sum within the tolerance of one."""
    wrong, sums = 0, np.empty(_BLOCK, np.float32)
    for start in range(0, planes.shape[1], _BLOCK):
        stop = min(start + _BLOCK, planes.shape[1])
        sums[:] = 0
        for k in range(len(planes)):
            part = planes[k, start:stop]
            for i in range(len(part)):
                wrong += 0 if part[i] >= 0 else 1
                sums[i] += part[i]
        for i in range(stop - start):
            wrong += 0 if abs(sums[i] - _ONE) <= tolerance else 1
    return wrong == 0
