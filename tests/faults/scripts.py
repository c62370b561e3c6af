"""A conversation as it is scripted: what is said, what the model wants done, and what must be left of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.load import AGENT

SERVER = "foreign"  # the MCP server
NOTE = f"{SERVER}__note"
WHY = "not in this house"
STEPS = 3  # of a run that the model starts
POLICY = (
    {"action": "ask", "tool": "write", "argument": "secret/*"},
    {"action": "ask", "tool": "write", "argument": "private/*"},
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a tool, and what must come of it; `decision`: what somebody whom it is asked of says."""

    id: str
    name: str
    given: Json
    text: str
    outcome: str = "done"
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model."""

    says: str
    uses: tuple[Use, ...] = ()
    pause_s: float = 0.05  # before each word

    def script(self) -> Json:
        """The same as the stand-in reads it."""
        tools = [{"id": use.id, "name": use.name, "input": use.given} for use in self.uses]
        return {"text": self.says, "chunk_delay": self.pause_s, "tools": tools}


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody says, and what the model does about it."""

    number: int
    about: str
    steps: tuple[Step, ...]

    @property
    def content(self) -> str:
        """What is said."""
        script = json.dumps([step.script() for step in self.steps])
        return f"Turn {self.number}, {self.about}. <standin>{script}</standin>"

    @property
    def uses(self) -> Iterator[Use]:
        """What the model wants done."""
        return (use for step in self.steps for use in step.uses)


@dataclass(slots=True)
class Script:
    """Turns about files, commands, a stranger's tools, approvals and agents, again and again.

    `files` is what the workspace holds after the turns written so far; effects outside are files in `marks`.
    """

    marks: Path
    person: str
    files: dict[str, str] = field(default_factory=dict[str, str])

    def turns(self, count: int) -> Sequence[Turn]:
        """So many turns."""
        kinds = (self._files, self._commands, self._server, self._approvals, self._agent)
        return [kinds[(number - 1) % len(kinds)](number) for number in range(1, count + 1)]

    def note(self, number: int) -> Path:
        """What a stranger's tool writes to in a turn: a line per execution."""
        return self.marks / f"note-{number}"

    def run(self, number: int) -> Path:
        """What the steps of a run write to that a turn starts."""
        return self.marks / f"run-{number}"

    def _files(self, number: int) -> Turn:
        path, before, after = f"notes/{number}.md", f"turn {number}\none\n", f"turn {number}\ntwo\n"
        self.files[path] = after
        written = f"{path} was written."
        return Turn(
            number,
            "files",
            (
                Step("I write it down.", (Use(f"{number}-a", "write", {"path": path, "content": before}, written),)),
                Step(
                    "I read it again.",
                    (
                        Use(f"{number}-b", "read", {"path": path}, f"     1\tturn {number}\n     2\tone"),
                        Use(f"{number}-c", "search", {"pattern": f"TURN {number}"}, f"{path}:1: turn {number}"),
                    ),
                ),
                Step(
                    "I mend it.",
                    (Use(f"{number}-d", "edit", {"path": path, "old_str": "one", "new_str": "two"}, written),),
                ),
                Step(f"The note {number} is as you want it to be."),
            ),
        )

    def _commands(self, number: int) -> Turn:
        self.files["log.txt"] = f"{self.files.get('log.txt', '')}turn {number}\n"
        command = f"sleep 0.5; echo turn {number} >> log.txt; cat log.txt"
        said = f"{self.files['log.txt']}Changed: log.txt."
        return Turn(
            number,
            "commands",
            (
                Step("I run a command.", (Use(f"{number}-a", "shell", {"command": command}, said),)),
                Step(f"The log has a line of turn {number}, and one alone."),
            ),
        )

    def _server(self, number: int) -> Turn:
        note = {"path": str(self.note(number)), "seconds": 0.7}
        return Turn(
            number,
            "a stranger's tools",
            (
                Step("I have it noted.", (Use(f"{number}-a", NOTE, note, "noted"),)),
                Step(
                    "I have it added.", (Use(f"{number}-b", f"{SERVER}__add", {"a": number, "b": 1}, f"{number + 1}"),)
                ),
                Step(f"As far as I know, turn {number} is noted."),
            ),
        )

    def _approvals(self, number: int) -> Turn:
        allowed, denied = f"secret/{number}.md", f"private/{number}.md"
        self.files[allowed] = f"known of turn {number}\n"
        refused = f"It was not done: {self.person} denied it: {WHY}"
        return Turn(
            number,
            "approvals",
            (
                Step(
                    "May I keep two secrets?",
                    (
                        Use(
                            f"{number}-a",
                            "write",
                            {"path": allowed, "content": self.files[allowed]},
                            f"{allowed} was written.",
                            decision="once",
                        ),
                        Use(f"{number}-b", "write", {"path": denied, "content": "x"}, refused, "failed", "deny"),
                    ),
                ),
                Step(f"I keep one secret of turn {number}."),
            ),
        )

    def _agent(self, number: int) -> Turn:
        inputs = {"marks": str(self.run(number)), "n": STEPS, "seconds": 0.3}
        given: Json = {"agent": AGENT, "inputs": inputs, "title": f"Turn {number}"}
        said = json.dumps({"taken": list(range(STEPS))}, separators=(",", ":"))
        return Turn(
            number,
            "an agent",
            (
                Step("Somebody else should.", (Use(f"{number}-a", "run_agent", given, said, decision="once"),)),
                Step(f"The agent of turn {number} has done its steps."),
            ),
        )
