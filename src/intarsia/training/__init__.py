"""From a recipe to a run."""

from intarsia.training.rehearsal import Rehearsal, rehearse
from intarsia.training.train import train

__all__ = ["Rehearsal", "rehearse", "train"]
