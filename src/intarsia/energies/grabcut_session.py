"""GrabCut under the pen: a box, strokes, undo; each answered at once, and exactly a little later."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from intarsia.energies.dynamic_cut import DynamicCut
from intarsia.energies.levels import levels_of
from intarsia.energies.mixtures import Mixtures
from intarsia.energies.settings import Settings
from intarsia.energies.strokes import Edit, History, covered
from intarsia.energies.trimap import BACKGROUND, FOREGROUND, Trimap, probably, trimap_of_box, with_labels
from intarsia.errors import ArgumentError


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
        settings = Settings(iterations, components, gamma, connectivity, data_term, seed)
        self._cut = DynamicCut(levels_of(image), settings, budget_seconds)
        self._history = History()

    @property
    def mixtures(self) -> Mixtures | None:
        """The colours of both sides; None until there is a box, or strokes to learn from."""
        with self._cut.lock:
            return self._cut.mixtures

    @property
    def result(self) -> SessionResult:
        """Of this moment."""
        with self._cut.lock:
            foreground = self._cut.labels()
            return SessionResult(foreground, with_labels(self._cut.trimap, foreground), self._cut.finished)

    def box(self, box: tuple[int, int, int, int]) -> None:
        """Start anew with ``(left, top, right, bottom)`` around the object; earlier strokes come back by `undo`.

        Raises:
            ArgumentError: as `grabcut` does for boxes.
        """
        trimap = trimap_of_box(box, self._cut.size)
        with self._cut.lock:
            before = self._cut.trimap.copy()
            self._edit(Edit(None, before, trimap, learned=True, mixtures_before=self._cut.mixtures))

    def stroke(self, points: Iterable[tuple[float, float]], radius: float, foreground: bool) -> None:
        """Tie what a round brush touches on its way along points ``(x, y)`` to a side.

        Raises:
            ArgumentError: a point is no pair of finite numbers, or the radius is negative.
        """
        places = covered(points, radius, self._cut.size)
        code = FOREGROUND if foreground else BACKGROUND
        with self._cut.lock:
            before = self._cut.trimap.reshape(-1)[places]
            places, before = places[before != code], before[before != code]
            if len(places):
                self._edit(Edit(places, before, np.full(len(places), code, np.uint8)))

    def undo(self) -> bool:
        """Take the last box or stroke back; false if there is none."""
        with self._cut.lock:
            if not self._history.done:
                return False
            edit = self._history.done.pop()
            self._history.undone.append(edit)
            if edit.learned and not self._cut.learning:
                edit.mixtures_after = self._cut.mixtures
            self._go(edit, edit.before, edit.mixtures_before, learning=False)
            return True

    def redo(self) -> bool:
        """Do again what was undone last; false if there is nothing."""
        with self._cut.lock:
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
        with self._cut.lock:
            if self._cut.mixtures is None:
                raise ArgumentError("There are no mixtures to fit again; draw a box first.")
            self._cut.refit(self._cut.mixtures)

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing goes on behind, or so many seconds; whether the result is finished."""
        return self._cut.wait(timeout)

    def cancel(self) -> None:
        """Stop the work behind, at the next pause between its cuts. The next stroke takes it up."""
        self._cut.cancel()

    def _edit(self, edit: Edit) -> None:
        """Something new. The first strokes that show both sides are learned from."""
        self._history.add(edit)
        edit.write(self._cut.trimap, edit.after)
        if self._cut.mixtures is None:
            sides = probably(self._cut.trimap)
            edit.learned = bool(sides.any() and not sides.all())
        self._go(edit, edit.after, None, learning=edit.learned)

    def _go(self, edit: Edit, codes: UInt8[np.ndarray, "..."], mixtures: Mixtures | None, learning: bool) -> None:
        """Write codes into the trimap, and do what they ask for."""
        edit.write(self._cut.trimap, codes)
        if learning:
            self._cut.learn()
        elif edit.learned:
            self._cut.restart(mixtures)
        elif edit.places is not None:
            self._cut.mend(edit.places)
