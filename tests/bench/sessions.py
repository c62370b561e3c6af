"""What conversations cost: the first words of an answer, an interrupt, many turns at once, and a long session."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from temporalio.client import Client

from stack.readiness import NotReady, wait_until
from tests.bench.figures import Row
from tests.bench.provider import Provider, answering
from tests.bench.stack import Stack, running
from tests.bench.wire import Wire
from windlass.contracts.ids import workflow_id

TURNS, INTERRUPTS, TOGETHER, TOOLS, LONG, PAIRS = 100, 10, 100, 10, 1_000, 20
WIRES = 20
LONG_S = 600.0
AT_WORK = ("running", "awaiting")
YES: Row = {"text": "Yes."}
OURS = "WorkflowType = 'SessionWorkflow'"
OPEN_TO_ALL: Row = {"policy": [{"action": "allow", "tool": "*"}]}


@dataclass(slots=True)
class Talk:
    """One session over a kept connection."""

    wire: Wire
    id: str
    turn: int = 0

    async def say(self, *steps: Row) -> float:
        """Say what is answered like this; answers the seconds until it was accepted."""
        self.turn += 1
        began = time.perf_counter()
        words = {"content": f"Go on. <standin>{json.dumps(steps)}</standin>"}
        await self.wire.ask("POST", f"/v1/sessions/{self.id}/messages", words)
        return time.perf_counter() - began

    async def settled(self) -> None:
        """Wait for the end of the turn."""

        async def is_settled() -> bool:
            session = await self.wire.ask("GET", f"/v1/sessions/{self.id}")
            return session["turn"] >= self.turn and session["status"] not in AT_WORK

        await wait_until(is_settled, "the end of the turn", LONG_S)


@dataclass(frozen=True, slots=True)
class Room:
    """A stack, the provider beside it, and a kept connection to the gateway."""

    stack: Stack
    provider: Provider
    wire: Wire
    share: int

    def scaled(self, count: int) -> int:
        """The amount of work: a tenth when it shall be quick."""
        return max(count // self.share, 1)

    async def open(self, wire: Wire | None = None) -> Talk:
        """A new session."""
        wire = wire or self.wire
        return Talk(wire, (await wire.ask("POST", "/v1/sessions", OPEN_TO_ALL))["id"])


async def sessions(home: Path, *, is_quick: bool) -> Row:
    """The figures of sessions, on a stack of their own with the stand-in for a provider."""
    async with answering() as provider:
        variables = {"WINDLASS_STANDIN_URL": provider.url, "WINDLASS_SESSIONS_PER_PERSON": str(10 * TOGETHER)}
        variables |= {"WINDLASS_MESSAGES_PER_MINUTE": "0", "WINDLASS_MESSAGES_PER_HOUR": "0"}
        async with running(home, service=False, variables=variables) as stack:
            room = Room(stack, provider, await stack.wire(), 10 if is_quick else 1)
            first = await room.open()
            await first.say(YES)  # the workers may still be starting
            await first.settled()
            row = await _first_words(room) | await _interrupts(room) | await _together(room)
            row |= await _history(room) | await _idle(room) | await _long(room)
            await room.wire.close()
    return row


async def _first_words(room: Room) -> Row:
    """From the provider's first words to a client on the stream, one turn after the other."""
    talk, accepted, shown = await room.open(), list[float](), list[float]()
    async with _words(room, talk) as words:
        for _ in range(room.scaled(TURNS)):
            before = len(room.provider.spoke_at)
            accepted.append(await talk.say(YES))
            shown.append(await words.get() - room.provider.spoke_at[before])
            await talk.settled()
            while not words.empty():
                words.get_nowait()
    return {
        "turns": len(shown),
        "first words, provider to client, ms": _spread(shown, 1_000),
        "first words, provider to client, p95 ms": _p95(shown),
        "POST to 202, p95 ms": _p95(accepted),
    }


async def _interrupts(room: Room) -> Row:
    """From the wish until the provider's connection is closed, in the middle of an answer."""
    talk, took = await room.open(), list[float]()
    long = {"text": "word " * 2_000, "chunk_delay": 0.05}
    async with _words(room, talk) as words:
        for _ in range(room.scaled(INTERRUPTS)):
            await talk.say(long)
            await words.get()
            began = time.perf_counter()
            await talk.wire.ask("POST", f"/v1/sessions/{talk.id}/interrupt")
            await talk.settled()
            took.append(room.provider.left_at[-1] - began)
            while not words.empty():
                words.get_nowait()
    return {"interrupt to the provider's closed connection, s": _spread(took)}


async def _together(room: Room) -> Row:
    """Many turns at once, each with three uses of tools: how many a second, and what was lost or done twice."""
    wires = [await room.stack.wire() for _ in range(WIRES)]
    talks = [await room.open(wires[place % WIRES]) for place in range(room.scaled(TOGETHER))]
    steps = (_write("a"), _write("b"), _write("c"), YES)

    async def hold(place: int) -> None:
        for talk in talks[place::WIRES]:
            await talk.say(*steps)
        for talk in talks[place::WIRES]:
            await talk.settled()

    began = time.perf_counter()
    await asyncio.gather(*(hold(place) for place in range(WIRES)))
    took = time.perf_counter() - began
    seen = [await _seen(talk) for talk in talks]
    await asyncio.gather(*(wire.close() for wire in wires))
    return {
        "turns at once": len(talks),
        "turns at once, turns/s": round(len(talks) / took, 2),
        "turns at once, lost": sum(answers < 1 or done < 3 for answers, done in seen),
        "turns at once, doubled": sum(answers > 1 or done > 3 for answers, done in seen),
    }


