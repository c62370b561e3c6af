"""What a live view knows of a run, from its events alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from windlass.cli.progress import Progress
from windlass.client import Event

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def progress(*events: tuple[str, dict[str, Any]]) -> Progress:
    seen = Progress()
    for place, (kind, payload) in enumerate(events):
        seq = None if kind == "message.delta" else place + 1
        seen.take(Event(seq=seq, at=START + timedelta(seconds=place), kind=kind, payload=payload))
    return seen


def delta(attempt: int, place: int, text: str) -> tuple[str, dict[str, Any]]:
    return "message.delta", {"item": "message", "attempt": attempt, "ord": place, "text": text}


def test_states_follow_the_events():
    seen = progress(
        ("status", {"status": "queued"}),
        ("status", {"status": "running", "attempt": 2}),
        ("status", {"status": "failed", "reason": "boom"}),
    )

    assert (seen.status, seen.attempt, seen.reason) == ("failed", 2, "boom")
    assert seen.started_at == START + timedelta(seconds=1)
    assert seen.ended_at == START + timedelta(seconds=2)


def test_a_step_keeps_its_place_and_its_newest_state():
    seen = progress(
        ("step", {"key": "a", "name": "read", "state": "started", "execution": 1}),
        ("step", {"key": "b", "name": "think", "state": "started", "execution": 1}),
        ("step", {"key": "a", "name": "read", "state": "repeated", "execution": 2}),
        ("step", {"key": "a", "name": "read", "state": "done", "execution": 2, "ms": 12.5}),
    )

    assert [(step.name, step.state, step.executions) for step in seen.steps.values()] == [
        ("read", "done", 2),
        ("think", "started", 1),
    ]
    assert seen.steps["a"].started_at == START
    assert seen.kept == 1


def test_pieces_of_a_message_are_put_in_order():
    seen = progress(delta(1, 1, "two."), delta(1, 0, "One "), delta(1, 0, "One "))

    assert seen.writing["message"].text == "One two."


def test_a_higher_attempt_replaces_what_an_earlier_one_wrote():
    seen = progress(delta(1, 0, "Old "), delta(2, 0, "New "), delta(1, 1, "old"))

    assert seen.writing["message"].text == "New "


def test_the_message_replaces_its_pieces():
    seen = progress(delta(1, 0, "One "), ("message", {"item": "message", "text": "One two.", "standin": True}))

    assert seen.writing == {}
    assert seen.is_standin


def test_usage_adds_up_and_an_unknown_cost_stays_unknown():
    usage = {"input_tokens": 3, "output_tokens": 4}

    assert progress(("usage", {**usage, "cost_usd": None})).cost_usd is None
    both = progress(("usage", {**usage, "cost_usd": "0.5"}), ("usage", {**usage, "cost_usd": "0.25"}))
    assert (both.tokens, both.cost_usd) == (14, 0.75)


def test_the_last_lines_of_the_log_are_kept():
    seen = progress(
        *(("stdout", {"text": f"line {n}"}) for n in range(10)), ("error", {"type": "X", "message": "boom"})
    )

    assert list(seen.log)[-2:] == [("stdout", "line 9"), ("error", "boom")]
    assert len(seen.log) == 6
    assert seen.error == {"type": "X", "message": "boom"}


def test_the_final_value_is_kept():
    assert progress(("final", {"Markdown": {"body": "x"}})).final == {"Markdown": {"body": "x"}}
