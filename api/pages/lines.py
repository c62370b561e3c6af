"""Events as the lines of a log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.pages import ansi
from api.pages.formats import Viewer, duration, money, parse_time, size, tokens
from api.pages.spans import decimal
from api.pages.tracebacks import Frame, read_traceback
from api.pages.typed import plain, to_json
from windlass.contracts.events import Event, EventKind

SHOWN_LINES = 4
MOST_LINES = 400
LONGEST_LINE = 4000

GROUPS = {
    "output": ("stdout", "stderr", "result", "final", "debug", "action"),
    "model": ("message", "usage", "tool.call", "tool.result"),
    "steps": ("step", "status"),
    "errors": ("stderr", "error"),
}
GROUP_OF = {kind: group for group, kinds in reversed(GROUPS.items()) for kind in kinds}
TONES = {
    EventKind.STDERR: "err", EventKind.ERROR: "err", EventKind.DEBUG: "quiet", EventKind.META: "quiet",
    EventKind.INPUTS: "quiet", EventKind.USAGE: "quiet", EventKind.QUESTION: "ask", EventKind.MESSAGE: "talk",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One event of the log, cut to a few lines; `rest` holds the others."""

    seq: int
    at: datetime
    time: str
    kind: str
    group: str
    tone: str
    url: str
    lines: tuple[tuple[ansi.Piece, ...], ...]
    rest: tuple[tuple[ansi.Piece, ...], ...] = ()
    total: int = 1
    trace: tuple[Frame, ...] = ()


def line(event: Event, viewer: Viewer, url: str = "") -> Line:
    """The event as a line."""
    text, tone = read_text(event, viewer)
    kind = str(event.kind)
    trace = read_traceback(str(event.payload.get("traceback") or "")) if event.kind is EventKind.ERROR else ()
    every = text.rstrip("\n").split("\n")
    shown = tuple(ansi.pieces(each[:LONGEST_LINE]) for each in every[:SHOWN_LINES])
    if event.kind is EventKind.MESSAGE and event.payload.get("standin"):
        shown = ((("f0", "stand-in  "), *shown[0]), *shown[1:])
    rest = tuple(ansi.pieces(each[:LONGEST_LINE]) for each in every[SHOWN_LINES:MOST_LINES])
    return Line(
        event.seq, event.at, viewer.clock(event.at), kind, GROUP_OF.get(kind, "other"), tone, url,
        shown, rest, len(every), trace,
    )  # fmt: skip


def read_text(event: Event, viewer: Viewer) -> tuple[str, str]:
    """What an event says in words, and its tone."""
    payload = event.payload
    tone = TONES.get(event.kind, "")
    if event.kind in (EventKind.STDOUT, EventKind.STDERR, EventKind.DEBUG, EventKind.MESSAGE, EventKind.LOG):
        return str(payload.get("text", "")), tone
    if event.kind is EventKind.STATUS:
        return status_text(payload)
    if event.kind is EventKind.STEP:
        return step_text(payload, viewer)
    if event.kind in (EventKind.QUESTION, EventKind.ANSWER):
        return question_text(event, viewer)
    if event.kind is EventKind.ERROR:
        return f"{payload.get('type', 'Error')}: {payload.get('message', '')}".rstrip(": "), tone
    if event.kind in SAID:
        return SAID[event.kind](payload), tone
    if event.kind in (EventKind.TOOL_CALL, EventKind.TOOL_RESULT):
        return tool_text(payload)
    return value_text(payload), tone


def status_text(payload: dict[str, Any]) -> tuple[str, str]:
    """A change of status."""
    status = str(payload.get("status", ""))
    attempt = int(payload.get("attempt") or 1)
    text = f"{status}, attempt {attempt}" if attempt > 1 else status
    if reason := payload.get("reason"):
        text += f": {reason}"
    return text, {"finished": "kept", "failed": "err"}.get(status, "")


def step_text(payload: dict[str, Any], viewer: Viewer) -> tuple[str, str]:
    """A step that began or ended."""
    state, name = str(payload.get("state", "")), str(payload.get("name", ""))
    until = parse_time(payload.get("until"))
    arguments = f" with {payload['args']}" if payload.get("args") and until is None else ""
    ms = payload.get("ms")
    took = f" in {duration(float(ms) / 1000)}" if isinstance(ms, int | float) else ""
    error: Any = payload.get("error") or {}
    match state:
        case "done":
            return f"{name} finished{took}, kept", "kept"
        case "failed":
            return f"{name} failed{took}: {error.get('type', 'Error')}: {error.get('message', '')}", "err"
        case "repeated":
            return f"{name} starts again, it was interrupted{arguments}", "ask"
        case "unknown":
            return f"{name}: its outcome is unknown, it is not run again", "err"
        case _:
            return f"{name} starts{arguments}" + (f", until {viewer.clock(until)}" if until else ""), ""


def question_text(event: Event, viewer: Viewer) -> tuple[str, str]:
    """What was asked, or what became of it."""
    payload, name = event.payload, str(event.payload.get("name", ""))
    if event.kind is EventKind.ANSWER:
        return f"{name}: answered by {payload.get('by') or 'somebody'}: {to_json(payload.get('result'))}", "kept"
    if payload.get("state") != "open":
        return f"{name or 'question'}: {payload.get('state')}", "quiet"
    until = parse_time(payload.get("expires_at"))
    again = "asks again" if payload.get("errors") else "asks"
    return f"{again}: {name}" + (f", until {viewer.clock(until)}" if until else ""), "ask"


def usage_text(payload: dict[str, Any]) -> str:
    """What a call of a model took."""
    cached = payload.get("cache_read_tokens") or 0
    text = f"{payload.get('model', '')} {tokens(payload.get('input_tokens') or 0)} tokens in"
    if cached:
        text += f" ({tokens(cached)} from cache)"
    cost = decimal(payload.get("cost_usd"))
    return f"{text}, {tokens(payload.get('output_tokens') or 0)} out" + (f", {money(cost)}" if cost is not None else "")


def file_text(payload: dict[str, Any]) -> str:
    """Files that a run found, or one that it wrote."""
    if "sha256" in payload:
        return f"wrote {payload.get('path')}, {size(payload.get('size_bytes'))}"
    upload: dict[str, Any] = payload.get("Upload") or {}
    found: list[dict[str, Any]] = upload.get("files") or []
    if not found:
        return value_text(payload)
    return "\n".join(f"found {each.get('path')}, {size(each.get('size'))}" for each in found)


def tool_text(payload: dict[str, Any]) -> tuple[str, str]:
    """What a model wants done, or what came of it."""
    name, outcome = str(payload.get("name", "")).removesuffix("_based_edit_tool"), payload.get("outcome")
    if outcome is None:
        return f"{name} {to_json(payload.get('input') or {})}", ""
    tone = {"done": "kept", "failed": "err"}.get(str(outcome), "ask")
    return f"{name}: {outcome}" + (f"\n{payload['text']}" if payload.get("text") else ""), tone


def value_text(payload: dict[str, Any]) -> str:
    """A typed value as text: its body, its string, or its JSON."""
    content = plain(payload)
    return content if isinstance(content, str) else to_json(content)


SAID: Mapping[EventKind, Callable[[dict[str, Any]], str]] = {
    EventKind.USAGE: usage_text,
    EventKind.UPLOAD: file_text,
    EventKind.ARTIFACT: file_text,
}
