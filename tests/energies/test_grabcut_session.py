"""The session: whatever is done in whatever order, it ends as one cut from the same trimap and mixtures."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from intarsia.energies import dynamic_cut
from intarsia.energies.grabcut import grabcut
from intarsia.energies.grabcut_session import GrabCutSession
from intarsia.errors import ArgumentError

SIZE, BOX = (40, 50), (8, 6, 42, 33)


def an_image(seed=0, size=SIZE):
    generator = np.random.default_rng(seed)
    colours = generator.uniform(40, 215, (4, 3))
    inside = np.zeros(size, bool)
    inside[size[0] // 4 : -size[0] // 4, size[1] // 3 : -size[1] // 4] = True
    image = colours[generator.integers(0, 2, size) + 2 * inside] + generator.normal(0, 25, (*size, 3))
    return image.clip(0, 255).astype(np.uint8)


def assert_is_one_cut(image, session, settings=None):
    assert session.wait(60)
    result = session.result
    assert result.finished
    assert (result.trimap % 2 == result.foreground).all()
    once = grabcut(image, trimap=result.trimap, mixtures=session.mixtures, mode="frozen", **settings or {})
    np.testing.assert_array_equal(result.foreground, once.foreground)


def act(session, generator):
    """Something at random, anywhere on the image and around it."""
    kind = generator.choice(
        ["stroke", "stroke", "stroke", "undo", "redo", "box", "refit"], p=[0.25, 0.2, 0.2, 0.15, 0.1, 0.05, 0.05]
    )
    if kind == "stroke":
        points = generator.uniform(-5, 55, (generator.integers(1, 4), 2))
        session.stroke([tuple(point) for point in points], generator.uniform(0, 5), bool(generator.integers(2)))
    elif kind == "box":
        left, top = (int(edge) for edge in generator.integers(0, 15, 2))
        session.box((left, top, left + 20, top + 15))
    elif kind != "refit":
        getattr(session, kind)()
    elif session.mixtures is not None and session.result.foreground.any():
        session.refit()


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_strokes_and_undos_ends_as_one_cut(seed):
    """Also when each update has no time at all and is finished behind, or large images are cut behind."""
    image, generator = an_image(seed), np.random.default_rng(seed)
    settings = {
        "connectivity": (4, 8)[seed % 2],
        "data_term": ("component", "mixture")[seed // 2 % 2],
        "gamma": 5.0 + 10 * seed,
    }
    session = GrabCutSession(image, budget_seconds=(0.1, 0.0)[seed // 4], iterations=2, **settings)
    session.box(BOX)
    for step in range(14):
        act(session, generator)
        if step % 3 == 2 and session.mixtures is not None:
            assert_is_one_cut(image, session, settings)


def test_a_box_is_what_grabcut_makes_of_it():
    image = an_image()
    session = GrabCutSession(image)
    session.box(BOX)
    np.testing.assert_array_equal(session.result.foreground, grabcut(image, BOX).foreground)


def test_undone_to_the_end_nothing_is_left_and_redone_everything_is_back():
    session = GrabCutSession(an_image())
    assert not session.undo()
    assert not session.redo()
    results = [session.result]
    for change in (
        lambda: session.stroke([(2, 2)], 1, foreground=False),
        lambda: session.stroke([(20, 20)], 3, foreground=True),
        lambda: session.stroke([(3, 30), (9, 35)], 2, foreground=True),
        lambda: session.box(BOX),
        lambda: session.stroke([(25, 20)], 4, foreground=False),
    ):
        change()
        assert session.wait()
        results.append(session.result)
    assert results[2].foreground.any()
    for wanted in results[-2::-1]:
        assert session.undo()
        assert session.wait()
        np.testing.assert_array_equal(session.result.foreground, wanted.foreground)
    assert session.mixtures is None
    for wanted in results[1:]:
        assert session.redo()
        assert session.wait()
        np.testing.assert_array_equal(session.result.foreground, wanted.foreground)
    assert not session.redo()


def test_a_stroke_that_changes_nothing_is_no_step_back():
    session = GrabCutSession(an_image())
    session.box(BOX)
    session.stroke([(-9, -9)], 2, foreground=True)
    session.stroke([(0, 0)], 2, foreground=False)
    assert session.undo()
    assert not session.undo()


@pytest.fixture
def gate(monkeypatch):
    """All images are large, and no learning at full size ends before the gate is opened."""
    opened, learn = threading.Event(), dynamic_cut.learn

    def gated(*arguments):
        for turn in learn(*arguments):
            if turn.foreground.shape == SIZE:
                assert opened.wait(60)
            yield turn

    monkeypatch.setattr(dynamic_cut, "LARGE", 0)
    monkeypatch.setattr(dynamic_cut, "learn", gated)
    monkeypatch.setattr("intarsia.energies.learning._LEAST_SIDE", 8)
    yield opened
    opened.set()


def test_large_images_show_a_coarse_answer_and_take_strokes_meanwhile(gate):
    image = an_image()
    session = GrabCutSession(image)
    session.box(BOX)
    coarse = session.result
    assert not coarse.finished
    assert 0.05 < coarse.foreground.mean() < 0.6
    session.stroke([(15, 12), (30, 12)], 2, foreground=True)
    session.stroke([(1, 1)], 2, foreground=True)  # outside of the box
    session.stroke([(20, 25)], 3, foreground=False)
    session.undo()
    assert session.result.foreground[12, 15:31].all()
    assert not session.wait(0.01)
    gate.set()
    assert_is_one_cut(image, session)
    assert session.result.foreground[12, 15:31].all()


def test_cancelled_work_is_taken_up_by_the_next_stroke(gate):
    image = an_image()
    session = GrabCutSession(image)
    session.box(BOX)
    session.cancel()
    gate.set()
    assert not session.wait(60)
    session.stroke([(15, 12)], 1, foreground=True)
    assert_is_one_cut(image, session)


def test_a_box_undone_while_it_is_learned_leaves_nothing_and_is_learned_again_when_redone(gate):
    image = an_image()
    session = GrabCutSession(image)
    session.box(BOX)
    session.undo()
    gate.set()
    assert session.wait(60)
    assert session.mixtures is None
    assert not session.result.foreground.any()
    session.redo()
    assert_is_one_cut(image, session)


def test_refitting_goes_on_behind_while_strokes_go_by_what_was(gate):
    image = an_image()
    session = GrabCutSession(image, iterations=1, gamma=5.0)
    gate.set()
    session.box(BOX)
    assert session.wait(60)
    before = session.mixtures
    gate.clear()
    session.refit()
    session.stroke([(15, 12)], 2, foreground=True)
    assert session.mixtures is before
    gate.set()
    assert_is_one_cut(image, session, {"gamma": 5.0})
    assert session.mixtures is not before


def test_what_goes_wrong_behind_is_said_to_whoever_waits(gate, monkeypatch):
    session = GrabCutSession(an_image())
    session.box(BOX)

    def broken(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(dynamic_cut.DynamicCut, "_take", broken)
    gate.set()
    with pytest.raises(MemoryError, match="no room"):
        session.wait(60)


def test_without_a_box_or_an_object_there_is_nothing_to_fit():
    session = GrabCutSession(an_image())
    with pytest.raises(ArgumentError, match=r"There are no mixtures to fit again; draw a box first\."):
        session.refit()
    session.box(BOX)
    session.stroke([(20, 20)], 60, foreground=False)
    with pytest.raises(ArgumentError, match="leaves the foreground no pixel"):
        session.refit()


def test_threads_may_stroke_at_once():
    image = an_image()
    session = GrabCutSession(image)
    session.box(BOX)
    with ThreadPoolExecutor(8) as pool:
        for place in range(24):
            pool.submit(session.stroke, [(8 + place, 20)], 1, place % 3 > 0)
    assert_is_one_cut(image, session)
    assert all(session.undo() for _ in range(24))


def test_eight_threads_get_the_answers_of_one():
    images = [an_image(seed) for seed in range(8)]
    alone = [grabcut(image, BOX) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: grabcut(image, BOX), images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.foreground, one.foreground)
        assert other.energy == one.energy