async def _history(room: Room) -> Row:
    """What ten uses of tools in a turn leave in Temporal: in one answer, in ten, and of tools that are activities."""
    uses = [_write(f"file{place}")["tool"] for place in range(TOOLS)]
    in_one = await _left(room, {"tools": uses}, YES)
    in_ten = await _left(room, *({"tool": use} for use in uses), YES)
    slow = [{"name": "search", "input": {"pattern": f"word{place}"}} for place in range(TOOLS)]
    alone = await _left(room, *({"tool": use} for use in slow), YES)
    return {
        "history of 10 tools of one answer, events": in_one[0],
        "history of 10 tools of ten answers, events": in_ten[0],
        "history of 10 tools that are activities of ten answers, events": alone[0],
        "history of 10 tools of ten answers, KB": round(max(in_ten[1], alone[1]) / 1_000, 1),
    }


async def _left(room: Room, *steps: Row) -> tuple[int, int]:
    """Events and bytes of the history of a turn."""
    talk = await room.open()
    await talk.say(*steps)
    await talk.settled()
    client = await Client.connect(room.stack.temporal)
    tenant = (await room.wire.ask("GET", "/v1/me"))["tenant"]["id"]
    handle = client.get_workflow_handle(workflow_id(tenant, "sessions", talk.id))
    await handle.result()
    events = (await handle.fetch_history()).events
    return len(events), sum(event.ByteSize() for event in events)


async def _long(room: Room) -> Row:
    """How much later the model is asked in a session with 2,000 messages than in one with two."""
    talk, short = await room.open(), await room.open()
    for _ in range(room.scaled(LONG)):
        await talk.say(YES)
        await talk.settled()
    await short.say(YES)
    await short.settled()
    pairs = [(await _asked(room, talk), await _asked(room, short)) for _ in range(room.scaled(PAIRS))]
    of_long, of_short = zip(*pairs, strict=True)
    return {
        "long session, messages": 2 * room.scaled(LONG),
        "long session, POST to the provider, ms": _spread(of_long, 1_000),
        "short session, POST to the provider, ms": _spread(of_short, 1_000),
        "long session, median later by ms": round((median(of_long) - median(of_short)) * 1_000, 1),
    }


async def _idle(room: Room) -> Row:
    """What Temporal holds of sessions in which nothing is said: open workflows at once, and after a while histories."""
    talk = await room.open()
    await talk.say(YES)
    await talk.settled()
    client = await Client.connect(room.stack.temporal)

    async def is_none() -> bool:
        return (await client.count_workflows(f"{OURS} and ExecutionStatus = 'Running'")).count == 0

    async def is_let_go() -> bool:
        return (await client.count_workflows(OURS)).count == 0

    began = time.perf_counter()
    await _tried(is_none, "no session has a workflow", 60)
    open_now = (await client.count_workflows(f"{OURS} and ExecutionStatus = 'Running'")).count
    await _tried(is_let_go, "Temporal holds no history of a session", 180)
    took, left = time.perf_counter() - began, [each async for each in client.list_workflows(OURS)]
    return {
        "idle sessions, open workflows": open_now,
        "idle sessions, histories in Temporal": len(left),
        "idle sessions, KB in Temporal": sum(each.raw_info.history_size_bytes for each in left) / 1_000,
        "idle sessions, let go of after s": round(took, 1),
    }


async def _tried(claim: Callable[[], Awaitable[bool]], what: str, patience_s: float) -> None:
    """Wait for it; what is there in the end is measured."""
    with suppress(NotReady):
        await wait_until(claim, what, patience_s)


async def _asked(room: Room, talk: Talk) -> float:
    """Seconds from a message until the provider is asked."""
    before, began = len(room.provider.asked_at), time.perf_counter()
    await talk.say(YES)
    await talk.settled()
    return room.provider.asked_at[before] - began


async def _seen(talk: Talk) -> tuple[int, int]:
    """How often the answer was given, and how many tools were done."""
    said = (await talk.wire.ask("GET", f"/v1/sessions/{talk.id}/messages"))["items"]
    done = (await talk.wire.ask("GET", f"/v1/sessions/{talk.id}/tool-calls"))["items"]
    answers = [each for each in said if each["role"] == "assistant" and each["content"] == YES["text"]]
    return len(answers), sum(each["outcome"] == "done" for each in done)


@asynccontextmanager
async def _words(room: Room, talk: Talk) -> AsyncGenerator[asyncio.Queue[float]]:
    """When each piece of an answer came over the stream."""
    wire, heard = await room.stack.wire(), asyncio.Queue[float]()

    async def listen() -> None:
        async for kind in wire.kinds(f"/v1/sessions/{talk.id}/stream"):
            if kind == "message.delta":
                heard.put_nowait(time.perf_counter())

    listening = asyncio.create_task(listen())
    yield heard
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await wire.close()


def _write(name: str) -> Row:
    return {"tool": {"name": "write", "input": {"path": f"{name}.txt", "content": name}}}


def _p95(seconds: Sequence[float]) -> float:
    return round(quantiles(seconds, n=20)[-1] * 1_000, 1)


def _spread(values: Sequence[Any], times: float = 1) -> str:
    found = [value * times for value in values]
    return f"{min(found):.2f} / {median(found):.2f} / {max(found):.2f}"
