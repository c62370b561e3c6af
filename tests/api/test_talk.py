"""What the page of a session tells of the uses of tools, in a word or two."""

from datetime import UTC, datetime

import pytest

from api.pages.formats import Viewer
from api.pages.talk import Teller, Use
from windlass.contracts.events import Event, EventKind, Payload

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PREVIEW = {"preview": "12 passed", "artifact": "…"}


def use(name: str, given: Payload, text: object, outcome: str = "done") -> Use:
    """A use of a tool as its row tells of it."""
    said = {"id": "t", "name": name}
    call = Event(1, NOON, EventKind.TOOL_CALL, {**said, "input": given})
    result = Event(2, NOON, EventKind.TOOL_RESULT, {**said, "outcome": outcome, "text": text})
    return Teller(Viewer(NOON)).tell([call, result]).entries[0].uses[0]


@pytest.mark.parametrize(
    ("name", "given", "text", "came"),
    [
        ("edit", {"path": "a", "old_str": "one", "new_str": "two\nthree"}, "a was written.", "+2 \N{MINUS SIGN}1"),
        ("write", {"path": "a", "content": "x\n" * 100}, "a was written.", "+100"),
        ("search", {"pattern": "x"}, "a.txt:1: x\nb: c.txt:20: xx\n… more than 2 lines", "2 lines"),
        ("search", {"pattern": "x"}, "(no line has it)", "0 lines"),
        ("shell", {"command": "pytest"}, "collecting\n214 passed\n\n", "214 passed"),
        ("shell", {"command": "cat"}, "x" * 100, "x" * 27 + "…"),
        ("shell", {"command": "pytest"}, PREVIEW, ""),
        ("read", {"path": "a"}, "     1\tone", ""),
    ],
)
def test_a_row_says_what_came_of_a_tool(name: str, given: Payload, text: object, came: str):
    assert use(name, given, text).came == came


def test_what_went_wrong_is_said_in_place_of_what_should_have_come_of_it():
    assert use("edit", {"old_str": "one", "new_str": "two"}, "It is not there.", "failed").came == "failed"
