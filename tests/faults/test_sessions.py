"""Conversations while parts are killed: nothing is lost, nothing is done twice, and everybody sees the same."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from activities.uses import CUT_OFF, MAYBE
from tests.activities.test_servers import serving
from tests.faults.conftest import FORM
from tests.faults.killer import Find, Killer, killing, parts_of
from tests.faults.people import Person, opened
from tests.faults.scripts import NOTE, POLICY, SERVER, STEPS, Json, Script, Step, Turn, Use
from tests.faults.stack import Stack, until
from tests.faults.watchers import Watcher
from tests.parts import free_ports
from tests.sdk.forks import Fork
from windlass.client import AsyncClient
from windlass.client.calls import RunFilter
from windlass.core.supervision import ProcessId, identify

TURNS, ROUNDS = 30, 1000
WATCHING, STAYING = 50, {"full": 50, "short": 10}[FORM]
PATIENCE_S = 120.0
KILL_EVERY_S = 3.0
SPOKEN = ("gateway", "postgres", "temporal")  # who dies while the model speaks
SEED = os.environ.get("WINDLASS_FAULTS_SEED") or secrets.token_hex(4)
CUTTING = ("worker-runs", "postgres", "temporal", SERVER)  # what a stranger's tool may be cut off by
LONG = "One two three four five six seven eight nine ten eleven twelve."
MARGIN = timedelta(seconds=30)  # between a kill and what is written about it: a lost sign of life is one after 10 s

pytestmark = pytest.mark.timeout(900)


class Stranger:
    """An MCP server that is started again whenever it dies."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._process: Fork | None = None
        self.is_up = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/mcp"

    async def keep(self) -> None:
        """Start it again and again."""
        while True:
            async with serving(self._port) as process:
                self._process = process
                self.is_up.set()
                await process.wait()

    async def found(self) -> Sequence[ProcessId]:
        """Its process."""
        process = self._process
        return [] if process is None or process.returncode is not None else [identify(process.pid)]


@pytest.fixture
async def stranger(client: AsyncClient) -> AsyncGenerator[Stranger]:
    """An MCP server that sessions may use; its tools act outside."""
    stranger = Stranger(*free_ports(1))
    keeping = asyncio.create_task(stranger.keep())
    await stranger.is_up.wait()
    await client.mcp_servers.add(SERVER, url=stranger.url)

    async def is_known() -> bool:
        state = (await client.mcp_servers.get(SERVER)).state
        if state == "down":  # the first look has 20 s, and a busy machine needs them for the library
            await client.mcp_servers.check(SERVER)
        return state == "up"

    await until(is_known, "the MCP server is looked at", 240)
    yield stranger
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await client.mcp_servers.delete(SERVER)


@dataclass(frozen=True, slots=True)
class Audience:
    """Fifty clients that follow a session, every tenth of which hangs up again and again."""

    watchers: Sequence[Watcher]
    watching: Sequence["asyncio.Task[None]"]

    @property
    def heard(self) -> int:
        """The last event that anybody has heard of."""
        return max((watcher.seqs[-1] for watcher in self.watchers if watcher.seqs), default=0)

    async def thin_out(self, killer: Killer) -> None:
        """Once all are back after the first kill, only some stay: fifty readers cost as much as a worker."""

        async def are_back() -> bool:
            return bool(killer.kills) and all(each.connected_at > killer.kills[0].at for each in self.watchers)

        await until(are_back, "everybody is back after the first kill", PATIENCE_S)
        for each in self.watching[STAYING:]:
            each.cancel()

    async def have_all_heard(self, events: Sequence[Json]) -> None:
        """Wait until who stayed has heard the last event, and assert that all have heard the same, without a gap."""
        staying = [who for who, task in zip(self.watchers, self.watching, strict=True) if not task.cancelled()]

        async def have_heard() -> bool:
            return all(watcher.seqs[-1:] == [len(events)] for watcher in staying)

        await until(have_heard, "everybody has heard the last event", 60, lambda: str([w.seqs[-3:] for w in staying]))
        seqs, heard = list(range(1, len(events) + 1)), staying[0].heard
        assert len(staying) >= STAYING
        assert [event["seq"] for event in events] == seqs
        for each in self.watchers:
            assert (each.seqs, each.heard) == (seqs[: len(each.seqs)], heard[: len(each.heard)])


