"""What a depth network answers for one image."""

from dataclasses import dataclass
from pathlib import Path

from intarsia.data.depth.files import MILLIMETRE, Depth, write_depth
from intarsia.shapes import Picture


@dataclass(frozen=True, eq=False)
class DepthResult:
    """``depth`` is (H, W) in metres, above 0 everywhere; ``measured`` what the network was told, 0 elsewhere."""

    image: Picture
    depth: Depth
    measured: Depth

    def save(self, path: str | Path, unit: float = MILLIMETRE) -> None:
        """Write the depths as a 16-bit PNG of ``unit`` metres a value.

        Raises:
            ArgumentError: a depth is too far for 16 bits of this unit.
        """
        write_depth(path, self.depth, unit)
