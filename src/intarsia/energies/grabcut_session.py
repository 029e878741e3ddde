"""GrabCut under the pen: a box, strokes, undo; each answered at once, and exactly a little later."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt8

from intarsia.energies.grabcut import LARGE
from intarsia.energies.learning import Turn, check_sides, cut_once, learn
from intarsia.energies.levels import levels_of
from intarsia.energies.mixtures import Mixtures
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.strokes import Edit, History, covered
from intarsia.energies.trimap import (
    BACKGROUND,
    FOREGROUND,
    PROBABLY_BACKGROUND,
    Trimap,
    enlarged,
    probably,
    trimap_of_box,
    with_labels,
)
from intarsia.energies.worker import Worker
from intarsia.errors import ArgumentError

_SLICE = 0.05  # seconds of work behind, after which whoever waits gets a turn


@dataclass(frozen=True)
class SessionResult:
    """What a session shows.

    Attributes:
        foreground: the object.
        trimap: what is known, and the labels where nothing is.
        finished: whether the labels are those of least energy for the session's trimap and mixtures; otherwise they are
            provisional, and work goes on behind.
    """

    foreground: Bool[np.ndarray, "H W"]
    trimap: Trimap
    finished: bool


class GrabCutSession:
    """One image and the strokes on it. Any thread may call any method.

    Colours are learned when a box is drawn, or as soon as strokes and what is around them show both sides. From then on
    a stroke ties its pixels to a side, and the cut is mended from there alone. Whatever the order of strokes and undos,
    the result ends as ``grabcut(image, trimap=session.result.trimap, mixtures=session.mixtures, mode="frozen")`` does,
    bit for bit. Images of more than a megapixel show the answer of half their size at first.

    Args:
        image: as for `grabcut`, and likewise the settings.
        budget_seconds: A stroke that takes longer is shown as far as it has come, and finished behind.

    >>> image = np.zeros((20, 30, 3), np.uint8)
    >>> image[5:15, 10:20] = (200, 30, 30)
    >>> session = GrabCutSession(image)
    >>> session.box((8, 3, 22, 17))
    >>> session.stroke([(10, 10), (13, 10)], radius=1, foreground=False)
    >>> session.wait(), session.result.foreground.sum()
    (True, np.int64(87))
    >>> session.undo(), session.wait(), session.result.foreground.sum()
    (True, True, np.int64(100))
    """

    def __init__(
        self,
        image: Shaped[np.ndarray, "H W *C"],
        *,
        iterations: int = 5,
        components: int = 5,
        gamma: float = 50.0,
        connectivity: Literal[4, 8] = 8,
        data_term: Literal["component", "mixture"] = "component",
        seed: int = 0,
        budget_seconds: float = 0.1,
    ) -> None:
        self._settings = Settings(iterations, components, gamma, connectivity, data_term, seed)
        self._levels = levels_of(image)
        self._size = self._levels.values.shape[:2]
        self._budget = budget_seconds
        self._trimap = np.full(self._size, PROBABLY_BACKGROUND, np.uint8)
        self._history = History()
        self._mixtures: Mixtures | None = None
        self._scene: Scene | None = None  # for these mixtures and this trimap
        self._shown = np.zeros(self._size, np.bool_)  # while there is no scene
        self._job: Iterator[Turn] | None = None
        self._turn: Turn | None = None  # the job's last
        self._behind = Worker(self._more, self._piece)
        self._lock = self._behind.lock

    @property
    def mixtures(self) -> Mixtures | None:
        """The colours of both sides; None until there is a box, or strokes to learn from."""
        with self._lock:
            return self._mixtures

    @property
    def result(self) -> SessionResult:
        """Of this moment."""
        with self._lock:
            foreground = self._labels()
            return SessionResult(foreground, with_labels(self._trimap, foreground), self._finished())

    def box(self, box: tuple[int, int, int, int]) -> None:
        """Start anew with ``(left, top, right, bottom)`` around the object; earlier strokes come back by `undo`.

        Raises:
            ArgumentError: as `grabcut` does for boxes.
        """
        trimap = trimap_of_box(box, self._size)
        with self._lock:
            self._edit(Edit(None, self._trimap.copy(), trimap, learned=True, mixtures_before=self._mixtures))

    def stroke(self, points: Iterable[tuple[float, float]], radius: float, foreground: bool) -> None:
        """Tie what a round brush touches on its way along points ``(x, y)`` to a side.

        Raises:
            ArgumentError: a point is no pair of finite numbers, or the radius is negative.
        """
        places, code = covered(points, radius, self._size), FOREGROUND if foreground else BACKGROUND
        with self._lock:
            before = self._trimap.reshape(-1)[places]
            places, before = places[before != code], before[before != code]
            if len(places):
                self._edit(Edit(places, before, np.full(len(places), code, np.uint8)))

    def undo(self) -> bool:
        """Take the last box or stroke back; false if there is none."""
        with self._lock:
            if not self._history.done:
                return False
            edit = self._history.done.pop()
            self._history.undone.append(edit)
            if edit.learned and self._job is None:
                edit.mixtures_after = self._mixtures
            self._go(edit, edit.before, edit.mixtures_before, learning=False)
            return True

    def redo(self) -> bool:
        """Do again what was undone last; false if there is nothing."""
        with self._lock:
            if not self._history.undone:
                return False
            edit = self._history.undone.pop()
            self._history.done.append(edit)
            self._go(edit, edit.after, edit.mixtures_after, learning=edit.learned and edit.mixtures_after is None)
            return True

    def refit(self) -> None:
        """Learn the colours again from the present labels, behind, and cut again by them. `undo` keeps them.

        Raises:
            ArgumentError: there are no mixtures yet, or one side has no pixel left to learn from.
        """
        with self._lock:
            if self._mixtures is None:
                raise ArgumentError("There are no mixtures to fit again; draw a box first.")
            trimap = with_labels(self._trimap, self._labels())
            check_sides(trimap)
            self._job = learn(self._levels, trimap, replace(self._settings, iterations=1), self._mixtures)
            self._behind.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing goes on behind, or so many seconds; whether the result is finished."""
        self._behind.wait(timeout)
        with self._lock:
            return self._finished()

    def cancel(self) -> None:
        """Stop the work behind, at the next pause between its cuts. The next stroke takes it up."""
        with self._lock:
            self._job = None
            self._behind.stop()

    def _finished(self) -> bool:
        if self._mixtures is None:
            return True
        return self._job is None and self._scene is not None and self._scene.solver.finished

    def _labels(self) -> Bool[np.ndarray, "H W"]:
        labels = self._shown if self._scene is None else self._scene.labels()
        return labels if self._finished() else probably(with_labels(self._trimap, labels))

    def _edit(self, edit: Edit) -> None:
        """Something new. The first strokes that show both sides are learned from."""
        self._history.add(edit)
        edit.write(self._trimap, edit.after)
        if self._mixtures is None:
            sides = probably(self._trimap)
            edit.learned = bool(sides.any() and not sides.all())
        self._go(edit, edit.after, None, learning=edit.learned)

    def _go(self, edit: Edit, codes: UInt8[np.ndarray, "..."], mixtures: Mixtures | None, learning: bool) -> None:
        """Write codes into the trimap, and do what they ask for."""
        edit.write(self._trimap, codes)
        if learning:
            large = self._size[0] * self._size[1] > LARGE
            self._begin(learn(self._levels, self._trimap.copy(), self._settings, None, large), large)
        elif edit.learned:
            self._mixtures, self._scene, self._job = mixtures, None, None
            self._shown = probably(self._trimap)
            if mixtures is not None:
                self._begin(self._cut_anew(mixtures))
        elif self._mixtures is not None and edit.places is not None:
            self._mend(edit.places)

    def _cut_anew(self, mixtures: Mixtures, everywhere: bool = False) -> Iterator[Turn]:
        settings, trimap = self._settings, self._trimap.copy()
        scene = Scene(self._levels, trimap, settings.gamma, settings.connectivity, everywhere)
        yield cut_once(scene, mixtures, settings.mixed)[0]

    def _begin(self, job: Iterator[Turn], coarse_first: bool = False) -> None:
        """Small images are done at once, of large ones what comes in smaller sizes; the rest is done behind."""
        self._shown, self._scene, self._job = self._labels(), None, job
        small = self._size[0] * self._size[1] <= LARGE
        while self._job is not None and (small or coarse_first):
            turn = next(job, None)
            self._take(turn)
            coarse_first = coarse_first and turn is not None and 2 * turn.foreground.shape[0] < self._size[0]
        if self._job is not None:
            self._behind.start()

    def _take(self, turn: Turn | None) -> None:
        """A turn of the job, or its end: the last turn's scene is the session's from then on."""
        if turn is not None:
            self._turn = turn
            if self._scene is None:
                self._mixtures, self._shown = turn.mixtures, enlarged(turn.foreground, self._size)
            return
        last, self._turn, self._job = self._turn, None, None
        if last is not None:
            changed = np.flatnonzero(np.minimum(last.scene.trimap, 2) != np.minimum(self._trimap, 2))
            self._scene, self._mixtures = last.scene, last.mixtures
            self._scene.trimap = self._trimap
            self._mend(changed)

    def _mend(self, places: Int[np.ndarray, " n"]) -> None:
        """Cut again, after the trimap has changed at some places."""
        if self._mixtures is None or (self._scene is None and self._job is not None):
            return  # nothing to cut by, or the job's end will see what has changed
        if self._scene is None:
            self._begin(self._cut_anew(self._mixtures))
        elif not self._scene.tie(places, self._mixtures, self._settings.mixed, self._budget):
            self._begin(self._cut_anew(self._mixtures, everywhere=True))
        elif not self._scene.solver.finished:
            self._behind.start()

    def _more(self) -> bool:
        return self._job is not None or (self._scene is not None and not self._scene.solver.finished)

    def _piece(self) -> None:
        with self._lock:
            job = self._job
            if job is None and self._scene is not None:
                self._scene.solver.finish(_SLICE)
        if job is not None:
            turn = next(job, None)
            with self._lock:
                if self._job is job:
                    self._take(turn)
