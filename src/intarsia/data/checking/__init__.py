"""One pass over a folder of images and masks, and everything that would spoil a training, named."""

from intarsia.data.checking.check import check
from intarsia.data.checking.finding import Finding
from intarsia.data.checking.report import Report
from intarsia.data.checking.table import table

__all__ = ["Finding", "Report", "check", "table"]
