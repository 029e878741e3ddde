"""Masks in MATLAB files, as the Semantic Boundaries Dataset stores them.

Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from intarsia.errors import DataError

_VARIABLE, _FIELD = "GTcls", "Segmentation"


def read_matlab(path: Path) -> UInt8[np.ndarray, "H W"]:
    """The class indices in ``GTcls.Segmentation``; the array is shared, so copy it before writing into it.

    Raises:
        DataError: the file holds no such matrix of bytes.
    """
    state = path.stat()
    return _read(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)  # a mask is asked for its size, then for its pixels, by several threads
def _read(path: str, changed: int, size: int) -> UInt8[np.ndarray, "H W"]:
    from scipy.io import loadmat  # which costs a tenth of a second to import

    content = loadmat(path, variable_names=(_VARIABLE,), squeeze_me=True, struct_as_record=False).get(_VARIABLE)
    mask = getattr(content, _FIELD, None)
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.uint8:
        raise DataError(f"`{path}` holds no matrix {_VARIABLE}.{_FIELD} of bytes: restore the published file.")
    mask = np.ascontiguousarray(mask)
    mask.flags.writeable = False
    return mask
