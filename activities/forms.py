"""Forms that models ask people to fill in: from what a model writes to what a page draws."""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from activities.editor import BadEdit
from activities.transcripts import Json
from windlass.forms import (
    Checkbox,
    Element,
    InputArea,
    InputNumber,
    InputOption,
    InputText,
    Markdown,
    Model,
    Select,
    Submit,
)

MOST_FIELDS, MOST_CHOICES, CHARACTERS = 20, 50, 200
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
ANSWER = "answer"
FIELDS: Json = {
    "type": "array",
    "maxItems": MOST_FIELDS,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Lower-case letters, digits and _."},
            "label": {"type": "string"},
            "type": {"type": "string", "enum": ["text", "long_text", "number", "yes_no", "choice", "choices"]},
            "choices": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_CHOICES},
            "required": {"type": "boolean"},
        },
        "required": ["name"],
    },
}


def form_of(question: str, given: Any) -> list[dict[str, Any]]:
    """The form of a question with these fields; without any, one text. Raises BadEdit."""
    if given is not None and (not isinstance(given, list) or len(cast("list[Any]", given)) > MOST_FIELDS):
        raise BadEdit(f"fields must be a list of at most {MOST_FIELDS}. Nothing was asked.")
    fields = [_element(each) for each in cast("list[Any]", given or [])]
    fields = fields or [InputArea(ANSWER, label="Answer", required=True, rows=3, max_length=20_000)]
    try:
        return Model(Markdown(question), *fields, Submit("Answer")).get_model()
    except ValueError as error:
        raise BadEdit(f"The form cannot be used: {error}. Nothing was asked.") from error


def _element(given: Any) -> Element:
    field: Mapping[str, Any] = cast("Mapping[str, Any]", given) if isinstance(given, dict) else {}
    name, kind = field.get("name"), field.get("type", "text")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise BadEdit(f"{name!r:.100} cannot name a field. Nothing was asked.")
    if kind not in KINDS:
        raise BadEdit(f"{kind!r:.100} is no type of a field; there are {', '.join(KINDS)}. Nothing was asked.")
    label = str(field.get("label") or name.replace("_", " ").capitalize())[:CHARACTERS]
    return KINDS[kind](name, label, field)


def _options(field: Mapping[str, Any]) -> list[InputOption]:
    choices: Any = field.get("choices")
    if not isinstance(choices, list) or not 0 < len(cast("list[Any]", choices)) <= MOST_CHOICES:
        raise BadEdit(f"choices must be a list of 1 to {MOST_CHOICES} texts. Nothing was asked.")
    return [InputOption(str(each)[:CHARACTERS]) for each in cast("list[Any]", choices)]


def _needed(field: Mapping[str, Any]) -> bool:
    return field.get("required") is not False


Kind = Callable[[str, str, Mapping[str, Any]], Element]
KINDS: Mapping[str, Kind] = {
    "text": lambda name, label, field: InputText(name, label=label, required=_needed(field)),
    "long_text": lambda name, label, field: InputArea(
        name, label=label, required=_needed(field), rows=4, max_length=20_000
    ),
    "number": lambda name, label, field: InputNumber(name, label=label, required=_needed(field)),
    "yes_no": lambda name, label, _: Checkbox(name, option="Yes", label=label),
    "choice": lambda name, label, field: Select(name, _options(field), label=label, required=_needed(field)),
    "choices": lambda name, label, field: Select(
        name, _options(field), label=label, required=_needed(field), multiple=True
    ),
}
