"""The run folder and its recipe; none of it needs torch but ``weights``."""

from intarsia.runs.balance import Balance
from intarsia.runs.conduct import Conduct, make_conduct
from intarsia.runs.recipe import Recipe, make_recipe
from intarsia.runs.run import NetworkRecord, Run
from intarsia.runs.settings import Stage

__all__ = ["Balance", "Conduct", "NetworkRecord", "Recipe", "Run", "Stage", "make_conduct", "make_recipe"]
