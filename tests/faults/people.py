"""Somebody who talks in a session through every outage, decides what is asked, and reads what is left of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import TypeAdapter

from tests.faults.scripts import WHY, Json, Turn
from tests.faults.stack import until
from windlass.client import ApiError, AsyncClient, Unreachable
from windlass.client.calls import Call
from windlass.client.records import Question

PASSING = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
PATIENCE_S = 240.0
LOOK_S = 1.0  # after so long one looks though nothing was heard
PAGE = 500

T = TypeVar("T")
OBJECT: TypeAdapter[Json] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in one session."""

    client: AsyncClient
    session_id: str

    async def take_turn(self, turn: Turn, heard: Callable[[], int]) -> Json:
        """Say what the turn is about, decide what it asks, and wait for its end. Answers the session then.

        Looks when more was heard: who asked ten times a second was a burden of its own.
        """
        await self.say(turn)
        decisions = {use.id: use.decision for use in turn.uses if use.decision}
        session: Json = {}
        looked = (-1, 0.0)

        async def is_over() -> bool:
            nonlocal looked
            now = (heard(), time.monotonic())
            if now[0] == looked[0] and now[1] - looked[1] < LOOK_S:
                return False
            looked = now
            for question in await self._open_questions():
                await self._decide(question, turn, decisions)
            session.update(await self.read(""))
            return session["turn"] >= turn.number and session["status"] == "idle"

        await until(is_over, f"turn {turn.number} ({turn.about}) is over", PATIENCE_S, lambda: f"{session}")
        return session

    async def say(self, turn: Turn) -> None:
        """Say it until it is taken; under its id it is one message."""
        body: Json = {"id": self.name(turn), "content": turn.content}
        await surely(
            self.client, Call("POST", f"/v1/sessions/{self.session_id}/messages", OBJECT.validate_python, body)
        )

    def name(self, turn: Turn) -> str:
        """The id of what is said."""
        return str(uuid5(NAMESPACE_URL, f"{self.session_id}/{turn.number}"))

    async def read(self, of: str, **query: Any) -> Json:
        """Something of the session."""
        path = f"/v1/sessions/{self.session_id}{of}"
        return await surely(self.client, Call("GET", path, OBJECT.validate_python, query=query))

    async def whole(self, of: str) -> list[Json]:
        """All there is of a list of the session."""
        items: list[Json] = []
        after: int | None = 0
        while after is not None:
            page = await self.read(of, after=after, limit=PAGE)
            items += page["items"]
            after = page["next"]
        return items

    async def files(self) -> dict[str, str]:
        """What the workspace holds."""
        listed = (await self.read("/files"))["items"]
        return {each["path"]: await self._file(each["path"]) for each in listed}

    async def _file(self, path: str) -> str:
        call = Call("GET", f"/v1/sessions/{self.session_id}/files/{path}", bytes.decode, is_bytes=True)
        return await surely(self.client, call)

    async def _open_questions(self) -> list[Json]:
        query = {"state": "open", "session_id": self.session_id}
        return (await surely(self.client, Call("GET", "/v1/questions", OBJECT.validate_python, query=query)))["items"]

    async def _decide(self, question: Json, turn: Turn, decisions: Mapping[str, str]) -> None:
        """Decide it; a decision that was taken before its answer got lost is refused, and stands."""
        asked = question["data"]["input"]
        (use,) = [use for use in turn.uses if use.given == asked]
        inputs = {"decision": decisions[use.id], "why": WHY if use.outcome == "failed" else ""}
        path = f"/v1/questions/{question['id']}/answer"
        try:
            await surely(self.client, Call("POST", path, Question.model_validate, {"inputs": inputs}))
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise


async def opened(client: AsyncClient, **more: Any) -> Person:
    """A session in which somebody is about to talk."""
    session = await client.sessions.open(**more)
    return Person(client, session.id)


async def surely(client: AsyncClient, call: Call[T]) -> T:
    """Ask until there is an answer: whoever should give it may be on its way up."""
    while True:
        try:
            return await client.send(call)
        except Unreachable:
            await asyncio.sleep(0.1)
        except ApiError as error:
            if error.status not in PASSING:
                raise
            await asyncio.sleep(0.1)
