"""An agent's form as fields on a page, and what comes back as inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from api.pages.markdown import cleaned, markdown
from api.pages.rendering import Form
from api.pages.typed import to_json
from windlass.core.masks import MASK
from windlass.forms.drawing import OWN_VALUE
from windlass.forms.validation import conditions

TEXTS = frozenset(
    {"text", "number", "password", "email", "url", "tel", "search", "date", "time", "datetime-local", "month", "week"}
)
LIMITS = {  # setting of an element: attribute of the field
    "min_value": "min", "max_value": "max", "step": "step", "min_length": "minlength", "max_length": "maxlength",
    "pattern": "pattern", "min_date": "min", "max_date": "max", "min_time": "min", "max_time": "max",
    "min_datetime": "min", "max_datetime": "max", "min_month": "min", "max_month": "max", "min_week": "min",
    "max_week": "max",
}  # fmt: skip
LOOKS = {
    "textarea": "area", "boolean": "check", "select": "select", "radio": "radio", "hidden": "hidden", "color": "plain",
    "range": "plain", "file": "files",
}  # fmt: skip
BUTTONS = frozenset({"submit", "cancel", "action"})
PREFIX = "in-"  # of a field's name, so that an agent's field never meets one of ours
ADD, REMOVE = "form-add", "form-remove"  # buttons of a group: they change the form and send nothing off

Elements = Sequence[Mapping[str, Any]]
Errors = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select or a radio group."""

    name: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One element as it is drawn; `look` chooses how. A group has its entries, each a row of fields."""

    look: str
    name: str = ""
    label: str = ""
    value: str = ""
    required: bool = False
    needed: bool = False  # required, if it is asked at all
    placeholder: str = ""
    html: str = ""
    checked: bool = False
    multiple: bool = False
    is_folder: bool = False
    rows: int = 4
    options: tuple[Option, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()
    shown_if: str = ""  # JSON: field id to the values of which it must have one
    entries: tuple[tuple["Field", ...], ...] = ()
    is_full: bool = False
    hint: str = ""
    is_own: bool = False  # of ours, not of the agent's form
    card: str = ""  # which of several forms of a page it stands in

    @property
    def sent_as(self) -> str:
        """The name under which a browser sends it."""
        return self.name if self.is_own else PREFIX + self.name

    @property
    def id(self) -> str:
        """The id of the field, once in the page."""
        return f"{self.card}-{self.sent_as}" if self.card else self.sent_as

    def on(self, card: str) -> "Field":
        """The field in one of several forms of a page, which may ask for the same names."""
        entries = tuple(tuple(field.on(card) for field in entry) for entry in self.entries)
        return replace(self, card=card, entries=entries)

    @property
    def inner(self) -> "tuple[Field, ...]":
        """The fields of all entries of a group."""
        return tuple(field for entry in self.entries for field in entry)


@dataclass(frozen=True, slots=True)
class Buttons:
    """What a form can be sent with: its main button, and those that say which one they were."""

    submit: str
    actions: tuple[tuple[str, str, str], ...] = ()  # name, value, text


def fields(
    elements: Elements, values: Mapping[str, Any] | None = None, errors: Errors | None = None, within: str = ""
) -> tuple[Field, ...]:
    """The elements as fields, filled with `values` or, without them, with the form's own."""
    drawn = (draw_field(element, values, errors or {}, within) for element in elements)
    return tuple(each for each in drawn if each is not None)


def draw_field(
    element: Mapping[str, Any], values: Mapping[str, Any] | None, errors: Errors, within: str
) -> Field | None:
    """One element; None for what only says where something goes."""
    kind, name = str(element.get("type", "")), str(element.get("name") or "")
    if kind in ("markdown", "none"):
        return Field("prose", html=markdown(str(element.get("text") or "")), label=str(element.get("label") or ""))
    if kind in ("html", "break", "hr"):
        return Field("prose", html=cleaned(str(element.get("text") or "")))
    if not name or kind in BUTTONS:
        return None
    content = element.get("value") if values is None else values.get(name)
    if kind == "group":
        return draw_group(element, content, errors, within)
    if kind == "password" and values is not None and content != MASK:
        content = None  # what was typed is not sent back
    asked = conditions(element)
    return Field(
        look=look_of(kind),
        name=within + name,
        label=str(element.get("label") or name),
        value=OWN_VALUE.get(kind, "") if content is None or kind == "boolean" else as_text(content),
        required=bool(element.get("required")) and not asked,
        needed=bool(element.get("required")),
        placeholder=str(element.get("placeholder") or ""),
        html=str(element.get("option") or "on") if kind == "boolean" else kind,
        checked=content in (True, "on", "true"),
        multiple=bool(element.get("multiple") or element.get("directory")),
        is_folder=bool(element.get("directory")),
        rows=min(max(int(element.get("rows") or 4), 2), 24),
        options=options(element, content, fresh=values is None),
        limits=limits_of(element) if content != MASK else (),
        errors=tuple(errors.get(within + name, ())),
        shown_if=to_json({PREFIX + within + other: wanted for other, wanted in asked.items()}) if asked else "",
    )


