"""One answer of a model in a conversation: shown as it comes, recorded once, asked for again where that may help."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models import CallCancelled, ClaudeExecutor, ModelCall, ModelError, ModelRequest
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import TenantId
from windlass.core.artifacts import Artifacts
from windlass.core.database import OUTAGES, Away
from windlass.core.events import PAGE, Delta, Events

TRIES = 6
PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 60.0
GATHER_S = 0.02  # how long words gather while others are on their way
PRODUCER, TROUBLE = "model", "model:trouble"

Append = Callable[[Sequence[NewEvent]], Awaitable[bool]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an answer belongs: its name, its place and that of its usage under `model`, and what is said beside it.

    `tried`: attempts at it that another activity has made.
    """

    item: str
    place: int
    trouble: int
    more: Payload = field(default_factory=dict[str, Any])
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Recorder:
    """What an exchange needs of the record."""

    events: Events
    artifacts: Artifacts
    append: Append
    tenant_id: TenantId
    stream_id: UUID

    async def fold(self, payload: Payload) -> Payload:
        """The payload as the log may carry it."""
        return await self.artifacts.fold(self.tenant_id, self.stream_id, payload)


class Exchange:
    """One call to a model, within an activity."""

    def __init__(self, executor: ClaudeExecutor, recorder: Recorder, spot: Spot) -> None:
        self._executor, self._recorder, self._spot = executor, recorder, spot
        self._attempt = spot.tried + activity.info().attempt
        self._reported: list[NewEvent] = []
        self._pieces: list[Delta] = []
        self._showing: asyncio.Task[None] | None = None

    async def ask(self, question: ModelRequest, stopped: asyncio.Event) -> ModelError | None:
        """Ask, and record the answer with what it cost. Answers why there is none, for good.

        Raises CallCancelled once `stopped` is set: what was said until then is recorded. An error that may pass is
        raised as ApplicationError, which has Temporal try again after a while.
        """
        call = ModelCall(question, self._spot.item, self._attempt)
        try:
            await self._executor.run(call, self, stopped)
        except ModelError as error:
            await self._record()
            return await self._again(error)
        except CallCancelled:
            await self._record()
            raise
        await self._record()
        return None

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        """Take what the call reports; it is recorded when the call is over, all at once."""
        more = self._spot.more if kind is EventKind.MESSAGE else {}
        place = self._spot.place + (kind is EventKind.USAGE)
        folded = await self._recorder.fold({**payload, **more})
        producer = PRODUCER if kind is EventKind.MESSAGE or self._reported else f"{PRODUCER}:{self._attempt}"
        self._reported.append(NewEvent(kind, folded, producer, place))

    async def delta(self, item: str, ord: int, text: str) -> None:
        """Show words on their way: the first at once, then whatever gathered meanwhile."""
        self._pieces.append(Delta(item, self._attempt, ord, text))
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show())

    async def _show(self) -> None:
        recorder = self._recorder
        while self._pieces:
            pieces, self._pieces = self._pieces, []
            try:
                await recorder.events.append_deltas(recorder.tenant_id, recorder.stream_id, pieces)
            except (Away, *OUTAGES) as away:  # the message will say it all
                log.warning("words on their way were not shown", reason=repr(away))
            await asyncio.sleep(GATHER_S)

    async def _record(self) -> None:
        if self._showing is not None:
            await self._showing
        if self._reported:
            await self._recorder.append(self._reported)

    async def _again(self, error: ModelError) -> ModelError:
        """Have the call made again where that may help."""
        if not error.retryable or self._attempt >= TRIES:
            return error
        delay_s = error.retry_after_s
        if delay_s is None:
            delay_s = min(PAUSE_FIRST_S * 2 ** (self._attempt - 1), PAUSE_LAST_S)
        text = f"{error} Attempt {self._attempt + 1} of {TRIES} follows in {delay_s:g} s."
        place = self._spot.trouble + self._attempt
        await self._recorder.append([NewEvent(EventKind.LOG, {"level": "warning", "text": text}, TROUBLE, place)])
        raise ApplicationError(str(error), type=error.type, next_retry_delay=timedelta(seconds=delay_s))


async def whole_log(
    events: Events, artifacts: Artifacts, tenant_id: TenantId, stream_id: UUID, kinds: Sequence[EventKind]
) -> list[Event]:
    """Every event of these kinds, with what was too large for the log."""
    found: list[Event] = []
    while True:
        page = await events.read(tenant_id, stream_id, found[-1].seq if found else 0, PAGE, kinds)
        found += [replace(event, payload=await artifacts.whole(tenant_id, event.payload)) for event in page]
        if len(page) < PAGE:
            return found
