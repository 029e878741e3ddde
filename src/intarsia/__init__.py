"""intarsia: semantic segmentation, the whole classic line behind one interface."""

__version__ = "0.1.0.dev0"
