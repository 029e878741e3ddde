"""What a network learned, where it fails and what it sees: the yardstick it must beat, and pages that show them."""

from intarsia.diagnostics.attention_maps import attention_between, channel_attention, position_attention
from intarsia.diagnostics.explain import KINDS, explain
from intarsia.diagnostics.feature_maps import principal_components, stage_maps
from intarsia.diagnostics.fields.affinity import AffinityField
from intarsia.diagnostics.gates import gates
from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table, write_explanation
from intarsia.diagnostics.report.linear_baseline import LinearBaseline, fit_linear_baseline
from intarsia.diagnostics.report.page import Report, write_report
from intarsia.diagnostics.report.pictures import Example
from intarsia.diagnostics.subject import Subject, open_subject
from intarsia.diagnostics.uncertainty import dropout_disagreement, entropy, margin, mirror_disagreement
from intarsia.diagnostics.watching import watching

__all__ = [
    "KINDS",
    "AffinityField",
    "Example",
    "Explanation",
    "Figure",
    "LinearBaseline",
    "Report",
    "Subject",
    "Table",
    "attention_between",
    "channel_attention",
    "dropout_disagreement",
    "entropy",
    "explain",
    "fit_linear_baseline",
    "gates",
    "margin",
    "mirror_disagreement",
    "open_subject",
    "position_attention",
    "principal_components",
    "stage_maps",
    "watching",
    "write_explanation",
    "write_report",
]
