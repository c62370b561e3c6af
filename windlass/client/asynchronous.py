"""The asynchronous client: the same calls, awaited."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from windlass.client import calls, planning
from windlass.client.agents import AsyncAgents
from windlass.client.archive import Archived, RunChanges, archive_all, archive_runs, run_changes
from windlass.client.boot import AsyncBoots
from windlass.client.calls import PAUSES_S, Call, RunFilter, RunOptions
from windlass.client.credentials import Bearer, Credentials, CredentialStore, MemoryStore, believed
from windlass.client.dashboard import AsyncDashboards
from windlass.client.desktops import AsyncDesktops
from windlass.client.errors import Unreachable
from windlass.client.exchange import AsyncExchange
from windlass.client.files import AsyncFiles
from windlass.client.flows import AsyncFlows
from windlass.client.frames import STREAM_TIMEOUT, Place
from windlass.client.maintenance import AsyncSystemSchedules
from windlass.client.members import AsyncMembers
from windlass.client.records import (
    Event,
    Firing,
    Grant,
    Json,
    Key,
    Me,
    Page,
    Plan,
    Preview,
    Question,
    Result,
    Run,
    Schedule,
    Service,
    Task,
    TaskRuns,
)
from windlass.client.servers import AsyncMcpServers
from windlass.client.service_defaults import ServiceDefaults, put_defaults, read_defaults
from windlass.client.sessions import AsyncSessions
from windlass.client.settings import AsyncSettings

T = TypeVar("T")


class AsyncClient:
    """The gateway, for code that awaits. Use it as an async context manager, or call `close`."""

    def __init__(
        self, url: str, *, api_key: str | None = None, store: CredentialStore | None = None, timeout_s: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self._bearer = Bearer(self.url, MemoryStore(Credentials(api_key)) if api_key else store or MemoryStore())
        self.http = httpx.AsyncClient(base_url=self.url, auth=self._bearer, timeout=timeout_s, verify=believed(url))
        self.runs, self.agents, self.services = Runs(self), AsyncAgents(self), Services(self)
        self.exchange = AsyncExchange(self)
        self.boots, self.dashboards, self.flows = AsyncBoots(self), AsyncDashboards(self), AsyncFlows(self)
        self.mcp_servers, self.system_schedules = AsyncMcpServers(self), AsyncSystemSchedules(self)
        self.keys, self.members, self.questions = Keys(self), AsyncMembers(self), Questions(self)
        self.tasks, self.schedules, self.desktops = Tasks(self), Schedules(self), AsyncDesktops(self)
        self.sessions, self.settings, self.files = AsyncSessions(self), AsyncSettings(self), AsyncFiles(self)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self.http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send a call, a few times if nobody answers and it may be repeated. Raises ApiError, Unreachable."""
        for pause in (*PAUSES_S, None):
            try:
                response = await self.http.request(**call.request)
                if pause is None or not call.should_wait(response):
                    return call.answer(response)
            except httpx.TransportError as error:
                if pause is None or not call.is_repeatable:
                    raise Unreachable(self.url, error) from error
            await asyncio.sleep(pause)
        raise AssertionError

    async def login(self, email: str, password: str, tenant: str | None = None) -> Grant:
        """Sign in and stay so: the tokens are renewed on the way."""
        self._bearer.forget()
        grant = await self.send(calls.login(email, password, tenant))
        self._bearer.keep(grant)
        return grant

    async def switch(self, tenant: str) -> Grant:
        """Go on in another organisation."""
        grant = await self.send(calls.switch(tenant))
        self._bearer.keep(grant)
        return grant

    async def change_password(self, current: str, new: str) -> None:
        """Change the password of whoever is signed in; their other sessions end."""
        await self.send(calls.change_password(current, new))

    async def logout(self) -> None:
        """End the session and forget its tokens."""
        await self.send(calls.logout())
        self._bearer.forget()

    async def me(self) -> Me:
        """Who is calling."""
        return await self.send(calls.me())


