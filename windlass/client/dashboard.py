"""The dashboard as both clients offer it: what runs came to over a day, a week or a month."""

from datetime import datetime

from pydantic import Field

from windlass.client.calls import Call
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Record


class Times(Record):
    """The middle and the 95th percentile, in seconds; None when none is known."""

    p50_s: float | None = None
    p95_s: float | None = None


class Figures(Record):
    """Runs that ended, by how; how long they waited to begin, and how long those that finished took from there."""

    ended: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    success_rate: float | None = None
    queue: Times = Field(default_factory=Times)
    run: Times = Field(default_factory=Times)


class AgentFigures(Record):
    """How one agent did."""

    agent: str
    figures: Figures


class Glance(Record):
    """A run in a few words; `usual_s` is what its agent usually takes."""

    id: str
    title: str = ""
    agent: str = ""
    status: str = ""
    error: str = ""
    ran_s: float | None = None
    usual_s: float | None = None
    is_slow: bool = False


class ErrorGroup(Record):
    """Failures that say the same but for ids, numbers and what is quoted; `run_id` is the newest of them."""

    message: str
    count: int
    agents: list[str] = Field(default_factory=list[str])
    last_at: datetime | None = None
    run_id: str = ""


class Dashboard(Record):
    """The runs of a span, and those that live."""

    span: str
    live: dict[str, int] = Field(default_factory=dict[str, int])
    total: Figures = Field(default_factory=Figures)
    agents: list[AgentFigures] = Field(default_factory=list[AgentFigures])
    running: list[Glance] = Field(default_factory=list[Glance])
    failed: list[Glance] = Field(default_factory=list[Glance])
    slow: list[Glance] = Field(default_factory=list[Glance])
    errors: list[ErrorGroup] = Field(default_factory=list[ErrorGroup])


def read_dashboard(span: str) -> Call[Dashboard]:
    """The dashboard of a span: 24h, 7d or 30d."""
    return Call("GET", "/v1/dashboard", Dashboard.model_validate, query={"span": span})


class Dashboards:
    """What runs came to."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def read(self, span: str = "24h") -> Dashboard:
        """What works now, what failed, what was slow, and how every agent did in 24h, 7d or 30d."""
        return self._client.send(read_dashboard(span))


class AsyncDashboards:
    """What runs came to, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def read(self, span: str = "24h") -> Dashboard:
        """What works now, what failed, what was slow, and how every agent did in 24h, 7d or 30d."""
        return await self._client.send(read_dashboard(span))
