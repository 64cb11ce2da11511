"""What waits for the worker: in order, without what is pointless by now, and searched for a cancellation."""

from __future__ import annotations

import threading
import time

import pytest

from drag3d.viewer import intents as asked
from drag3d.viewer.worker import Inbox


def filled(*intents: asked.Intent) -> Inbox:
    """An inbox in which these wait, numbered from 1."""
    inbox = Inbox()
    for number, intent in enumerate(intents, 1):
        inbox.put(number, intent)
    return inbox


def taken(inbox: Inbox) -> list[int]:
    """The numbers of all that is taken out."""
    found = []
    while (item := inbox.take(0.0)) is not None:
        found.append(item[0])
    return found


def test_intents_are_taken_in_their_order() -> None:
    assert taken(filled(asked.Undo(), asked.Redo(), asked.Undo())) == [1, 2, 3]


A, B = (0.0, 0.0), (1.0, 1.0)


@pytest.mark.parametrize(
    ("intents", "left"),
    [
        ((asked.MovePoint(0, target=A), asked.MovePoint(0, target=B)), [2]),
        ((asked.MovePoint(0, handle=A), asked.MovePoint(0, target=B)), [1, 2]),
        ((asked.MovePoint(0, handle=A, target=A), asked.MovePoint(0, handle=B)), [1, 2]),
        ((asked.MovePoint(0, target=A), asked.MovePoint(1, target=B)), [1, 2]),
        ((asked.MovePoint(0, target=A), asked.Undo(), asked.MovePoint(0, target=B)), [1, 2, 3]),
        ((asked.Generate(1), asked.Generate(2), asked.Generate(3)), [3]),
        ((asked.Generate(1, model="a"), asked.Generate(2)), [1, 2]),
    ],
    ids=range(7),
)
def test_what_the_next_one_makes_pointless_is_passed_over(intents: tuple[asked.Intent, ...], left: list[int]) -> None:
    assert taken(filled(*intents)) == left


def test_a_cancellation_is_found_and_leaves_the_rest_in_place() -> None:
    inbox = filled(asked.Undo(), asked.CancelWriting(), asked.Redo())
    assert inbox.cancelled() and not inbox.cancelled()
    assert taken(inbox) == [1, 3]


def test_quitting_cancels_too_and_is_still_to_be_done() -> None:
    inbox = filled(asked.Quit())
    assert inbox.cancelled() and inbox.cancelled() and taken(inbox) == [1]


def test_waiting_ends_with_an_intent() -> None:
    inbox = Inbox()
    began = time.monotonic()
    threading.Timer(0.2, lambda: inbox.put(7, asked.Undo())).start()
    assert inbox.take(30.0) == (7, asked.Undo())
    assert 0.1 < time.monotonic() - began < 20
