"""How large a map must be for a block to do what it is for."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class NeedsPositions(Protocol):
    """A block that looks across its map; any map can be computed, but on a smaller one it is less than it seems."""

    @property
    def fewest_positions(self) -> int:
        """Rows and columns of the smallest map on which the block works as its paper says."""
        ...
