"""Undo and redo, against a plain list of states and an index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drag3d.session.history import Entry, History


def test_undo_and_redo_say_what_they_undo_and_redo() -> None:
    history = History("a")
    history.record("to b", "b")
    assert (history.undo(), history.current) == ("to b", "a")
    assert (history.redo(), history.current) == ("to b", "b")


def test_there_is_nothing_before_the_start_nor_after_the_end() -> None:
    history = History("a")
    assert history.undo() is None and history.redo() is None
    assert history.current == "a" and not history.can_undo and not history.can_redo


def test_an_edit_after_an_undo_forgets_what_was_undone() -> None:
    history = History("a")
    history.record("to b", "b")
    history.undo()
    history.record("to c", "c")
    assert not history.can_redo and [e.state for e in history.entries] == ["a", "c"]


def test_a_thousand_edits_can_all_be_undone() -> None:
    history = History(0)
    for number in range(1, 1001):
        history.record("count", number)
    while history.undo():
        pass
    assert history.current == 0 and history.entries[-1].state == 1000


def test_a_restored_history_stands_where_it_stood() -> None:
    history = History.restored([Entry("start", "a"), Entry("to b", "b"), Entry("to c", "c")], position=1)
    assert history.current == "b" and history.undo() == "to b" and history.redo() and history.redo() == "to c"


@pytest.mark.parametrize("position", [-1, 1])
def test_a_history_cannot_be_restored_outside_of_itself(position: int) -> None:
    with pytest.raises(IndexError):
        History.restored([Entry("start", "a")], position)


@given(st.lists(st.one_of(st.integers(0, 9), st.sampled_from(["undo", "redo"])), max_size=60))
def test_any_sequence_of_edits_undos_and_redos_does_what_a_list_does(moves: list[int | str]) -> None:
    history, states, place = History(-1), [-1], 0
    for move in moves:
        if move == "undo":
            assert (history.undo() is not None) == (place > 0)
            place = max(0, place - 1)
        elif move == "redo":
            assert (history.redo() is not None) == (place + 1 < len(states))
            place = min(len(states) - 1, place + 1)
        else:
            assert isinstance(move, int)
            history.record("edit", move)
            states, place = [*states[: place + 1], move], place + 1
        assert history.current == states[place] and [e.state for e in history.entries] == states