class Runs:
    """Runs: start them, watch them, end them."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def start(self, agent: str, inputs: Json | None = None, options: RunOptions | None = None) -> Run:
        """Queue a run and return at once."""
        return await self._client.send(calls.start_run(agent, inputs or {}, options or RunOptions()))

    async def get(self, run_id: str) -> Run:
        """The run as it stands."""
        return await self._client.send(calls.get_run(run_id))

    async def list(
        self, wanted: RunFilter | None = None, *, limit: int = 50, cursor: str | int | None = None
    ) -> Page[Run]:
        """The newest runs."""
        return await self._client.send(calls.list_runs(wanted or RunFilter(), limit, cursor))

    async def changes(self, since: str | None = None, *, limit: int = 50) -> RunChanges:
        """The runs that changed since the `cursor` of the answer before; without it only a cursor."""
        return await self._client.send(run_changes(since, limit))

    async def events(self, run_id: str, *, after: int = 0, limit: int = 500, kinds: Sequence[str] = ()) -> Page[Event]:
        """A page of the run's events after a seq."""
        return await self._client.send(calls.run_events(run_id, after, limit, kinds))

    async def result(self, run_id: str) -> Result:
        """How the run ended. Raises ApiError (409) while it is live."""
        return await self._client.send(calls.run_result(run_id))

    async def cancel(self, run_id: str, reason: str | None = None) -> Run:
        """Ask for the end of the run."""
        return await self._client.send(calls.cancel_run(run_id, reason))

    async def retry(self, run_id: str, from_: str | None = None, inputs: Json | None = None) -> Run:
        """Start a new try: after the finished steps, from the step `from_`, or from the "start"."""
        return await self._client.send(calls.retry_run(run_id, from_, inputs))

    async def archive(self, run_id: str) -> None:
        """Take the run out of the lists."""
        await self._client.send(calls.archive_run(run_id))

    async def archive_many(self, ids: Sequence[str]) -> Archived:
        """Take many runs out of the lists; the live ones stay and are named."""
        return await self._client.send(archive_runs(ids))

    async def archive_all(self, wanted: RunFilter) -> Archived:
        """Take the newest ended runs of a filter out of the lists, at most 500; `is_more`: ask again."""
        return await self._client.send(archive_all(wanted))

    async def wait(self, run_id: str) -> Run:
        """Wait for the end of the run."""
        async for _ in self.stream(run_id):
            pass
        return await self.get(run_id)

    async def stream(self, run_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The run's events as they happen, to its end; a lost connection is taken up again where it stopped."""
        place = Place(self._client.url, after)
        while not place.is_over:
            try:
                async for event in self._connection(place, run_id):
                    yield event
                if place.is_quiet and not (await self.get(run_id)).is_live:
                    return
            except (httpx.TransportError, Unreachable) as error:
                place.lost(error)
            if not place.is_over:
                await asyncio.sleep(place.pause_s())

    async def _connection(self, place: Place, run_id: str) -> AsyncIterator[Event]:
        """The new events of one connection."""
        path, http, headers = calls.stream_path(run_id), self._client.http, place.headers()
        async with http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                await response.aread()
            if place.check(response):
                async for chunk in response.aiter_bytes():
                    for event in place.take(chunk):
                        yield event


class Questions:
    """What runs ask people."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(
        self, *, state: str | None = "open", run_id: str | None = None, limit: int = 50, cursor: str | int | None = None
    ) -> Page[Question]:
        """The questions of the runs one may see, the oldest first; without `state` those that are closed too."""
        return await self._client.send(calls.list_questions(state, run_id, limit, cursor))

    async def get(self, question_id: str) -> Question:
        """A question with its form."""
        return await self._client.send(calls.get_question(question_id))

    async def answer(self, question_id: str, inputs: Json | None = None) -> Question:
        """Answer it. Raises ApiError: 422 names each field, 409 says who was first."""
        return await self._client.send(calls.answer_question(question_id, inputs or {}))


class Tasks:
    """Saved ways to start agents."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self, *, q: str | None = None, limit: int = 50, after: str | None = None) -> Page[Task]:
        """The newest tasks, those that match."""
        return await self._client.send(planning.list_tasks(q, limit, after))

    async def get(self, task_id: str) -> Task:
        """A task as it runs now."""
        return await self._client.send(planning.get_task(task_id))

    async def add(self, name: str, agent: str, inputs: Json | None = None, **more: Any) -> Task:
        """Save a task; `more`: parameters, description, tags, timeout_s, max_attempts, backoff_s."""
        return await self._client.send(planning.add_task(name, agent, inputs or {}, more))

    async def change(self, task_id: str, **changes: Any) -> Task:
        """Change a task; a change of what it runs makes a new version."""
        return await self._client.send(planning.change_task(task_id, changes))

    async def remove(self, task_id: str) -> None:
        """Delete a task; its runs stay on record."""
        await self._client.send(planning.remove_task(task_id))

    async def clone(self, task_id: str, name: str | None = None) -> Task:
        """Copy a task; the copy is one's own."""
        return await self._client.send(planning.clone_task(task_id, name))

    async def run(self, task_id: str, parameters: Json | None = None) -> Run:
        """Start a task now."""
        return await self._client.send(planning.run_task(task_id, parameters or {}))

    async def runs(self, task_id: str, *, limit: int = 50, after: str | None = None) -> TaskRuns:
        """Its newest runs, and how all of them went."""
        return await self._client.send(planning.task_runs(task_id, limit, after))


class Schedules:
    """When tasks start by themselves."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self, *, q: str | None = None, limit: int = 50, after: str | None = None) -> Page[Schedule]:
        """The newest schedules, those that match."""
        return await self._client.send(planning.list_schedules(q, limit, after))

    async def get(self, schedule_id: str) -> Schedule:
        """A schedule as it stands."""
        return await self._client.send(planning.get_schedule(schedule_id))

    async def add(self, name: str, task_id: str, **more: Any) -> Schedule:
        """Have a task start by itself: `cron`, `interval_s`, `calendar` or `at`, `time_zone`, `overlap` and so on."""
        return await self._client.send(planning.add_schedule(name, task_id, more))

    async def change(self, schedule_id: str, **changes: Any) -> Schedule:
        """Change a schedule."""
        return await self._client.send(planning.change_schedule(schedule_id, changes))

    async def remove(self, schedule_id: str) -> None:
        """Delete a schedule; its firings and runs stay on record."""
        await self._client.send(planning.remove_schedule(schedule_id))

    async def pause(self, schedule_id: str, reason: str = "") -> Schedule:
        """Let its due times pass without a run; each leaves its row."""
        return await self._client.send(planning.pause_schedule(schedule_id, reason))

    async def resume(self, schedule_id: str) -> Schedule:
        """Go on with the next due time."""
        return await self._client.send(planning.resume_schedule(schedule_id))

    async def trigger(self, schedule_id: str) -> str:
        """Have it fire now; the answer is the id of the firing."""
        return await self._client.send(planning.trigger_schedule(schedule_id))

    async def preview(self, schedule_id: str, count: int = 10) -> Preview:
        """When it is due next."""
        return await self._client.send(planning.preview_schedule(schedule_id, count))

    async def preview_timing(self, **timing: Any) -> Preview:
        """When something that is not saved would be due."""
        return await self._client.send(planning.preview_timing(timing))

    async def backfill(self, schedule_id: str, since: datetime, until: datetime, **more: Any) -> Plan:
        """Plan to make up for a past span; with `confirm=` the plan's count, do it."""
        return await self._client.send(planning.backfill_schedule(schedule_id, since, until, more))

    async def firings(
        self, schedule_id: str, decisions: Sequence[str] = (), *, limit: int = 50, after: str | None = None
    ) -> Page[Firing]:
        """What became of its due times, the newest first."""
        return await self._client.send(planning.list_firings(schedule_id, decisions, limit, after))


class Services:
    """The programs that offer agents."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self) -> Page[Service]:
        """All services."""
        return await self._client.send(calls.list_services())

    async def get(self, name: str) -> Service:
        """A service and how it is doing."""
        return await self._client.send(calls.get_service(name))

    async def add(
        self,
        name: str,
        project: str,
        import_path: str,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        **more: Unpack[calls.ServiceOptions],
    ) -> Service:
        """Have a program served: its folder, and `module:app` in it; `secrets` are variables that are sealed."""
        return await self._client.send(calls.add_service(name, project, import_path, env=env, secrets=secrets, **more))

    async def change(self, name: str, *, etag: str | None = None, **changes: Any) -> Service:
        """Change `project`, `env`, `display`, `enabled` and so on; with `etag` only if nobody else has meanwhile."""
        return await self._client.send(calls.change_service(name, changes, etag))

    async def rename(self, name: str, new_name: str) -> Service:
        """Have it, its agents and the tasks that start them known by another name; refused while runs are live."""
        return await self._client.send(calls.rename_service(name, new_name))

    async def defaults(self) -> ServiceDefaults:
        """What services have where they say nothing themselves."""
        return await self._client.send(read_defaults())

    async def put_defaults(self, wish: Json) -> ServiceDefaults:
        """Say all of it anew: `env`, `secrets`, `replicas`, `limits`; a variable that is None keeps its value."""
        return await self._client.send(put_defaults(wish))

    async def refresh(self, name: str) -> Service:
        """Start its program anew, as its files are now; its runs go on."""
        return await self._client.send(calls.refresh_service(name))

    async def discover(self, name: str) -> Service:
        """Read its flows anew, from its host or where it runs elsewhere; nothing is started."""
        return await self._client.send(calls.discover_service(name))

    async def remove(self, name: str) -> None:
        """Stop and forget a service."""
        await self._client.send(calls.remove_service(name))


class Keys:
    """API keys."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self, *, limit: int = 100, cursor: str | int | None = None) -> Page[Key]:
        """The keys one may see; never their secrets."""
        return await self._client.send(calls.list_keys(limit, cursor))

    async def add(self, name: str, permissions: Sequence[str] = (), expires_at: datetime | None = None) -> Key:
        """Make a key; its secret is in this answer only."""
        return await self._client.send(calls.add_key(name, permissions, expires_at))

    async def remove(self, key_id: str) -> None:
        """Revoke a key."""
        await self._client.send(calls.remove_key(key_id))
