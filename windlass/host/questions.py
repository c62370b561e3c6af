"""The questions of one run: what was asked in earlier lives is found again, what is new is asked once."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import NAMESPACE_OID, uuid5

from windlass.asking import Asking
from windlass.contracts.events import EventKind, Payload
from windlass.contracts.questions import QuestionState
from windlass.errors import InputsError, UnknownQuestion
from windlass.forms import Model
from windlass.host import wire
from windlass.host.branches import Branch, Place, inside
from windlass.host.outbox import Outbox, resolver
from windlass.host.parking import Parking
from windlass.values import plain

Record = dict[str, Any]  # as the driver sends it: key question_id state result inputs unsettled by answers expires_at

ASK_AGAIN_S = 1.0  # how soon a driver is told again that a deadline has passed


class Service(Protocol):
    """The handlers of the service that asks, with the run's request in hand."""

    def has_lock(self, name: str) -> bool:
        """Whether a form is registered under this name."""
        ...

    def has_lease(self, name: str) -> bool:
        """Whether answers to it are checked by a handler."""
        ...

    async def lock(self, name: str, data: Any) -> Model:
        """The form of a question."""
        ...

    async def lease(self, name: str, data: Any, inputs: Mapping[str, Any]) -> Any:
        """What an answer amounts to. Raises InputsError."""
        ...


class Questions:
    """Lives on the agents' loop, like the code that asks."""

    def __init__(self, run_id: str, attempt: int, service: Service, outbox: Outbox, parking: Parking) -> None:
        self._run_id, self._attempt = run_id, attempt
        self._service, self._outbox, self._parking = service, outbox, parking
        self._records: dict[str, Record] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._calls: Counter[str] = Counter()

    def take(self, records: Sequence[Record]) -> None:
        """Note where questions stand, and let those go on who wait for them."""
        for record in records:
            self._records[record["key"]] = record
            waiting = self._waiting.get(record["key"])
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def ask(self, call: Asking, branch: Branch) -> Any:
        """The answer; asked once, however often the code comes by. Raises TimeoutError when nobody answers in time."""
        fingerprint = call.fingerprint(branch.name)
        self._calls[fingerprint] += 1
        key = f"{fingerprint}.{self._calls[fingerprint]}"
        if key not in self._records:
            await self._open(call, key, branch)
        while True:
            record = self._records[key]
            match record["state"]:
                case QuestionState.OPEN:
                    await self._wait(key, record)
                case QuestionState.ANSWERED if record.get("unsettled"):
                    await self._settle(call, record, branch)
                case QuestionState.ANSWERED:
                    return call.taken(record.get("result"))
                case QuestionState.EXPIRED:
                    raise TimeoutError(f"Lock {record['question_id']} expired at {record['expires_at']}")
                case _:
                    raise asyncio.CancelledError(f"question {record['question_id']} was cancelled")

    async def _open(self, call: Asking, key: str, branch: Branch) -> None:
        """Ask; returns when the question is stored."""
        is_registered = call.form is None and self._service.has_lock(call.name)
        with inside(Branch(branch.owner, f"question-{key}")):
            form = await self._service.lock(call.name, call.plain_data) if is_registered else call.own_form()
        if form is None:
            raise UnknownQuestion(call.name)
        record: Record = {
            "key": key,
            "question_id": str(uuid5(NAMESPACE_OID, f"{self._run_id}/{key}")),
            "state": QuestionState.OPEN,
            "expires_at": (datetime.now(UTC) + timedelta(seconds=call.timeout_s)).isoformat(),
            "answers": 0,
        }
        asked = {
            "kind": call.kind(is_registered),
            "name": call.name,
            "data": call.plain_data,
            "elements": form.get_model(),
            "handled": is_registered and self._service.has_lease(call.name),
        }
        self._records[key] = record
        await self._store(EventKind.QUESTION, self._said(record) | asked, self._place(record))

    async def _wait(self, key: str, record: Record) -> None:
        """Until something about the question changes; the run may park meanwhile."""
        until = datetime.fromisoformat(record["expires_at"])
        rest = (until - datetime.now(UTC)).total_seconds()
        loop = asyncio.get_running_loop()
        changed = self._waiting[key] = loop.create_future()
        alarm = loop.call_later(rest if rest > 0 else ASK_AGAIN_S, self._outbox.note, wire.encode({"op": "due"}))
        try:
            with self._parking.asking(until):
                await changed
        except asyncio.CancelledError:
            self._give_up(record)
            raise
        finally:
            alarm.cancel()
            del self._waiting[key]

    def _give_up(self, record: Record) -> None:
        """The agent wants no answer any more."""
        if record["state"] == QuestionState.OPEN:
            record["state"] = QuestionState.CANCELLED
            with suppress(RuntimeError):  # the run has ended: its questions have ended with it
                self._outbox.put(self._place(record, 1), EventKind.QUESTION, wire.body(self._said(record)))

    async def _settle(self, call: Asking, record: Record, branch: Branch) -> None:
        """Let the handler make a result of an answer that came while the service was down, or ask again."""
        place = self._place(record)
        with inside(Branch(branch.owner, f"question-{record['key']}")):
            try:
                result = plain(await self._service.lease(call.name, call.plain_data, record.get("inputs") or {}))
            except InputsError as refused:
                form = await self._service.lock(call.name, call.plain_data)
                record |= {"state": QuestionState.OPEN, "unsettled": False}
                again = {"kind": call.kind(True), "name": call.name, "elements": form.get_model(), "handled": True}
                said = self._said(record) | again | {"errors": refused.by_field()}
                await self._store(EventKind.QUESTION, said, place)
                return
        record |= {"result": result, "unsettled": False}
        said = {"question_id": record["question_id"], "key": record["key"], "name": call.name, "by": record.get("by")}
        await self._store(EventKind.ANSWER, said | {"result": result}, place)

    def _said(self, record: Record) -> Payload:
        return {name: record[name] for name in ("question_id", "key", "state", "expires_at")}

    def _place(self, record: Record, count: int = 0) -> Place:
        """One for every round of asking and answering; the first event says how it began, a second how it ended."""
        return Place(f"question:{record['key']}:{self._attempt}.{record['answers']}", count)

    async def _store(self, kind: EventKind, payload: Payload, place: Place) -> None:
        if not self._outbox.has_room():
            await self._outbox.room()
        stored = asyncio.get_running_loop().create_future()
        self._outbox.put(place, kind, wire.body(payload), resolver(stored))
        await stored
