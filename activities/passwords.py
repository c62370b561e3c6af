"""The passwords of a run on their way to its host, and the mask over them in all that comes back."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from windlass.contracts.events import EventKind, Payload
from windlass.contracts.hosts import ENTER
from windlass.contracts.ids import TenantId
from windlass.core.executions import Attached
from windlass.core.form_secrets import FormSecrets, Kept, answer_place, question_place, run_place, step_place
from windlass.core.masks import MASK, Eraser
from windlass.core.vault import SecretSealed

SEALED = "windlass.sealed"  # the one key of a result that is sealed
# Where words of the agent's are in a line, and in an event: the rest is ours, and must stay what it is.
SAID = {"meta": ("payload",), "delta": ("text",), "end": ("value", "error"), "died": ("reason",), "error": ("reason",)}
SAID_IN = {EventKind.STEP: ("name", "error"), EventKind.QUESTION: ("data", "errors"), EventKind.ANSWER: ()}
SAID_BESIDE = ("text", "label", "placeholder", "value", "option")  # in an element of a form: answers go by its name


@dataclass(frozen=True, slots=True)
class Opened:
    """What a host is told of a run, as it was filled in and recorded."""

    inputs: Payload
    launch: Payload | None
    steps: Sequence[Payload]
    questions: Sequence[Payload]


class RunPasswords:
    """The passwords of one run; without any, everything passes as it is."""

    def __init__(self, secrets: FormSecrets, tenant_id: TenantId, root_id: str) -> None:
        self._secrets, self._tenant_id, self._root_id = secrets, tenant_id, root_id
        self._eraser = Eraser()
        self._has_any = False

    @classmethod
    def of(cls, secrets: FormSecrets, attached: Attached) -> "tuple[RunPasswords, Opened]":
        """Those of a run that is taken over, with all its host must know. Raises SecretSealed."""
        record = attached.record
        own = cls(secrets, attached.tenant_id, str(record["secrets"]["root"]))
        kept = own._open(run_place(own._root_id), record["secrets"]["sealed"])
        questions = own.questions(record["questions"])
        inputs = record["inputs"] if kept is None else kept.inputs
        return own, Opened(
            inputs, record["launch"] if kept is None else kept.made, own._steps(record["steps"]), questions
        )

    def questions(self, questions: Sequence[Payload]) -> list[Payload]:
        """Where questions stand, the answers as they were given. Raises SecretSealed."""
        return [self._question(each) for each in questions]

    def cover(self, message: Payload) -> Payload:
        """A line of the host as it may be stored and shown."""
        if not self._has_any:
            return message
        if message.get("op") == "event":
            return {**message, "payload": self._event(EventKind(message["kind"]), message["payload"])}
        return self._clean(message, SAID.get(str(message.get("op")), ()))

    def _event(self, kind: EventKind, payload: Payload) -> Payload:
        shown, key, result = self._clean(payload, SAID_IN.get(kind, payload)), payload.get("key"), payload.get("result")
        if kind is EventKind.STEP:
            own = {"args": MASK} if "args" in payload else {}  # shortened, so that parts of passwords are in them
            return shown | own | self._result(step_place(self._root_id, str(key)), result, always=key == ENTER)
        if kind is EventKind.QUESTION:
            return self._asked(shown)
        if kind is EventKind.ANSWER:
            return shown | self._result(answer_place(self._root_id, str(key)), result, always=False)
        return shown

    def _asked(self, shown: Payload) -> Payload:
        """What people read of a question; one that a handler takes keeps its name, which finds the handler."""
        asked = shown if shown.get("handled") else self._clean(shown, ("name",))
        return asked | {"elements": self._form(asked["elements"])} if asked.get("elements") else asked

    def _form(self, elements: Sequence[Payload]) -> list[Payload]:
        """The elements of a form, the entries of its groups and its options among them."""
        return [self._element(each) for each in elements]

    def _element(self, element: Payload) -> Payload:
        within = {
            name: self._form(element[name]) for name in ("elements", "option") if isinstance(element.get(name), list)
        }
        return self._clean(element, SAID_BESIDE) | within

    def _clean(self, payload: Payload, names: Iterable[str]) -> Payload:
        return payload | {name: self._eraser.clean(payload[name]) for name in names if name in payload}

    def _result(self, place: str, result: Any, *, always: bool) -> Payload:
        """What the host needs again whole: sealed, if a password is in it or may be."""
        if result is None or not (always or self._eraser.finds(result) or _marked(result)):
            return {}
        sealed = self._secrets.seal_json(self._tenant_id, place, result)
        return {"result": {SEALED: b64encode(sealed).decode()}}

    def _steps(self, steps: Sequence[Payload]) -> Sequence[Payload]:
        return [
            {**each, "result": self._again(step_place(self._root_id, each["key"]), each["result"])} for each in steps
        ]

    def _question(self, question: Payload) -> Payload:
        kept = self._open(question_place(self._root_id, question["key"]), question.get("sealed"))
        told = {name: value for name, value in question.items() if name != "sealed"}
        if kept is None:
            return told
        later = self._again(answer_place(self._root_id, question["key"]), question["result"])
        return told | {"inputs": kept.inputs, "result": later if kept.made is None else kept.made}

    def _open(self, place: str, sealed: str | None) -> Kept | None:
        if sealed is None:
            return None
        kept = self._secrets.open(self._tenant_id, place, b64decode(sealed))
        self._has_any = True
        self._eraser.learn(kept.secrets)
        return kept

    def _again(self, place: str, result: Any) -> Any:
        """A recorded result as the host gave it; what only looks like one that is sealed is the agent's own."""
        sealed = _marked(result)
        if sealed is None:
            return result
        try:
            return self._secrets.open_json(self._tenant_id, place, b64decode(sealed))
        except (SecretSealed, ValueError):
            return result


def _marked(result: Any) -> str | None:
    """What is sealed in a result."""
    held: Mapping[str, Any] = cast("Mapping[str, Any]", result) if isinstance(result, dict) else {}
    sealed = held.get(SEALED) if len(held) == 1 else None
    return sealed if isinstance(sealed, str) else None
