"""The run folder and its recipe; none of it needs torch but ``weights``."""

from intarsia.runs.balance import Balance
from intarsia.runs.conduct import Conduct, make_conduct
from intarsia.runs.recipe import Recipe, make_recipe
from intarsia.runs.run import NetworkRecord, Run

__all__ = ["Balance", "Conduct", "NetworkRecord", "Recipe", "Run", "make_conduct", "make_recipe"]
