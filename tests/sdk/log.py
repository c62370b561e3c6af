"""A log that keeps what a run reports the way the real one does: the first with a `(producer, pseq)` stands."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class Log:
    """Everything stored of one run, over all its lives."""

    events: list[Message] = field(default_factory=list[Message])
    repeats: int = 0
    closed: dict[str, Message] = field(default_factory=dict[str, Message])
    _places: dict[tuple[str, int], Message] = field(default_factory=dict[tuple[str, int], Message])

    def store(self, event: Message) -> dict[str, int]:
        """Store an event; answers what is to be acknowledged."""
        place = (event["producer"], event["pseq"])
        if place in self._places:
            self.repeats += 1
        else:
            self._places[place] = event
            self.events.append(event)
        return {event["producer"]: event["pseq"]}

    def of(self, kind: str) -> list[Any]:
        """The payloads of one kind, in order."""
        return [event["payload"] for event in self.events if event["kind"] == kind]

    def texts(self, kind: str = "stdout") -> list[str]:
        """The texts of one kind, in order."""
        return [payload["text"] for payload in self.of(kind)]

    def steps(self) -> list[Message]:
        """The step records, as a driver sends them with an attach."""
        records: dict[str, Message] = {}
        for payload in self.of("step"):
            record = records.setdefault(payload["key"], {"key": payload["key"], "name": payload["name"]})
            if record.get("state") == "done":
                continue
            state = "started" if payload["state"] == "repeated" else payload["state"]
            record |= {"state": state, "executions": payload["execution"], "attempt": payload["attempt"]}
            record |= {name: payload[name] for name in ("result", "error", "until") if name in payload}
        return list(records.values())

    def questions(self) -> list[Message]:
        """The question records, as a driver sends them with an attach."""
        records: dict[str, Message] = {}
        for payload in self.of("question"):
            records[payload["key"]] = {**payload, "answers": records.get(payload["key"], {}).get("answers", 0)}
        return [record | self.closed.get(key, {}) for key, record in records.items()]

    def answer(self, name: str, result: Any = None, nth: int = 0, **more: Any) -> None:
        """Play the person who answers the n-th question of this name."""
        question = list({q["key"]: q for q in self.questions() if q["name"] == name}.values())[nth]
        known = self.closed.get(question["key"], {"answers": 0})
        self.closed[question["key"]] = {
            "state": "answered",
            "result": result,
            "by": "Ada",
            "answers": known["answers"] + 1,
            **more,
        }

    def expire(self, name: str) -> None:
        """Let the time of a question be up."""
        for question in self.questions():
            if question["name"] == name:
                self.closed[question["key"]] = {"state": "expired"}

    def results(self) -> dict[str, Any]:
        """The recorded result of each finished step, by name."""
        return {payload["name"]: payload["result"] for payload in self.of("step") if payload["state"] == "done"}

    def states(self, name: str) -> list[str]:
        """What became of a step, in order."""
        return [payload["state"] for payload in self.of("step") if payload["name"] == name]


def attach(run: Message, log: Log | None = None, *, isolate: bool = False) -> Message:
    """The line that starts a run or finds it again."""
    defaults: Message = {
        "agent": "test/agent",
        "inputs": {},
        "epoch": 1,
        "attempt": 1,
        "tenant_id": "acme",
        "user_id": "ada",
    }
    known = {"steps": log.steps() if log else [], "questions": log.questions() if log else []}
    return {"op": "attach", "run": {**defaults, **run}, **known, "isolate": isolate}


def never(message: Message) -> bool:
    """A predicate for drivers that stay until the end."""
    return False


Until = Callable[[Message], bool]


def line(message: Message) -> bytes:
    """A message on the wire."""
    return json.dumps(message).encode() + b"\n"
