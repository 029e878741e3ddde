"""The axis letters of the whole package, and array types that carry them.

====== ==========================================================
letter meaning
====== ==========================================================
B      batch
C      channels
K      classes
H, W   rows and columns
N      positions, N = H · W
====== ==========================================================

A *mask* holds class indices; 255 (65535 in a ``uint16`` mask) marks pixels to ignore and is never a class.
"""

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

RGBImage = UInt8[np.ndarray, "H W 3"]
Picture = UInt8[np.ndarray, "H W C"]
Mask = UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]
Probabilities = Float[np.ndarray, "K H W"]
ConfusionMatrix = Int[np.ndarray, "K K"]

Window = tuple[slice, slice]
"""Rows and columns of a part of a picture, within it, with step 1."""

IGNORE = 255
IGNORE_UINT16 = 65535
