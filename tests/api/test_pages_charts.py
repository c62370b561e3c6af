"""Charts as the server draws them, and the dashboard's page made of them."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from api.pages.charts import HIGH, columns, line
from api.pages.dashboard import draw
from api.pages.dashboard_screen import DashboardScreen
from api.pages.formats import MISSING, Viewer
from tests.api.people import Gateway
from windlass.contracts.ids import PersonId, RunId, TenantId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.dashboard import Dashboard, ErrorGroup, Figures, PartFigures, Span, Times
from windlass.core.permissions import ROLES, Role
from windlass.core.states import StateChange

NOON = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def shown(*parts: Figures, errors: tuple[ErrorGroup, ...] = (), total: Figures | None = None) -> Dashboard:
    since = NOON.replace(minute=0) - timedelta(hours=len(parts) - 1)
    placed = [PartFigures(since + place * timedelta(hours=1), each) for place, each in enumerate(parts)]
    return Dashboard(Span.DAY, since, NOON, {RunStatus.RUNNING: 3}, total or Figures(), placed, [], [], [], [], errors)


def test_failures_stand_on_top_of_their_column_and_small_counts_are_seen():
    done, bad, lone = columns([[("done", 99), ("bad", 1)], [("done", 0), ("bad", 0)], [("done", 1)]])

    assert (done.x, bad.x, lone.x) == (0, 0, 66.67)
    assert (done.y + done.height, bad.y + bad.height) == (HIGH, done.y)
    assert bad.height == lone.height == 2.0


def test_a_line_breaks_where_nothing_is_known_and_begins_at_zero():
    first, second = line([0.0, 4.0, None, 2.0], 4.0)

    assert first == "9.62,54.0 34.62,0.0"
    assert second == "75.00,27.0 94.25,27.0"  # what stands alone would be seen by nobody
    assert line([None, None], 0.0) == ()


def test_the_page_names_hours_and_unknown_figures_are_dashes():
    error = ErrorGroup("ValueError: no", 1200, ("a", "b"), NOON, NOON, RunId(new_id()))
    busy = Figures(3, 1, 0, Times(0.5, 2.0), Times(61.0, 240.0))

    view = draw(shown(*[Figures()] * 23, busy, errors=(error,), total=busy), Viewer(NOON))

    assert [text for _, text in view.chart.labels] == ["13:00", "21:00", "05:00"]
    assert [(bar.look, bar.x) for bar in view.chart.bars] == [("now", 95.83), ("bad", 95.83)]
    assert (view.total.success, view.total.ran, view.chart.highest) == ("75.0%", "1m 01s", "4m 00s")
    assert [(row.clock, row.numbers.finished) for row in view.parts] == [("12:00", "3")]
    assert (view.errors[0].count, view.errors[0].agents) == ("1,200", "a, b")
    assert draw(shown(*[Figures()] * 24), Viewer(NOON)).total.success == MISSING


async def test_the_page_and_its_file_show_who_looks_their_own_runs(gateway: Gateway):
    acme = await gateway.organisation("Looking")
    wish = {"agent": "claude", "inputs": {"prompt": "hi"}, "title": "<b>Tea</b>"}
    await acme.builder.http.post("/v1/runs", json=wish)

    pages = [
        await each.http.get("/dashboard", headers={"accept": "text/html"}) for each in (acme.viewer, acme.operator)
    ]
    file = await acme.viewer.http.get("/dashboard.csv?span=7d")

    assert ["&lt;b&gt;Tea&lt;/b&gt;" in each.text for each in pages] == [True, False]
    assert "No run is at work." in pages[1].text
    assert file.text.startswith("from,agent,finished,failed,cancelled,queued_p50_s")
    assert len(file.text.splitlines()) == 1 + 28


async def test_the_page_is_drawn_anew_when_runs_have_changed_and_it_has_been_calm(gateway: Gateway):
    ada, engine = await gateway.sign_up("Ada"), gateway.state["engine"]
    caller = Caller(TenantId(ada.tenant_id), PersonId(ada.id), "Ada", Role.OWNER, ROLES[Role.OWNER])
    address = Request({"type": "http", "headers": [], "query_string": b"page=dashboard&span=7d"})
    lively, calm = (DashboardScreen(engine, caller, address, least) for least in (0.0, 3600.0))
    await ada.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}, "title": "<b>Tea</b>"})
    news = [StateChange("runs", {"counts": b"{}"}, {}, is_whole=False)]

    before = await lively.draw([])
    (drawn,) = await lively.draw(news)

    assert (before, await lively.draw([]), lively.is_stale) == ([], [], False)
    assert (await calm.draw(news), calm.is_stale) == ([], True)
    assert drawn.target == "dash"
    assert "&lt;b&gt;Tea&lt;/b&gt;" in drawn.html
    assert 'href="/dashboard?span=7d" aria-current="true"' in drawn.html
