"""The console in a real Chromium, on a real gateway; the test plays the worker."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from playwright._impl._api_structures import SetCookieParam
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
)

from tests.api.people import Gateway, Person
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, TenantId
from windlass.core.events import Delta, Events
from windlass.core.executions import Attached, Executions
from windlass.core.wakeup import Notifier

WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
EXPECTED = ("Blocked script execution", "status of 4")  # the sandbox at work; answers a test asks for on purpose


@dataclass(frozen=True, slots=True)
class Play:
    """A run whose worker is the test."""

    attached: Attached
    executions: Executions
    events: Events
    counts: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def id(self) -> RunId:
        """The run."""
        return self.attached.run_id

    @property
    def path(self) -> str:
        """The page of the run."""
        return f"/runs/{self.id}"

    async def tell(self, kind: EventKind, **payload: Any) -> None:
        """Append one event."""
        self.counts["n"] = self.counts.get("n", 0) + 1
        event = NewEvent(kind, payload, "agent:0", self.counts["n"])
        where = self.attached.tenant_id, self.attached.run_id, self.attached.epoch
        stored = await self.executions.append(*where, [event])
        assert stored

    async def ask(self, event: NewEvent) -> None:
        """Put a question."""
        where = self.attached.tenant_id, self.attached.run_id, self.attached.epoch
        assert await self.executions.append(*where, [event])

    async def begin(self) -> None:
        """Say that the run runs."""
        await self.tell(EventKind.STATUS, status="running", attempt=1)

    async def start(self, name: str, **more: Any) -> None:
        """Begin a step."""
        began = datetime.now(UTC).isoformat()
        await self.tell(EventKind.STEP, key=name, name=name, state="started", execution=1, started_at=began, **more)

    async def finish(self, name: str, **more: Any) -> None:
        """End a step."""
        await self.tell(
            EventKind.STEP, **({"key": name, "name": name, "state": "done", "execution": 1, "ms": 12.5} | more)
        )

    async def write(self, item: str, ord: int, text: str) -> None:
        """Show words of a message that is still being written."""
        delta = Delta(item, 1, ord, text)
        where = self.attached.tenant_id, self.attached.run_id
        await self.events.append_deltas(*where, [delta], epoch=self.attached.epoch)

    async def fail(self, name: str, error: str) -> None:
        """End a step, and with it the run, in an error."""
        said = {"type": "HTTPError", "message": error}
        await self.tell(EventKind.STEP, key=name, name=name, state="failed", execution=1, ms=9, error=said)
        await self.tell(EventKind.ERROR, **said)
        await self.tell(EventKind.STATUS, status="failed", attempt=1)

    async def end(self, result: str = "**All** is well") -> None:
        """Finish with a result."""
        await self.tell(EventKind.FINAL, Markdown={"body": result})
        await self.tell(EventKind.STATUS, status="finished", attempt=1)


@dataclass(frozen=True, slots=True)
class Console:
    """Somebody at their browser, and everything the browser complained about."""

    page: Page
    person: Person
    gateway: Gateway
    notifier: Notifier
    complaints: list[str]

    async def open(self, path: str) -> Page:
        """Go to a page."""
        await self.page.goto(f"{self.gateway.url}{path}")
        return self.page

    async def run(self, **wish: Any) -> Play:
        """Start a run of claude and take it over."""
        body = {"agent": "claude", "inputs": {"prompt": "hello"}} | wish
        answer = await self.person.http.post("/v1/runs", json=body)
        assert answer.status_code == 202, answer.text
        return await self.play(UUID(answer.json()["id"]))

    async def play(self, run_id: UUID) -> Play:
        """Take a run over."""
        executions = Executions(self.gateway.state["database"], self.notifier)
        attached = await executions.attach(TenantId(self.person.tenant_id), RunId(run_id), 1)
        assert attached is not None
        return Play(attached, executions, Events(self.gateway.state["database"], self.notifier))


@asynccontextmanager
async def open_console(
    gateway: Gateway, chromium: Browser, notifier: Notifier, **options: Any
) -> AsyncGenerator[Console]:
    """A new person whose browser is signed in."""
    person, cookie = await sign_up(gateway)
    context = await chromium.new_context(locale="en-US", timezone_id="Europe/Berlin", **options)
    await context.add_cookies([cookie])
    page = await context.new_page()
    complaints: list[str] = []
    watch(context, page, gateway, complaints)
    yield Console(page, person, gateway, notifier, complaints)
    await context.close()
    assert not complaints, complaints


async def sign_up(gateway: Gateway) -> tuple[Person, SetCookieParam]:
    """Somebody new with a token, and the cookie of a browser they are signed in with."""
    person = await gateway.sign_up("Ada")
    body = {"email": person.email, "password": person.password, "web": True}
    answer = await person.http.post("/v1/auth/login", json=body, headers={"origin": gateway.url})
    assert answer.status_code == 200, answer.text
    ((name, value),) = answer.cookies.items()
    person.http.cookies.clear()
    return person, SetCookieParam(name=name, value=value, url=gateway.url, httpOnly=True, sameSite="Lax")


async def sign_in(page: Page, gateway: Gateway, email: str, password: str) -> None:
    """Fill in the sign-in page."""
    await page.goto(f"{gateway.url}/signin")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


def watch(context: BrowserContext, page: Page, gateway: Gateway, complaints: list[str]) -> None:
    """Note errors, violations of the content policy, dialogs, and requests that leave the gateway."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in EXPECTED):
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(gateway.url).netloc and not request.url.startswith("data:"):
            complaints.append(f"asked {request.url}")

    context.on("console", on_console)
    context.on("request", on_request)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
