"""Elements that offer a choice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from windlass.forms.elements import Condition, Element, shown_if


@dataclass(frozen=True)
class Checkbox(Element):
    """Something that is on or off; `option` is the text beside the box."""

    type: ClassVar[str] = "boolean"

    name: str
    option: str = "on"
    label: str | None = None
    value: bool = False
    error: str | None = field(default=None, kw_only=True)
    visible_if: Condition | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The box with its state when the form is fresh."""
        return {
            "type": self.type,
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "option": self.option,
            **shown_if(self.visible_if),
        }


@dataclass(frozen=True)
class InputOption(Element):
    """One choice of a `Select` or `InputRadio`; `value` says whether it is selected when the form is fresh."""

    type: ClassVar[str] = "option"

    name: str
    label: str | None = None
    value: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The choice; its name is what is sent."""
        return {"type": self.type, "name": self.name, "label": self.label, "value": self.value}


@dataclass(frozen=True)
class _Choice(Element):
    name: str
    option: Sequence[InputOption] = ()
    label: str | None = None
    value: Any = None
    required: bool = False
    error: str | None = field(default=None, kw_only=True)
    visible_if: Condition | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "required": self.required,
            "option": [each.to_dict() for each in self.option],
            **shown_if(self.visible_if),
        }


@dataclass(frozen=True)
class InputRadio(_Choice):
    """One choice among options that are all in sight."""

    type: ClassVar[str] = "radio"


@dataclass(frozen=True)
class Select(_Choice):
    """A choice among options: one name, or with `multiple` a list of names in the order of the form."""

    type: ClassVar[str] = "select"

    multiple: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The choice with all its options."""
        listed = super().to_dict()
        condition = {"visible_if": listed.pop("visible_if")} if "visible_if" in listed else {}
        return listed | {"error": self.error} | ({"multiple": True} if self.multiple else {}) | condition
