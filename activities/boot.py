"""Bringing services up: asked for in rows, done by whoever keeps them, and told in the stream of the boot."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import activity

from activities.beats import beating
from windlass.contracts import boot as words
from windlass.contracts.boot import Begun, BootInput, BringUpInput, BroughtUp
from windlass.contracts.events import Payload
from windlass.contracts.ids import ServiceId, TenantId
from windlass.core.boot import BootRecords, Standing, message

LOOK_S = 0.1
PATIENCE = timedelta(minutes=45)  # for one service: what it asks for may take half an hour to install
PLACES = {phase: 10 * (place + 1) for place, phase in enumerate(words.PHASES)}
LINES_FROM, FAILED, REACHED, REPLICAS, AILING, LATE = 1000, 900, 901, 910, 920, 930
REPLICAS_PATIENCE = timedelta(minutes=1)  # for the other replicas of a service, once its first one serves
SAID = {"prepare": "Prepared", "start": "Started", "probe": "Answers", "register": "Registered"}

Describe = Callable[[TenantId, UUID], Awaitable[Mapping[str, Any] | None]]


class BootActivities:
    """What a boot does to the outside world."""

    def __init__(self, records: BootRecords, describe: Describe, now: Callable[[], datetime]) -> None:
        self._records, self._describe, self._now = records, describe, now

    @activity.defn(name=words.BEGIN)
    async def begin(self, request: BootInput) -> Begun:
        """Answer which services are to be brought up. The second time the answer may be a newer one."""
        tenant_id, boot_id = _ids(request)
        services = await self._records.begin(tenant_id, boot_id)
        if services is None:
            return Begun()
        said = {1: message("start", "Starting deployment", step="prepare")}
        await self._records.say(tenant_id, boot_id, "deploy", said)
        return Begun(services)

    @activity.defn(name=words.BRING_UP)
    async def bring_up(self, request: BringUpInput) -> BroughtUp:
        """Want one service anew and tell how it comes up. The second time it goes on telling where the first was."""
        tenant_id, boot_id = _ids(BootInput(request.tenant_id, request.boot_id))
        service_id = ServiceId(UUID(request.service_id))
        async with beating(every_s=5):
            if await self._records.is_over(tenant_id, boot_id):
                return BroughtUp(request.name, "gone")
            await self._records.ask_for(tenant_id, boot_id, service_id)
            told: dict[int, Payload] = {}
            up_at: datetime | None = None
            while True:
                standing = await self._records.standing(tenant_id, boot_id, service_id)
                if standing is None or await self._records.is_over(tenant_id, boot_id):
                    return BroughtUp(request.name, "gone")
                up_at = up_at or (self._now() if standing.is_up else None)
                is_late = up_at is not None and self._now() - up_at > REPLICAS_PATIENCE
                if standing.is_due and (said := progress_of(request.name, standing, is_late=is_late)) != told:
                    told = said
                    await self._records.say(tenant_id, boot_id, request.service_id, said)
                if standing.has_failed or (standing.is_up and (is_late or not standing.late)):
                    break
                if self._now() - standing.began_at > PATIENCE:
                    await self._records.say(tenant_id, boot_id, request.service_id, _given_up(request.name))
                    return BroughtUp(request.name, "failed", "out of time")
                await asyncio.sleep(LOOK_S)
        return BroughtUp(request.name, "running" if standing.is_up else "failed", _first_line(standing))

    @activity.defn(name=words.SETTLE)
    async def settle(self, request: BootInput) -> str:
        """Look at what the services offer, tell it, and record the end. The second time the same is told once."""
        tenant_id, boot_id = _ids(request)
        async with beating(every_s=5):
            if await self._records.is_over(tenant_id, boot_id):
                return "it was over"
            found = [
                (name, service_id, standing)
                for name, service_id in await self._records.members(tenant_id, boot_id)
                if (standing := await self._records.standing(tenant_id, boot_id, service_id)) is not None
            ]
            up = [(name, service_id, standing) for name, service_id, standing in found if standing.is_up]
            teller = Teller(self._records, tenant_id, boot_id)
            await teller.end(_deployed(found, len(up)), step="start")
            await self._register(teller, up)
            alive = await self._retrieve(teller, up)
            await self._update(teller, up, alive)
            began_at = await self._records.created_at(tenant_id, boot_id)
            took = (self._now() - began_at).total_seconds()
            ended = f"Boot completed at {self._now().astimezone(UTC):%Y-%m-%d %H:%M:%S} (runtime: {took:.1f}s)"
            await teller.say("complete", ended)
            await self._records.end(tenant_id, boot_id, len(up), len(found) - len(up))
        return f"{len(up)} of {len(found)} services are up"

    async def _register(self, teller: "Teller", up: list[tuple[str, ServiceId, Standing]]) -> None:
        await teller.say("start", "Registering flow endpoints", step="register")
        for name, _service_id, standing in up:
            said = f"Discovered {len(standing.flows)} flow endpoint(s)"
            flows = ", ".join(_short(flow) for flow in standing.flows)
            await teller.say("activity", said, step="register", target=name, result=flows)
        total = sum(len(standing.flows) for _, _, standing in up)
        await teller.end(f"Flow registration complete ({total} discovered)", step="register")

    async def _retrieve(self, teller: "Teller", up: list[tuple[str, ServiceId, Standing]]) -> int:
        """Ask each service once more for the forms of its flows; answers how many there are."""
        await teller.say("start", "Testing flow endpoints", step="retrieve")
        alive = 0
        for name, service_id, standing in up:
            began = asyncio.get_running_loop().time()
            said = await self._describe(teller.tenant_id, service_id)
            took = round(asyncio.get_running_loop().time() - began, 2)
            offered = {f"{name}/{flow['name']}" for flow in (said or {}).get("flows", ()) if flow.get("elements")}
            for flow in standing.flows:
                result = "200 OK (alive)" if flow in offered else "404 Not Found (dead)"
                alive += flow in offered
                more = {"step": "retrieve", "target": name, "result": result, "s": took}
                await teller.say("result", f"HEAD /{flow}", **more)
        dead = sum(len(standing.flows) for _, _, standing in up) - alive
        await teller.end(f"Retrieved {alive + dead} flow endpoints ({alive} alive, {dead} dead)", step="retrieve")
        return alive

    async def _update(self, teller: "Teller", up: list[tuple[str, ServiceId, Standing]], alive: int) -> None:
        await teller.say("start", "Updating service metadata", step="update")
        new = kept = 0
        for name, _service_id, standing in up:
            fresh, same = set(standing.flows) - set(standing.before), set(standing.flows) & set(standing.before)
            gone = len(set(standing.before) - set(standing.flows))
            new, kept = new + len(fresh), kept + len(same)
            said = f"{len(fresh)} new, {len(same)} preserved{f', {gone} gone' if gone else ''}"
            await teller.say("result", "Updated meta", step="update", target=name, result=said)
        await teller.end(f"Metadata update complete ({new} new, {kept} preserved, {alive} alive)", step="update")


class Teller:
    """Says one thing after the other, each at its place."""

    def __init__(self, records: BootRecords, tenant_id: TenantId, boot_id: UUID) -> None:
        self._records, self.tenant_id, self._boot_id = records, tenant_id, boot_id
        self._place = 0

    async def say(self, kind: str, text: str, **more: Any) -> None:
        """Say it; what was said at this place before stays."""
        self._place += 1
        await self._records.say(self.tenant_id, self._boot_id, "settle", {self._place: message(kind, text, **more)})

    async def end(self, text: str, *, step: str) -> None:
        """A step is over for all services."""
        await self.say("end", text, step=step)


def _deployed(found: Sequence[tuple[str, ServiceId, Standing]], up: int) -> str:
    """How many services run, and how many of them not with what this boot was to bring."""
    kept = sum(standing.state == "running" and not standing.is_up for _, _, standing in found)
    return f"Deployment complete ({up + kept}/{len(found)} running{f', {kept} of them as before' if kept else ''})"


def progress_of(name: str, standing: Standing, *, is_late: bool = False) -> dict[int, Payload]:
    """What is to be told of a service's way up, by place; it may have been told before.

    Of its replicas the first one's way is told, and of each other one how it ended, or at last that it `is_late`.
    """
    said: dict[int, Payload] = {}
    for number, text in standing.progress.get("lines", ()):
        said[LINES_FROM + number] = message("info", text, step="prepare", target=name)
    for phase in standing.progress.get("phases", ()):
        step = phase["name"]
        if phase["result"] is not None:
            result = f"{phase['result']}, {phase['s']:.1f}s"
            more = {"step": step, "target": name, "result": result, "s": phase["s"]}
            said[PLACES[step]] = message("activity", SAID[step], **more)
        elif not standing.has_failed:
            said[PLACES[step] - 1] = message("begun", f"{step} begins", step=step, target=name)
    if standing.has_failed:
        said |= _failure(name, standing)
    elif standing.is_up:
        said[REACHED] = message("result", "Reached final state", step="probe", target=name, result="RUNNING")
    if standing.has_failed or standing.is_up:
        said |= _replicas(name, standing, is_late=is_late)
    return said


def _replicas(name: str, standing: Standing, *, is_late: bool) -> dict[int, Payload]:
    """How the replicas beside the first ended. One that does not come up is tried again, as its record says."""
    more = {"step": "probe", "target": name}
    said: dict[int, Payload] = {}
    for n in range(2, standing.replicas + 1):
        if n in standing.serving:
            said[REPLICAS + n] = message("result", f"Replica {n} reached final state", result="RUNNING", **more)
        elif n in standing.ailing:
            said[AILING + n] = _ailing(n, standing, more)
    if is_late and standing.late:
        late = ", ".join(map(str, standing.late))
        said[LATE] = message("warning", f"not all replicas are there yet, and come by themselves: {late}", **more)
    return said


def _ailing(n: int, standing: Standing, more: Mapping[str, str]) -> Payload:
    """What is told of a replica that did not come up, and is tried again."""
    how = standing.ailing[n]
    first, _, rest = how.reason.partition("\n")
    goes_on = how.state == "running"  # the reason says so itself
    others = "" if goes_on or standing.state != "running" else ", others serve"
    text = f"replica {n} did not come up and is tried again{others}: {first}"
    result = "RUNNING (as before)" if goes_on else how.state.upper()
    return message("warning", text, result=result, detail=rest or None, **more)


def _failure(name: str, standing: Standing) -> dict[int, Payload]:
    step, reason = standing.failure.get("phase", "start"), standing.failure.get("reason", "")
    first, _, rest = reason.partition("\n")
    its = standing.ailing.get(1)  # the service is as its best replica is
    state = standing.state if its is None else its.state
    kept = "its other replicas serve" if standing.state == "running" else "the others are not touched"
    if state == "running":
        kept = "the process before goes on serving"
    text = f"did not come up, {kept}: {first}"
    took = next((each["s"] for each in standing.progress.get("phases", ()) if each["name"] == step), None)
    state = "RUNNING (as before)" if state == "running" else state.upper()
    return {
        FAILED: message("error", text, step=step, target=name, detail=rest or None, s=took),
        REACHED: message("result", "Reached final state", step=step, target=name, result=state),
    }


def _given_up(name: str) -> dict[int, Payload]:
    minutes = int(PATIENCE.total_seconds() // 60)
    text = f"nothing was heard of it for {minutes} minutes: is a services worker running? The others are not touched"
    return {FAILED: message("error", text, step="start", target=name)}


def _first_line(standing: Standing) -> str:
    return standing.failure.get("reason", "").partition("\n")[0][:300]


def _short(flow: str) -> str:
    return flow.partition("/")[2]


def _ids(request: BootInput) -> tuple[TenantId, UUID]:
    return TenantId(UUID(request.tenant_id)), UUID(request.boot_id)
