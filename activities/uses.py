"""Uses of tools in turns: claimed, done, recorded; what may have happened is never done again."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from temporalio import activity

from activities.beats import beating
from activities.dialogues import HANDS
from activities.editor import BadEdit
from activities.errands import Errands
from activities.interrupts import Interrupts
from activities.occasions import Occasion
from activities.shells import SHELL, Shells
from activities.toolboxes import Toolbox, opened_box
from activities.tools import Tool
from activities.transcripts import Json, calls
from activities.workspaces import QUOTA_BYTES, Workspace, contained
from windlass.contracts import sessions as words
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.ids import SessionId, TenantId
from windlass.contracts.servers import ToolAnswer
from windlass.contracts.sessions import Action, Used, UseInput, ruling
from windlass.core.approvals import Approvals, Call, Ruling
from windlass.core.artifacts import Artifacts
from windlass.core.events import Events
from windlass.core.server_uses import Offer, Offers
from windlass.core.turns import Standing, Turns
from windlass.core.workspaces import Change, Workspaces, WorkspaceTooLarge

PLACES = 10_000  # of one turn under the producer
USES = 50  # of one answer
LONGEST_S = 120.0
INTERRUPTED = "It was not done: the turn was interrupted."
CUT_OFF = "It may have been done before the worker was cut off. It was not done again."
MAYBE = "It may have been done."
LEFT = ToolAnswer("The turn was interrupted meanwhile.", "unknown")


class ServerCalls(Protocol):
    """Whoever calls tools of MCP servers."""

    async def call(
        self, tenant_id: TenantId, server_name: str, tool: str, arguments: Mapping[str, Any], /
    ) -> ToolAnswer:
        """Have a tool do its work, once; whatever goes wrong is the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What using tools needs of the world."""

    turns: Turns
    events: Events
    artifacts: Artifacts
    workspaces: Workspaces
    approvals: Approvals
    offers: Offers
    servers: ServerCalls
    interrupts: Interrupts
    errands: Errands
    shells: Shells


class ToolActivities:
    """Uses tools; one object per worker process."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    @activity.defn(name=words.USE)
    async def use(self, request: UseInput) -> Used:
        """Use one tool and record what came of it, unless somebody must allow it first. No outcome is made again.

        Files change in one transaction with the record of the tool that changed them: cut off before it, nothing
        happened, and the second time does it. What acts elsewhere is claimed before and not done a second time,
        unless it may be repeated: then its outcome is `unknown`.
        """
        async with beating():
            return Used(await Use(self._hands, request).carry_out())


