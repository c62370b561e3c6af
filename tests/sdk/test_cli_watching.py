"""The picture of a live run, drawn on a console of known size."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, RenderableType

from windlass.cli.progress import Progress
from windlass.cli.screen import duration, value
from windlass.cli.watching import View
from windlass.client import Event, Run
from windlass.contracts.runs import RunStatus

RUN = Run(id="7", agent="claude", status=RunStatus.RUNNING, title="Why is the sky blue?")


def drawn(what: RenderableType, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=100, height=height)
    with console.capture() as seen:
        console.print(what)
    return seen.get()


def view(*events: tuple[str, dict[str, Any]]) -> View:
    picture = View(RUN, Progress())
    for seq, (kind, payload) in enumerate(events, 1):
        picture.take(Event(seq=seq, at=datetime.now(UTC), kind=kind, payload=payload))
    return picture


def step(place: int, state: str, execution: int = 1) -> tuple[str, dict[str, Any]]:
    return "step", {"key": str(place), "name": f"step {place}", "state": state, "execution": execution, "ms": 1500}


def test_a_live_run_shows_its_state_steps_text_and_log():
    seen = drawn(
        view(
            ("status", {"status": "running", "attempt": 2}),
            step(0, "done"),
            step(1, "repeated", execution=2),
            ("message.delta", {"item": "message", "attempt": 1, "ord": 0, "text": "Because"}),
            ("stdout", {"text": "looking up"}),
            ("usage", {"input_tokens": 3, "output_tokens": 4, "cost_usd": None}),
        )
    )

    assert "● running" in seen
    assert "Why is the sky blue?" in seen
    assert "attempt 2" in seen
    assert "✓  step 0            1.5 s" in seen
    assert "↻  step 1 (2 times)" in seen
    assert "Because" in seen
    assert "looking up" in seen
    assert "7 tokens, –" in seen  # noqa: RUF001 - unknown is an en dash


def test_a_small_screen_shows_the_newest_steps():
    seen = drawn(view(*(step(place, "done") for place in range(30))), height=20)

    assert "… 26 earlier steps" in seen
    assert "step 29" in seen
    assert "step 3 " not in seen


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, ""),
        (840.4, "840 ms"),
        (3_210, "3.2 s"),
        (125_000, "2 m 05 s"),
        (3_840_000, "1 h 04 m"),
    ],
)
def test_durations_are_short(milliseconds: float | None, text: str):
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"str": "x [b]"}, "x [b]"),
        ({"int": 5}, "5"),
        ({"NoneType": None}, "nothing"),
        (None, "nothing"),
        ({"Text": {"body": "plain"}}, "plain"),
        ({"__list__": [{"int": 1}, {"str": "a"}]}, "1\na"),
        ({"dict": {"a": 1}}, '{\n  "a": 1\n}'),
    ],
)
def test_a_typed_value_is_shown_as_a_person_reads_it(typed: dict[str, Any] | None, text: str):
    assert drawn(value(typed)).strip() == text
