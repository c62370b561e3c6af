"""What the gateway answers, typed; fields a newer gateway adds are kept beside the known ones."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from windlass.contracts.events import EventKind
from windlass.contracts.runs import TERMINAL, RunStatus

T = TypeVar("T")
Json = dict[str, Any]


class Record(BaseModel):
    """An answer of the gateway."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, defer_build=True)

    def to_json(self) -> Json:
        """The answer as JSON, with everything the gateway said."""
        return self.model_dump(mode="json", by_alias=True)


class Page(Record, Generic[T]):
    """A part of a list; `next` is the cursor of the following part, None at the end."""

    items: list[T]
    next: str | int | None = None


class Event(Record):
    """An event of a run; `seq` and `at` are missing on text that is still on its way (`message.delta`)."""

    kind: str
    payload: Json = Field(default_factory=dict[str, Any])
    seq: int | None = None
    at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self.kind == EventKind.STATUS and self.payload.get("status") in TERMINAL


class Run(Record):
    """A run as it stands."""

    id: str
    agent: str
    status: RunStatus
    title: str = ""
    tags: list[str] = []
    inputs: Json = {}
    result: Json | None = None
    error: Json | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 1
    retry_of: str | None = None
    try_: int = Field(default=1, alias="try")
    steps_kept: int = 0
    usage: Json | None = None
    standin: bool = False
    temporal_url: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether something can still happen."""
        return self.status not in TERMINAL


class Result(Record):
    """How a run ended: its typed value, or its error."""

    run_id: str
    status: RunStatus
    value: Json | None = None
    error: Json | None = None


class Question(Record):
    """What a run asks people, with its form and the JSON Schema of an answer."""

    id: str
    run_id: str | None = None
    session_id: str | None = None
    name: str
    kind: str = ""
    run_title: str = ""
    agent: str = ""
    data: Any = None
    state: str = ""
    elements: list[Json] = []
    json_schema: Json | None = None
    asked_at: datetime | None = None
    expires_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by_name: str | None = None
    inputs: Json | None = None
    result: Any = None
    unsettled: bool = False
    errors: dict[str, list[str]] | None = None


class SavedAgent(Record):
    """A saved agent in one of its versions: who the model is, with what, and within which limits."""

    name: str
    version: int = 1
    newest: int = 1
    driver: str = "claude"
    description: str = ""
    system: str = ""
    model: str = ""
    max_tokens: int = 0
    tools: list[str] = []
    mcp_servers: list[Json] = []
    policy: list[Json] = []
    budget: Json | None = None
    created_by_name: str = ""
    changed_by_name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class McpServer(Record):
    """Where tools come from, and how it is: unchecked, up, changed or down."""

    name: str
    description: str = ""
    url: str | None = None
    command: str | None = None
    header_names: list[str] = []
    timeout_s: int = 60
    state: str = ""
    reason: str = ""
    digest: str | None = None
    pinned: str | None = None
    pinned_by_name: str = ""
    checked_at: datetime | None = None


class McpTool(Record):
    """A tool as its server describes it; `taken`: it may be called."""

    name: str
    description: str = ""
    input_schema: Json = {}
    taken: bool = False


class McpTools(Page[McpTool]):
    """What a server offered last; while `digest` is not `pinned`, nothing of it is called."""

    digest: str | None = None
    pinned: str | None = None
    state: str = ""


class Agent(Record):
    """Something that can be run, with its form and the JSON Schema of its inputs; a saved one with what was saved."""

    name: str
    kind: str = ""
    version: str | None = None
    summary: str = ""
    description: str = ""
    tags: list[str] = []
    service: str | None = None
    available: bool = True
    address: str | None = None
    elements: list[Json] = []
    json_schema: Json | None = None
    saved: SavedAgent | None = None
    versions: list[Json] = []


class Task(Record):
    """A saved way to start an agent."""

    id: str
    name: str
    version: int = 1
    agent: str = ""
    inputs: Json = {}
    parameters: Json = {}
    description: str = ""
    tags: list[str] = []
    timeout_s: int | None = None
    max_attempts: int = 1
    backoff_s: int = 1
    created_by_name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TaskRuns(Page[Run]):
    """Runs of a task, and how all of them went."""

    statistics: Json = {}


class Schedule(Record):
    """When a task starts by itself; `state` is on, paused or ended."""

    id: str
    name: str
    task_id: str = ""
    task_name: str = ""
    agent: str = ""
    state: str = ""
    words: str = ""
    time_zone: str = "UTC"
    next_at: datetime | None = None
    overlap: str = "skip"
    catch_up_s: int = 600
    remaining: int | None = None
    pause_reason: str = ""
    paused_by_name: str = ""


class Preview(Record):
    """A timing in words, and its next due times."""

    words: str
    time_zone: str = "UTC"
    next: list[Json] = []


class Firing(Record):
    """What became of one due time, and why."""

    id: str
    kind: str = ""
    scheduled_at: datetime | None = None
    decision: str | None = None
    reason: str = ""
    run_id: str | None = None
    run_status: str | None = None


class Plan(Record):
    """What a backfill would start, or has started."""

    count: int
    times: list[Json] = []
    estimated_cost_usd: float | None = None
    estimated_s: float | None = None
    started: bool = False


class Service(Record):
    """A program with agents, and how it is doing."""

    name: str
    display: str = ""
    url: str = ""
    project: str = ""
    import_path: str = ""
    python: str = ""
    replicas: int = 1
    enabled: bool = True
    state: str = ""
    reason: str | None = None
    isolation: str = ""
    hosts: list[Json] = []  # n, state, since, reason, pid of each
    pid: int | None = None
    etag: str = ""
    env: list[str] = []
    secrets: list[str] = []
    limits: Json = {}  # memory_mib
    flows: list[str] = []

    @property
    def up(self) -> str:
        """How many of the wanted hosts serve."""
        return f"{sum(host['state'] == 'running' for host in self.hosts)}/{self.replicas}"


class Desktop(Record):
    """A container with a screen, and how it is."""

    id: str
    name: str
    status: str
    template: str = ""
    reason: str = ""
    owner_name: str = ""
    holder_name: str = ""
    node: str | None = None
    width: int = 0
    height: int = 0
    created_at: datetime | None = None
    expires_at: datetime | None = None


class DesktopTemplate(Record):
    """What desktops are made of; `is_own`: the organisation's, not the installation's."""

    name: str
    version: int = 1
    is_own: bool = False
    summary: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    memory_bytes: int = 0
    home_bytes: int = 0
    cpus: float = 0.0
    processes: int = 0
    idle_s: int = 0
    lifetime_s: int = 0
    egress: list[str] = []
    etag: str = ""


class DesktopSkill(Record):
    """What models are told before they work in a desktop."""

    name: str
    text: str = ""
    size_bytes: int = 0
    changed_by: str = ""
    changed_at: datetime | None = None


class Screenshot(Record):
    """A picture of a desktop's screen: where it is for a while, and how old it is."""

    url: str
    taken_at: datetime | None = None
    age_s: float = 0.0
    width: int = 0
    height: int = 0


class Key(Record):
    """An API key; `key`, the secret itself, is only in the answer that made it."""

    id: str
    name: str = ""
    permissions: list[str] = []
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    key: str | None = None


class Member(Record):
    """A person in the organisation."""

    id: str
    name: str = ""
    email: str = ""
    role: str = ""
    active: bool = True
    must_change_password: bool = False
    created_at: datetime | None = None
    last_seen_at: datetime | None = None


class Person(Record):
    """Somebody who signs in."""

    id: str
    name: str = ""
    email: str = ""
    is_operator: bool = False


class Tenant(Record):
    """An organisation, and what the caller is in it."""

    id: str
    name: str = ""
    role: str = ""


class Me(Record):
    """Who is calling, where, and what they may do."""

    person: Person
    tenant: Tenant
    permissions: list[str] = []
    must_change_password: bool = False

    def __str__(self) -> str:
        return f"{self.person.name or self.person.email} ({self.tenant.role} of {self.tenant.name})"


class Grant(Record):
    """The tokens of a fresh sign-in."""

    access_token: str
    refresh_token: str | None = None
    expires_in: float = 7200
    must_change_password: bool = False
