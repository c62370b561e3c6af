"""Pages show each role what it may open and do, and nothing else."""

import pytest

from tests.api.people import Gateway, Organisation, Person
from windlass.contracts.ids import TenantId
from windlass.core.permissions import Role

HTML = {"accept": "text/html"}


async def page_of(person: Person, path: str) -> str:
    """A page as the person gets it."""
    answer = await person.http.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text[:300]
    return answer.text


async def test_who_may_not_start_is_not_offered_to(acme: Organisation):
    assert 'href="/start"' in await page_of(acme.operator, "/runs")
    assert 'href="/start"' not in await page_of(acme.viewer, "/runs")
    assert "Retry this run" not in await page_of(acme.viewer, "/find?q=retry")


async def test_the_audit_is_in_the_rail_of_administrators_only(acme: Organisation):
    assert 'href="/audit"' in await page_of(acme.admin, "/")
    assert 'href="/audit"' not in await page_of(acme.operator, "/")


async def test_what_the_installation_does_by_itself_is_for_the_operator_of_the_platform(acme: Organisation):
    answer = await acme.owner.http.get("/system/cleanup", headers=HTML)

    assert answer.status_code == 403
    assert "What it does by itself" not in await page_of(acme.owner, "/system")


async def test_only_builders_get_the_form_for_services(acme: Organisation):
    assert "Add a service" in await page_of(acme.builder, "/services")
    assert "Add a service" not in await page_of(acme.operator, "/services")


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_is_offered_a_role_above_their_own(acme: Organisation, role: Role):
    text = await page_of(acme.people[role], "/settings/members")

    offered = {other for other in Role if f'<option value="{other}"' in text or f"<option>{other}</option>" in text}
    assert all(role.outranks(other) for other in offered)


async def test_a_page_that_is_not_allowed_says_so_without_a_traceback(acme: Organisation):
    answer = await acme.viewer.http.get("/start", headers=HTML)

    assert answer.status_code == 403
    assert "What was kept" in answer.text
    assert "Traceback" not in answer.text


async def test_a_program_gets_a_problem_where_a_person_gets_a_page(acme: Organisation):
    path = "/runs/00000000-0000-7000-8000-000000000000"
    page = await acme.owner.http.get(path, headers=HTML)
    problem = await acme.owner.http.get(path, headers={"accept": "application/json"})

    assert page.headers["content-type"].startswith("text/html")
    assert problem.headers["content-type"] == "application/problem+json"
    assert (page.status_code, problem.status_code) == (404, 404)


async def test_static_files_are_kept_for_ever_and_packed(acme: Organisation):
    text = await page_of(acme.viewer, "/runs")
    address = text.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = await acme.viewer.http.get(address)
    other = await acme.viewer.http.get(address.replace(address.split("/")[2], "older"))

    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert other.headers["cache-control"] == "no-cache"
    assert (await acme.viewer.http.get("/assets/x/nothing.js")).status_code == 404


async def test_the_rail_counts_the_sessions_at_work_that_one_may_see(gateway: Gateway, acme: Organisation):
    made = (await acme.builder.http.post("/v1/sessions", json={"title": "Rates"})).json()
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        await connection.execute("update session set status = 'running' where id = $1", made["id"])

    assert 'id="n-chat">1<' in await page_of(acme.builder, "/more")
    assert 'id="n-chat"><' in await page_of(acme.operator, "/more")
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        await connection.execute("update session set status = 'idle' where id = $1", made["id"])
