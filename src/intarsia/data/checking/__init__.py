"""One pass over a folder of images with masks or depths, and everything that would spoil a training, named."""

from intarsia.data.checking.check import check
from intarsia.data.checking.depth_check import check_depth
from intarsia.data.checking.depth_report import DepthReport
from intarsia.data.checking.finding import Finding
from intarsia.data.checking.report import Report
from intarsia.data.checking.table import depth_table, table

__all__ = ["DepthReport", "Finding", "Report", "check", "check_depth", "depth_table", "table"]
