"""Runs of a service under development: driven over its host's socket, with a log in memory instead of a platform."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

Message = dict[str, Any]  # JSON, its shape depends on `op`
AGAIN_S = 0.1  # how soon a host that is not up is looked for again
MOST_DEATHS = 3  # of the host, without a new event


class HostAway(Exception):
    """The service is not up: its terminal says why."""


@dataclass
class DevRun:
    """One run, over all lives of its host."""

    flow: str
    title: str
    inputs: Message
    launch: Message
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    events: list[Message] = field(default_factory=list[Message])
    outcome: str | None = None
    value: Any = None
    error: Message | None = None
    lives: int = 0
    closed: dict[str, Message] = field(default_factory=dict[str, Message])  # answers, by the key of the question
    line: Callable[[Message], None] | None = None

    @property
    def state(self) -> str:
        """What it does now."""
        return self.outcome or ("awaiting" if self.open_questions else "running")

    @property
    def open_questions(self) -> list[Message]:
        """What it waits for."""
        return [each for each in self.questions() if each["state"] == "open"]

    def store(self, event: Message) -> bool:
        """Keep an event; False: it was told before."""
        place = (event["producer"], event["pseq"])
        if any((each["producer"], each["pseq"]) == place for each in self.events):
            return False
        self.events.append({**event, "at": time.time()})
        return True

    def of(self, kind: str) -> Iterator[Message]:
        """The payloads of one kind, in order."""
        return (event["payload"] for event in tuple(self.events) if event["kind"] == kind)

    def steps(self) -> list[Message]:
        """What earlier lives have done, as the host takes it."""
        records: dict[str, Message] = {}
        for said in self.of("step"):
            record = records.setdefault(said["key"], {"key": said["key"], "name": said["name"]})
            if record.get("state") != "done":
                state = "started" if said["state"] == "repeated" else said["state"]
                record |= {"state": state, "executions": said["execution"], "attempt": said["attempt"]}
                record |= {name: said[name] for name in ("result", "error", "until") if name in said}
        return list(records.values())

    def questions(self) -> list[Message]:
        """What was asked, and what became of it, as the host takes it."""
        asked: dict[str, Message] = {}
        for said in self.of("question"):
            asked[said["key"]] = {
                "answers": 0,
                **asked.get(said["key"], {}),
                **said,
                **self.closed.get(said["key"], {}),
            }
        return [each | {"state": "expired"} if _is_late(each) else each for each in asked.values()]

    def order(self) -> Message:
        """What the host is told to execute."""
        self.lives += 1
        who = {"tenant_id": "dev", "user_id": "dev", "agent": f"dev/{self.flow}", "attempt": 1, "epoch": self.lives}
        run = {"run_id": self.id, "flow": self.flow, "inputs": self.inputs, "launch": self.launch, **who}
        return {"op": "attach", "run": run, "steps": self.steps(), "questions": self.questions()}


class DevRuns:
    """All runs since the command was started; each has a thread that drives it."""

    def __init__(self, address: Path, tell: Callable[[Message], None]) -> None:
        self._address, self._tell = address, tell
        self._runs: dict[str, DevRun] = {}
        self._is_over = threading.Event()

    def newest(self) -> list[DevRun]:
        """The newest first."""
        return list(reversed(self._runs.values()))

    def get(self, run_id: str) -> DevRun | None:
        """The run of that id."""
        return self._runs.get(run_id)

    def flows(self) -> list[Message]:
        """The flows of the service, with their forms. Raises HostAway."""
        return self.ask({"op": "describe"})["flows"]

    def start(self, run: DevRun) -> None:
        """Execute it, whatever becomes of the host."""
        self._runs[run.id] = run
        threading.Thread(target=self._drive, args=(run,), daemon=True).start()

    def ask(self, message: Message) -> Message:
        """One question, one answer. Raises HostAway."""
        try:
            with closing(self._connect()) as line, line.makefile("rb") as heard:
                line.sendall(_packed(message))
                return json.loads(heard.readline())
        except (OSError, ValueError) as error:
            raise HostAway from error

    def answer(self, run: DevRun, question: Message, inputs: Message) -> dict[str, list[str]]:
        """Answer a question; what is wrong with that, by field. Raises HostAway."""
        result: Any = inputs
        if question.get("handled"):
            about = {"run_id": run.id, "flow": run.flow}
            said = self.ask(
                {"op": "lease", "run": about, "name": question["name"], "data": question["data"], "inputs": inputs}
            )
            if said["outcome"] != "taken":
                return said.get("fields") or {"_global_": [str(said["error"]["message"])]}
            result = said["result"]
        run.closed[question["key"]] = {"state": "answered", "result": result, "by": "you", "answers": 1}
        if run.line is not None:
            with suppress(OSError):  # the host is gone: the next one is told when the run is found there
                run.line({"op": "answers", "questions": run.questions()})
        return {}

    def close(self) -> None:
        """Drive no more."""
        self._is_over.set()

    def _connect(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(self._address))
        except OSError:
            line.close()
            raise
        return line

    def _drive(self, run: DevRun) -> None:
        deaths, known = 0, 0
        while run.outcome is None and not self._is_over.is_set():
            with suppress(OSError, ValueError), closing(self._connect()) as line:
                self._follow(run, line)
                deaths = 0 if len(run.events) > known else deaths + 1
                known = len(run.events)
                if deaths >= MOST_DEATHS and run.outcome is None:
                    run.outcome, run.error = "failed", {"type": "ProcessDied", "message": "its host dies of it"}
            self._is_over.wait(AGAIN_S)
        self._tell({"run": run.id, "flow": run.title, "kind": "status", "payload": {"status": run.outcome}})

    def _follow(self, run: DevRun, line: socket.socket) -> None:
        """Start or find it in the host, and keep what it tells, to its end or that of the host."""
        run.line = lambda message: line.sendall(_packed(message))
        run.line(run.order())
        with line.makefile("rb") as heard:
            for said in map(json.loads, heard):
                self._hear(run, run.line, said)
                if run.outcome is not None:
                    return

    def _hear(self, run: DevRun, say: Callable[[Message], None], said: Message) -> None:
        match said["op"]:
            case "event":
                if run.store(said):
                    self._tell({"run": run.id, "flow": run.title, "kind": said["kind"], "payload": said["payload"]})
                say({"op": "ack", "producers": {said["producer"]: said["pseq"]}})
            case "due":
                say({"op": "answers", "questions": run.questions()})
            case "end":
                run.outcome, run.value, run.error = said["outcome"], said.get("value"), said.get("error")
                say({"op": "bye"})
            case "error":
                run.outcome, run.error = "failed", {"type": "HostRefused", "message": said["reason"]}
            case _:
                pass


def _is_late(question: Message) -> bool:
    return question["state"] == "open" and datetime.fromisoformat(question["expires_at"]) <= datetime.now(UTC)


def _packed(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"
