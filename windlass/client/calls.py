"""Every call the gateway answers, described once: both clients only send them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from windlass.client.errors import ApiError, NoGateway
from windlass.client.records import (
    Desktop,
    Event,
    Grant,
    Json,
    Key,
    Me,
    Page,
    Question,
    Result,
    Run,
    Screenshot,
    Service,
)
from windlass.contracts.desktops import script_text

T = TypeVar("T")

PASSING = frozenset({502, 503, 504})  # a gateway that is being replaced
PAUSES_S = (0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request and how to read its answer."""

    method: str
    path: str
    read: Callable[[Any], T]
    body: Json | None = None
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    """The Idempotency-Key: the same call may be sent again and happens once."""
    if_match: str | None = None
    """The etag of what is to be changed."""
    content: bytes | None = None
    """A file to send, in place of a body."""
    is_bytes: bool = False
    """Whether the answer is a file, not JSON."""

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.method != "POST" or self.key is not None

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of httpx's `request`."""
        given = {"idempotency-key": self.key, "if-match": self.if_match}
        headers = {name: value for name, value in given.items() if value} or None
        params = {name: value for name, value in self.query.items() if value not in (None, (), [])}
        sent = {"json": self.body} if self.content is None else {"content": self.content}
        query = {"params": params} if params else {}  # httpx takes the query of a path away for parameters, none too
        return {"method": self.method, "url": self.path, **sent, **query, "headers": headers}

    def should_wait(self, response: httpx.Response) -> bool:
        """Whether the answer may be better in a moment."""
        return self.is_repeatable and response.status_code in PASSING

    def answer(self, response: httpx.Response) -> T:
        """Read the answer. Raises ApiError, and NoGateway where it is none that Windlass gives."""
        if not response.is_success:
            raise ApiError.from_response(response)
        if self.is_bytes:
            return self.read(response.content)
        try:
            return self.read(response.json() if response.content else None)
        except ValueError as error:  # no JSON, or JSON of somebody else
            raise NoGateway(response) from error


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is to be carried out."""

    title: str | None = None
    tags: Sequence[str] = ()
    timeout_s: int | None = None
    max_attempts: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; every condition is optional."""

    status: Sequence[str] = ()
    agent: str | None = None
    tag: str | None = None
    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    waiting: bool = False
    mine: bool = False
    cost_above_usd: float | None = None


def fresh_key() -> str:
    """A new Idempotency-Key."""
    return str(uuid.uuid4())


def nothing(_: object) -> None:
    """Read an answer without content."""


