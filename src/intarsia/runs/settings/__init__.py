"""How to train, by subject; :class:`Settings` is all of it."""

from intarsia.runs.settings.balancing import BalancingSettings
from intarsia.runs.settings.machine import MachineSettings
from intarsia.runs.settings.network import REFINERS, NetworkSettings
from intarsia.runs.settings.objective import ObjectiveSettings
from intarsia.runs.settings.optimisation import OptimiserSettings
from intarsia.runs.settings.schedule import ScheduleSettings
from intarsia.runs.settings.section import SELDOM
from intarsia.runs.settings.selection import SelectionSettings
from intarsia.runs.settings.stages import Stage, StageSettings
from intarsia.runs.settings.task import TaskSettings
from intarsia.runs.settings.views import ViewSettings

__all__ = ["REFINERS", "SELDOM", "Settings", "Stage"]


class Settings(  # fields stand in the order from the last base to the first
    StageSettings,
    SelectionSettings,
    MachineSettings,
    OptimiserSettings,
    BalancingSettings,
    ObjectiveSettings,
    ViewSettings,
    ScheduleSettings,
    NetworkSettings,
    TaskSettings,
):
    """How to train, whatever the data. Every default works."""
