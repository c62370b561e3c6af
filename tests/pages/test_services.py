"""Services on pages: a program sent as an archive, with what was typed kept; and what one prints, as it comes."""

import zipfile
from pathlib import Path

from playwright.async_api import Page, expect

from tests.pages.consoles import PHONE, Console
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.permissions import ROLES, Role
from windlass.core.services import NewService
from windlass.core.wanted import HostFacts, Wanted


def archive(place: Path, *names: str) -> Path:
    """A zip of Python files."""
    with zipfile.ZipFile(place / "hello.zip", "w") as zipped:
        for name in names:
            zipped.writestr(name, "app = 1\n")
    return place / "hello.zip"


async def fill(page: Page, name: str) -> None:
    """Say everything of a new service but where its program is."""
    await page.get_by_label("Name").first.fill(name)
    await page.get_by_label("App").fill("app:app")


async def test_a_service_is_added_from_an_archive_of_the_persons_machine(console: Console, tmp_path: Path):
    page = await console.open("/services")
    await page.set_viewport_size(PHONE)
    await fill(page, "hello")
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(archive(tmp_path, "app.py"))
    await expect(page.locator(".sending code")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.get_by_role("button", name="Add service").click()

    await expect(page.get_by_text("hello starts now")).to_be_visible()
    service = (await console.person.http.get("/v1/services/hello")).json()
    assert service["project"].startswith("archive:")


async def test_an_archive_that_cannot_be_taken_is_told_beside_its_field_and_nothing_typed_is_lost(
    console: Console, tmp_path: Path
):
    page = await console.open("/services")
    await fill(page, "nested")
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(archive(tmp_path, "hello/app.py"))
    await expect(page.locator(".sending code")).to_be_visible()

    await page.get_by_role("button", name="Add service").click()
    await expect(page.locator("#project-wrong")).to_contain_text("pack what is in that folder, not the folder")
    await expect(page.get_by_label("Name").first).to_have_value("nested")
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(archive(tmp_path, "app.py"))
    await expect(page.locator(".sending code")).to_be_visible()
    await page.get_by_role("button", name="Add service").click()

    await expect(page.get_by_text("nested starts now")).to_be_visible()
    console.complaints.clear()  # the answer to a form that cannot be sent is 422


async def test_a_file_that_is_too_large_is_not_even_sent_and_what_was_typed_comes_back(
    console: Console, tmp_path: Path
):
    page = await console.open("/services")
    await page.get_by_label("Project").fill("/srv/hello")
    await page.locator("[data-most]").evaluate("each => { each.dataset.most = 1048576 }")
    (tmp_path / "large.zip").write_bytes(bytes(1 << 21))
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(tmp_path / "large.zip")
    await expect(page.get_by_role("alert")).to_contain_text("large.zip is larger than 1 MiB. Nothing of it was sent.")
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(archive(tmp_path, "app.py"))
    await expect(page.locator(".sending code")).to_be_visible()
    await expect(page.get_by_label("Project")).to_be_hidden()

    await page.get_by_role("button", name="Remove").click()

    await expect(page.get_by_label("Project")).to_have_value("/srv/hello")
    await expect(page.get_by_label("Project")).to_be_editable()


async def test_a_service_is_given_another_archive_on_its_page(console: Console, tmp_path: Path):
    body = {"name": "again", "project": "/srv/again", "import_path": "app:app", "enabled": False}
    assert (await console.person.http.post("/v1/services", json=body)).is_success
    page = await console.open("/services/again")
    await page.get_by_text("Change the service").click()
    await page.get_by_label("An archive, zip or tar.gz").set_input_files(archive(tmp_path, "app.py"))
    await expect(page.locator(".sending code")).to_be_visible()

    await page.get_by_role("button", name="Save the service").click()

    await expect(page.get_by_text("again is changed")).to_be_visible()
    await expect(page.locator(".facts")).to_contain_text("archive:")


async def printing(console: Console, database_url: str) -> Path:
    """Where the host of a service prints, as its worker would have it."""
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    tenant_id, settings = TenantId(console.person.tenant_id), console.gateway.state["settings"]
    caller = Caller(tenant_id, PersonId(console.person.id), "Ada", Role.OWNER, ROLES[Role.OWNER])
    await console.gateway.state["engine"].services.add(caller, NewService("loud", "/srv", "app:app"))
    wanted, boot_id = Wanted(console.gateway.state["database"], jobs, console.notifier), new_id().hex
    service = next(each for each in await wanted.services() if each.tenant_id == tenant_id)
    await wanted.record_up(service, HostFacts(boot_id, 7, settings.node, 1), {"isolation": "shared", "flows": []})
    await jobs.close()
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"host-x-{str(service.id)[-8:]}-{boot_id}.log"


async def test_a_log_follows_while_it_is_seen_and_rests_when_told(console: Console, database_url: str):
    log = await printing(console, database_url)
    log.write_text("first\nsec")
    page = await console.open("/services/loud/log")
    printed = page.locator("pre.raw")
    await expect(printed).to_have_text("firstsec")  # blocks, each in lines of its own
    log.write_text("first\nsecond\n\x1b[31mthird\x1b[0m\n")

    await expect(printed.locator(".f1")).to_have_text("third")
    assert await printed.inner_text() == "first\nsecond\nthird"
    await page.get_by_role("button", name="Following").click()

    await expect(page.get_by_role("button", name="Follow", exact=False)).to_have_attribute("aria-pressed", "false")
    log.unlink()
