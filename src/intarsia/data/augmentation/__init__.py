"""Augmentation: random scale, crop, flip, rotation, elastic deformation, blur and colour of image and mask together."""

from intarsia.data.augmentation.sheet import augmented_sheet
from intarsia.data.augmentation.strengths import Augmentation
from intarsia.data.augmentation.view import View, augment, plan_view

__all__ = ["Augmentation", "View", "augment", "augmented_sheet", "plan_view"]
