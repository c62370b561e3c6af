"""An agent's form as fields on a page, and what comes back as inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from api.pages.markdown import markdown
from api.pages.rendering import Form
from api.pages.typed import to_json

TEXTS = frozenset(
    {"text", "number", "password", "email", "url", "tel", "search", "date", "time", "datetime-local", "month", "week"}
)
LIMITS = {  # setting of an element: attribute of the field
    "min_value": "min", "max_value": "max", "step": "step", "min_length": "minlength", "max_length": "maxlength",
    "pattern": "pattern", "min_date": "min", "max_date": "max", "min_time": "min", "max_time": "max",
    "min_datetime": "min", "max_datetime": "max", "min_month": "min", "max_month": "max", "min_week": "min",
    "max_week": "max",
}  # fmt: skip
PREFIX = "in-"  # of a field's name, so that an agent's field never meets one of ours


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select or a radio group."""

    name: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One element as it is drawn; `look` chooses how."""

    look: str
    name: str = ""
    label: str = ""
    value: str = ""
    required: bool = False
    placeholder: str = ""
    html: str = ""
    checked: bool = False
    multiple: bool = False
    rows: int = 4
    options: tuple[Option, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the field in the page."""
        return PREFIX + self.name


def fields(
    elements: Sequence[Mapping[str, Any]],
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Field, ...]:
    """The elements as fields, filled with `values` or, without them, with the form's own."""
    return tuple(drawn for element in elements if (drawn := draw_field(element, values, errors or {})) is not None)


def draw_field(
    element: Mapping[str, Any], values: Mapping[str, Any] | None, errors: Mapping[str, Sequence[str]]
) -> Field | None:
    """One element; None for what only says where something goes."""
    kind, name = str(element.get("type", "")), str(element.get("name") or "")
    if kind in ("markdown", "html", "none"):
        return Field("prose", html=markdown(str(element.get("text") or "")), label=str(element.get("label") or ""))
    if not name or kind in ("submit", "cancel", "errors", "action"):
        return None
    content = element.get("value") if values is None else values.get(name)
    return Field(
        look=look_of(kind),
        name=name,
        label=str(element.get("label") or name),
        value="" if content is None or kind == "boolean" else as_text(content),
        required=bool(element.get("required")),
        placeholder=str(element.get("placeholder") or ""),
        html=str(element.get("option") or "on") if kind == "boolean" else kind,
        checked=content in (True, "on", "true"),
        multiple=bool(element.get("multiple")),
        rows=min(max(int(element.get("rows") or 4), 2), 24),
        options=options(element, content, fresh=values is None),
        limits=tuple((LIMITS[key], as_text(element[key])) for key in LIMITS if element.get(key) is not None),
        errors=tuple(errors.get(name, ())),
    )


def look_of(kind: str) -> str:
    """How a kind of element is drawn."""
    if kind in TEXTS:
        return "input"
    known = {"textarea": "area", "boolean": "check", "select": "select", "radio": "radio", "hidden": "hidden"}
    return known.get(kind, "plain" if kind in ("color", "range") else "input")


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
    """A value as a field shows it."""
    return content if isinstance(content, str) else to_json(content)


def read_inputs(elements: Sequence[Mapping[str, Any]], form: Form) -> dict[str, Any]:
    """What was filled in, by the names of the elements; the agent's form checks it."""
    inputs: dict[str, Any] = {}
    for element in elements:
        name, sent = str(element.get("name") or ""), form.get(f"{PREFIX}{element.get('name')}")
        if not name or element.get("type") in ("submit", "cancel", "action"):
            continue
        if element.get("type") == "boolean":
            inputs[name] = sent is not None
        elif element.get("multiple"):
            inputs[name] = sent or []
        elif sent is not None:
            inputs[name] = sent[0].replace("\r\n", "\n")
    return inputs


def errors_by_field(found: Sequence[Any]) -> dict[str, list[str]]:
    """Errors of `inputs.name` by the name of the field."""
    by_field: dict[str, list[str]] = {}
    for error in found:
        by_field.setdefault(str(error.field).removeprefix("inputs."), []).append(str(error.message))
    return by_field
