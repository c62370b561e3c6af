"""The elements a form is made of. `to_dict` is what is stored, sent and drawn."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

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


@dataclass(frozen=True)
class Markdown(Element):
    """Text above or between the fields."""

    type: ClassVar[str] = "markdown"

    text: str

    def to_dict(self) -> dict[str, Any]:
        """The text without its common indentation."""
        return {"type": self.type, "text": textwrap.dedent(self.text).strip()}


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
class _Field(Element):
    """What every field has; `error` is a message shown beside it, never stored."""

    name: str
    label: str | None = None
    value: Any = None
    required: bool = False
    error: str | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        settings = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "error"}
        return {"type": self.type, **settings}


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
class InputArea(_Field):
    """Several lines of text."""

    type: ClassVar[str] = "textarea"

    placeholder: str | None = None
    rows: int | None = None
    cols: int | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class Checkbox(Element):
    """Something that is on or off; `option` is the text beside the box."""

    type: ClassVar[str] = "boolean"

    name: str
    option: str = "on"
    label: str | None = None
    value: bool = False
    error: str | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The box with its state when the form is fresh."""
        return {
            "type": self.type,
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "option": self.option,
        }


@dataclass(frozen=True)
class InputOption(Element):
    """One choice of a `Select`; `value` says whether it is selected when the form is fresh."""

    type: ClassVar[str] = "option"

    name: str
    label: str | None = None
    value: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The choice; its name is what is sent."""
        return {"type": self.type, "name": self.name, "label": self.label, "value": self.value}


@dataclass(frozen=True)
class Select(Element):
    """A choice among options: one name, or with `multiple` a list of names in the order of the form."""

    type: ClassVar[str] = "select"

    name: str
    option: Sequence[InputOption] = ()
    label: str | None = None
    value: Any = None
    required: bool = False
    multiple: bool = False
    error: str | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The choice with all its options."""
        return {
            "type": self.type,
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "required": self.required,
            "option": [each.to_dict() for each in self.option],
            "error": self.error,
        } | ({"multiple": True} if self.multiple else {})
