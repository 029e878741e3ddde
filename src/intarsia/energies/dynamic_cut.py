"""A cut that goes on while its trimap changes: shown at once, exact a little later, and never made twice.

Where known pixels change, the flow of before is mended (Kohli and Torr, Dynamic Graph Cuts, TPAMI 2007).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from intarsia.energies.grabcut import LARGE
from intarsia.energies.learning import Turn, check_sides, cut_once, learn
from intarsia.energies.levels import Levels
from intarsia.energies.mixtures import Mixtures
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.trimap import PROBABLY_BACKGROUND, enlarged, probably, with_labels
from intarsia.energies.worker import Worker

_SLICE = 0.05  # seconds of work behind, after which whoever waits gets a turn


class DynamicCut:
    """The labels of one image for a trimap and mixtures, both of which change.

    A job learns mixtures, or cuts anew for given ones; the scene of its last cut is mended from then on. Large images
    show the answer of half their size at first. All but `wait` and `cancel` is called with the lock held.

    Args:
        levels: the image.
        settings: of the energy.
        budget_seconds: for mending; what takes longer is finished behind.

    Attributes:
        lock: of everything here.
        size: rows and columns.
        trimap: changed by others, who then call `learn`, `restart` or `mend`.
        mixtures: None until any were learned.
    """

    def __init__(self, levels: Levels, settings: Settings, budget_seconds: float) -> None:
        self._levels, self._settings, self._budget = levels, settings, budget_seconds
        self.size: tuple[int, int] = levels.values.shape[:2]
        self.trimap = np.full(self.size, PROBABLY_BACKGROUND, np.uint8)
        self.mixtures: Mixtures | None = None
        self._scene: Scene | None = None  # for these mixtures and this trimap
        self._shown = np.zeros(self.size, np.bool_)  # while there is no scene
        self._job: Iterator[Turn] | None = None
        self._turn: Turn | None = None  # the job's last
        self._behind = Worker(self._more, self._piece)
        self.lock = self._behind.lock

    @property
    def finished(self) -> bool:
        """Whether the labels are those of least energy."""
        if self.mixtures is None:
            return True
        return self._job is None and self._scene is not None and self._scene.solver.finished

    @property
    def learning(self) -> bool:
        """Whether a job goes on."""
        return self._job is not None

    def labels(self) -> Bool[np.ndarray, "H W"]:
        """As far as they have come, and in accordance with the trimap."""
        labels = self._shown if self._scene is None else self._scene.labels()
        return labels if self.finished else probably(with_labels(self.trimap, labels))

    def learn(self) -> None:
        """Mixtures from the trimap, and labels with them."""
        large = self.size[0] * self.size[1] > LARGE
        self._begin(learn(self._levels, self.trimap.copy(), self._settings, None, large), large)

    def refit(self, mixtures: Mixtures) -> None:
        """One more iteration from given mixtures and the present labels, behind; these are shown meanwhile.

        Raises:
            ArgumentError: one side has no pixel left to learn from.
        """
        trimap = with_labels(self.trimap, self.labels())
        check_sides(trimap)
        self._job = learn(self._levels, trimap, replace(self._settings, iterations=1), mixtures)
        self._behind.start()

    def restart(self, mixtures: Mixtures | None) -> None:
        """From other mixtures; without any the labels are what the trimap supposes."""
        self.mixtures, self._scene, self._job = mixtures, None, None
        self._shown = probably(self.trimap)
        if mixtures is not None:
            self._begin(self._cut_anew(mixtures))

    def mend(self, places: Int[np.ndarray, " n"]) -> None:
        """Cut again, after the trimap has changed at some places (row · W + column)."""
        if self.mixtures is None or (self._scene is None and self._job is not None):
            return  # nothing to cut by, or the job's end will see what has changed
        if self._scene is None:
            self._begin(self._cut_anew(self.mixtures))
        elif not self._scene.tie(places, self.mixtures, self._settings.mixed, self._budget):
            self._begin(self._cut_anew(self.mixtures, everywhere=True))
        elif not self._scene.solver.finished:
            self._behind.start()

    def wait(self, timeout: float | None) -> bool:
        """Until nothing goes on behind, or so many seconds; whether the labels are finished."""
        self._behind.wait(timeout)
        with self.lock:
            return self.finished

    def cancel(self) -> None:
        """Stop the work behind, at the next pause between its cuts; mending takes it up."""
        with self.lock:
            self._job = None
            self._behind.stop()

    def _cut_anew(self, mixtures: Mixtures, everywhere: bool = False) -> Iterator[Turn]:
        settings, trimap = self._settings, self.trimap.copy()
        scene = Scene(self._levels, trimap, settings.gamma, settings.connectivity, everywhere)
        yield cut_once(scene, mixtures, settings.mixed)[0]

    def _begin(self, job: Iterator[Turn], coarse_first: bool = False) -> None:
        """Small images are done at once, of large ones what comes in smaller sizes; the rest is done behind."""
        self._shown, self._scene, self._job = self.labels(), None, job
        small = self.size[0] * self.size[1] <= LARGE
        while self._job is not None and (small or coarse_first):
            turn = next(job, None)
            self._take(turn)
            coarse_first = coarse_first and turn is not None and 2 * turn.foreground.shape[0] < self.size[0]
        if self._job is not None:
            self._behind.start()

    def _take(self, turn: Turn | None) -> None:
        """A turn of the job, or its end: the last turn's scene is the one to mend from then on."""
        if turn is not None:
            self._turn = turn
            if self._scene is None:
                self.mixtures, self._shown = turn.mixtures, enlarged(turn.foreground, self.size)
            return
        last, self._turn, self._job = self._turn, None, None
        if last is not None:
            changed = np.flatnonzero(np.minimum(last.scene.trimap, 2) != np.minimum(self.trimap, 2))
            self._scene, self.mixtures = last.scene, last.mixtures
            self._scene.trimap = self.trimap
            self.mend(changed)

    def _more(self) -> bool:
        return self._job is not None or (self._scene is not None and not self._scene.solver.finished)

    def _piece(self) -> None:
        with self.lock:
            job = self._job
            if job is None and self._scene is not None:
                self._scene.solver.finish(_SLICE)
        if job is not None:
            turn = next(job, None)
            with self.lock:
                if self._job is job:
                    self._take(turn)
