"""The run folder and its recipe; none of it needs torch but ``weights``."""

from intarsia.runs.recipe import Recipe, make_recipe
from intarsia.runs.run import NetworkRecord, Run

__all__ = ["NetworkRecord", "Recipe", "Run", "make_recipe"]
