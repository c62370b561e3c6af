"""Typed values of agents as HTML: text, Markdown, tables, JSON; HTML only as an address to frame."""

from dataclasses import dataclass
from typing import Any, cast

from api.pages.markdown import markdown, words
from api.pages.typed import as_object, plain, to_json

MOST_ROWS = 200
MOST_COLUMNS = 12
LONGEST_TEXT = 200_000


@dataclass(frozen=True, slots=True)
class Value:
    """A value and how to show it: `text`, `prose`, `table`, `json` or `frame`."""

    look: str
    text: str = ""
    html: str = ""  # safe: Markup
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0


def value(payload: Any) -> Value:
    """What a typed value (`{"Markdown": {"body": …}}`, `{"dict": {…}}`, …) looks like."""
    typed = as_object(payload)
    if len(typed) != 1:
        return Value("json", text=to_json(payload, indent=2)[:LONGEST_TEXT])
    kind, content = next(iter(typed.items()))
    body = as_object(content).get("body")
    if kind == "Markdown" and body is not None:
        return Value("prose", text=str(body), html=markdown(str(body)))
    if kind == "HTML" and body is not None:
        return Value("frame", text=str(body))
    if kind == "Text" and body is not None:
        return Value("text", text=str(body)[:LONGEST_TEXT])
    if kind == "str":
        return Value("text", text=str(content)[:LONGEST_TEXT])
    return table(plain(payload)) or Value("json", text=to_json(plain(payload), indent=2)[:LONGEST_TEXT])


def table(content: Any) -> Value | None:
    """A list of flat objects as a table, None when it is something else."""
    rows = cast("list[Any]", content) if isinstance(content, list) else []
    if not rows or not all(isinstance(row, dict) for row in rows):
        return None
    records = cast("list[dict[str, Any]]", rows)
    columns = tuple(dict.fromkeys(name for row in records for name in row))
    if not columns or len(columns) > MOST_COLUMNS:
        return None
    cells = tuple(tuple(_cell(row.get(name)) for name in columns) for row in records[:MOST_ROWS])
    return Value("table", columns=columns, rows=cells, more=max(0, len(records) - MOST_ROWS))


def one_line(payload: Any, longest: int = 120) -> str:
    """A value in one line, cut to a length."""
    shown = value(payload)
    text = words(shown.text[: longest * 8]) if shown.look in ("prose", "frame") else shown.text
    text = text if text or not shown.rows else f"{len(shown.rows) + shown.more} rows"
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "\u2026"


def _cell(content: Any) -> str:
    if content is None:
        return "\u2013"
    return content if isinstance(content, str) else to_json(content)