@asynccontextmanager
async def watched(client: AsyncClient, person: Person) -> AsyncGenerator[Audience]:
    """Fifty follow the session."""
    hang_up = (7, *[None] * 9)
    watchers = [Watcher(client.http, person.session_id, "sessions", hang_up[n % 10]) for n in range(WATCHING)]
    tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    try:
        yield Audience(watchers, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.timeout(900)  # 100 s alone; with three other groups beside it, each kill costs more
async def test_a_conversation_ends_as_it_is_scripted_while_one_part_after_the_other_is_killed(
    stack: Stack, client: AsyncClient, stranger: Stranger, marks: Path
):
    print(f"WINDLASS_FAULTS_SEED={SEED}")  # noqa: T201 - with it a failure comes again
    script = Script(marks, (await client.me()).person.name)
    turns = script.turns(TURNS)
    servers = [{"server": SERVER, "tools": ["add", "note"], "trust": True}]
    person = await opened(client, system="Be brief.", policy=POLICY, mcp_servers=servers)
    victims: Mapping[str, Find] = {**parts_of(stack, client, "stepping"), SERVER: stranger.found}

    async with watched(client, person) as audience:
        killer = Killer(victims, lambda: audience.heard, SEED, ROUNDS, "gateway")
        async with asyncio.TaskGroup() as beside, killing(killer, KILL_EVERY_S):
            beside.create_task(audience.thin_out(killer))
            sessions = [await person.take_turn(turn, lambda: audience.heard) for turn in turns]
        await stack.is_whole()
        events = await person.whole("/events")
        await audience.have_all_heard(events)

    print(killer)  # noqa: T201 - as above
    assert killer.kills[0].part == "gateway"  # while fifty watched
    assert {kill.part for kill in killer.kills} == set(victims)
    assert [session["error"] for session in sessions] == [None] * TURNS
    assert await said(person) == scripted(person, turns)
    await assert_done_as_scripted(person, turns, script, killer)
    assert await person.files() == script.files
    assert_told_once(events, turns)
    await assert_runs_made(client, turns, script)
    await stack.wait_for_service(client, "stepping")


@pytest.mark.skipif(FORM != "full", reason="three kills take half a minute: WINDLASS_FAULTS=full")
async def test_fifty_who_watch_a_session_hear_the_same_whoever_dies_while_its_model_speaks(
    stack: Stack, client: AsyncClient
):
    person = await opened(client)
    turns = [Turn(number, part, (Step(LONG, pause_s=0.15),)) for number, part in enumerate(SPOKEN, 1)]

    async with watched(client, person) as audience:
        for turn in turns:
            before = max(watcher.words for watcher in audience.watchers)
            taking = asyncio.create_task(person.take_turn(turn, lambda: audience.heard))

            async def is_speaking(before: int = before) -> bool:
                return max(watcher.words for watcher in audience.watchers) > before + 2

            await until(is_speaking, "the model speaks", 60)
            await stack.kill(turn.about)
            session = await taking
            assert session["error"] is None
        await audience.have_all_heard(await person.whole("/events"))

    assert await said(person) == scripted(person, turns)
    await stack.is_whole()


async def said(person: Person) -> list[tuple[str, int, str]]:
    """Who said what in which turn."""
    return [(each["role"], each["turn"], each["content"]) for each in await person.whole("/messages")]


def scripted(person: Person, turns: Sequence[Turn]) -> list[tuple[str, int, str]]:
    """Who should have."""
    wanted: list[tuple[str, int, str]] = []
    for turn in turns:
        wanted.append(("user", turn.number, turn.content))
        wanted += [("assistant", turn.number, step.says) for step in turn.steps]
    return wanted


async def assert_done_as_scripted(person: Person, turns: Sequence[Turn], script: Script, killer: Killer) -> None:
    """Every use of a tool is there once and came to what it should; what nobody knows is said to be unknown."""
    calls = {each["id"]: each for each in await person.whole("/tool-calls")}
    wanted = {use.id: (turn, use) for turn in turns for use in turn.uses}
    assert sorted(calls) == sorted(wanted)
    for name, (turn, use) in wanted.items():
        call = calls[name]
        assert (call["turn"], call["name"], call["input"]) == (turn.number, use.name, use.given)
        if use.name.startswith(SERVER):
            assert_called_at_most_once(call, use, script.note(turn.number), killer)
        else:
            assert (call["outcome"], call["text"]) == (use.outcome, use.text), call


def assert_called_at_most_once(call: Json, use: Use, effects: Path, killer: Killer) -> None:
    """A stranger's tool has acted as often as is said; unknown is only what was really cut off."""
    times = len(effects.read_text().splitlines()) if effects.exists() else 0
    begun, ended = (datetime.fromisoformat(call[name]) for name in ("created_at", "ended_at"))
    match call["outcome"]:
        case "done":
            assert call["text"] == use.text
            assert use.name != NOTE or times == 1
        case "unknown":
            assert use.name == NOTE
            assert call["text"] == CUT_OFF or call["text"].endswith(MAYBE), call
            assert killer.between(begun - MARGIN, ended, *CUTTING), f"{call}\n{killer}"
            assert times <= 1
        case _:
            assert call["text"], call
            assert use.name != NOTE or times == 0


def assert_told_once(events: Sequence[Json], turns: Sequence[Turn]) -> None:
    """What the log says of turns and of decisions it says once."""
    asked = sum(bool(use.decision) for turn in turns for use in turn.uses)
    ends = [event["payload"]["turn"] for event in events if "end" in event["payload"]]
    kinds = [event["kind"] for event in events]
    assert ends == [turn.number for turn in turns]
    assert (kinds.count("approval.requested"), kinds.count("approval.decided")) == (asked, asked)


async def assert_runs_made(client: AsyncClient, turns: Sequence[Turn], script: Script) -> None:
    """Every run that the model started is one, and has taken each of its steps."""
    wanted = [turn for turn in turns if turn.about == "an agent"]
    found = [run for run in (await client.runs.list(RunFilter(agent="stepping/steps"))).items if run.title]
    titles = [run.title for run in found if run.title in {f"Turn {turn.number}" for turn in wanted}]
    assert sorted(titles) == sorted(f"Turn {turn.number}" for turn in wanted)
    for turn in wanted:
        assert set(script.run(turn.number).read_text().split()) == {str(number) for number in range(STEPS)}
