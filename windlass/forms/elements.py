"""The elements a form is made of. `to_dict` is what is stored, sent and drawn."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from windlass.forms.drawing import draw
from windlass.forms.validation import parse, pattern_of


class Element:
    """One element of a form, in the order it is shown."""

    type: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The element as JSON: its type, then every setting, `None` when unset."""
        return {"type": self.type}

    def parse_value(self, value: Any) -> Any:
        """The value as a handler gets it; a `ValueError` says why it is refused."""
        return parse(self.to_dict(), value)

    def render(self) -> str:
        """The element as HTML; everything but the text of an `HTML` element is escaped."""
        error: str | None = getattr(self, "error", None)
        return draw(self.to_dict(), [error] if error else [])


@dataclass(frozen=True)
class HTML(Element):
    """Text that is HTML already. Pages of the platform show what of it can do no harm."""

    type: ClassVar[str] = "html"

    text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The text as it is."""
        return {"type": self.type, "text": self.text}


@dataclass(frozen=True)
class Markdown(Element):
    """Text above or between the fields."""

    type: ClassVar[str] = "markdown"

    text: str

    def to_dict(self) -> dict[str, Any]:
        """The text without its common indentation."""
        return {"type": self.type, "text": textwrap.dedent(self.text).strip()}


@dataclass(frozen=True)
class Break(HTML):
    """Some room between two elements."""

    type: ClassVar[str] = "break"

    text: str | None = '<div class="space"></div>'


@dataclass(frozen=True)
class HR(HTML):
    """A line between two elements."""

    type: ClassVar[str] = "hr"

    text: str | None = '<hr class="medium"/>'


@dataclass(frozen=True)
class DisplayInfo(Element):
    """Text beside a label, like a field that cannot be changed."""

    type: ClassVar[str] = "none"

    text: str | None = None
    label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The text and its label."""
        return {"type": self.type, "text": self.text, "label": self.label}


@dataclass(frozen=True)
class Errors(Element):
    """The place where messages about the form as a whole are shown."""

    type: ClassVar[str] = "errors"


@dataclass(frozen=True)
class _Button(Element):
    text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "text": self.text}


@dataclass(frozen=True)
class Submit(_Button):
    """The button that sends the form."""

    type: ClassVar[str] = "submit"


@dataclass(frozen=True)
class Cancel(_Button):
    """The button that leaves without a run."""

    type: ClassVar[str] = "cancel"


@dataclass(frozen=True)
class Action(Element):
    """Another button that sends the form: the field `name` tells with its `value` that it was this one."""

    type: ClassVar[str] = "action"

    name: str
    value: str
    text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The button and what it says when pressed."""
        return {"type": self.type, "name": self.name, "value": self.value, "text": self.text}


Condition = Mapping[str, Any]  # name of another field: the value, or the list of values, that show this one
UNSTORED = frozenset({"error", "visible_if"})


@dataclass(frozen=True)
class _Field(Element):
    """What every field has. `error` is shown beside it, never stored; `visible_if` says when it is asked at all."""

    name: str
    label: str | None = None
    value: Any = None
    required: bool = False
    error: str | None = field(default=None, kw_only=True)
    visible_if: Condition | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        settings = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in UNSTORED}
        return {"type": self.type, **settings, **shown_if(self.visible_if)}


def shown_if(condition: Condition | None) -> dict[str, Any]:
    """The condition as a part of the stored element: only when there is one."""
    return {"visible_if": dict(condition)} if condition else {}


@dataclass(frozen=True)
class InputText(_Field):
    """One line of text; `pattern` must match the whole value (no look-around, no back references)."""

    type: ClassVar[str] = "text"

    placeholder: str | None = None
    size: int | None = None
    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is not None:
            pattern_of(self.pattern)


@dataclass(frozen=True)
class InputNumber(InputText):
    """A number; an `int` when written as one, else a `float`."""

    type: ClassVar[str] = "number"

    min_value: float | None = None
    max_value: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class _Line(InputText):
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class InputPassword(_Line):
    """One line that is not shown while it is written."""

    type: ClassVar[str] = "password"


@dataclass(frozen=True)
class InputEmail(_Line):
    """An e-mail address."""

    type: ClassVar[str] = "email"


@dataclass(frozen=True)
class InputUrl(_Line):
    """An address on the web: http or https."""

    type: ClassVar[str] = "url"


@dataclass(frozen=True)
class InputTel(_Line):
    """A telephone number: any text."""

    type: ClassVar[str] = "tel"


@dataclass(frozen=True)
class InputSearch(_Line):
    """Something to search for: any text."""

    type: ClassVar[str] = "search"


@dataclass(frozen=True)
class InputArea(_Field):
    """Several lines of text."""

    type: ClassVar[str] = "textarea"

    placeholder: str | None = None
    rows: int | None = None
    cols: int | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class InputDate(_Field):
    """A day: `2026-01-31`."""

    type: ClassVar[str] = "date"

    placeholder: str | None = None
    min_date: str | None = None
    max_date: str | None = None


@dataclass(frozen=True)
class InputTime(_Field):
    """A time of day: `09:30`; `step` is in seconds."""

    type: ClassVar[str] = "time"

    placeholder: str | None = None
    min_time: str | None = None
    max_time: str | None = None
    step: int | None = None


@dataclass(frozen=True)
class InputDateTime(_Field):
    """A day and a time without a zone: `2026-01-31T09:30`; `step` is in seconds."""

    type: ClassVar[str] = "datetime-local"

    placeholder: str | None = None
    min_datetime: str | None = None
    max_datetime: str | None = None
    step: int | None = None


@dataclass(frozen=True)
class InputMonth(_Field):
    """A month: `2026-01`."""

    type: ClassVar[str] = "month"

    min_month: str | None = None
    max_month: str | None = None


@dataclass(frozen=True)
class InputWeek(_Field):
    """A week: `2026-W05`."""

    type: ClassVar[str] = "week"

    min_week: str | None = None
    max_week: str | None = None


@dataclass(frozen=True)
class InputColor(_Field):
    """A colour: `#rrggbb`."""

    type: ClassVar[str] = "color"


@dataclass(frozen=True)
class InputRange(_Field):
    """A number between two others, a `float`; from 0 to 100 unless said otherwise."""

    type: ClassVar[str] = "range"

    min_value: float | None = None
    max_value: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class InputHidden(Element):
    """A value that is sent along and never shown."""

    type: ClassVar[str] = "hidden"

    name: str
    value: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The name and the value that is sent when nothing else is."""
        return {"type": self.type, "name": self.name, "value": self.value}


@dataclass(frozen=True)
class InputFiles(_Field):
    """Files by name, or where they are on the web; one, unless `multiple` or a whole `directory`."""

    type: ClassVar[str] = "file"

    multiple: bool = False
    directory: bool = False


@dataclass(frozen=True)
class Group(Element):
    """Fields that are asked as often as somebody wants; the value is a list of dicts, one per entry."""

    type: ClassVar[str] = "group"

    name: str
    children: Sequence[Element] = ()
    label: str | None = None
    min_items: int = 0
    max_items: int = 20
    visible_if: Condition | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The group with the elements of one entry."""
        return {
            "type": self.type,
            "name": self.name,
            "label": self.label,
            "min_items": self.min_items,
            "max_items": self.max_items,
            "elements": [each.to_dict() for each in self.children],
            **shown_if(self.visible_if),
        }
