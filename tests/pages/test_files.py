"""Files on pages: sent with a form in pieces that are sent again when the connection breaks, shown beside the run."""

from pathlib import Path
from typing import Any
from uuid import UUID

from playwright.async_api import Route, expect

from tests.core.shelves import digest_of, stream
from tests.pages.consoles import Console
from windlass import forms
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller, RunLife
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.permissions import OF_A_RUN, ROLES, Role
from windlass.core.services import NewService
from windlass.core.wanted import HostFacts, Wanted
from windlass.forms import json_schema

FORM = forms.Model(
    forms.InputFiles("invoices", label="Invoices", multiple=True, required=True),
    forms.InputFiles("logo", label="Logo"),
    forms.Submit("Sort them"),
).get_model()
LARGE = bytes(range(256)) * 10_000


async def serve(console: Console, database_url: str) -> str:
    """An agent that asks for files, as a host would have described it."""
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    tenant_id = TenantId(console.person.tenant_id)
    caller = Caller(tenant_id, PersonId(console.person.id), "Ada", Role.OWNER, ROLES[Role.OWNER])
    await console.gateway.state["engine"].services.add(caller, NewService("books", "/srv", "app:app"))
    wanted = Wanted(console.gateway.state["database"], jobs, console.notifier)
    service = next(each for each in await wanted.services() if each.tenant_id == tenant_id)
    flow: dict[str, Any] = {"name": "sort", "path": "/sort", "summary": "Sort invoices", "elements": FORM}
    described = {"isolation": "shared", "flows": [flow | {"schema": json_schema(FORM)}]}
    await wanted.record_up(service, HostFacts(str(new_id()), 1, "here", 1), described)
    await jobs.close()
    return "/start?agent=books/sort"


async def test_files_are_sent_with_a_form_and_stand_beside_the_run(console: Console, database_url: str, tmp_path: Path):
    page = await console.open(await serve(console, database_url))
    (tmp_path / "large.bin").write_bytes(LARGE)
    (tmp_path / "ü.txt").write_text("hello")
    broken: list[str] = []

    async def breaks_once(route: Route) -> None:
        if route.request.url.endswith("/1") and not broken:
            broken.append(route.request.url)
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await page.route("**/v1/artifacts/uploads/**", breaks_once)
    await page.get_by_label("Invoices").set_input_files([tmp_path / "large.bin", tmp_path / "ü.txt"])
    field = page.locator(".field", has=page.get_by_text("Invoices", exact=True))
    await expect(field.locator("code").first).to_have_text(digest_of(LARGE)[:8], timeout=30_000)
    await expect(field).to_contain_text("ü.txt")
    await expect(field.locator(".hint")).to_be_hidden()
    await page.get_by_role("button", name="Sort them").click()
    await page.wait_for_url("**/runs/*")
    run_id = UUID(page.url.rpartition("/")[2])

    await page.get_by_role("link", name="Files").click()
    await expect(page.locator("#tab-content")).to_contain_text("large.bin")
    await expect(page.locator("#stream")).to_contain_text("Live")
    await written(console, run_id)
    await expect(page.locator("#tab-content")).to_contain_text("deep/report.csv", timeout=30_000)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="large.bin", exact=True).click()

    assert broken
    assert content(await (await downloading.value).path()) == LARGE
    console.complaints.clear()  # the connection that was broken on purpose


def content(path: Path) -> bytes:
    return path.read_bytes()


async def written(console: Console, run_id: UUID) -> None:
    """The run writes a file, as its host would have it."""
    play = await console.play(run_id)
    tenant_id, engine = TenantId(console.person.tenant_id), console.gateway.state["engine"]
    async with console.gateway.state["database"].tenant(tenant_id) as connection:
        await connection.execute("update run set host_boot = 'here' where id = $1", run_id)
    await play.begin()
    life = RunLife(run_id, 1, "here", "first")
    caller = Caller(tenant_id, PersonId(console.person.id), "Ada", Role.VIEWER, OF_A_RUN, life=life)
    await engine.files.keep(caller, run_id, "out/deep/report.csv", stream(b"1,2"))


async def test_of_very_many_files_the_first_are_shown_and_what_came_out_is_not_hidden_behind_what_went_in(
    console: Console,
):
    run = await console.run()
    add = "insert into run_file (run_id, path, tenant_id, digest, size_bytes) select $1, $2 || n, $3, 'd', 1"
    tenant_id = TenantId(console.person.tenant_id)
    async with console.gateway.state["database"].tenant(tenant_id) as connection:
        for prefix, count in (("in/f", 501), ("out/f", 1)):
            await connection.execute(f"{add} from generate_series(1, {count}) n", run.id, prefix, tenant_id)

    page = await console.open(f"/runs/{run.id}?tab=files")
    went_in, came_out = (page.locator("#tab-content section").nth(place) for place in (0, 1))

    await expect(went_in).to_contain_text("more than 500: the first by their names; the zip has all")
    await expect(went_in.locator("tbody tr")).to_have_count(500)
    await expect(came_out).to_contain_text("1 file, 1 B")
    await expect(page.get_by_role("link", name="Files")).to_contain_text("500+")


async def test_what_cannot_be_sent_is_said_and_a_form_waits_for_its_files(
    console: Console, database_url: str, tmp_path: Path
):
    page = await console.open(await serve(console, database_url))
    (tmp_path / "a\u202etxt.exe").write_text("x")

    await page.get_by_label("Logo").set_input_files(tmp_path / "a\u202etxt.exe")
    await expect(page.get_by_role("alert")).to_contain_text("must not hold marks that turn the direction of text")
    is_blocked = await page.get_by_label("Logo").evaluate("each => !each.validity.valid")
    await page.get_by_role("button", name="Try again").wait_for()

    assert is_blocked
    assert (await console.person.http.get("/v1/runs")).json()["items"] == []
    console.complaints.clear()  # the answer to a name that cannot be is 422
