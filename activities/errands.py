"""Tools that ask something of the house: a question to people, a file kept for good, a run of an agent."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from activities.editor import MOST_PATH, BadEdit, text_of
from activities.forms import FIELDS, form_of
from activities.linked_runs import Linked
from activities.occasions import Came, Occasion
from activities.shell import cut
from activities.transcripts import Json
from activities.workspaces import contained
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.questions import QuestionKind, QuestionState
from windlass.core.inquiries import Inquiries, Inquiry
from windlass.core.turns import Turns
from windlass.core.workspaces import Workspaces

ASK_PERSON, SAVE_ARTIFACT, RUN_AGENT = "ask_person", "save_artifact", "run_agent"
ASKED_S, ASKED_LEAST_S, ASKED_MOST_S = 86_400.0, 60.0, 604_800.0
QUESTION_CHARACTERS, NAME_CHARACTERS = 4_000, 200
KEEPER = "artifacts"  # the producer of what was kept


GONE = Came("failed", "The session is gone.")
DESCRIBED: tuple[Json, ...] = (
    {
        "name": ASK_PERSON,
        "description": "Ask the people of the session something that only they know or may decide, and wait for "
        "the answer, for a day or timeout_s. Without fields the answer is text.",
        "input_schema": {
            "type": "object",
            "properties": {
                "question": {"type": "string", "description": "In Markdown; its first line is its title."},
                "fields": FIELDS,
                "timeout_s": {"type": "number", "minimum": ASKED_LEAST_S, "maximum": ASKED_MOST_S},
            },
            "required": ["question"],
        },
    },
    {
        "name": SAVE_ARTIFACT,
        "description": "Keep a file of the workspace, as it is now, as a result of the session. It stays when the "
        "file changes.",
        "input_schema": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Within the workspace."},
                "name": {"type": "string", "description": "What people see; the file's name if there is none."},
                "description": {"type": "string"},
            },
            "required": ["path"],
        },
    },
    {
        "name": RUN_AGENT,
        "description": "Start an agent of the organisation by its name and wait for its result. Names that there "
        "are not are answered with those that there are. With wait false it goes on by itself.",
        "input_schema": {
            "type": "object",
            "properties": {
                "agent": {"type": "string"},
                "inputs": {"type": "object", "description": "The fields of its form, such as prompt."},
                "title": {"type": "string"},
                "wait": {"type": "boolean"},
            },
            "required": ["agent"],
        },
    },
)
ERRANDS: Mapping[str, Json] = {str(each["name"]): each for each in DESCRIBED}


@dataclass(frozen=True, slots=True)
class Errands:
    """Does them; one object per worker process."""

    inquiries: Inquiries
    linked: Linked
    turns: Turns
    workspaces: Workspaces

    async def carry_out(self, tool: str, occasion: Occasion, stop: asyncio.Event) -> Came:
        """What a use came to. The second time it is the same question, the same file kept, the same run."""
        try:
            match tool:
                case "ask_person":
                    return await self._ask(occasion)
                case "save_artifact":
                    return await self._keep(occasion)
                case _:
                    return await self.linked.carry_out(occasion, stop)
        except BadEdit as bad:
            return Came("failed", str(bad))

    async def abandon(self, tool: str, occasion: Occasion) -> None:
        """The turn was interrupted: end what still goes on for it."""
        if tool == RUN_AGENT:
            await self.linked.abandon(occasion)

    async def _ask(self, occasion: Occasion) -> Came:
        question = text_of(occasion.given, "question", QUESTION_CHARACTERS)
        wanted = occasion.given.get("timeout_s")
        timeout_s = float(wanted) if isinstance(wanted, int | float) else ASKED_S
        found = await self.inquiries.ask(
            Inquiry(
                occasion.tenant_id,
                occasion.session_id,
                occasion.turn,
                occasion.key,
                QuestionKind.ASK,
                (question.strip().splitlines() or [question])[0].lstrip("# ")[:NAME_CHARACTERS] or "A question",
                form_of(question, occasion.given.get("fields")),
                min(max(timeout_s, ASKED_LEAST_S), ASKED_MOST_S),
            )
        )
        return GONE if found is None else _answered(found)

    async def _keep(self, occasion: Occasion) -> Came:
        path = contained(text_of(occasion.given, "path", MOST_PATH))
        file = (await self.workspaces.files(occasion.tenant_id, occasion.session_id)).get(path)
        if file is None:
            raise BadEdit(f"There is no file {path or 'without a name'}.")
        name = text_of(occasion.given, "name", NAME_CHARACTERS, may_be_empty=True).strip() or path.rpartition("/")[2]
        about = text_of(occasion.given, "description", QUESTION_CHARACTERS, may_be_empty=True)
        kept: Payload = {"name": name, "description": about, "path": path}
        kept |= {"digest": file.digest, "size_bytes": file.size_bytes, "turn": occasion.turn}
        await self.workspaces.save(occasion.tenant_id, occasion.session_id, file)
        event = NewEvent(EventKind.ARTIFACT, kept, KEEPER, occasion.place)
        if not await self.turns.append(occasion.tenant_id, occasion.session_id, [event]):
            return GONE
        return Came("done", f"{path} is kept as {name}.")


def _answered(found: Payload) -> Came:
    """What became of a question."""
    match found["state"]:
        case QuestionState.OPEN:
            return Came(waits_s=max(0.1, float(found["left_s"])))
        case QuestionState.ANSWERED:
            given: Any = found["result"]
            plain = given.get("answer") if isinstance(given, dict) and len(given) == 1 else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType] - JSON
            said = plain if isinstance(plain, str) else orjson.dumps(given).decode()
            return Came("done", cut(f"{found['by']} answered: {said}"))
        case QuestionState.EXPIRED:
            return Came("failed", "Nobody answered in time.")
        case _:
            return Came("failed", "The question was withdrawn before somebody answered.")
