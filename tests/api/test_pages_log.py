"""Lines of the log: words, colours and tracebacks; nothing of a terminal's power is left."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.pages import ansi
from api.pages.formats import Viewer
from api.pages.lines import Line, line, read_text
from api.pages.tracebacks import read_traceback
from tests.api.runs_made_up import at
from windlass.contracts.events import Event, EventKind

SEEN = Viewer(datetime(2026, 11, 21, 15, tzinfo=UTC))
TRACEBACK = """Traceback (most recent call last):
  File "/x/site-packages/windlass/host/reports.py", line 174, in _execute
    return await call.function()
  File "/srv/claims/flows/daily.py", line 118, in post_all
    await erp.post(batch, timeout=6)
  File "/srv/claims/erp.py", line 44, in post
    response.raise_for_status()
  File "/x/site-packages/httpx/_models.py", line 829, in raise_for_status
    raise HTTPStatusError(message)
httpx.HTTPStatusError: 503 for POST https://erp.example/api
"""


def event(kind: EventKind, **payload: Any) -> Event:
    """An event with a payload."""
    return Event(7, at(0), kind, payload)


def shown(kind: EventKind, **payload: Any) -> Line:
    """It as a line."""
    return line(event(kind, **payload), SEEN, "/runs/x")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", (("", "plain"),)),
        ("\x1b[1mbold\x1b[0m rest", (("a1", "bold"), ("", " rest"))),
        ("\x1b[31;1mred\x1b[39m thick", (("f1 a1", "red"), ("a1", " thick"))),
        ("\x1b[38;5;196mby number", (("", "by number"),)),
        ("10%\r50%\r100%", (("", "100%"),)),
        ("a\x1b]0;title\x07b", (("", "a"), ("", "b"))),
        ("a\x1b]52;c;aGk=\x1b\\b", (("", "a"), ("", "b"))),
        ("a\x1b]8;;http://evil\x07link\x1b]8;;\x07", (("", "a"), ("", "link"))),
        ("a\x1bP$q\x1b\\b\x00\x08c", (("", "a"), ("", "b"), ("", "c"))),
    ],
)
def test_colours_stay_and_every_other_escape_goes(text: str, pieces: tuple[ansi.Piece, ...]):
    assert ansi.pieces(text) == pieces


def test_a_long_payload_is_cut_at_four_lines():
    found = shown(EventKind.DEBUG, text="\n".join(map(str, range(214))))

    assert (len(found.lines), len(found.rest), found.total) == (4, 210, 214)


@pytest.mark.parametrize(
    ("kind", "payload", "said", "tone"),
    [
        (EventKind.STDOUT, {"text": "hi"}, "hi", ""),
        (EventKind.STDERR, {"text": "WARN"}, "WARN", "err"),
        (EventKind.STATUS, {"status": "running", "attempt": 2, "reason": "again"}, "running, attempt 2: again", ""),
        (EventKind.STEP, {"name": "read", "state": "done", "ms": 1500}, "read finished in 1.5s, kept", "kept"),
        (EventKind.STEP, {"name": "read", "state": "repeated"}, "read starts again, it was interrupted", "ask"),
        (EventKind.STEP, {"name": "read", "state": "started", "args": "'a'"}, "read starts with 'a'", ""),
        (EventKind.STEP, {"name": "sleep", "state": "started", "until": at(60).isoformat()},
         "sleep starts, until 14:19:06", ""),
        (EventKind.RESULT, {"Markdown": {"body": "**a**"}}, "**a**", ""),
        (EventKind.ACTION, {"__list__": [{"int": 1}, {"str": "x"}]}, '[1, "x"]', ""),
        (EventKind.USAGE, {"model": "m", "input_tokens": 31_840, "cache_read_tokens": 27_112, "output_tokens": 9,
                           "cost_usd": "0.02"}, "m 32k tokens in (27k from cache), 9 out, $0.02", "quiet"),
        (EventKind.ERROR, {"type": "ValueError", "message": "boom"}, "ValueError: boom", "err"),
    ],
)  # fmt: skip
def test_an_event_says_what_happened(kind: EventKind, payload: dict[str, Any], said: str, tone: str):
    assert read_text(event(kind, **payload), SEEN) == (said, tone)


def test_words_of_the_stand_in_say_so():
    assert shown(EventKind.MESSAGE, text="Hello", standin=True).lines[0][0] == ("f0", "stand-in  ")
    assert shown(EventKind.MESSAGE, text="Hello", standin=False).lines[0][0] == ("", "Hello")


def test_a_traceback_shows_the_persons_code_first_and_folds_libraries():
    frames = read_traceback(TRACEBACK)

    assert [(frame.place, frame.mine) for frame in frames if frame.place] == [
        ("claims/flows/daily.py:118", True), ("srv/claims/erp.py:44", True), ("httpx/_models.py:829", False),
    ]  # fmt: skip
    assert frames[-2].note == "(1 more frame in libraries)"
    assert (frames[-1].code, frames[-1].bad) == ("httpx.HTTPStatusError: 503 for POST https://erp.example/api", True)


def test_text_that_is_no_traceback_has_no_frames():
    assert read_traceback("") == ()
    assert read_traceback("Something went wrong") == ()
