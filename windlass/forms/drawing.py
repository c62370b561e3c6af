"""A form as plain HTML, for services that show their forms themselves; the platform's pages draw their own."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

Element = Mapping[str, Any]
ATTRIBUTES = (  # of the element, of the HTML field
    *(("placeholder", "placeholder"), ("size", "size"), ("pattern", "pattern"), ("rows", "rows"), ("cols", "cols")),
    *(("min_length", "minlength"), ("max_length", "maxlength"), ("step", "step")),
    *(
        (f"{end}_{kind}", end)
        for kind in ("value", "date", "time", "datetime", "month", "week")
        for end in ("min", "max")
    ),
)
OWN_VALUE = {"color": "#000000"}
RANGE = {"min_value": 0, "max_value": 100}


def draw(element: Element, errors: Sequence[str] = ()) -> str:
    """The HTML of one element and of what is wrong with it; every text in it is escaped."""
    return _DRAWN.get(str(element.get("type")), _line)(element) + "".join(
        f'<span class="error">{escape(error)}</span>' for error in errors
    )


def global_errors(errors: Sequence[str]) -> str:
    """The box with messages about the form as a whole; nothing when there are none."""
    lines = "".join(f"<p>{escape(error)}</p>" for error in errors)
    return f'<div class="errors" role="alert">{lines}</div>' if lines else ""


def _attributes(element: Element) -> str:
    written = f' name="{escape(str(element.get("name")))}"'
    if element.get("required"):
        written += " required"
    for setting, name in ATTRIBUTES:
        if element.get(setting) is not None:
            written += f' {name}="{escape(str(element[setting]))}"'
    return written


def _legend(element: Element) -> str:
    label = element.get("label")
    return f'<legend class="inputs-label">{escape(str(label))}</legend>' if label else ""


def _value(element: Element) -> str:
    value = element.get("value")
    if value is None:
        value = OWN_VALUE.get(element["type"])
    return "" if value is None else f' value="{escape(str(value))}"'


def _line(element: Element) -> str:
    settings = {**element, **{k: v for k, v in RANGE.items() if element.get(k) is None}}
    shown = settings if element["type"] == "range" else element
    return f'{_legend(element)}<input type="{escape(element["type"])}"{_attributes(shown)}{_value(element)}>'


def _hidden(element: Element) -> str:
    return f'<input type="hidden" name="{escape(str(element["name"]))}"{_value(element)}>'


def _files(element: Element) -> str:
    flags = " multiple" if element.get("multiple") else ""
    flags += " webkitdirectory" if element.get("directory") else ""
    return f'{_legend(element)}<input type="file"{_attributes(element)}{flags}>'


def _area(element: Element) -> str:
    return f"{_legend(element)}<textarea{_attributes(element)}>\n{escape(str(element.get('value') or ''))}</textarea>"


def _checkbox(element: Element) -> str:
    checked = " checked" if element.get("value") else ""
    box = f'<input type="checkbox" name="{escape(str(element["name"]))}" value="on"{checked}>'
    text = escape(str(element.get("option") or ""))
    return f'{_legend(element)}<label class="checkbox">{box}<span>{text}</span></label>'


def _is_chosen(element: Element, option: Element) -> bool:
    value = element.get("value")
    if value is None:
        return bool(option.get("value"))
    return option["name"] in value if isinstance(value, list) else option["name"] == value


def _options(element: Element) -> list[tuple[str, str, bool]]:
    listed: Sequence[Element] = element.get("option") or ()
    return [(escape(str(o["name"])), escape(str(o.get("label") or o["name"])), _is_chosen(element, o)) for o in listed]


def _select(element: Element) -> str:
    empty = "" if element.get("required") or element.get("multiple") else '<option value=""></option>'
    options = "".join(
        f'<option value="{name}"{" selected" if chosen else ""}>{label}</option>'
        for name, label, chosen in _options(element)
    )
    multiple = " multiple" if element.get("multiple") else ""
    return f"{_legend(element)}<select{_attributes(element)}{multiple}>{empty}{options}</select>"


def _radio(element: Element) -> str:
    return _legend(element) + "".join(
        f'<label class="radio"><input type="radio"{_attributes(element)} value="{name}"'
        f"{' checked' if chosen else ''}><span>{label}</span></label>"
        for name, label, chosen in _options(element)
    )


def _group(element: Element) -> str:
    name = element["name"]
    children: Sequence[Element] = element.get("elements") or ()
    entry = "".join(
        draw({**each, "name": f"{name}.0.{each['name']}"} if each.get("name") else each) for each in children
    )
    return f'<fieldset class="group">{_legend(element)}{entry}</fieldset>'


def _button(element: Element) -> str:
    return f'<button type="submit">{escape(str(element.get("text") or ""))}</button>'


def _cancel(element: Element) -> str:
    return f'<a class="button" href=".">{escape(str(element.get("text") or ""))}</a>'


def _action(element: Element) -> str:
    named = f'name="{escape(str(element["name"]))}" value="{escape(str(element["value"]))}"'
    return f'<button type="submit" {named}>{escape(str(element.get("text") or element["value"]))}</button>'


def _markdown(element: Element) -> str:
    from windlass.forms.prose import markdown  # noqa: PLC0415 - only drawing needs it, and hosts rarely draw

    return markdown(str(element.get("text") or ""))


def _info(element: Element) -> str:
    return f"{_legend(element)}<p>{escape(str(element.get('text') or ''))}</p>"


_DRAWN: Mapping[str, Callable[[Element], str]] = {
    "markdown": _markdown,
    "html": lambda element: str(element.get("text") or ""),
    "break": lambda element: str(element.get("text") or ""),
    "hr": lambda element: str(element.get("text") or ""),
    "errors": lambda _: "",
    "none": _info,
    "textarea": _area,
    "hidden": _hidden,
    "boolean": _checkbox,
    "select": _select,
    "radio": _radio,
    "file": _files,
    "group": _group,
    "submit": _button,
    "cancel": _cancel,
    "action": _action,
}
