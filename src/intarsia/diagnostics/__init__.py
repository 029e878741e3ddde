"""What a network learned and where it fails: the yardstick it must beat, and the page that shows both."""

from intarsia.diagnostics.linear_baseline import LinearBaseline, fit_linear_baseline
from intarsia.diagnostics.report import Report, write_report
from intarsia.diagnostics.report_pictures import Example

__all__ = ["Example", "LinearBaseline", "Report", "fit_linear_baseline", "write_report"]