def segment(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def given(**values: Any) -> Json:
    """The body of a request: what was given, without what was left out."""
    return {name: value for name, value in values.items() if value is not None}


# --- signing in ---


def login(email: str, password: str, tenant: str | None) -> Call[Grant]:
    """Sign in."""
    body = given(email=email, password=password, tenant=tenant)
    return Call("POST", "/v1/auth/login", Grant.model_validate, body)


def switch(tenant: str) -> Call[Grant]:
    """Go on in another organisation."""
    return Call("POST", "/v1/auth/switch", Grant.model_validate, {"tenant_id": tenant})


def change_password(current: str, new: str) -> Call[None]:
    """Change one's password; one's other sessions end."""
    return Call("POST", "/v1/auth/password", nothing, {"current_password": current, "new_password": new})


def logout() -> Call[None]:
    """End the session."""
    return Call("POST", "/v1/auth/logout", nothing)


def me() -> Call[Me]:
    """Who is calling."""
    return Call("GET", "/v1/me", Me.model_validate)


# --- runs ---


def start_run(agent: str, inputs: Json, options: RunOptions) -> Call[Run]:
    """Queue a run; repeated by the same key it stays one run."""
    body = given(
        agent=agent,
        inputs=inputs,
        title=options.title,
        tags=list(options.tags) or None,
        timeout_s=options.timeout_s,
        max_attempts=options.max_attempts,
    )
    return Call("POST", "/v1/runs", Run.model_validate, body, key=options.idempotency_key or fresh_key())


def get_run(run_id: str) -> Call[Run]:
    """A run as it stands."""
    return Call("GET", f"/v1/runs/{segment(run_id)}", Run.model_validate)


def list_runs(wanted: RunFilter, limit: int, cursor: str | int | None) -> Call[Page[Run]]:
    """The newest runs."""
    query: Json = {
        "status": list(wanted.status),
        "agent": wanted.agent,
        "tag": wanted.tag,
        "q": wanted.q,
        "since": wanted.since and wanted.since.isoformat(),
        "until": wanted.until and wanted.until.isoformat(),
        "waiting": "true" if wanted.waiting else None,
        "mine": "true" if wanted.mine else None,
        "cost_above_usd": wanted.cost_above_usd,
        "limit": limit,
        "after": cursor,
    }
    return Call("GET", "/v1/runs", Page[Run].model_validate, query=query)


def run_events(run_id: str, after: int, limit: int, kinds: Sequence[str]) -> Call[Page[Event]]:
    """A page of events after a seq."""
    query = {"after": after, "limit": limit, "kinds": ",".join(kinds) or None}
    return Call("GET", f"/v1/runs/{segment(run_id)}/events", Page[Event].model_validate, query=query)


def run_result(run_id: str) -> Call[Result]:
    """How a run ended."""
    return Call("GET", f"/v1/runs/{segment(run_id)}/result", Result.model_validate)


def cancel_run(run_id: str, reason: str | None) -> Call[Run]:
    """Ask for the end of a run."""
    path = f"/v1/runs/{segment(run_id)}/cancel"
    return Call("POST", path, Run.model_validate, given(reason=reason), key=fresh_key())


def retry_run(run_id: str, from_: str | None, inputs: Json | None) -> Call[Run]:
    """Start a new try of a run that has ended."""
    body = given(**{"from": from_}, inputs=inputs)
    return Call("POST", f"/v1/runs/{segment(run_id)}/retry", Run.model_validate, body, key=fresh_key())


def archive_run(run_id: str) -> Call[None]:
    """Take a run out of the lists."""
    return Call("DELETE", f"/v1/runs/{segment(run_id)}", nothing)


def stream_path(run_id: str) -> str:
    """Where the events of a run stream."""
    return f"/v1/runs/{segment(run_id)}/stream"


# --- questions ---


def list_questions(state: str | None, run_id: str | None, limit: int, cursor: str | int | None) -> Call[Page[Question]]:
    """The questions of the runs one may see."""
    query: Json = {"state": state, "run_id": run_id, "limit": limit, "after": cursor}
    return Call("GET", "/v1/questions", Page[Question].model_validate, query=query)


def get_question(question_id: str) -> Call[Question]:
    """A question with its form."""
    return Call("GET", f"/v1/questions/{segment(question_id)}", Question.model_validate)


def answer_question(question_id: str, inputs: Json) -> Call[Question]:
    """Answer a question."""
    path = f"/v1/questions/{segment(question_id)}/answer"
    return Call("POST", path, Question.model_validate, {"inputs": inputs}, key=fresh_key())


# --- services, desktops, keys ---


def list_services() -> Call[Page[Service]]:
    """The services of the organisation."""
    return Call("GET", "/v1/services", Page[Service].model_validate)


def get_service(name: str) -> Call[Service]:
    """A service."""
    return Call("GET", f"/v1/services/{segment(name)}", Service.model_validate)


class ServiceOptions(TypedDict, total=False):
    """What a service runs on: a version of Python, such as 3.12, in how many processes, 1 to 8, and so on."""

    python: str
    replicas: int | None
    display: str
    limits: Json | None


def add_service(name: str, project: str, import_path: str, **wish: Any) -> Call[Service]:
    """Have a program served: `env`, `secrets`, `python`, `replicas` say on what; `display` is shown."""
    more = {each: value for each, value in wish.items() if value}
    body = {"name": name, "project": project, "import_path": import_path, **more}
    return Call("POST", "/v1/services", Service.model_validate, body, key=fresh_key())


def change_service(name: str, changes: Json, etag: str | None) -> Call[Service]:
    """Change some of a service; with an etag only if it is still the one that was read."""
    return Call("PATCH", f"/v1/services/{segment(name)}", Service.model_validate, changes, if_match=etag)


def rename_service(name: str, new_name: str) -> Call[Service]:
    """Have a service, its agents and their tasks known by another name."""
    return change_service(name, {"name": new_name}, None)


def refresh_service(name: str) -> Call[Service]:
    """Start a service's program anew."""
    return Call("POST", f"/v1/services/{segment(name)}/refresh", Service.model_validate, key=fresh_key())


def discover_service(name: str) -> Call[Service]:
    """Read a service's flows anew."""
    return Call("POST", f"/v1/services/{segment(name)}/discover", Service.model_validate, key=fresh_key())


def remove_service(name: str) -> Call[None]:
    """Stop and forget a service."""
    return Call("DELETE", f"/v1/services/{segment(name)}", nothing)


def list_desktops() -> Call[Page[Desktop]]:
    """The desktops one may see."""
    return Call("GET", "/v1/desktops", Page[Desktop].model_validate)


def get_desktop(desktop_id: str) -> Call[Desktop]:
    """A desktop."""
    return Call("GET", f"/v1/desktops/{segment(desktop_id)}", Desktop.model_validate)


def create_desktop(name: str | None, template: str | None) -> Call[Desktop]:
    """Have a desktop made."""
    return Call("POST", "/v1/desktops", Desktop.model_validate, given(name=name, template=template), key=fresh_key())


def change_desktop(desktop_id: str, deed: str, body: Json | None = None) -> Call[Desktop]:
    """Start, stop, pause or resume a desktop, take its screen over or give it back."""
    return Call("POST", f"/v1/desktops/{segment(desktop_id)}/{deed}", Desktop.model_validate, body, key=fresh_key())


def give_task(desktop_id: str, script: str | bytes, options: RunOptions) -> Call[Run]:
    """Queue a script for a desktop; bytes may be whatever they are."""
    text = script if isinstance(script, str) else script_text(script)
    body = given(script=text, title=options.title, timeout_s=options.timeout_s)
    key = options.idempotency_key or fresh_key()
    return Call("POST", f"/v1/desktops/{segment(desktop_id)}/tasks", Run.model_validate, body, key=key)


def ask_desktop(desktop_id: str, prompt: str, options: RunOptions, limits: Json) -> Call[Run]:
    """Queue a prompt for a desktop."""
    body = given(prompt=prompt, title=options.title, timeout_s=options.timeout_s, **limits)
    key = options.idempotency_key or fresh_key()
    return Call("POST", f"/v1/desktops/{segment(desktop_id)}/tasks", Run.model_validate, body, key=key)


def list_tasks(desktop_id: str) -> Call[Page[Run]]:
    """The newest tasks of a desktop."""
    return Call("GET", f"/v1/desktops/{segment(desktop_id)}/tasks", Page[Run].model_validate)


def desktop_screenshot(desktop_id: str) -> Call[Screenshot]:
    """The screen of a desktop."""
    return Call("GET", f"/v1/desktops/{segment(desktop_id)}/screenshot", Screenshot.model_validate)


def task_screenshots(desktop_id: str, run_id: str) -> Call[Page[Screenshot]]:
    """The screen of a desktop in the course of a task."""
    path = f"/v1/desktops/{segment(desktop_id)}/tasks/{segment(run_id)}/screenshots"
    return Call("GET", path, Page[Screenshot].model_validate)


def picture(url: str) -> Call[bytes] | None:
    """A picture that the gateway hands out itself. None: its address is signed, and nobody's token is sent there."""
    path = urlsplit(url).path
    return Call("GET", path, bytes, is_bytes=True) if path.startswith("/v1/desktops/") else None


def delete_desktop(desktop_id: str) -> Call[None]:
    """Delete a desktop with its home."""
    return Call("DELETE", f"/v1/desktops/{segment(desktop_id)}", nothing)


def list_keys(limit: int, cursor: str | int | None) -> Call[Page[Key]]:
    """The API keys one may see."""
    return Call("GET", "/v1/api-keys", Page[Key].model_validate, query={"limit": limit, "after": cursor})


def add_key(name: str, permissions: Sequence[str], expires_at: datetime | None) -> Call[Key]:
    """Make an API key; the answer is the only one with its secret."""
    body = given(name=name, permissions=list(permissions) or None, expires_at=expires_at and expires_at.isoformat())
    return Call("POST", "/v1/api-keys", Key.model_validate, body, key=fresh_key())


def remove_key(key_id: str) -> Call[None]:
    """Revoke an API key."""
    return Call("DELETE", f"/v1/api-keys/{segment(key_id)}", nothing)
