"""Passwords in what was filled in: found by the form, and covered by a mask wherever they are kept or shown."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, quote_plus

from windlass.contracts.events import Payload
from windlass.forms.validation import validate

MASK = "•" * 8
TYPE_AGAIN = "must be typed again: the dots stand for a password that is kept, and this one is not yours or not kept"
SHORTEST = 6  # what is shorter is not looked for in what agents say: it is in too much that is no secret
MOST = 100  # of one form are looked for: every word of the agent is compared with each

Elements = Sequence[Mapping[str, Any]]
Change = Callable[[str, Any], Any]


def passwords(elements: Elements, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields for passwords hold, by the place of the field; entries of groups too, empty fields not."""
    found: dict[str, Any] = {}
    _changed(elements, values, found.setdefault)
    return found


def covered(elements: Elements, values: Mapping[str, Any]) -> Payload:
    """The same values with the mask in place of every password."""
    return _changed(elements, values, lambda _place, _value: MASK)


def uncovered(elements: Elements, values: Mapping[str, Any], kept: Mapping[str, Any]) -> Payload:
    """The same values with the passwords of `kept` where they hold the mask; in groups those of the same entry."""
    known = passwords(elements, {**kept, **_rearranged(elements, values, kept)})
    return _changed(elements, values, lambda place, value: known.get(place, value) if value == MASK else value)


def masked(elements: Elements, values: Mapping[str, Any]) -> list[str]:
    """The places of the fields that hold the mask."""
    return [place for place, value in passwords(elements, values).items() if value == MASK]


def refused(elements: Elements, values: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Messages for masks that stand for nothing; `values` is what the form made of the inputs."""
    sent = masked(elements, inputs)
    asked = {place for place in sent if place in masked(elements, values) or place.partition(".")[0] not in values}
    return {place: [TYPE_AGAIN] for place in sent if place in asked}


class Eraser:
    """Covers passwords wherever they are written, also amid other text."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def learn(self, secrets: Iterable[str]) -> None:
        """Look for these too, the longest first, also as JSON, Python and addresses write them."""
        long = [each for each in secrets if len(each) >= SHORTEST][:MOST]
        known = {*self._secrets, *(form for each in long for form in _written(each))}
        self._secrets = sorted(known, key=len, reverse=True)

    def finds(self, value: Any) -> bool:
        """Whether a password is anywhere in it."""
        return self.clean(value) != value

    def clean(self, value: Any) -> Any:
        """JSON without any of the passwords."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, MASK)
            return value
        if isinstance(value, list):
            return [self.clean(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {self.clean(name): self.clean(each) for name, each in cast("dict[str, Any]", value).items()}
        return value


def _written(secret: str) -> set[str]:
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(secret),
        quote_plus(secret),
    }


def _rearranged(elements: Elements, values: Mapping[str, Any], kept: Mapping[str, Any]) -> Payload:
    """The groups of `kept` in the order of `values`, where entries may have been added and taken away."""
    groups = {str(each["name"]): each.get("elements") or () for each in elements if each.get("type") == "group"}
    shown = covered(elements, kept)
    return {
        name: _meant(fields, _entries(values.get(name)), _entries(kept.get(name)))
        for name, fields in groups.items()
        if values.get(name) != shown.get(name)
    }


def _meant(fields: Elements, entries: Sequence[Any], kept: Sequence[Any]) -> list[Any]:
    """For each entry the one that is kept and says the same but for passwords; none where that may be several."""
    same: dict[str, list[Any]] = {}
    for each in kept:
        same.setdefault(_said(fields, each), []).append(each)
    found = [same.get(_said(fields, each), []) for each in entries]
    return [each[0] if len(each) == 1 else {} for each in found]


def _said(fields: Elements, entry: Any) -> str:
    """What an entry holds beside passwords, as the form reads it."""
    sent: Payload = cast("Payload", entry) if isinstance(entry, dict) else {}
    plain = [each for each in fields if each.get("name") and each.get("type") != "password"]
    said = {str(each["name"]): sent.get(str(each["name"])) for each in plain} | validate(plain, sent)[0]
    return json.dumps(said, sort_keys=True)


def _entries(content: Any) -> list[Any]:
    return cast("list[Any]", content) if isinstance(content, list) else []


def _changed(elements: Elements, values: Mapping[str, Any], change: Change, within: str = "") -> Payload:
    changed = dict(values)
    for element in elements:
        name = str(element.get("name") or "")
        value = values.get(name)
        if element.get("type") == "password" and value not in (None, ""):
            changed[name] = change(f"{within}{name}", value)
        elif element.get("type") == "group" and isinstance(value, list):
            fields, entries = element.get("elements") or (), cast("list[Any]", value)
            changed[name] = [
                _changed(fields, cast("Payload", each), change, f"{within}{name}.{place}.")
                if isinstance(each, dict)
                else each
                for place, each in enumerate(entries)
            ]
    return changed
