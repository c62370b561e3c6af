"""The dashboard while somebody looks at it: drawn anew when runs have changed, and seldom enough to be no load."""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from pydantic import ValidationError
from starlette.requests import Request

from api.engine import Engine
from api.pages.dashboard import draw
from api.pages.fragments import Fragment
from api.pages.rendering import templates, viewer
from api.pages.screens import Endless, changed_keys
from api.pages.shell import Frame, Place, Shell
from api.routes.dashboard import DashboardQuery
from windlass.core.callers import Caller
from windlass.core.dashboard import Span
from windlass.core.multiplex import Update
from windlass.core.wakeup import RUNS

CALM_S = 5.0  # between two drawings
CALM_SHARE = 50  # and so many times as long as drawing it took


class DashboardScreen(Endless):
    """The dashboard of the span in the page's address."""

    def __init__(self, engine: Engine, caller: Caller, request: Request, least_calm_s: float = CALM_S) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._span, self._least_calm_s = span_of(request), least_calm_s
        self._drawn_at, self._calm_s = monotonic(), least_calm_s
        self.is_stale = False

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """All of it, when a run has begun, changed or ended, and the last drawing is long enough ago."""
        self.is_stale = self.is_stale or bool(changed_keys(updates, RUNS))
        if not self.is_stale or monotonic() - self._drawn_at < self._calm_s:
            return []
        self.is_stale, began, seen = False, monotonic(), viewer(self._request)
        shown = draw(await self._engine.dashboards.of(self._caller, self._span, datetime.now(UTC)), seen)
        shell = Shell(self._caller, seen, Frame("", False, "", "/dashboard"), Place("Dashboard", ()))
        html = templates().render("parts/dashboard.html", {"view": shown, "shell": shell})
        self._drawn_at = monotonic()
        self._calm_s = max(self._least_calm_s, CALM_SHARE * (self._drawn_at - began))
        return [Fragment("dash", html)]


def span_of(request: Request) -> Span:
    """The span that an address asks for; the usual one where it asks for none that there is."""
    try:
        return DashboardQuery.model_validate({"span": request.query_params.get("span", Span.DAY)}).span
    except ValidationError:
        return Span.DAY
