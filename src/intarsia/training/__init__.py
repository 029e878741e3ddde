"""From a recipe to a run."""

from intarsia.training.train import train

__all__ = ["train"]