class Use:
    """One use of a tool."""

    def __init__(self, hands: Hands, request: UseInput) -> None:
        self._hands, self._request = hands, request
        self._tenant_id, self._session_id = TenantId(UUID(request.tenant_id)), UUID(request.session_id)
        self._place = PLACES * request.turn + 2 * (USES * request.call + request.place)
        self._wanted_at = datetime.min.replace(tzinfo=UTC)
        self.is_settled = False  # whether what came of it here is what stands in the record

    async def is_on_record(self) -> bool:
        """Whether what came of it is on record."""
        call, after = await self._call(), self._request.seq
        results = await self._hands.events.read(
            self._tenant_id, self._session_id, after, USES, (EventKind.TOOL_RESULT,)
        )
        return any(result.payload["id"] == call["id"] for result in results)

    async def carry_out(self) -> float | None:
        """Do it, unless its outcome is on record or its session is gone. Answers how long people may take."""
        standing = await self._look()
        call = await self._call()
        if standing is None:
            return None
        box = await opened_box(self._hands.offers, self._tenant_id, standing.settings)
        is_there = box.has(str(call["name"]))
        found = await self._ruled(call, standing) if is_there else Ruling(is_allowed=True)  # nobody is asked in vain
        if found is None or found.waits_s is not None:
            return None if found is None else found.waits_s
        is_first = await self._claim(call)
        if is_first is None:
            return None
        if not is_first and not self._repeats(call, box) and (found.is_allowed or found.said == INTERRUPTED):
            await self._record(call, "unknown", CUT_OFF)
        elif box.is_errand(str(call["name"])):
            return await self._run_errand(call, found, self._occasion(call, standing))
        elif not found.is_allowed:
            await self._record(call, "failed", found.said)
        else:
            await self._act(call, box)
        return None

    def _repeats(self, call: Json, box: Toolbox) -> bool:
        """Whether it may be done again when nobody knows whether it was done; a tool that is gone may not."""
        name = str(call["name"])
        offer = box.offered(name)
        if offer is not None:
            return offer.repeats
        return self._hands.shells.repeats if name == SHELL else box.built_in(name) is not None or box.is_errand(name)

    async def _act(self, call: Json, box: Toolbox) -> None:
        """Do it, and record what came of it."""
        name = str(call["name"])
        offer = box.offered(name)
        if offer is not None:
            await self._record(call, *await self._called(offer, call.get("input") or {}))
        elif name == SHELL and box.has_shell:
            await self._run_shell(call)
        else:
            await self._use_built_in(call, box.built_in(name))

    async def _use_built_in(self, call: Json, tool: Tool | None) -> None:
        """Have a tool work on the files; they change with its record."""
        files = await self._hands.workspaces.files(self._tenant_id, self._session_id)
        workspace = Workspace(self._hands.workspaces, self._tenant_id, files)
        outcome, text = await _used(workspace, call, tool)
        await self._keep(call, outcome, text, workspace.changes if outcome == "done" else {})

    async def _run_shell(self, call: Json) -> None:
        """Run a command on the files; they change with its record."""
        async with self._hands.interrupts.heard(SessionId(self._session_id), self._look) as stop:
            given: Payload = call.get("input") or {}
            came = await self._hands.shells.run(self._tenant_id, self._session_id, given, stop)
        await self._keep(call, came.outcome, came.text, came.changes)

    async def _keep(self, call: Json, outcome: str, text: str, changes: Mapping[str, Change]) -> None:
        try:
            await self._record(call, outcome, text, changes)
        except WorkspaceTooLarge as full:
            await self._record(call, "failed", f"{full} Nothing was changed.")

    async def _run_errand(self, call: Json, found: Ruling, occasion: Occasion) -> float | None:
        """Have an errand done, or ended when it may not go on; answers how long it waits."""
        tool, errands = str(call["name"]), self._hands.errands
        if not found.is_allowed:
            await errands.abandon(tool, occasion)
            await self._record(call, "failed", found.said)
            return None
        async with self._hands.interrupts.heard(SessionId(self._session_id), self._look) as stop:
            came = await errands.carry_out(tool, occasion, stop)
        if came.waits_s is None:
            await self._record(call, came.outcome, came.text, more=came.more)
        return came.waits_s

    def _occasion(self, call: Json, standing: Standing) -> Occasion:
        return Occasion(
            tenant_id=self._tenant_id,
            session_id=self._session_id,
            turn=self._request.turn,
            place=self._place,
            wanted_at=self._wanted_at,
            owner=standing.owner,
            left_s=standing.settings.limits.time_s - standing.age_s,
            given=call.get("input") or {},
        )

    async def _called(self, offer: Offer, given: Payload) -> tuple[str, str]:
        """The outcome of a tool of a server, and what it said; an interrupt does not wait for it."""
        calling = asyncio.create_task(self._hands.servers.call(self._tenant_id, offer.server, offer.tool.name, given))
        async with self._hands.interrupts.heard(SessionId(self._session_id), self._look) as stop:
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((calling, stopping), return_when=asyncio.FIRST_COMPLETED)
                return _told(calling.result() if calling.done() else LEFT, offer)
            finally:
                calling.cancel()
                stopping.cancel()
                await asyncio.gather(calling, stopping, return_exceptions=True)

    async def _look(self) -> Standing | None:
        return await self._hands.turns.look(self._tenant_id, self._session_id, self._request.turn)

    async def _ruled(self, call: Json, standing: Standing) -> Ruling | None:
        """Whether it may be done: what the policy says, or somebody whom it has asked. None: the session is gone."""
        given: Payload = call.get("input") or {}
        rule = ruling(standing.settings.policy, str(call["name"]), given, _plain(given))
        if standing.is_interrupted:
            return Ruling(said=INTERRUPTED)
        if rule.action == Action.DENY:
            return Ruling(said="It was not done: the policy of this session does not allow it.")
        if rule.action == Action.ALLOW:
            return Ruling(is_allowed=True)
        request = self._request
        key = f"{request.turn}-{request.call}-{request.place}"
        asked = Call(self._tenant_id, self._session_id, request.turn, key, str(call["name"]), given)
        return await self._hands.approvals.seek(asked, rule)

    async def _call(self) -> Json:
        """What the model wants done."""
        found = await self._hands.events.read(self._tenant_id, self._session_id, self._request.seq - 1, 1)
        self._wanted_at = found[0].at
        message = await self._hands.artifacts.whole(self._tenant_id, found[0].payload)
        return calls(message)[self._request.place]

    async def _claim(self, call: Json) -> bool | None:
        """Say that it is about to be done; answers whether for the first time. None: the session was deleted."""
        said: Payload = {"id": call["id"], "name": call["name"], "input": call.get("input") or {}}
        said = await self._folded(said)
        event = NewEvent(EventKind.TOOL_CALL, said, HANDS, self._place)
        stored = await self._hands.turns.append(self._tenant_id, self._session_id, [event])
        return stored[0].fresh if stored else None

    async def _record(
        self,
        call: Json,
        outcome: str,
        text: str,
        changes: Mapping[str, Change] | None = None,
        more: Payload | None = None,
    ) -> None:
        said: Payload = {"id": call["id"], "name": call["name"], "outcome": outcome, "text": text, **(more or {})}
        files = [asdict(change) for change in (changes or {}).values()]
        if files:
            said["files"] = [change["path"] for change in files]
        folded = await self._folded(said)
        event = NewEvent(EventKind.TOOL_RESULT, folded, HANDS, self._place + 1)
        turns = self._hands.turns
        self.is_settled = await turns.record(self._tenant_id, self._session_id, event, files, QUOTA_BYTES)

    async def _folded(self, said: Payload) -> Payload:
        said = {**said, "turn": self._request.turn}
        return await self._hands.artifacts.fold(self._tenant_id, self._session_id, said)


def _plain(given: Payload) -> Payload:
    """The same with its path as the workspace knows it: ./secret is secret, for rules too."""
    path = given.get("path")
    with suppress(BadEdit):
        return {**given, "path": contained(path)} if isinstance(path, str) else given
    return given


def _told(answer: ToolAnswer, offer: Offer) -> tuple[str, str]:
    """What came of a call, with a word on what nobody knows; a tool that only reads has done nothing."""
    if answer.outcome != "unknown":
        return answer.outcome, answer.text
    return ("failed", answer.text) if offer.only_reads else ("unknown", f"{answer.text.rstrip('.')}. {MAYBE}")


async def _used(workspace: Workspace, call: Json, tool: Tool | None) -> tuple[str, str]:
    """The outcome of a call, and what to say to the model."""
    if tool is None:
        return "failed", f"There is no tool {call['name']}."
    try:
        async with asyncio.timeout(LONGEST_S):
            return await tool.use(workspace, call.get("input") or {})
    except TimeoutError:
        return "failed", f"It was stopped after {LONGEST_S:.0f} s. Nothing was changed."