def limits_of(element: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a browser checks by itself."""
    return tuple((LIMITS[key], as_text(element[key])) for key in LIMITS if element.get(key) is not None)


def draw_group(element: Mapping[str, Any], content: Any, errors: Errors, within: str) -> Field:
    """A group with as many entries as there are, at least those it needs."""
    name, children = str(element["name"]), cast("Elements", element.get("elements") or ())
    entries: list[Any] = list(cast("list[Any]", content)) if isinstance(content, list) else []
    entries += [None] * (int(element.get("min_items") or 0) - len(entries))
    asked = conditions(element)
    return Field(
        "group",
        name=within + name,
        label=str(element.get("label") or name),
        needed=bool(element.get("min_items")),
        entries=tuple(fields(children, each, errors, f"{within}{name}.{place}.") for place, each in enumerate(entries)),
        is_full=element.get("max_items") is not None and len(entries) >= element["max_items"],
        errors=tuple(errors.get(within + name, ())),
        shown_if=to_json({PREFIX + within + other: wanted for other, wanted in asked.items()}) if asked else "",
    )


def buttons(elements: Elements, otherwise: str) -> Buttons:
    """The buttons of a form; a form without a submit button gets one."""
    texts = [str(each.get("text") or "") for each in elements if each.get("type") == "submit"]
    actions = [each for each in elements if each.get("type") == "action"]
    named = tuple((PREFIX + str(a["name"]), str(a["value"]), str(a.get("text") or a["value"])) for a in actions)
    return Buttons(next(filter(None, texts), otherwise), named)


def look_of(kind: str) -> str:
    """How a kind of element is drawn."""
    return "input" if kind in TEXTS else LOOKS.get(kind, "input")


def options(element: Mapping[str, Any], content: Any, *, fresh: bool) -> tuple[Option, ...]:
    """The choices, with those that are chosen."""
    listed: Any = element.get("option")
    if not isinstance(listed, list):
        return ()
    chosen: list[Any] = cast("list[Any]", content) if isinstance(content, list) else [content]
    choices = cast("list[dict[str, Any]]", listed)
    is_own = fresh and content is None
    return tuple(
        Option(
            str(each["name"]),
            str(each.get("label") or each["name"]),
            bool(each.get("value")) if is_own else each["name"] in chosen,
        )
        for each in choices
    )


def as_text(content: Any) -> str:
    """A value as a field shows it: several texts one a line."""
    if isinstance(content, list) and all(isinstance(each, str) for each in cast("list[Any]", content)):
        return "\n".join(cast("list[str]", content))
    return content if isinstance(content, str) else to_json(content)


def read_inputs(elements: Elements, form: Form, within: str = PREFIX) -> dict[str, Any]:
    """What was filled in, by the names of the elements; the agent's form checks it."""
    inputs: dict[str, Any] = {}
    for element in elements:
        kind, name = element.get("type"), str(element.get("name") or "")
        sent = form.get(within + name)
        if not name or kind in ("submit", "cancel"):
            continue
        if kind == "group":
            inputs[name] = read_entries(element, form, within)
        elif kind == "boolean":
            inputs[name] = sent is not None
        elif element.get("multiple") and kind == "select":
            inputs[name] = sent or []
        elif sent is not None:
            text = sent[0].replace("\r\n", "\n")
            inputs[name] = text.split() if kind == "file" and "\n" in text else text
    return inputs


def read_entries(group: Mapping[str, Any], form: Form, within: str) -> list[dict[str, Any]]:
    """The entries of a group: a hidden field of the group's name numbers each."""
    numbers = [each for each in form.get(f"{within}{group['name']}", []) if each.isdecimal()]
    children = cast("Elements", group.get("elements") or ())
    return [read_inputs(children, form, f"{within}{group['name']}.{number}.") for number in numbers]


def rearranged(values: Mapping[str, Any], form: Form) -> dict[str, Any] | None:
    """The values with one more entry, or one less, of a group; None when no such button was pressed."""
    if added := form.get(ADD):
        name = added[0].removeprefix(PREFIX)
        return {**values, name: [*_list(values.get(name)), {}]}
    if removed := form.get(REMOVE):
        name, _, place = removed[0].removeprefix(PREFIX).rpartition(".")
        return {**values, name: [each for at, each in enumerate(_list(values.get(name))) if str(at) != place]}
    return None


def _list(content: Any) -> list[Any]:
    return cast("list[Any]", content) if isinstance(content, list) else []


def errors_by_field(found: Sequence[Any]) -> dict[str, list[str]]:
    """Errors of `inputs.name` by the name of the field."""
    by_field: dict[str, list[str]] = {}
    for error in found:
        by_field.setdefault(str(error.field).removeprefix("inputs."), []).append(str(error.message))
    return by_field


def problems(drawn: Sequence[Field], errors: Errors | None) -> list[tuple[str, str]]:
    """Everything that is wrong with a form, each with the field it is about."""
    every = [*drawn, *(inner for each in drawn for inner in each.inner)]
    found = [(f"{each.label} {error}", each.id) for each in every for error in each.errors]
    return found + [(error, "") for error in (errors or {}).get("_global_", ())]
