"""What is on disk becomes samples: formats, classes, pictures, augmentation, and two built-in sets of real data."""

from intarsia.data.augmentation import Augmentation, View, augment, augmented_sheet, plan_view
from intarsia.data.classes import Classes
from intarsia.data.classified import LabelledSample, open_classified
from intarsia.data.dataset import Dataset, FileSample, Sample
from intarsia.data.generators import generator_for
from intarsia.data.images import IMAGE_EXTENSIONS, RGB, PixelFormat, read_image
from intarsia.data.masks import MASK_EXTENSIONS, read_mask, write_mask
from intarsia.data.open import SAMPLES, open_dataset
from intarsia.data.pictures import as_rgb, colourise, contact_sheet, overlay
from intarsia.data.write import write_folder

__all__ = [
    "IMAGE_EXTENSIONS",
    "MASK_EXTENSIONS",
    "RGB",
    "SAMPLES",
    "Augmentation",
    "Classes",
    "Dataset",
    "FileSample",
    "LabelledSample",
    "PixelFormat",
    "Sample",
    "View",
    "as_rgb",
    "augment",
    "augmented_sheet",
    "colourise",
    "contact_sheet",
    "generator_for",
    "open_classified",
    "open_dataset",
    "overlay",
    "plan_view",
    "read_image",
    "read_mask",
    "write_folder",
    "write_mask",
]
